"""A WSGI application as an ASGI application, called in the event loop without a thread."""

from __future__ import annotations

import io
import sys
from typing import Any


def inline(app: Any) -> Any:
    async def call(scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        started: list[Any] = []
        answer = b"".join(app(environ(scope, body), lambda *status: started.extend(status)))
        headers = [(name.lower().encode(), value.encode()) for name, value in started[1]]
        await send({"type": "http.response.start", "status": int(started[0][:3]), "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return call


def environ(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    fields = {f"HTTP_{name.decode().upper().replace('-', '_')}": value.decode() for name, value in scope["headers"]}
    return {
        "REQUEST_METHOD": scope["method"], "SCRIPT_NAME": "", "PATH_INFO": scope["path"],
        "QUERY_STRING": scope["query_string"].decode(), "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": fields.get("HTTP_CONTENT_TYPE", ""),
        "wsgi.version": (1, 0), "wsgi.url_scheme": "https", "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr,
        "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False, **fields}

"""Call a WSGI application with one request and return its whole response. Performs no I/O and parses no HTTP."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sarkmock.http.replies import DELAY, Dropped
from sarkmock.server.http11 import ReceivedRequest

WsgiEnviron = dict[str, Any]
Application = Callable[[WsgiEnviron, Callable[..., Any]], Iterable[bytes]]


@dataclass(slots=True)
class AppResponse:
    """An application's response. Without a status the connection is closed; if not ``whole``, after the body."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = True
    delay: float = 0.0

    @property
    def code(self) -> int:
        """The numeric status; 0 if there is none."""
        return int(self.status[:3] or 0)


def environ_of(request: ReceivedRequest, connection: WsgiEnviron) -> WsgiEnviron:
    """Return the WSGI environ of a request; ``connection`` contains the server's variables."""
    head, body = request.head, request.body
    return connection | head.fields | {
        "REQUEST_METHOD": head.method, "SCRIPT_NAME": "", "PATH_INFO": head.path, "QUERY_STRING": head.query,
        "REQUEST_URI": f"{head.uri}?{head.query}" if head.has_query else head.uri,
        "SERVER_PROTOCOL": f"HTTP/1.{head.minor}", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        "wsgi.version": (1, 0), "wsgi.input_terminated": True, "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": False, "wsgi.run_once": False}


def run_wsgi(app: Application, environ: WsgiEnviron) -> AppResponse:
    """Return the application's response; 500 if it raises an exception."""
    response = AppResponse()
    parts: list[bytes] = []
    delays: list[float] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        response.status, response.headers = status, headers
        return parts.append

    environ[DELAY] = delays.append
    try:
        answer = app(environ, start_response)
        try:
            parts.extend(answer)
        finally:
            getattr(answer, "close", bool)()
    except Dropped:
        response.whole = False
    except Exception:
        traceback.print_exc()
        return AppResponse("500 Internal Server Error")
    response.body, response.delay = b"".join(parts), sum(delays)
    return response

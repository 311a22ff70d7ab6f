"""An engine as plain WSGI under /api, whatever else there is beside it. Adds nothing to what the engine answers.

Not through Flask: what Flask does for every request costs more than the engine's whole answer (benchmarks/README.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any

from sarkmock.engine import Request
from sarkmock.replies import Reply

BASE = "/api"
PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
Environ = Mapping[str, Any]
Application = Callable[[Any, Any], Iterable[bytes]]
Handle = Callable[[Request], Reply]


class Gateway:
    """Answers what lies under /api by an engine's `handle` and passes on the rest."""

    def __init__(self, handle: Handle, rest: Application) -> None:
        self._handle, self._rest = handle, rest

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path != BASE and not path.startswith(BASE + "/"):
            return self._rest(environ, start_response)
        reply = self._handle(incoming(environ, path[len(BASE) + 1:]))
        if reply.framework and not wants_json(environ):
            reply = page(reply)
        return send(reply, environ["REQUEST_METHOD"], start_response)


def incoming(environ: Environ, path: str) -> Request:
    """The request as it arrived, its path decoded."""
    decoded = path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")
    headers = {"Content-Type": environ.get("CONTENT_TYPE", "")}
    return Request(environ["REQUEST_METHOD"], decoded, environ.get("QUERY_STRING", ""), headers, body_of(environ))


def body_of(environ: Environ) -> bytes:
    """The request's body: as long as announced, or all there is where the server has found its end."""
    if environ.get("wsgi.input_terminated"):
        return bytes(environ["wsgi.input"].read())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return bytes(environ["wsgi.input"].read(length)) if length else b""


def wants_json(environ: Environ) -> bool:
    """Laravel's wantsJson(): the first type that the client accepts is a JSON type."""
    first = environ.get("HTTP_ACCEPT", "").split(",")[0]
    return "/json" in first or "+json" in first


def page(reply: Reply) -> Reply:
    """One of Laravel's own errors as a page."""
    message = escape(str(reply.body["message"]))
    text = f"<!DOCTYPE html>\n<html><head><title>{message}</title></head><body><h1>{message}</h1></body></html>\n"
    return Reply(text.encode(), reply.status, reply.headers, "text/html; charset=UTF-8")


def send(reply: Reply, method: str, start_response: Callable[..., Any]) -> list[bytes]:
    """The reply on the wire: JSON as Laravel writes it, bytes as they are, nothing for no body."""
    status = reply.status or 200
    payload = reply.body if isinstance(reply.body, bytes) else b"" if reply.body is None else to_json(reply.body)
    headers = {"Cache-Control": "no-cache, private", **reply.headers}
    if reply.body is not None and reply.content_type:
        headers["Content-Type"] = reply.content_type
    if status != HTTPStatus.NO_CONTENT:
        headers["Content-Length"] = str(len(payload))
    start_response(PHRASES[status], list(headers.items()))
    return [] if method == "HEAD" else [payload]


def to_json(value: Any) -> bytes:
    """PHP's json_encode: no blanks, slashes and everything beyond ASCII escaped."""
    return encode(value).replace("/", "\\/").encode()


encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

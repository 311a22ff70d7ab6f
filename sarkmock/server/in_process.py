"""A WSGI application as a transport for requests and httpx clients, without a socket."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from requests import ConnectionError, PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3 import HTTPHeaderDict, HTTPResponse
from werkzeug.test import EnvironBuilder

from sarkmock.server.application import Application

if TYPE_CHECKING:
    import httpx

HeaderList = Sequence[tuple[str, str]]


class RequestsAdapter(HTTPAdapter):
    """A `requests` adapter: sends the session's requests to the application."""

    def __init__(self, app: Application) -> None:
        super().__init__()
        self._app = app

    def send(self, request: PreparedRequest, *_: object, **__: object) -> Response:
        try:
            status, headers, body = exchange(self._app, request.method or "GET", request.url or "",
                                             list(request.headers.items()), read_stream(request.body))
        except ConnectionBroken as broken:
            raise (ChunkedEncodingError if broken.began else ConnectionError)(broken, request=request) from None
        raw = HTTPResponse(BytesIO(body), HTTPHeaderDict(headers), int(status[:3]), reason=status[4:],
                           preload_content=False, request_method=request.method)
        return self.build_response(request, raw)


def httpx_transport(app: Application) -> httpx.MockTransport:
    """Return a transport for `httpx.Client` and `httpx.AsyncClient`. ImportError if httpx is not installed."""
    import httpx
    from anyio import to_thread  # a dependency of httpx

    # not httpx.WSGITransport: it decodes paths twice, and supports neither chunked bodies nor an AsyncClient
    def answer(request: httpx.Request) -> httpx.Response:
        try:
            status, headers, body = exchange(app, request.method, str(request.url), request.headers.multi_items(),
                                             request.content)
        except ConnectionBroken as broken:
            raise httpx.RemoteProtocolError(str(broken), request=request) from None
        return httpx.Response(int(status[:3]), headers=headers, content=body)

    class InProcess(httpx.MockTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.aread()
            return await to_thread.run_sync(answer, request)
    return InProcess(answer)


class ConnectionBroken(Exception):
    """The application dropped the connection; ``began`` tells whether the response had started."""

    def __init__(self, error: ConnectionResetError, began: bool) -> None:
        super().__init__(str(error))
        self.began = began


def exchange(
    app: Application, method: str, url: str, headers: HeaderList, body: bytes
) -> tuple[str, HeaderList, bytes]:
    """Send one request to the application. Return status line, headers and body."""
    parts = urlsplit(url)
    environ = EnvironBuilder(
        path=parts.path, query_string=parts.query, base_url=f"{parts.scheme}://{parts.netloc}", method=method,
        headers=list(headers), input_stream=BytesIO(body)).get_environ()
    # EnvironBuilder decodes the path as text, which loses bytes that are not UTF-8
    environ["PATH_INFO"] = unquote_to_bytes(parts.path).decode("latin-1")
    environ["wsgi.input_terminated"] = True
    started: list[Any] = []
    try:
        content = b"".join(app(environ, lambda *status: started.append(status)))
    except ConnectionResetError as error:
        raise ConnectionBroken(error, bool(started)) from None
    status, answered = started[-1][:2]
    return status, answered, content


def read_stream(body: Any) -> bytes:
    """Return the bytes of a body as requests accepts it: None, text, bytes, a file or chunks."""
    if body is None or isinstance(body, (str, bytes)):
        return (body or "").encode() if not isinstance(body, bytes) else body
    return bytes(body.read()) if hasattr(body, "read") else b"".join(body)

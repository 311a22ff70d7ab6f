"""The single exit: every request of the suite is sent through a Target.

A Target is also a WSGI application, so that Schemathesis sends its requests through it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import responses
from typing import Any, Protocol
from urllib.parse import quote

from ..errors import NotSent
from .http import Exchange, Headers, Request, Response
from .transports import Layer, Transport

# Headers that a client adds automatically; without them the same seed sends the same bytes.
_MARKS = {"HTTP_X_SCHEMATHESIS_TESTCASEID", "HTTP_HOST", "HTTP_USER_AGENT", "HTTP_ACCEPT_ENCODING", "HTTP_CONNECTION"}


class Client(Protocol):
    """Sends requests to the target: the target itself, or a run that also judges the responses."""

    def send(self, request: Request) -> Exchange: ...

    def get(self, path: str) -> Response:
        return self.send(Request("GET", path)).response

    def look(self, path: str) -> Response:
        """Send a GET while another exchange is still being judged. A run does not judge this one."""
        return self.get(path)


class Target(Client):
    """The outermost end of the layers that every request passes through."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.requests = 0  # requests sent; those that a layer withheld do not count

    @property
    def url(self) -> str:
        """The base URL at which a person can send the same requests."""
        return self.transport.url

    def send(self, request: Request) -> Exchange:
        """Send a request. Every request of the suite leaves here."""
        try:
            response = self.transport.send(request)
        except NotSent:
            raise
        except Exception:
            self.requests += 1
            raise
        self.requests += 1
        return Exchange(request, response)

    def layers(self) -> Iterator[Transport]:
        """Yield the layers from the outermost to the transport itself."""
        layer = self.transport
        while isinstance(layer, Layer):
            yield layer
            layer = layer.inner
        yield layer

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = self.send(read_environ(environ, self.transport.base)).response
        start_response(f"{response.status} {responses.get(response.status, 'Unknown')}", list(response.headers))
        return [response.body]


class CachedReads(Client):
    """A client that caches GET responses by path inside an `at_once` block."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[str, Response] | None = None

    def send(self, request: Request) -> Exchange:
        return self._client.send(request)

    def get(self, path: str) -> Response:
        if self._seen is None:
            return self._client.get(path)
        if path not in self._seen:
            self._seen[path] = self._client.get(path)
        return self._seen[path]

    def look(self, path: str) -> Response:
        return self._client.look(path)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Cache reads in the block. Nothing may change in it."""
        self._seen = {}
        try:
            yield
        finally:
            self._seen = None


def read_environ(environ: dict[str, Any], base: str) -> Request:
    """Return the request of a WSGI environ, from a server or from Schemathesis' client."""
    target = environ.get("REQUEST_URI") or quote(environ["PATH_INFO"].encode("latin-1"))
    path, _, query = target.partition("?")
    length = environ.get("CONTENT_LENGTH") or "0"
    body = environ["wsgi.input"].read(int(length))
    return Request(environ["REQUEST_METHOD"], path.removeprefix(base), query, _request_headers(environ), body)


def _request_headers(environ: dict[str, Any]) -> Headers:
    named = {key: value for key, value in environ.items() if key.startswith("HTTP_") and key not in _MARKS}
    headers = [(key[5:].replace("_", "-").title(), value) for key, value in named.items()]
    if environ.get("CONTENT_TYPE"):
        headers.append(("Content-Type", environ["CONTENT_TYPE"]))
    return tuple(sorted(headers))

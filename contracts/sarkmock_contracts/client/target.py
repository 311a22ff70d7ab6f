"""The one exit: every request of the suite, whoever made it, leaves through a Target.

A Target is itself a WSGI application, so that Schemathesis leaves through it too. It knows neither the document nor
any check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.client import responses
from typing import Any
from urllib.parse import quote

from .http import Exchange, Headers, Request, Response
from .transports import Transport

Guard = Callable[[Request], None]
Witness = Callable[[Exchange], None]

# Headers that a client adds on its own; without them the same seed sends the same bytes.
_MARKS = {"HTTP_X_SCHEMATHESIS_TESTCASEID", "HTTP_HOST", "HTTP_USER_AGENT", "HTTP_ACCEPT_ENCODING", "HTTP_CONNECTION"}


class Unanswered(Exception):
    """A request without an answer: withheld by a guard, or lost on its way. The case that needs it ends unjudged."""


class Withheld(Unanswered):
    """A request that the gate keeps back: nothing has left. ``reason`` is the same for all of a kind."""

    def __init__(self, reason: str, what: str = "") -> None:
        super().__init__(f"{what} {reason}".strip())
        self.reason = reason


class Target:
    """Counts and passes on requests; guards may refuse or delay one, witnesses see every exchange."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.requests = 0
        self.guards: list[Guard] = []  # the gate and the pace of a real box belong here
        self.witnesses: list[Witness] = []

    @property
    def url(self) -> str:
        """Where a person can send the same request."""
        return self.transport.url

    @property
    def spent(self) -> int:
        """Requests that really left, those that had to be repeated included."""
        return max(self.requests, getattr(self.transport, "attempts", 0))

    def send(self, request: Request) -> Exchange:
        """The one place where a request leaves."""
        for guard in self.guards:
            guard(request)
        self.requests += 1
        exchange = Exchange(request, self.transport.send(request))
        for witness in self.witnesses:
            witness(exchange)
        return exchange

    def get(self, path: str) -> Response:
        return self.send(Request("GET", path)).response

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = self.send(read_environ(environ, self.transport.base)).response
        start_response(f"{response.status} {responses.get(response.status, 'Unknown')}", list(response.headers))
        return [response.body]


def read_environ(environ: dict[str, Any], base: str) -> Request:
    """The request that a WSGI server (or Schemathesis' client) hands over."""
    target = environ.get("REQUEST_URI") or quote(environ["PATH_INFO"].encode("latin-1"))
    path, _, query = target.partition("?")
    length = environ.get("CONTENT_LENGTH") or "0"
    body = environ["wsgi.input"].read(int(length))
    return Request(environ["REQUEST_METHOD"], path.removeprefix(base), query, _headers(environ), body)


def _headers(environ: dict[str, Any]) -> Headers:
    named = {key: value for key, value in environ.items() if key.startswith("HTTP_") and key not in _MARKS}
    headers = [(key[5:].replace("_", "-").title(), value) for key, value in named.items()]
    if environ.get("CONTENT_TYPE"):
        headers.append(("Content-Type", environ["CONTENT_TYPE"]))
    return tuple(sorted(headers))

"""Laravel's middleware around the API: cross-origin headers, and the limit of requests a minute (`throttle:60,1`).

``cors`` under `x-laravel` names how cross-origin requests are answered: ``origin`` is that of asm89/stack-cors 1.3,
``any`` that of Laravel 10 and 11. The configuration of the published API allows every origin.

The window of the limit is fixed: it begins with the first request after the last one has ended. A rejected request does
not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any, Protocol

from sarkmock.http.engine import Request
from sarkmock.http.replies import Reply, debug_body

Environ = Mapping[str, Any]
METHOD_KEY, HEADERS_KEY = "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Cors(Protocol):
    """What the middleware does with a request."""

    def preflight(self, environ: Environ) -> Reply | None:
        """The answer to a preflight; None for any other request."""

    def exposed(self, reply: Reply, environ: Environ) -> Reply:
        """A reply with the headers that let a page of another origin read it."""


class EchoOrigin:
    """Answers a foreign origin by its name, and adds nothing for others."""

    def preflight(self, environ: Environ) -> Reply | None:
        if not (is_preflight(environ) and is_foreign(environ)):
            return None
        headers = {"Access-Control-Allow-Origin": environ["HTTP_ORIGIN"],
                   "Access-Control-Allow-Methods": ascii_upper(environ[METHOD_KEY])}
        if HEADERS_KEY in environ:
            headers["Access-Control-Allow-Headers"] = ascii_upper(environ[HEADERS_KEY])
        return Reply(None, 204, headers)

    def exposed(self, reply: Reply, environ: Environ) -> Reply:
        if not is_foreign(environ):
            return reply
        return with_headers(reply, {"Access-Control-Allow-Origin": environ["HTTP_ORIGIN"], "Vary": "Origin"})


class AnyOrigin:
    """Allows any origin by a wildcard, on every response."""

    def preflight(self, environ: Environ) -> Reply | None:
        if not is_preflight(environ):
            return None
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": environ[METHOD_KEY]}
        if HEADERS_KEY in environ:
            headers["Access-Control-Allow-Headers"] = environ[HEADERS_KEY]
        return Reply(None, 204, headers | {"Access-Control-Max-Age": "0",
                                           "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers"})

    def exposed(self, reply: Reply, environ: Environ) -> Reply:
        headers = {"Access-Control-Allow-Origin": "*"}
        if environ["REQUEST_METHOD"] == "OPTIONS":
            headers["Vary"] = "Access-Control-Request-Method"
        return with_headers(reply, headers)


def ascii_upper(value: str) -> str:
    """PHP's strtoupper() of a header's value: other letters than ASCII's stay, and so do the bytes that they are."""
    return value.encode("latin-1").upper().decode("latin-1")


def is_preflight(environ: Environ) -> bool:
    return environ["REQUEST_METHOD"] == "OPTIONS" and METHOD_KEY in environ


def is_foreign(environ: Environ) -> bool:
    """Whether the request comes from a page of another scheme, host or port."""
    origin = environ.get("HTTP_ORIGIN")
    return origin is not None and origin != own_origin(environ)


def own_origin(environ: Environ) -> str:
    """Symfony's Request::getSchemeAndHttpHost()."""
    scheme = environ.get("wsgi.url_scheme", "http")
    return f"{scheme}://{environ.get('HTTP_HOST', '').lower().removesuffix(DEFAULT_PORTS[scheme])}"


def with_headers(reply: Reply, headers: Mapping[str, str]) -> Reply:
    return replace(reply, headers={**reply.headers, **headers})


POLICIES: Mapping[str, Cors] = {"origin": EchoOrigin(), "any": AnyOrigin()}


WINDOW = 60
Handler = Callable[[Request], Reply]


class TooManyAttempts(Exception):
    """The window has no request left; the headers and the wording are Laravel's."""

    def __init__(self, headers: Mapping[str, str], wait: int, now: int) -> None:
        body = debug_body("Too Many Attempts.", "Illuminate\\Http\\Exceptions\\ThrottleRequestsException")
        super().__init__("Too Many Attempts.")
        waiting = {**headers, "Retry-After": str(wait), "X-RateLimit-Reset": str(now + wait)}
        self.reply = Reply(body, 429, waiting, framework=True)


class Throttle:
    """Counts requests by the PBX's own clock."""

    def __init__(self, limit: int, now: Callable[[], float]) -> None:
        self.limit, self._now = limit, now
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Begin a new window with the next request."""
        self._ends, self._used = 0, 0

    def take(self) -> dict[str, str]:
        """The headers of an answer that is allowed; raises TooManyAttempts."""
        with self._lock:
            now = int(self._now())
            if not now < self._ends <= now + WINDOW:  # over, or the clock was set back
                self._ends, self._used = now + WINDOW, 0
            if self._used >= self.limit:
                raise TooManyAttempts(self._headers(), self._ends - now, now)
            self._used += 1
            return self._headers()

    def _headers(self) -> dict[str, str]:
        return limit_headers(self.limit, self.limit - self._used)

    def under(self, handle: Handler) -> Handler:
        """The same function below the limit."""
        def limited(request: Request) -> Reply:
            try:
                headers = self.take()
            except TooManyAttempts as refusal:
                return refusal.reply
            return with_headers(handle(request), headers)
        return limited


def limit_headers(limit: int, left: int) -> dict[str, str]:
    """The limit and the remaining requests, as every response states them."""
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left)}

"""Laravel's middleware around the API: CORS headers, and the limit of requests per minute (`throttle:60,1`).

``cors`` under `x-laravel` selects the CORS implementation: ``origin`` is asm89/stack-cors 1.3, ``any`` is that of
Laravel 10 and 11. The configuration of the published API allows every origin.

The rate limit uses a fixed window. A window starts with the first request after the previous one has ended. Rejected
requests do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Any, Protocol

from sarkmock.http.engine import ApiRequest
from sarkmock.http.replies import PhpError, Reply, debug_body
from sarkmock.laravel import php
from sarkmock.laravel.php.values import is_utf8

Environ = Mapping[str, Any]
METHOD_KEY, HEADERS_KEY = "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Cors(Protocol):
    """A CORS policy. ``pages`` are the paths outside the API to which it applies, too."""

    pages: frozenset[str]

    def preflight(self, environ: Environ) -> Reply | None:
        """Return the response to a preflight request; None for any other request."""

    def exposed(self, reply: Reply, environ: Environ) -> Reply:
        """Return the reply with the headers that allow pages of other origins to read it."""


class EchoOrigin:
    """Allow a foreign origin by name. Add no headers for other requests."""

    pages = frozenset[str]()

    def preflight(self, environ: Environ) -> Reply | None:
        if not (is_preflight(environ) and is_foreign(environ)):
            return None
        headers = {"Access-Control-Allow-Origin": environ["HTTP_ORIGIN"],
                   "Access-Control-Allow-Methods": ascii_upper(environ[METHOD_KEY]),
                   "Access-Control-Allow-Headers": ascii_upper(environ.get(HEADERS_KEY, ""))}
        return Reply(None, 204, headers)

    def exposed(self, reply: Reply, environ: Environ) -> Reply:
        if not is_foreign(environ):
            return reply
        return with_headers(reply, {"Access-Control-Allow-Origin": environ["HTTP_ORIGIN"], "Vary": "Origin"})


class AnyOrigin:
    """Allow any origin with a wildcard, on every response."""

    pages = frozenset({"sanctum/csrf-cookie"})

    def preflight(self, environ: Environ) -> Reply | None:
        if not is_preflight(environ):
            return None
        headers = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": ascii_upper(environ[METHOD_KEY]),
                   "Access-Control-Allow-Headers": environ.get(HEADERS_KEY, ""), "Access-Control-Max-Age": "0",
                   "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers"}
        return Reply(None, 204, headers)

    def exposed(self, reply: Reply, environ: Environ) -> Reply:
        headers = {"Access-Control-Allow-Origin": "*"}
        if environ["REQUEST_METHOD"] == "OPTIONS":
            headers["Vary"] = "Access-Control-Request-Method"
        return with_headers(reply, headers)


def is_shared(request: ApiRequest, cors: Cors) -> bool:
    """Whether the policy applies: Laravel's pattern ``api/*`` matches the path, which has no line feed and is UTF-8."""
    path = request.outside.strip("/")
    if path in cors.pages:
        return True
    rest = path.partition("api/")[2] if path.startswith("api/") else request.path
    return rest != "" and "\n" not in rest and is_utf8(rest)


def as_laravel_sees(environ: Environ, request: ApiRequest) -> Environ:
    """Return the environ with the method in capitals; of a POST, the method that overrides it."""
    method = environ["REQUEST_METHOD"].upper()
    named = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", "")
    if method == "POST" and php.is_truthy(named):
        method = named.upper()
    elif method == "POST" and (METHOD_KEY in environ or "_method" in request.query or b"_method" in request.body):
        with suppress(PhpError):
            method = php.untrimmed_method(environ.get("CONTENT_TYPE", ""), request.query, request.body, arrays=True)
    return environ if method == environ["REQUEST_METHOD"] else {**environ, "REQUEST_METHOD": method}


def ascii_upper(value: str) -> str:
    """PHP's strtoupper() of a header's value: only ASCII letters change, other bytes are kept."""
    return value.encode("latin-1").upper().decode("latin-1")


def is_preflight(environ: Environ) -> bool:
    return environ["REQUEST_METHOD"] == "OPTIONS" and METHOD_KEY in environ


def is_foreign(environ: Environ) -> bool:
    """Whether the Origin header names another scheme, host or port than the server's."""
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
Handler = Callable[[ApiRequest], Reply]


class TooManyAttempts(Exception):
    """The window has no requests left; headers and message are Laravel's."""

    def __init__(self, headers: Mapping[str, str], wait: int, now: int) -> None:
        body = debug_body("Too Many Attempts.", "Illuminate\\Http\\Exceptions\\ThrottleRequestsException")
        super().__init__("Too Many Attempts.")
        waiting = {**headers, "Retry-After": str(wait), "X-RateLimit-Reset": str(now + wait)}
        self.reply = Reply(body, 429, waiting, framework=True)


class Throttle:
    """The rate limiter. It uses the PBX's simulated clock."""

    def __init__(self, limit: int, now: Callable[[], float]) -> None:
        self.limit, self._now = limit, now
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Start a new window with the next request."""
        self._ends, self._used = 0, 0

    def take(self) -> dict[str, str]:
        """Count a request and return its rate-limit headers. Raises TooManyAttempts."""
        with self._lock:
            now = int(self._now())
            if not now < self._ends <= now + WINDOW:  # the window has ended, or the clock was set back
                self._ends, self._used = now + WINDOW, 0
            if self._used >= self.limit:
                raise TooManyAttempts(self._headers(), self._ends - now, now)
            self._used += 1
            return self._headers()

    def _headers(self) -> dict[str, str]:
        return limit_headers(self.limit, self.limit - self._used)

    def under(self, handle: Handler) -> Handler:
        """Wrap a handler in the rate limit."""
        def limited(request: ApiRequest) -> Reply:
            if request.outside:
                return handle(request)
            try:
                headers = self.take()
            except TooManyAttempts as rejection:
                return rejection.reply
            reply = handle(request)
            return reply if reply.early else with_headers(reply, headers)
        return limited


def limit_headers(limit: int, left: int) -> dict[str, str]:
    """Return the headers with the limit and the remaining requests."""
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left)}

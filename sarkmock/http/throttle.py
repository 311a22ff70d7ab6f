"""A limit of requests a minute, as Laravel's `throttle:60,1` keeps it.

The window is fixed: it begins with the first request after the last one has ended. A refused request does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Lock

from sarkmock.http.engine import Request
from sarkmock.http.replies import Reply, debug_body

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
        return limits(self.limit, self.limit - self._used)

    def under(self, handle: Handler) -> Handler:
        """The same function below the limit."""
        def limited(request: Request) -> Reply:
            try:
                headers = self.take()
            except TooManyAttempts as refusal:
                return refusal.reply
            reply = handle(request)
            return replace(reply, headers={**reply.headers, **headers})
        return limited


def limits(limit: int, left: int) -> dict[str, str]:
    """The limit and the remaining requests, as every response states them."""
    return {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left)}

"""How many requests a run may send, and for how long: a guard that withholds what is too much. Knows no operation."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf

from .http import Request
from .target import Target, Unanswered
from .transports import CannotRun

WINDOW = 61.0  # a minute's limit, and the second by which clocks may differ
LATENCY = 0.1  # seconds a request takes until one has been timed
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Spent(Unanswered):
    """The budget is used up, but for what removing needs."""


def seconds_of(text: str | None) -> float | None:
    """A time like 90s, 5m or 1h; none is no limit."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or float(match[1]) == 0:
        raise CannotRun(f"--max-time {text}: write a time like 90s, 5m or 1h")
    return float(match[1]) * UNITS[match[2]]


class Speed:
    """How long so many requests take: as many at once as a window has, or one every so often."""

    def __init__(self, limit: int | None = None, each: float = 0.0, latency: float = LATENCY) -> None:
        self.limit, self.each, self.latency = limit, each, latency

    def seconds(self, requests: int) -> float:
        """The time that requests take from now on."""
        if requests <= 0:
            return 0.0
        windows = (requests - 1) // self.limit * WINDOW if self.limit else 0.0
        rest = (requests - 1) % self.limit + 1 if self.limit else requests
        return max(windows + rest * self.latency, (requests - 1) * self.each + self.latency)

    def requests(self, seconds: float) -> float:
        """How many requests fit into a time."""
        if not self.limit and not self.each:
            return seconds / self.latency
        by_window = self.limit * (1 + seconds // WINDOW) if self.limit else inf
        return min(by_window, 1 + seconds // self.each if self.each else inf)


class Budget:
    """Lets requests out while there are enough left to remove what was made; removing is always allowed."""

    def __init__(self, target: Target, requests: int | None, seconds: float | None, owed: Callable[[], int],
                 now: Callable[[], float] = time.monotonic) -> None:
        self.target, self.requests, self.owed = target, requests, owed
        self._now = now
        self._ends = inf if seconds is None else now() + seconds
        self._free = False

    @property
    def left(self) -> float:
        """Requests that may still be sent, those for removing set aside."""
        over = self._now() >= self._ends
        return 0 if over else inf if self.requests is None else max(0, self.requests - self.target.spent - self.owed())

    def guard(self, request: Request) -> None:
        """A request that makes a row owes another that removes it."""
        if not self._free and self.left < (2 if request.method == "POST" else 1):
            raise Spent("the budget is spent")

    @contextmanager
    def removing(self) -> Iterator[None]:
        """A block that may send whatever it needs: to look at the target first, and to clean up."""
        before, self._free = self._free, True
        try:
            yield
        finally:
            self._free = before

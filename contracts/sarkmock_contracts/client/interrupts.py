"""What ends a run early: Ctrl-C and SIGTERM, a token that is no longer valid, a budget of requests or time.

An exception raised in a signal handler can be swallowed by the interrupted code: a callback of the garbage collector, a
finalizer, code that waits for a response. The handler therefore only records the signal, and the run stops between
requests.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from types import FrameType

from ..errors import CannotRun, Spent, StaysAway
from .http import Request, Response, header, is_read
from .transports import Layer, Transport

STOPPING = (signal.SIGINT, signal.SIGTERM)
SLICE = 0.2  # seconds between two checks for a signal while waiting

_noted: list[int] = []
_followed: list[Callable[[], bool]] = []


def install() -> None:
    """Install handlers that record signals."""
    for number in STOPPING:
        signal.signal(number, _note)


def obey(stopped: Callable[[], bool]) -> None:
    """Treat it like a signal when ``stopped`` becomes true, which another process decides."""
    _followed[:] = [stopped]


def has_come() -> bool:
    """Whether a signal was received for which no exception was raised yet."""
    return bool(_noted) or any(stopped() for stopped in _followed)


@contextmanager
def signals_noted() -> Iterator[None]:
    """Record signals in the block, so that they stop it at its next request. Restore the handlers afterwards."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    install()
    try:
        yield
    finally:
        _noted.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(number: int, frame: FrameType | None) -> None:
    if _noted:
        _interrupt(number, frame)  # a second signal stops at once
    _noted.append(number)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _noted.clear()
    _followed.clear()
    raise KeyboardInterrupt


def raise_if_stopped() -> None:
    """Raise KeyboardInterrupt if a signal was received. Called before every request and between the cases of a run."""
    if has_come():
        _interrupt(signal.SIGINT, None)


class Interrupts(Layer):
    """Stops the run before its next request if a signal was received."""

    def send(self, request: Request) -> Response:
        raise_if_stopped()
        return self.inner.send(request)


def sleep(seconds: float) -> None:
    """Wait for some seconds. A signal ends the wait with KeyboardInterrupt."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        raise_if_stopped()
        time.sleep(min(left, SLICE))


@contextmanager
def signals_deferred(message: str) -> Iterator[None]:
    """Finish the block in spite of signals. A signal only prints a message."""
    def note_signal(_number: int, _frame: FrameType | None) -> None:
        os.write(1, f"{message}\n".encode())  # print is not reentrant

    before = {number: signal.signal(number, note_signal) for number in STOPPING}
    _noted.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


UNADMITTED = frozenset({401, 403, 404, 405})  # how a SARK responds to an unknown token
RULED = frozenset({409, 422})
DOUBTS = 10  # consecutive rejections before the target is asked

Ask = Callable[[Transport], str | None]


class Admission(Layer):
    """Checks whether the target still admits the run: after consecutive rejections, and before one becomes a finding.

    A rejection can be the right response. ``ask`` returns why the target does not admit the run, or None.
    """

    def __init__(self, inner: Transport, ask: Ask) -> None:
        super().__init__(inner)
        self.ask = ask
        self.doubts = 0  # rejections since the last response that needs a valid token
        self.lost = ""

    def send(self, request: Request) -> Response:
        if self.lost:
            raise StaysAway(self.lost)
        response = self.inner.send(request)
        if header(request.headers, "Authorization") is None and request.method != "OPTIONS":
            if response.ok or response.status in RULED:
                self.doubts = 0
            elif response.status in UNADMITTED:
                self.doubts += 1
        if self.doubts >= DOUBTS:
            self.confirm()
        return response

    def confirm(self) -> None:
        """Raise StaysAway if the target no longer admits the run."""
        if self.doubts:
            self.doubts = 0
            problem = self.ask(self.inner)
            if problem is not None:
                self.lost = f"{self.url}: {problem} (the target had admitted the run)"
                raise StaysAway(self.lost)


CYCLE = 61.0  # a minute's limit, plus a second by which clocks may differ
WRITE_RESERVE = 8  # most requests that a write takes: the gate reads first, runtime values are restored in six
LATENCY = 0.1  # seconds per request until one has been timed
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}  # seconds


def parse_seconds(text: str | None) -> float | None:
    """Parse a time like 90s, 5m or 1h into seconds; None means no limit."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or float(match[1]) == 0:
        raise CannotRun(f"--max-time {text}: write a time like 90s, 5m or 1h")
    return float(match[1]) * UNITS[match[2]]


class Speed:
    """How long requests take: limited by windows of a minute, evenly paced, or only by latency."""

    def __init__(self, limit: int | None = None, each: float = 0.0, latency: float = LATENCY) -> None:
        self.limit, self.each, self.latency = limit, each, latency

    def seconds(self, requests: int) -> float:
        """Return how long these requests take from now on."""
        if requests <= 0:
            return 0.0
        windows = (requests - 1) // self.limit * CYCLE if self.limit else 0.0
        rest = (requests - 1) % self.limit + 1 if self.limit else requests
        return max(windows + rest * self.latency, (requests - 1) * self.each + self.latency)

    def requests(self, seconds: float) -> float:
        """Return how many requests fit into a time."""
        if not self.limit and not self.each:
            return seconds / self.latency
        by_window = self.limit * (1 + seconds // CYCLE) if self.limit else inf
        return min(by_window, 1 + seconds // self.each if self.each else inf)


def total_line(cases: int, requests: int, speed: Speed, settled: bool) -> str:
    """Return the last line of a plan: cases, requests and time."""
    pace = f"{speed.limit} requests a minute" if speed.limit else "no known limit"
    paced = bool(speed.each) and (not speed.limit or speed.each * speed.limit >= UNITS["m"])
    pace = f"one request every {speed.each:g} s" if paced else pace
    guess = "" if settled or paced else ", unless the target reports another limit"
    duration = duration_text(speed.seconds(requests))
    return f"{'plan':38} {cases:5} cases {requests:6} requests, about {duration} ({pace}{guess})"


def duration_text(seconds: float) -> str:
    """Format a duration for people."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


class Budget(Layer):
    """Sends requests while enough are left to remove what was created. Clean-up requests are always sent.

    ``spent`` returns the number of requests sent, ``owed`` the number that the clean-up will take, ``wait`` the seconds
    until the target accepts another request, ``is_read`` whether a request changes nothing.
    """

    def __init__(self, inner: Transport, requests: int | None, seconds: float | None, spent: Callable[[], int],
                 owed: Callable[[], int], now: Callable[[], float] = time.monotonic,
                 wait: Callable[[], float] = lambda: 0.0, is_read: Callable[[Request], bool] = is_read) -> None:
        super().__init__(inner)
        self.requests, self.spent, self.cleanup_cost = requests, spent, owed
        self._now, self._wait, self._is_read = now, wait, is_read
        self._ends = inf if seconds is None else now() + seconds
        self._free = False

    @property
    def left(self) -> float:
        """The number of requests that may still be sent, excluding those for the clean-up."""
        over = self._ends < inf and self._now() + self._wait() >= self._ends
        if self.requests is None or over:
            return 0 if over else inf
        return max(0, self.requests - self.spent() - self.cleanup_cost())

    def send(self, request: Request) -> Response:
        """Send a request. A write also needs budget for the requests that undo it."""
        if not self._free and self.left < (1 if self._is_read(request) else WRITE_RESERVE):
            raise Spent("the budget is spent")
        return self.inner.send(request)

    @contextmanager
    def removing(self) -> Iterator[None]:
        """Send requests in the block regardless of the budget: for the first look at a target, and the clean-up."""
        before, self._free = self._free, True
        try:
            yield
        finally:
            self._free = before

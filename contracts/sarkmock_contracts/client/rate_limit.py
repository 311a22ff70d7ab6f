"""Rate limiting and retries. Depends on limits and networks, not on operations.

Laravel's window is fixed: after it ends, the whole limit is available again. Requests are sent at once while some are
left, or wait for the end of the window.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import click

from sarkmock.suite_api import counted

from ..errors import CannotRun, Lost, NoAnswer, StaysAway
from . import interrupts
from .http import Request, Response, header_number, is_read
from .interrupts import LATENCY, UNITS, Speed
from .transports import Layer, Transport

USUAL_LIMIT = 60  # requests a minute, until the target reports its limit (recorded: X-RateLimit-Limit)
MINUTE = 60.0
MARGIN = 1.0  # the box counts whole seconds
LONGEST_WAIT = 900.0  # a longer Retry-After is not waited for
REJECTIONS = 10  # responses with 429 until a request is given up
BACKOFF = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
AWAY = {502, 503, 504}
NOTICED = 2.0  # seconds of waiting that are shown


@dataclass(frozen=True)
class Timer:
    """Clock and sleep functions; tests replace them."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = interrupts.sleep


def seconds_each(rate: str) -> float:
    """Return the seconds between two requests for a rate like 60/m; 0 for auto, which follows the target."""
    if rate == "auto":
        return 0.0
    match = re.fullmatch(r"([1-9]\d*)/([smh])", rate)
    if match is None:
        raise CannotRun(f"--rate {rate}: write auto, or a number a second, minute or hour like 60/m")
    return UNITS[match[2]] / int(match[1])


def announce_wait(seconds: float) -> None:
    """Report a long wait on stderr."""
    if seconds > NOTICED:
        click.echo(f"waiting {interrupts.duration_text(seconds)} for the target", err=True)


class Window:
    """The target's rate limit as its responses report it: the requests left, and when the window ends."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.left: int | None = None
        self.ends = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until a request will be accepted."""
        return max(0.0, self.ends - now) if self.left == 0 else 0.0

    def learn(self, response: Response, now: float) -> None:
        """Read the rate limit headers of a response.

        A window whose start was not seen ends at most a minute after its first response.
        """
        left = header_number(response.header("X-RateLimit-Remaining"))
        if left is None:
            return
        if self.left is None or left >= self.left or now >= self.ends:
            self.ends = now + MINUTE + MARGIN
        self.left, self.limit = left, header_number(response.header("X-RateLimit-Limit"))

    def rejected(self, seconds: float, now: float) -> None:
        """Set the end of the window from the Retry-After of a 429."""
        self.left, self.ends = 0, now + seconds


class RateLimit(Layer):
    """Waits as the target's limit requires, and repeats requests where that is safe.

    ``may_repeat`` decides whether a request that may have been carried out is sent again; ``waiting`` is called with
    the seconds of every wait.
    """

    def __init__(self, inner: Transport, rate: str = "auto", clock: Timer | None = None,
                 may_repeat: Callable[[Request], bool] = is_read,
                 waiting: Callable[[float], None] = announce_wait) -> None:
        super().__init__(inner)
        self.clock = clock or Timer()
        self.window = Window()
        self.may_repeat, self.waiting = may_repeat, waiting
        self.answered = False
        self.away = ""  # why the target no longer responds
        self.attempts = self.troubles = 0
        self.each = seconds_each(rate)
        self._next = self._spent = 0.0

    @property
    def latency(self) -> float:
        """The average seconds per request."""
        return self._spent / self.attempts if self.answered else LATENCY

    @property
    def speed(self) -> Speed:
        """The rate at which the target responds, as far as it is known."""
        return Speed(self.window.limit if self.answered else USUAL_LIMIT, self.each, self.latency)

    def send(self, request: Request) -> Response:
        """Return the target's response. Raise Lost, or StaysAway once retries are used up."""
        rejected = 0
        while True:
            response = self._persist(request)
            if response.status != 429:
                return response
            rejected += 1
            seconds = retry_after(response)
            if rejected >= REJECTIONS or seconds > LONGEST_WAIT:
                times = counted(rejected, "time")
                raise self._away(f"{self.url} returned 429 {times} in a row, the last with Retry-After {seconds:.0f}")
            self.window.rejected(seconds, self.clock.now())

    def _persist(self, request: Request) -> Response:
        """Send a request, and retry it with pauses while the network or the server fails."""
        reason = ""
        for pause in (*(BACKOFF if self.answered and not self.away else ()), None):
            self._hold()
            try:
                response = self._attempt(request)
                if not is_away(response):
                    return response
                reason, sent = f"{self.url} returned {response.status}, which is not a response of the API", True
            except NoAnswer as error:
                reason, sent = str(error), error.sent
                if error.final:
                    break
            self.troubles += 1
            if pause is not None:
                self._sleep(pause)
                if sent and not self.may_repeat(request):
                    raise Lost(f"{request.method} {request.path}: {reason}")
        raise self._away(reason)

    def _away(self, reason: str) -> StaysAway:
        """Mark the target as gone, so that the rest of the run fails at once instead of retrying every request."""
        self.away = f"{reason} ({counted(self.attempts, 'request')} sent)"
        return StaysAway(self.away)

    def _attempt(self, request: Request) -> Response:
        self.attempts += 1
        began = self.clock.now()
        response = self.inner.send(request)
        self._spent += self.clock.now() - began
        self.answered = True
        self.window.learn(response, self.clock.now())
        return response

    def wait(self) -> float:
        """Return the seconds until a request may be sent, by the target's window and the rate of --rate."""
        now = self.clock.now()
        return max(0.0, self.window.wait(now), self._next - now)

    def _hold(self) -> None:
        self._sleep(self.wait())
        self._next = max(self._next, self.clock.now()) + self.each

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.waiting(seconds)
            self.clock.sleep(seconds)


def is_away(response: Response) -> bool:
    """Whether a server in front of the API responded. The API's own 503 is JSON without Retry-After."""
    own = response.content_type == "application/json" and response.header("Retry-After") is None
    return response.status in AWAY and not own


def retry_after(response: Response) -> float:
    """Return the seconds of the Retry-After header, a number or a date; a minute if it is missing or invalid."""
    text = response.header("Retry-After") or ""
    seconds = header_number(text)
    if seconds is not None:
        return float(seconds)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return MINUTE

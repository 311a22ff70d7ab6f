"""One exchange that passes the proxy, and the pace at which requests may pass."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil

from sarkmock.http.engine import Request
from sarkmock.http.replies import Disturbed, Reply
from sarkmock.http.wsgi import DROPPED_STATUS, Answer, incoming
from sarkmock.journal import Entry, Journal
from sarkmock.proxy.messages import Captured, Field, Room, decoded
from sarkmock.server.application import WsgiEnviron, environ_of
from sarkmock.server.http11 import Head
from sarkmock.server.http11 import ReceivedRequest as Received

PACE_WINDOW = 61.0  # a minute, and the second by which clocks may differ
QUEUE = 50


class QueueFull(Exception):
    """Too many requests wait already; ``seconds`` is when one may come again."""

    def __init__(self, waiting: int, seconds: float) -> None:
        super().__init__(f"{waiting} requests wait already for their turn")
        self.seconds = max(1, ceil(seconds))


class Pace:
    """Lets requests pass in the order in which they came. ``each`` is the seconds between two of them, ``most`` how
    many may pass in any minute, ``queue`` how many may wait."""

    def __init__(self, each: float = 0.0, most: int | None = None, queue: int = QUEUE) -> None:
        self._each, self._most, self._queue = each, most, queue
        self._passed: deque[float] = deque(maxlen=most or 1)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def turn(self) -> float:
        """Wait for this request's turn, and return the seconds that took; QueueFull if too many wait."""
        if not self._each and self._most is None:
            return 0.0
        began = asyncio.get_running_loop().time()
        wait = self._wait(began)
        if (wait or self._turn.locked()) and self._waiting >= self._queue:
            raise QueueFull(self._waiting, wait)
        self._waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(self._wait(asyncio.get_running_loop().time()))
                now = asyncio.get_running_loop().time()
                self._passed.append(now)
        finally:
            self._waiting -= 1
        return now - began

    def _wait(self, now: float) -> float:
        if not self._passed:
            return 0.0
        even = self._passed[-1] + self._each - now
        full = self._passed[0] + PACE_WINDOW - now if self._most and len(self._passed) == self._most else 0.0
        return max(0.0, even, full)


MOST = 8 * 2**20  # bytes of one body that are looked at
ALL_BODIES = 256 * 2**20  # bytes of all bodies that are held at a time

Texts = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Passed:
    """A request that the upstream answered. ``whole`` is False where a body was too large to be kept, or broke off.

    ``target`` is path and query as they were sent; the answer's body has no content coding any more. ``entry`` is what
    the journal keeps of it.
    """

    method: str
    target: str
    headers: Texts
    body: bytes
    status: int
    answer_headers: Texts
    answer_body: bytes
    whole: bool
    seconds: float
    entry: Entry | None = None


OnPassed = Callable[[Passed], None]


@dataclass(slots=True)
class Record:
    """What becomes of one request, while it passes."""

    head: Head
    fields: list[Field]
    target: str
    began: float
    room: Room = field(default_factory=lambda: Room(ALL_BODIES))
    sent: Captured = field(init=False)
    got: Captured = field(init=False)
    status: int = 0
    answer: list[Field] = field(default_factory=list)
    broken: bool = False
    held: int = 0
    fault: str = ""
    delay: float = 0.0
    own: bool = False  # whether the proxy answered in place of the upstream, and why
    reason: str = ""

    def __post_init__(self) -> None:
        self.sent, self.got = Captured(MOST, self.room), Captured(MOST, self.room)

    def hold(self, piece: bytes) -> bool:
        """Whether there is room for a piece of the body that is kept until the request is over."""
        taken = self.room.take(len(piece))
        self.held += taken
        return taken == len(piece)

    def release(self) -> None:
        """The request is over."""
        self.sent.release()
        self.got.release()
        self.room.size += self.held
        self.held = 0

    def passed(self, seconds: float) -> Passed:
        body = decoded(self.answer, self.got.body, MOST) if self.got.whole else None
        return Passed(self.head.method, self.target, texts(self.fields), self.sent.body, self.status,
                      texts(self.answer), self.got.body if body is None else body,
                      self.sent.whole and body is not None and not self.broken, seconds)


def texts(fields: Iterable[Field]) -> Texts:
    return tuple((name.decode("ascii"), value.decode("latin-1").strip(" \t")) for name, value in fields)


def request_of(record: Record, body: bytes, base: str, environ: WsgiEnviron) -> tuple[WsgiEnviron, Request]:
    """The request as a mock would get it, and its WSGI environ; ``environ`` says what is true of the server."""
    path = record.head.path
    environ = environ_of(Received(record.head, b""), environ)
    return environ, incoming(environ, path[len(base):] if path.startswith(base) else "", body)


def enter(journal: Journal, record: Record, passed: Passed, base: str, environ: WsgiEnviron) -> Entry:
    """Keep an exchange in a journal."""
    environ, request = request_of(record, passed.body, base, environ)
    headers = [(name.title(), value) for name, value in passed.answer_headers]
    answer = Answer(passed.status or DROPPED_STATUS, headers, passed.answer_body)
    reply = Disturbed(fault=record.fault, delay=record.delay) if record.fault else Reply()
    entry = journal.record(environ, request, reply, answer, record.began, (record.sent.size, record.got.size))
    entry.reason = record.reason
    return entry

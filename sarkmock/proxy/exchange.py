"""HTTP messages as a proxy forwards them, one exchange of them, and the pace at which requests may pass. No I/O."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil

from sarkmock.http.engine import Request
from sarkmock.http.replies import FaultyReply, Reply
from sarkmock.http.wsgi import DROPPED_STATUS, Answer, request_of_environ
from sarkmock.journal import Entry, Journal
from sarkmock.server.application import WsgiEnviron, environ_of
from sarkmock.server.http11 import FIELD, FIELD_LINES, NO_BODY, Head
from sarkmock.server.http11 import ReceivedRequest as Received

Field = tuple[bytes, bytes]
# What concerns one connection alone (RFC 9110 7.6.1). The length of a body is written anew where it is chunked.
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer",
                        b"proxy-authorization", b"transfer-encoding", b"upgrade"))
# Even if Connection names them.
NEVER_DROPPED = frozenset((b"content-length", b"content-type", b"content-encoding", b"host"))
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?\r\n")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n")
LENGTH = re.compile(rb"[0-9]{1,15}")
GZIP = 16 + zlib.MAX_WBITS


class BadAnswer(Exception):
    """What the upstream sent is not HTTP; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """An answer without its body. ``length`` is None where it is chunked or ends with the connection."""

    status: int
    reason: bytes
    fields: list[Field]
    length: int | None
    chunked: bool
    keep_alive: bool

    def values(self, name: bytes) -> list[bytes]:
        return field_values(self.fields, name)


def field_values(fields: Iterable[Field], name: bytes) -> list[bytes]:
    """The values of a header field, each as it came but for blanks around it."""
    return [value.strip(b" \t") for key, value in fields if key.lower() == name]


def passed_on(fields: Iterable[Field], *without: bytes) -> list[Field]:
    """The fields that are meant for the other side."""
    fields = list(fields)
    named = {name.strip().lower() for value in field_values(fields, b"connection") for name in value.split(b",")}
    dropped = HOP_BY_HOP | (named - NEVER_DROPPED) | set(without)
    return [field for field in fields if field[0].lower() not in dropped]


def head_bytes(line: bytes, fields: Iterable[Field]) -> bytes:
    """A head as it is sent; values have the blanks with which they came."""
    return b"%b\r\n%b\r\n" % (line, b"".join([b"%b:%b\r\n" % field for field in fields]))


def read_answer(text: bytes, method: str) -> AnswerHead:
    """The head of an answer, its empty line included; BadAnswer if it is none."""
    line = STATUS_LINE.match(text)
    if line is None:
        raise BadAnswer("it does not begin with a status line of HTTP/1.1")
    if not FIELD_LINES.fullmatch(text, line.end(), len(text) - 2):
        raise BadAnswer("a header field is invalid")
    fields: list[Field] = FIELD.findall(text, line.end())
    status, minor = int(line[2]), int(line[1])
    options = {option.strip().lower() for value in field_values(fields, b"connection") for option in value.split(b",")}
    keep_alive = b"close" not in options and (minor > 0 or b"keep-alive" in options)
    codings, lengths = field_values(fields, b"transfer-encoding"), set(field_values(fields, b"content-length"))
    if method == "HEAD" or status in NO_BODY or status < 200:
        return AnswerHead(status, line[3] or b"", fields, 0, False, keep_alive)
    if codings:
        if [coding.lower() for coding in codings] != [b"chunked"] or lengths:
            raise BadAnswer("its length is given in two ways, or in an unknown way")
        return AnswerHead(status, line[3] or b"", fields, None, True, keep_alive)
    if not lengths:
        return AnswerHead(status, line[3] or b"", fields, None, False, False)
    length = lengths.pop()
    if lengths or not LENGTH.fullmatch(length):
        raise BadAnswer("its Content-Length is not one number")
    return AnswerHead(status, line[3] or b"", fields, int(length), False, keep_alive)


@dataclass(slots=True)
class BodyMemory:
    """The bytes that may still be kept of all requests and responses on their way."""

    size: int

    def take(self, wanted: int) -> int:
        """As many of the bytes as there is room for; whoever takes them gives them back."""
        taken = max(0, min(wanted, self.size))
        self.size -= taken
        return taken


class CapturedBody:
    """The beginning of a body that passes, as far as there is room, and how long all of it is."""

    def __init__(self, most: int, room: BodyMemory) -> None:
        self._most, self._room, self._kept, self.size = most, room, bytearray(), 0

    def add(self, part: bytes) -> None:
        whole, self.size = self.whole, self.size + len(part)
        if whole:
            self._kept += part[:self._room.take(min(len(part), self._most - len(self._kept)))]

    def release(self) -> None:
        """Give the room back to others."""
        self._room.size += len(self._kept)
        self._kept = bytearray()

    @property
    def body(self) -> bytes:
        return bytes(self._kept)

    @property
    def whole(self) -> bool:
        return self.size == len(self._kept)


def decoded_body(fields: Iterable[Field], body: bytes, most: int) -> bytes | None:
    """A body without its content coding; None for more than ``most`` bytes, or a coding that is not undone."""
    codings = b",".join(field_values(fields, b"content-encoding")).lower()
    if codings in (b"", b"identity"):
        return body
    if codings not in (b"gzip", b"x-gzip", b"deflate"):
        return None
    unpacking = zlib.decompressobj(GZIP if b"gzip" in codings else zlib.MAX_WBITS)
    try:
        found = unpacking.decompress(body, most)
    except zlib.error:
        return None
    return found if unpacking.eof else None


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
    room: BodyMemory = field(default_factory=lambda: BodyMemory(ALL_BODIES))
    sent: CapturedBody = field(init=False)
    got: CapturedBody = field(init=False)
    status: int = 0
    answer: list[Field] = field(default_factory=list)
    broken: bool = False
    held: int = 0
    fault: str = ""
    delay: float = 0.0
    own: bool = False  # whether the proxy answered in place of the upstream, and why
    reason: str = ""

    def __post_init__(self) -> None:
        self.sent, self.got = CapturedBody(MOST, self.room), CapturedBody(MOST, self.room)

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
        body = decoded_body(self.answer, self.got.body, MOST) if self.got.whole else None
        return Passed(self.head.method, self.target, header_texts(self.fields), self.sent.body, self.status,
                      header_texts(self.answer), self.got.body if body is None else body,
                      self.sent.whole and body is not None and not self.broken, seconds)


def header_texts(fields: Iterable[Field]) -> Texts:
    return tuple((name.decode("ascii"), value.decode("latin-1").strip(" \t")) for name, value in fields)


def request_of(record: Record, body: bytes, base: str, environ: WsgiEnviron) -> tuple[WsgiEnviron, Request]:
    """The request as a mock would get it, and its WSGI environ; ``environ`` says what is true of the server."""
    path = record.head.path
    environ = environ_of(Received(record.head, b""), environ)
    return environ, request_of_environ(environ, path[len(base):] if path.startswith(base) else "", body)


def record_in_journal(journal: Journal, record: Record, passed: Passed, base: str, environ: WsgiEnviron) -> Entry:
    """Keep an exchange in a journal."""
    environ, request = request_of(record, passed.body, base, environ)
    headers = [(name.title(), value) for name, value in passed.answer_headers]
    answer = Answer(passed.status or DROPPED_STATUS, headers, passed.answer_body)
    reply = FaultyReply(fault=record.fault, delay=record.delay) if record.fault else Reply()
    entry = journal.record(environ, request, reply, answer, record.began, (record.sent.size, record.got.size))
    entry.reason = record.reason
    return entry

"""HTTP messages and exchanges as a proxy forwards them, and the rate at which requests may pass. No I/O."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil

from sarkmock.http.engine import ApiRequest
from sarkmock.http.replies import FaultyReply, Reply
from sarkmock.http.wsgi import DROPPED_STATUS, Answer, request_of_environ
from sarkmock.journal import Entry, Journal
from sarkmock.server.application import WsgiEnviron, environ_of
from sarkmock.server.http11 import FIELD, FIELD_LINES, NO_BODY, Head
from sarkmock.server.http11 import ReceivedRequest as Received

Field = tuple[bytes, bytes]
# Fields of one connection (RFC 9110 7.6.1). The length of a chunked body is written anew.
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"trailer",
                        b"proxy-authorization", b"transfer-encoding", b"upgrade"))
# Forwarded even if Connection names them.
NEVER_DROPPED = frozenset((b"content-length", b"content-type", b"content-encoding", b"host"))
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?\r\n")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n")
LENGTH = re.compile(rb"[0-9]{1,15}")
GZIP = 16 + zlib.MAX_WBITS
MOST = 8 * 2**20  # bytes of one body that are captured
ALL_BODIES = 256 * 2**20  # bytes of all bodies that are buffered at a time


class BadAnswer(Exception):
    """The upstream's response is not valid HTTP; the message says why."""


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """A response without its body. ``length`` is None if it is chunked or ends with the connection."""

    status: int
    reason: bytes
    fields: list[Field]
    length: int | None
    chunked: bool
    keep_alive: bool

    def values(self, name: bytes) -> list[bytes]:
        return field_values(self.fields, name)


def field_values(fields: Iterable[Field], name: bytes) -> list[bytes]:
    """Return the values of a header field, without surrounding blanks."""
    return [value.strip(b" \t") for key, value in fields if key.lower() == name]


def passed_on(fields: Iterable[Field], *without: bytes) -> list[Field]:
    """Return the end-to-end fields, which are forwarded."""
    fields = list(fields)
    named = {name.strip().lower() for value in field_values(fields, b"connection") for name in value.split(b",")}
    dropped = HOP_BY_HOP | (named - NEVER_DROPPED) | set(without)
    return [field for field in fields if field[0].lower() not in dropped]


def head_bytes(line: bytes, fields: Iterable[Field]) -> bytes:
    """Return a head as it is sent; values keep their original blanks."""
    return b"%b\r\n%b\r\n" % (line, b"".join([b"%b:%b\r\n" % field for field in fields]))


async def read_lines(reader: asyncio.StreamReader, most: int, text: bytes = b"") -> bytes:
    """Read a head that begins with ``text``, empty line included. BadAnswer if a line ends with a bare LF.

    Raises LimitOverrunError and IncompleteReadError as `StreamReader.readuntil` does.
    """
    try:
        while not text.endswith(b"\r\n\r\n"):
            text += await read_line(reader)
            if len(text) > most:
                raise asyncio.LimitOverrunError("the head is too long", 0)
    except asyncio.IncompleteReadError as error:
        raise asyncio.IncompleteReadError(text + error.partial, None) from None
    return text


async def read_line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readuntil(b"\n")
    if not line.endswith(b"\r\n"):
        raise BadAnswer("a line ends with a bare LF instead of CRLF")
    return line


def read_answer(text: bytes, method: str) -> AnswerHead:
    """Parse the head of a response, empty line included; BadAnswer if it is invalid."""
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
            raise BadAnswer("its length is ambiguous or of an unknown kind")
        return AnswerHead(status, line[3] or b"", fields, None, True, keep_alive)
    if not lengths:
        return AnswerHead(status, line[3] or b"", fields, None, False, False)
    length = lengths.pop()
    if lengths or not LENGTH.fullmatch(length):
        raise BadAnswer("its Content-Length is not a single number")
    return AnswerHead(status, line[3] or b"", fields, int(length), False, keep_alive)


@dataclass(slots=True)
class BodyMemory:
    """The number of bytes that may still be buffered, over all requests and responses in progress."""

    size: int

    def take(self, wanted: int) -> int:
        """Reserve up to that many bytes and return how many; the caller must give them back."""
        taken = max(0, min(wanted, self.size))
        self.size -= taken
        return taken


class CapturedBody:
    """The beginning of a body that is forwarded, as far as memory allows, and its total size."""

    def __init__(self, room: BodyMemory) -> None:
        self._room, self._kept, self.size = room, bytearray(), 0

    def add(self, part: bytes) -> None:
        whole, self.size = self.whole, self.size + len(part)
        if whole:
            self._kept += part[:self._room.take(min(len(part), MOST - len(self._kept)))]

    def release(self) -> None:
        """Release the memory."""
        self._room.size += len(self._kept)
        self._kept = bytearray()

    @property
    def body(self) -> bytes:
        return bytes(self._kept)

    @property
    def whole(self) -> bool:
        return self.size == len(self._kept)


def decoded_body(fields: Iterable[Field], body: bytes) -> bytes | None:
    """Return a body without its content coding; None if it is too large or the coding is not supported."""
    codings = b",".join(field_values(fields, b"content-encoding")).lower()
    if codings in (b"", b"identity"):
        return body
    if codings not in (b"gzip", b"x-gzip", b"deflate"):
        return None
    unpacking = zlib.decompressobj(GZIP if b"gzip" in codings else zlib.MAX_WBITS)
    try:
        unpacked = unpacking.decompress(body, MOST)
    except zlib.error:
        return None
    return unpacked if unpacking.eof else None


PACE_WINDOW = 61.0  # a minute, and one second of tolerance between clocks
QUEUE = 50


class NoTurn(Exception):
    """A request may not pass: the status for its client, the reason on one line, and header fields."""

    def __init__(self, status: int, reason: str, *headers: tuple[str, str]) -> None:
        super().__init__(reason)
        self.status, self.headers = status, headers


class Pace:
    """Rate limit that lets requests pass in order of arrival.

    ``each`` is the minimum number of seconds between two requests, ``most`` the number per minute, ``queue`` the number
    that may wait; ``waiting`` do now.
    """

    def __init__(self, each: float = 0.0, most: int | None = None, queue: int = QUEUE) -> None:
        self._each, self._most, self._queue = each, most, queue
        self._passed: deque[float] = deque(maxlen=most or 1)
        self._turn = asyncio.Lock()
        self._ended = asyncio.Event()
        self.waiting = 0

    def end(self) -> None:
        """Let no further request pass."""
        self._ended.set()

    async def turn(self, is_gone: Callable[[], bool]) -> bool:
        """Wait for this request's turn; False if its client has gone while it waited, so that the next one has it.

        NoTurn if too many are waiting, or the proxy stops.
        """
        if not self._each and self._most is None:
            return True
        clock = asyncio.get_running_loop().time
        wait = self._wait(clock())
        waits = wait > 0 or self._turn.locked()
        if waits and self.waiting >= self._queue:
            again = "Retry-After", str(max(1, ceil(wait)))
            raise NoTurn(429, f"{self.waiting} requests are already waiting", again)
        self.waiting += 1
        try:
            async with self._turn:
                with suppress(TimeoutError):
                    async with asyncio.timeout(0 if waits and is_gone() else self._wait(clock())):
                        await self._ended.wait()
                if waits and is_gone():
                    return False
                if self._ended.is_set():
                    raise NoTurn(503, "the proxy is stopping; the request was not forwarded")
                self._passed.append(clock())
        finally:
            self.waiting -= 1
        return True

    def _wait(self, now: float) -> float:
        if not self._passed:
            return 0.0
        even = self._passed[-1] + self._each - now
        full = self._passed[0] + PACE_WINDOW - now if self._most and len(self._passed) == self._most else 0.0
        return max(0.0, even, full)


Texts = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Passed:
    """An exchange with the upstream. ``whole`` is False if a body was too large to be captured, or incomplete.

    ``target`` is path and query as sent; the response's body has its content coding removed. ``entry`` is the journal's
    entry for it. ``alone``: neither this nor a simultaneous request was a write. ``gap``: exchanges before it are lost.
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
    alone: bool = True
    gap: bool = False


OnPassed = Callable[[Passed], None]


@dataclass(slots=True)
class Record:
    """The state of one request in progress."""

    head: Head
    fields: list[Field]
    target: str
    began: float
    room: BodyMemory = field(default_factory=lambda: BodyMemory(ALL_BODIES))
    sent: CapturedBody = field(init=False)
    received: CapturedBody = field(init=False)
    status: int = 0
    answer: list[Field] = field(default_factory=list)
    broken: bool = False
    held: int = 0
    fault: str = ""
    delay: float = 0.0
    own: bool = False  # whether the proxy responded instead of the upstream, and why
    reason: str = ""
    forwarded: bool = False  # whether the upstream may have received the request
    alone: bool = True

    def __post_init__(self) -> None:
        self.sent, self.received = CapturedBody(self.room), CapturedBody(self.room)

    def hold(self, piece: bytes) -> bool:
        """Reserve memory for a piece of the body until the request is over; False if there is none left."""
        taken = self.room.take(len(piece))
        self.held += taken
        return taken == len(piece)

    def release(self) -> None:
        """Release all memory when the request is over."""
        self.sent.release()
        self.received.release()
        self.room.size += self.held
        self.held = 0

    def passed(self, seconds: float) -> Passed:
        body = decoded_body(self.answer, self.received.body) if self.received.whole else None
        answered = self.status > 0 and not self.own and not self.broken
        return Passed(self.head.method, self.target, header_texts(self.fields), self.sent.body, self.status,
                      header_texts(self.answer), self.received.body if body is None else body,
                      answered and self.sent.whole and body is not None, seconds, alone=self.alone)


def header_texts(fields: Iterable[Field]) -> Texts:
    return tuple((name.decode("ascii"), value.decode("latin-1").strip(" \t")) for name, value in fields)


def request_of(record: Record, body: bytes, base: str, environ: WsgiEnviron) -> tuple[WsgiEnviron, ApiRequest]:
    """Return the WSGI environ and the request as a mock would get them; ``environ`` describes the server."""
    path = record.head.path
    environ = environ_of(Received(record.head, b""), environ)
    return environ, request_of_environ(environ, path[len(base):] if path.startswith(base) else "", body)


def record_in_journal(journal: Journal, record: Record, passed: Passed, base: str, environ: WsgiEnviron) -> Entry:
    environ, request = request_of(record, passed.body, base, environ)
    headers = [(name.title(), value) for name, value in passed.answer_headers]
    answer = Answer(passed.status or DROPPED_STATUS, headers, passed.answer_body)
    reply = FaultyReply(fault=record.fault, delay=record.delay) if record.fault else Reply()
    entry = journal.record(environ, request, reply, answer, record.began, (record.sent.size, record.received.size))
    entry.reason = record.reason
    return entry

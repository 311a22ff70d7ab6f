"""Connections to the host behind a proxy: a few are opened at a time, and kept for further requests."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

IDLE_SECONDS = 4.0  # maximum idle time of a connection; Apache closes them after 5 seconds
IDLE = 32  # idle connections that are kept
OPENING = 16  # connections that are opened at a time: a burst of clients would overflow the upstream's backlog
UNANSWERED = 0.5  # seconds after which a new connection may be waiting for the upstream to close another one
HEAD_BYTES = 2**16  # maximum size of a response's head


class UpstreamFailed(Exception):
    """The upstream gave no response: the status for the client (502 or 504) and the reason on one line.

    ``sent``: it may have received the request.
    """

    def __init__(self, status: int, reason: str, sent: bool = True) -> None:
        super().__init__(reason)
        self.status, self.reason, self.sent = status, reason, sent


@dataclass(slots=True, eq=False)
class UpstreamConnection:
    """A connection to the upstream. ``used``: it has had a response; ``since``: when it became idle."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: bool = False
    since: float = 0.0

    @property
    def alive(self) -> bool:
        idle = time.monotonic() - self.since
        return (idle < IDLE_SECONDS and not self.reader.at_eof() and not self.writer.is_closing()
                and not has_surplus(self.reader))


def has_surplus(reader: asyncio.StreamReader) -> bool:
    """Whether an idle connection has data or an error to read, which would be taken for the next response."""
    reading = reader.read(1)
    try:
        reading.send(None)
    except (StopIteration, OSError):
        return True
    finally:
        reading.close()
    return False


class Pool:
    """Opens, lends and keeps the connections to one host. ``name`` begins its error messages."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, name: str, seconds: float) -> None:
        self._host, self._port, self._context, self._name, self._seconds = host, port, context, name, seconds
        self._idle: list[UpstreamConnection] = []  # the one that is idle for the longest time first
        self._waiting: dict[asyncio.Future[UpstreamConnection], float] = {}  # since when
        self._opening: set[asyncio.Task[None]] = set()
        self._unanswered: dict[UpstreamConnection, float] = {}  # new connections, and since when a request waits
        self._tidying: asyncio.TimerHandle | None = None

    async def take(self) -> UpstreamConnection:
        """Return a kept connection, or else the first one that is opened or no longer needed by another request."""
        link = self._kept()
        if link is None:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting[waiting] = time.monotonic()
            self._open_more()
            try:
                link = await waiting
            except BaseException:
                self._waiting.pop(waiting, None)
                if not waiting.cancelled() and waiting.exception() is None:
                    self.give_back(waiting.result(), True)
                raise
        return self._lent(link)

    async def take_new(self) -> UpstreamConnection:
        """Return a connection that no request has used."""
        return self._lent(await self._connect())

    def answered(self, link: UpstreamConnection) -> None:
        """Note that a response arrived on a connection."""
        link.used = True
        self._unanswered.pop(link, None)

    def give_back(self, link: UpstreamConnection, reusable: bool) -> None:
        """Pass a connection to the next request if it is reusable, or keep it, or close it."""
        self._unanswered.pop(link, None)
        if not reusable or self._is_blocked() or link.writer.is_closing():
            link.writer.transport.abort()
        else:
            self._offer(link)

    def close(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
        for link in self._idle:
            link.writer.transport.abort()
        self._idle.clear()

    def _lent(self, link: UpstreamConnection) -> UpstreamConnection:
        if not link.used:
            self._unanswered[link] = time.monotonic()
        return link

    def _kept(self) -> UpstreamConnection | None:
        while self._idle:
            link = self._idle.pop()
            if link.alive:
                return link
            link.writer.transport.abort()
        return None

    def _offer(self, link: UpstreamConnection) -> None:
        """Give a connection to the request that has waited for the longest time, or keep it."""
        for waiting in list(self._waiting):
            del self._waiting[waiting]
            if not waiting.done():
                waiting.set_result(link)
                return
        if len(self._idle) >= IDLE:
            link.writer.transport.abort()
            return
        link.since = time.monotonic()
        self._idle.append(link)
        if self._tidying is None:
            self._tidy()

    def _tidy(self) -> None:
        """Close idle connections in time, all of them if the upstream seems to serve no more connections."""
        blocked = self._is_blocked()
        while self._idle and (blocked or not self._idle[0].alive):
            self._idle.pop(0).writer.transport.abort()
        self._tidying = asyncio.get_running_loop().call_later(UNANSWERED, self._tidy) if self._idle else None

    def _is_blocked(self) -> bool:
        """Whether a request has waited for long on a new connection: the upstream may limit their number."""
        return any(time.monotonic() - since > UNANSWERED for since in list(self._unanswered.values())[:1])

    def _open_more(self) -> None:
        while len(self._opening) < min(OPENING, len(self._waiting)):
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if not task.cancelled():
            self._open_more()

    async def _open(self) -> None:
        try:
            link = await self._connect()
        except UpstreamFailed as failure:
            self._fail(failure)
        else:
            self._offer(link)

    def _fail(self, failure: UpstreamFailed) -> None:
        """Tell the requests that have waited as long as an attempt may take, or the first one if it failed earlier."""
        latest = time.monotonic() - self._seconds
        failed = [waiting for waiting, since in self._waiting.items() if since <= latest]
        if not failed and failure.status != 504:
            failed = list(self._waiting)[:1]
        for waiting in failed:
            del self._waiting[waiting]
            if not waiting.done():
                waiting.set_exception(UpstreamFailed(failure.status, failure.reason, sent=False))

    async def _connect(self) -> UpstreamConnection:
        try:
            async with asyncio.timeout(self._seconds):
                reader, writer = await asyncio.open_connection(
                    self._host, self._port, ssl=self._context, limit=HEAD_BYTES,
                    server_hostname=self._host if self._context else None)
        except TimeoutError:
            reason = f"{self._name} accepted no connection in {self._seconds:g} s"
            raise UpstreamFailed(504, reason, sent=False) from None
        except (OSError, ValueError) as error:  # ValueError: an invalid host name
            raise UpstreamFailed(502, f"{self._name} {failure_text(error)}", sent=False) from None
        return UpstreamConnection(reader, writer)


@asynccontextmanager
async def time_limit(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError after that time, but not if data arrived in time that a busy event loop has yet to read."""
    async with asyncio.timeout(None) as limit:
        # Called after the data of the same turn of the loop; it cancels in the next turn, after they were read.
        late = asyncio.get_running_loop().call_later(seconds, limit.reschedule, 0.0)
        try:
            yield
        finally:
            late.cancel()


UNKNOWN_AUTHORITY = frozenset((2, 18, 19, 20, 21))  # OpenSSL's codes for a chain without a trusted certificate


def failure_text(error: BaseException) -> str:
    """Describe an error as the end of a sentence that begins with a host."""
    if isinstance(error, asyncio.IncompleteReadError):
        return "its end is missing"
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "; pass its authority with --ca FILE" if error.verify_code in UNKNOWN_AUTHORITY else ""
        return f"has a certificate that is not trusted ({error.verify_message.rstrip('.')}){hint}"
    if isinstance(error, ssl.SSLError):
        return f"does not speak TLS as expected: {error.reason or error}"
    if isinstance(error, ConnectionRefusedError):
        return "refuses connections"
    if isinstance(error, ConnectionError):
        return "closed the connection"
    if isinstance(error, socket.gaierror):
        return "is an unknown host"
    return str(error.strerror or error) if isinstance(error, OSError) else str(error) or type(error).__name__

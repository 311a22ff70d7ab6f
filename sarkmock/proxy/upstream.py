"""The host behind a proxy: requests, and responses with limits. Redirects are not followed."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

from sarkmock.proxy.exchange import CHUNK_SIZE, AnswerHead, BadAnswer, read_answer, read_line, read_lines
from sarkmock.proxy.pool import HEAD_BYTES, Pool, UpstreamConnection, UpstreamFailed, failure_text, time_limit
from sarkmock.server.connection import READS

BODY_PIECE = 2**16
CAREFUL = 60.0  # seconds in which writes have new connections, after the upstream closed a kept one without notice
INTERIM = 10  # maximum number of interim responses, such as 100 and 103
EARLY = 0.05  # seconds for the end of a request whose response is there
SLOW = 2**14  # bytes a second; a body that arrives faster may take longer than ``Timeouts.whole``
CHUNKS_AT_ONCE = 16  # chunks that may already be in memory are handled together; then others have their turn


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect, until the response begins, until the next piece of its body, and for a whole slow body."""

    connect: float = 10.0
    answer: float = 60.0
    piece: float = 30.0
    whole: float = 900.0


class StaleConnection(Exception):
    """A kept connection was closed in the meantime; no part of a response arrived."""


@dataclass(slots=True)
class OutgoingRequest:
    """A request to send: its head, the body or its beginning, and an iterator for the rest of the body.

    ``interim`` is called with the head of each interim response, such as 103, but not of 100.
    """

    method: str
    head: bytes
    body: bytes = b""
    rest: AsyncIterator[bytes] | None = None
    interim: Callable[[AnswerHead], None] = lambda _: None

    @property
    def repeatable(self) -> bool:
        return self.rest is None and self.method in READS


class StreamedResponse:
    """A response with the first piece of its body; `pieces` has the rest. ``early``: before the request's end."""

    def __init__(self, head: AnswerHead, link: UpstreamConnection, upstream: Upstream, early: bool) -> None:
        self.head, self._link, self._upstream, self.early = head, link, upstream, early
        self.first, self.pieces = b"", self._pieces()
        upstream.pool.answered(link)

    async def begin(self) -> StreamedResponse:
        """Read the first piece of the body, before any of the response is sent to the client."""
        try:
            self.first = await anext(self.pieces, b"")
        except BaseException:
            self.end(whole=False)
            raise
        return self

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Yield the body in pieces, without chunked coding; UpstreamFailed if it is incomplete."""
        reader, head, missing = self._link.reader, self.head, self.head.length
        pieces = read_chunks(reader) if head.chunked else read_sized(reader, head.length)
        deadline = time.monotonic() + self._upstream.patience.whole
        try:
            while missing != 0:
                left = min(self._upstream.patience.piece, deadline - time.monotonic())
                async with time_limit(left):
                    piece = await anext(pieces, b"")
                if not piece:
                    break
                missing = None if missing is None else missing - len(piece)
                deadline += len(piece) / SLOW
                yield piece
        except TimeoutError:
            raise UpstreamFailed(504, f"{self._upstream.name} did not complete its response") from None
        except (OSError, EOFError, BadAnswer, ValueError) as error:
            raise UpstreamFailed(502, f"{self._upstream.name} aborted its response: {failure_text(error)}") from None

    def end(self, whole: bool) -> None:
        """Return the connection to the pool if the response was read completely, or close it."""
        self._upstream.pool.give_back(self._link, whole and self.head.keep_alive and not self.early)


class Upstream:
    """The host that requests go to: `ask` sends one and returns the beginning of the response."""

    def __init__(self, url: str, context: ssl.SSLContext | None, patience: Timeouts | None = None) -> None:
        parts = urlsplit(url)
        self.url, self.patience = url.rstrip("/"), patience or Timeouts()
        self.scheme, self.host = parts.scheme, str(parts.hostname)
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.base = parts.path.rstrip("/")
        self.authority = parts.netloc.rpartition("@")[2]
        self.name = f"{parts.scheme}://{self.authority}"
        context = context if parts.scheme == "https" else None
        self._careful_until = 0.0
        self.pool = Pool(self.host, self.port, context, self.name, self.patience.connect)

    async def ask(self, request: OutgoingRequest) -> StreamedResponse:
        """Send a request and return the response; UpstreamFailed if it does not begin.

        A read is sent again if a kept connection turns out to be closed, and writes have new connections for a while.
        """
        return await (await self._answer(request)).begin()

    async def _answer(self, request: OutgoingRequest) -> StreamedResponse:
        careful = time.monotonic() < self._careful_until and not request.repeatable
        link = await (self.pool.take_new() if careful else self.pool.take())
        while True:
            kept = link.used
            try:
                return await self._ask(link, request)
            except StaleConnection:
                self._careful_until = time.monotonic() + CAREFUL
                if not kept or not request.repeatable:
                    doubt = "; the request may have been carried out and is not sent again" if kept else ""
                    raise UpstreamFailed(502, f"{self.name} closed the connection without a response{doubt}") from None
            link = await self.pool.take_new()

    async def _ask(self, link: UpstreamConnection, request: OutgoingRequest) -> StreamedResponse:
        try:
            async with self._answering(link):
                link.writer.write(request.head + request.body)
                if request.rest is not None:
                    return await self._streamed(link, request, request.rest)
                async with time_limit(self.patience.answer):
                    return StreamedResponse(await read_final(link, request), link, self, early=False)
        except BaseException:
            self.pool.give_back(link, False)
            raise

    @asynccontextmanager
    async def _answering(self, link: UpstreamConnection) -> AsyncIterator[None]:
        """Convert errors before the response begins to UpstreamFailed or StaleConnection."""
        try:
            yield
        except TimeoutError:
            raise UpstreamFailed(504, f"{self.name} did not respond within {self.patience.answer:g} s") from None
        except asyncio.LimitOverrunError:
            raise UpstreamFailed(502, f"{self.name} sent a head of more than {HEAD_BYTES} bytes") from None
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise StaleConnection from None
            raise UpstreamFailed(502, f"{self.name} closed the connection in the head of its response") from None
        except BadAnswer as problem:
            raise UpstreamFailed(502, f"{self.name} sent an invalid HTTP/1.1 response: {problem}") from None
        except OSError as error:
            if link.used and not isinstance(error, ssl.SSLError):
                raise StaleConnection from None
            raise UpstreamFailed(502, f"{self.name} {failure_text(error)}") from None

    async def _streamed(self, link: UpstreamConnection, request: OutgoingRequest,
                        rest: AsyncIterator[bytes]) -> StreamedResponse:
        """Send the rest of a body, and return the response, which may come before the end of the request."""
        sending, reading = asyncio.create_task(self._send(link, rest)), asyncio.create_task(read_final(link, request))
        try:
            await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
            early = not sending.done() and not (await asyncio.wait((sending,), timeout=EARLY))[0]
            if not early:
                await sending
            if not (await asyncio.wait((reading,), timeout=self.patience.answer))[0]:
                raise TimeoutError
            return StreamedResponse(reading.result(), link, self, early)
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)

    async def _send(self, link: UpstreamConnection, rest: AsyncIterator[bytes]) -> None:
        try:
            async for piece in rest:
                link.writer.write(piece)
                async with asyncio.timeout(self.patience.piece):
                    await link.writer.drain()
        except ConnectionError:
            pass  # there may be a response nevertheless
        except TimeoutError:
            raise UpstreamFailed(504, f"{self.name} does not read the request") from None


async def read_final(link: UpstreamConnection, request: OutgoingRequest) -> AnswerHead:
    """Return the head of the response that follows any interim ones."""
    for _ in range(INTERIM):
        head = read_answer(await read_lines(link.reader, HEAD_BYTES), request.method)
        if head.status >= 200:
            return head
        if head.status == 101:
            raise BadAnswer("it switches to another protocol")
        if head.status > 100:
            request.interim(head)
    raise BadAnswer("it sends only interim responses")


async def read_sized(reader: asyncio.StreamReader, length: int | None) -> AsyncIterator[bytes]:
    """Yield a body of that length, or up to the end of the connection. EOFError if it is shorter."""
    left = length
    while left is None or left:
        piece = await reader.read(BODY_PIECE if left is None else min(BODY_PIECE, left))
        if not piece:
            if left is None:
                return
            raise EOFError(f"{left} of {length} bytes are missing")
        left = None if left is None else left - len(piece)
        yield piece


async def read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield a chunked body without its coding; trailers are ignored. BadAnswer or EOFError if it is malformed."""
    for number in count(1):
        if number % CHUNKS_AT_ONCE == 0:
            await asyncio.sleep(0)
        line = CHUNK_SIZE.fullmatch(await chunk_line(reader))
        if line is None:
            raise BadAnswer("a chunk has no size")
        size = int(line[1], 16)
        if not size:
            break
        async for piece in read_sized(reader, size):
            yield piece
        if await reader.readexactly(2) != b"\r\n":
            raise BadAnswer("a chunk is longer than its size")
    for _ in range(100):
        if await chunk_line(reader) == b"\r\n":
            return
    raise BadAnswer("its trailers are too long")


async def chunk_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await read_line(reader)
    except asyncio.LimitOverrunError:
        raise BadAnswer("a line is too long") from None

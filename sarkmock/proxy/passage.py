"""One client connection of the proxy: reads requests, forwards them or responds itself, and writes responses."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from sarkmock.faults.fault import EFFECT_FUNCTIONS, Fault
from sarkmock.http.replies import JSON
from sarkmock.http.wsgi import render, status_line
from sarkmock.proxy.exchange import AnswerHead, BadAnswer, Field, NoTurn, Record, head_bytes, passed_on, read_lines
from sarkmock.proxy.pool import UpstreamFailed
from sarkmock.proxy.upstream import OutgoingRequest, StreamedResponse, read_chunks, read_sized
from sarkmock.server.application import AppResponse, environ_of, run_wsgi
from sarkmock.server.connection import LINGER, NO_HEAD, Served, encoded
from sarkmock.server.http11 import FIELD, REQUEST_LINE, BadRequest, Head, ReceivedRequest, check_first_bytes, read_head

if TYPE_CHECKING:
    from sarkmock.proxy.server import Proxy

PREREAD_BYTES = 2**16  # bytes of a body that is read before the request is forwarded
EMPTY_BYTES = 2048  # bytes of empty lines before a request
AUTHORITY = re.compile(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//([^/?#]*)")


class Gone(Exception):
    """The connection to the client must be closed."""


class Passage:
    """A client connection. `serve` returns when it is over; `busy` is True while a request is handled."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy, self._reader, self._writer = proxy, reader, writer
        self.busy = False

    async def serve(self) -> None:
        """Handle request after request. An error of the client ends the connection."""
        try:
            while not self._proxy.stopping and await self._next():
                await asyncio.sleep(0)  # the turn of others, as further requests may already be in memory
        except (Gone, OSError, EOFError, TimeoutError):
            pass  # the client has disconnected, or is too slow
        finally:
            self.busy = False
            self._writer.transport.abort() if self._writer.transport.get_write_buffer_size() else self._writer.close()

    async def reject(self, problem: BadRequest, head: Head = NO_HEAD) -> None:
        """Respond to a request that is not read further."""
        await self._answer(head, proxy_answer(problem.status, problem.reason), closing=True)
        self._log(head, problem.status, 0, time.perf_counter(), problem.reason)
        await self._discard_rest()

    async def _discard_rest(self) -> None:
        """Discard the rest of a request, so that the response arrives: unread data would reset the connection."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        more = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._proxy.limits.body_timeout):
                while more:
                    async with asyncio.timeout(LINGER):
                        more = bool(await self._reader.read(PREREAD_BYTES))

    async def _next(self) -> bool:
        """Handle the next request; False if it was the last."""
        head = NO_HEAD
        try:
            text = await self._head()
            if not text:
                return False
            self.busy = True
            head = read_head(text, self._proxy.limits)
            if head.minor > 0 and "HTTP_HOST" not in head.fields and head.path != self._proxy.probe:
                raise BadRequest(400, "The request has no field Host.")
            return await self._request(head, text)
        except BadRequest as problem:
            await self.reject(problem, head)
            return False
        finally:
            self.busy = False

    async def _head(self) -> bytes:
        """Read the head of the next request, without its empty line; b"" if there is none."""
        limits = self._proxy.limits
        async with asyncio.timeout(limits.idle_timeout):
            for _ in range(EMPTY_BYTES):
                first = await self._reader.read(1)
                if first not in (b"\r", b"\n"):
                    break
        if not first:
            return b""
        check_first_bytes(first)
        try:
            async with asyncio.timeout(limits.header_timeout):
                return (await read_lines(self._reader, limits.head, first))[:-2]
        except asyncio.LimitOverrunError:
            raise BadRequest(431, f"The head of the request is larger than {limits.head} bytes.") from None
        except BadAnswer as problem:
            raise BadRequest(400, f"The head of the request is invalid: {problem}.") from None

    async def _request(self, head: Head, text: bytes) -> bool:
        proxy = self._proxy
        if proxy.controls(head.path):
            return await self._control(head)
        line = REQUEST_LINE.match(text)
        assert line is not None
        absolute = f"{head.uri}{'?' * bool(head.query)}{head.query}".encode("latin-1")
        target = line[2] if line[2][:1] in b"/*" else absolute
        fields: list[Field] = FIELD.findall(text, line.end())
        record = Record(head, fields, target.decode("latin-1"), time.perf_counter(), proxy.room)
        try:
            return await self._pass(record, target)
        finally:
            proxy.observe(record)
            record.release()
            self._log(head, record.status, record.received.size, record.began)

    async def _pass(self, record: Record, target: bytes) -> bool:
        """Forward a request unless the guard, the rate limit or a fault prevents it."""
        head, proxy = record.head, self._proxy
        if head.expects_continue:
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, rest = await self._beginning(record)
        rejected = proxy.guard.rejection(record, body)
        if rejected:
            return await self._instead(record, proxy_answer(403, rejected), rejected, rest)
        try:
            if not await proxy.pace.turn(self._reader.at_eof):
                raise Gone
        except NoTurn as reason:
            instead = proxy_answer(reason.status, str(reason), *reason.headers)
            return await self._instead(record, instead, str(reason), rest)
        fault = await self._meet(record, body)
        if fault is not None and fault.effect in ("status", "html", "throttle"):
            return await self._instead(record, self._effect(fault, record, body), "", rest)
        if fault is not None and fault.drop == "before":
            raise Gone
        request = OutgoingRequest(head.method, self._outgoing(record, target, rest is not None and head.length is None),
                                  body, self._rechunked(rest, head) if rest else None, self._interim(head))
        proxy.begin(record)
        try:
            answer = await proxy.upstream.ask(request)
        except UpstreamFailed as failure:
            record.forwarded = failure.sent
            proxy.report(f"{head.method} {record.target}: {failure.status} {failure.reason}")
            return await self._instead(record, proxy_answer(failure.status, failure.reason), failure.reason, rest)
        return await self._pass_back(record, answer, fault)

    # the request

    async def _beginning(self, record: Record) -> tuple[bytes, AsyncIterator[bytes] | None]:
        """Return the whole body if it is small or the guard needs it, or else an iterator that reads it."""
        head, proxy = record.head, self._proxy
        if head.length == 0:
            return b"", None
        pieces = self._body(record)
        if (head.length or PREREAD_BYTES + 1) > PREREAD_BYTES and not proxy.guard.needs_body(record):
            return b"", pieces
        return await self._whole(record, pieces), None

    async def _whole(self, record: Record, pieces: AsyncIterator[bytes]) -> bytes:
        """Read a body that is buffered until the request is over; BadRequest if it is too large."""
        kept, most = [], self._proxy.limits.body
        too_large = BadRequest(413, f"The body is larger than {most} bytes.")
        if (record.head.length or 0) > most:
            raise too_large
        async for piece in pieces:
            if record.sent.size > most:
                raise too_large
            if not record.hold(piece):
                raise BadRequest(503, "The memory limit is reached by the bodies of other requests.")
            kept.append(piece)
        return b"".join(kept)

    async def _body(self, record: Record) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; Gone if the client does not send all of it, BadRequest if it is invalid."""
        length = record.head.length
        pieces = read_chunks(self._reader) if length is None else read_sized(self._reader, length)
        try:
            while True:
                async with asyncio.timeout(self._proxy.limits.body_timeout):
                    piece = await anext(pieces, b"")
                if not piece:
                    return
                record.sent.add(piece)
                yield piece
        except BadAnswer as problem:
            raise BadRequest(400, f"The body of the request is invalid: {problem}.") from None
        except (TimeoutError, OSError, EOFError, ValueError):
            raise Gone from None

    async def _rechunked(self, rest: AsyncIterator[bytes], head: Head) -> AsyncIterator[bytes]:
        async for piece in rest:
            yield piece if head.length is not None else chunk(piece)
        if head.length is None:
            yield b"0\r\n\r\n"

    def _outgoing(self, record: Record, target: bytes, chunked: bool) -> bytes:
        """Return the head for the upstream: with its host name, and without hop-by-hop fields."""
        fields = passed_on(record.fields, b"host", b"expect", *([b"content-length"] if chunked else []))
        fields.insert(0, (b"Host", b" " + self._proxy.upstream.authority.encode("latin-1")))
        if chunked:
            fields.append((b"Transfer-Encoding", b" chunked"))
        elif record.head.length is None:  # a chunked body that was read completely
            fields.append((b"Content-Length", b" %d" % record.sent.size))
        return head_bytes(b"%b %b HTTP/1.1" % (record.head.method.encode("ascii"), target), fields)

    # faults

    async def _meet(self, record: Record, body: bytes) -> Fault | None:
        """Return the fault that applies to a request, after its delay."""
        faults = self._proxy.faults
        if not faults:
            return None
        fault, late, delay = faults.meet(self._proxy.request_of(record, body))
        record.fault, record.delay = (fault or late or Fault()).id, delay
        await asyncio.sleep(delay)
        return fault

    def _effect(self, fault: Fault, record: Record, body: bytes) -> AppResponse:
        engine = self._proxy.faults.engine
        reply = EFFECT_FUNCTIONS[fault.effect](fault, self._proxy.request_of(record, body), engine)
        answer = render(reply, record.head.method)
        return AppResponse(status_line(answer.status), answer.headers, answer.body)

    # the response

    async def _pass_back(self, record: Record, answer: StreamedResponse, fault: Fault | None) -> bool:
        """Forward the upstream's response unchanged, piece by piece."""
        head, whole = record.head, False
        record.status, record.answer = answer.head.status, answer.head.fields
        self._report_redirect(record, answer)
        cut = None if fault is None else 0 if fault.drop else fault.truncate
        closing = self._proxy.stopping or not head.keep_alive or cut is not None or answer.early
        try:
            chunked = answer.head.length is None and head.minor > 0
            start = self._answer_head(answer, head, chunked, closing or (answer.head.length is None and not chunked))
            first = self._piece(record, answer.first, chunked, cut)
            if cut != 0:
                self._writer.write(start + first)
            async for piece in answer.pieces:
                self._writer.write(self._piece(record, piece, chunked, cut))
                await self._drain()
            whole = True
        except UpstreamFailed as failure:
            self._proxy.report(f"{head.method} {record.target}: {failure.reason}")
            raise Gone from None
        finally:
            record.broken = answer.early or not whole
            answer.end(whole)
        if cut is not None:
            await self._drain()
            raise Gone
        if chunked:
            self._writer.write(b"0\r\n\r\n")
        await self._drain()
        if answer.early:
            await self._discard_rest()
        return not closing and (chunked or answer.head.length is not None)

    def _interim(self, head: Head) -> Callable[[AnswerHead], None]:
        """Return the function that forwards interim responses, which HTTP/1.0 does not have."""
        def forward(answer: AnswerHead) -> None:
            if head.minor > 0:
                line = b"HTTP/1.1 %d %b" % (answer.status, answer.reason)
                self._writer.write(head_bytes(line, passed_on(answer.fields)))

        return forward

    def _report_redirect(self, record: Record, answer: StreamedResponse) -> None:
        """Report a redirect to another host; it is forwarded, not followed."""
        for location in answer.head.values(b"location") if 300 <= answer.head.status < 400 else ():
            host = AUTHORITY.match(location)
            if host and host[1].lower() != self._proxy.upstream.authority.lower().encode("latin-1"):
                there = location.decode("latin-1")
                self._proxy.report(f"{record.head.method} {record.target}: redirects to another host, {there[:200]}")

    def _piece(self, record: Record, piece: bytes, chunked: bool, cut: int | None) -> bytes:
        """Return the part of a piece that is written."""
        kept = piece if cut is None else piece[:max(0, cut - record.received.size)]
        record.received.add(piece)
        return chunk(kept) if chunked and kept else kept

    def _answer_head(self, answer: StreamedResponse, head: Head, chunked: bool, closing: bool) -> bytes:
        fields = passed_on(answer.head.fields)
        if chunked:
            fields.append((b"Transfer-Encoding", b" chunked"))
        if closing or head.minor == 0:
            fields.append((b"Connection", b" close" if closing else b" keep-alive"))
        return head_bytes(b"HTTP/1.1 %d %b" % (answer.head.status, answer.head.reason), fields)

    async def _instead(self, record: Record, response: AppResponse, reason: str, rest: object) -> bool:
        """Respond in place of the upstream. Close the connection if the request's body was not read."""
        record.status, record.reason, record.own = response.code, reason, True
        record.answer = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
        record.received.add(response.body)
        closing = rest is not None or not record.head.keep_alive or self._proxy.stopping
        await self._answer(record.head, response, closing)
        if rest is not None:
            await self._discard_rest()
        return not closing

    async def _control(self, head: Head) -> bool:
        """Pass the request to the control plane and its page, a WSGI application."""
        proxy = self._proxy
        record = Record(head, [], "", 0.0, proxy.room)
        try:
            body = await self._whole(record, self._body(record)) if head.length != 0 else b""
            environ = environ_of(ReceivedRequest(head, body), proxy.environ)
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(proxy.threads, run_wsgi, proxy.application, environ)
        finally:
            record.release()
        closing = not head.keep_alive or proxy.stopping or not response.status
        await self._answer(head, response, closing)
        return not closing

    async def _answer(self, head: Head, response: AppResponse, closing: bool) -> None:
        self._writer.write(b"".join(encoded(response, head, closing, self._proxy.date())))
        await self._drain()

    async def _drain(self) -> None:
        async with asyncio.timeout(self._proxy.limits.body_timeout):
            await self._writer.drain()

    def _log(self, head: Head, status: int, size: int, began: float, reason: str = "") -> None:
        if self._proxy.log:
            path = head.path.encode("latin-1").decode("utf-8", "replace")
            self._proxy.log(Served(head.method, path, head.query, status, size, time.perf_counter() - began, reason))


def proxy_answer(status: int, reason: str, *headers: tuple[str, str]) -> AppResponse:
    """Return a JSON response of the proxy itself."""
    body = json.dumps({"message": f"sarkmock proxy: {reason}"}).encode()
    return AppResponse(f"{status} {HTTPStatus(status).phrase}", [("Content-Type", JSON), *headers], body)


def chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


"""One client's connection: reads requests, passes them to the application, and enforces timeouts."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from math import inf
from typing import Any

from sarkmock.http.web_server import PAGE, server_page
from sarkmock.server.application import Application, AppResponse, WsgiEnviron, environ_of, run_wsgi
from sarkmock.server.http11 import NO_BODY, BadRequest, Head, Limits, Reader, ReceivedRequest, response_head

PIECE = 2**16  # bytes
READ_AHEAD = 2**16  # bytes of further requests to receive while one is processed
READS = frozenset(("GET", "HEAD", "OPTIONS"))
NO_HEAD = Head("-", "-", "", 1, {})  # placeholder for a request that could not be parsed
SMALL = 2**16  # bytes that are always allowed
LINGER = 1.0  # seconds of silence after which a client rejected in mid-request is cut off
SLOWEST = 20  # a body may take this many times ``body_timeout``


@dataclass(frozen=True, slots=True)
class Served:
    """One served request, for a log; status 0 if the connection was closed instead.

    ``reason`` is why a request could not be read.
    """

    method: str
    path: str
    query: str
    status: int
    size: int
    seconds: float
    reason: str = ""

    @property
    def target(self) -> str:
        """Path and query string, for display."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass
class Service:
    """State shared by a server's connections."""

    app: Application
    environ: WsgiEnviron
    limits: Limits
    background: str | None
    takes_long: Callable[[str, int], bool] | None
    probe: str | None
    log: Callable[[Served], None] | None
    threads: ThreadPoolExecutor
    long: ThreadPoolExecutor
    connections: set[Connection] = field(default_factory=set)
    most: int = 0  # limit of open connections
    accepted: int = 0
    held: int = 0  # bytes of all connections' requests and responses
    stopping: bool = False
    _date: tuple[int, str] = (0, "")

    def date(self) -> str:
        """Return the current time as an HTTP date."""
        now = int(time.time())
        if now != self._date[0]:
            self._date = now, formatdate(now, usegmt=True)
        return self._date[1]

    def threads_for(self, request: ReceivedRequest) -> ThreadPoolExecutor | None:
        """Return the threads for a request that should not block others; None for other requests."""
        if self.background and request.head.path.startswith(self.background):
            return self.threads
        return self.long if self.takes_long and self.takes_long(request.head.uri, len(request.body)) else None

    def rejected(self, problem: BadRequest) -> bytes:
        """Return the response to a client that sends no TLS."""
        return unread(problem, rejection(problem), self.log, self.date())

    def has_room(self, size: int) -> bool:
        """Whether that many more bytes fit into the memory limit."""
        return self.held + size <= max(self.limits.memory, 2 * self.limits.body)


class Connection(asyncio.Protocol):
    """Serve one client's requests in order, one at a time.

    ``deadline`` is the time by which the client must act next; `expire` is called after it.
    """

    def __init__(self, service: Service) -> None:
        self.deadline = inf
        self._service, self._limits = service, service.limits
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(service.limits, service.probe)
        self._transport: Any = None
        self._request: ReceivedRequest | None = None  # being processed
        self._began = 0.0
        self._waiting_for: Head | str | None = None  # the head whose body is incomplete, or "head"
        self._latest = inf  # deadline for the whole body
        self._late: asyncio.TimerHandle | None = None
        self._rest = memoryview(b"")  # unsent part of a response, and the number of bytes held
        self._sending = 0
        self._unsent = 0  # bytes that the client has not read
        self._held = 0  # bytes of this connection that the service has counted
        self._discarding = self._closing = self._ended = False

    @property
    def busy(self) -> bool:
        """Whether a request is being processed or its response sent."""
        return self._request is not None or self._unsent > 0 or len(self._rest) > 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # so that resume_writing means that everything was sent
        self.deadline = self._loop.time() + self._limits.idle_timeout
        self._service.connections.add(self)
        if len(self._service.connections) > self._service.most:
            self._reject(BadRequest(503, f"More than {self._service.most} connections are open."))

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.connections.discard(self)
        self._service.accepted -= 1
        self._service.held -= self._held
        if self._late and self._request:
            self._late.cancel()
            self._log(self._request.head, 0, 0)
        elif self._reader.head and not self._request and not self._discarding:
            self._log(self._reader.head, 400, 0)

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            self.deadline = min(self._loop.time() + LINGER, self._latest)
            return
        self._reader.feed(data)
        if not self.busy:
            self._advance()
        elif self._reader.buffered > READ_AHEAD:
            self._transport.pause_reading()
        self._count()

    def eof_received(self) -> bool:
        """Handle the end of the client's data. Its requests are still answered, which is not possible with TLS."""
        self._ended = True
        return self.busy and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        self._unsent = self._transport.get_write_buffer_size()
        self.deadline = self._loop.time() + self._limits.body_timeout

    def resume_writing(self) -> None:
        self._unsent = 0
        if self._request is None and not self._discarding:
            self._flush()

    def expire(self) -> None:
        """Abort, because the client has missed its deadline. A client that reads slowly gets a new one."""
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:  # it reads slowly
            self._unsent = unsent
            self.deadline = self._loop.time() + self._limits.body_timeout
        else:
            self._transport.abort()

    def finish(self) -> None:
        """Close if no response is in progress."""
        if not self.busy:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def _advance(self) -> None:
        """Process the next request if it is complete."""
        if self.busy or self._discarding or self._closing or self._transport.is_closing():
            return
        try:
            request = self._reader.next()
        except BadRequest as problem:
            self._reject(problem)
            return
        if request:
            self._waiting_for = None
            self._answer(request)
        elif self._ended:
            self._close()
        else:
            self._await_more()

    def _count(self) -> int:
        """Report the bytes that this connection holds to the service."""
        held = self._reader.held + self._sending + (len(self._request.body) if self._request else 0)
        self._service.held += held - self._held
        self._held = held
        return held

    def _await_more(self) -> None:
        now, head = self._loop.time(), self._reader.head
        if self._count() > SMALL and not self._service.has_room(0):
            self._reject(BadRequest(503, "The memory limit is reached by the bodies of other requests."))
            return
        if head is not None:
            if self._waiting_for is not head:
                self._waiting_for, self._latest = head, now + SLOWEST * self._limits.body_timeout
                if head.expects_continue:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.deadline = min(now + self._limits.body_timeout, self._latest)
        elif not self._reader.buffered:
            self._waiting_for, self.deadline = None, now + self._limits.idle_timeout
        elif self._waiting_for is None:
            self._waiting_for, self.deadline = "head", now + self._limits.header_timeout
        self._transport.resume_reading()

    def _answer(self, request: ReceivedRequest) -> None:
        service = self._service
        self._request, self._began, self.deadline = request, time.perf_counter(), inf
        environ = environ_of(request, service.environ)
        threads = service.threads_for(request)
        if threads:
            future = self._loop.run_in_executor(threads, run_wsgi, service.app, environ)
            future.add_done_callback(lambda done: None if done.cancelled() else self._answered(done.result()))
        else:
            self._answered(run_wsgi(service.app, environ))

    def _answered(self, response: AppResponse) -> None:
        if response.delay:
            self._late = self._loop.call_later(response.delay, self._send, response)
        else:
            self._send(response)

    def _send(self, response: AppResponse) -> None:
        assert self._request is not None
        head, self._request, self._late = self._request.head, None, None
        if len(response.body) > SMALL and head.method in READS and not self._service.has_room(len(response.body)):
            response = rejection(BadRequest(503, "The memory limit is reached by the bodies of other responses."))
        if not self._transport.is_closing():
            self._closing = self._service.stopping or not (head.keep_alive and response.whole)
            self._write(head, response)
        self._log(head, response.code, len(response.body))

    def _write(self, head: Head, response: AppResponse) -> None:
        if not response.status:
            self._transport.abort()
            return
        date = self._service.date()
        try:
            start, body = encoded(response, head, self._closing, date)
        except ValueError:  # an application can return invalid headers
            traceback.print_exc()
            start, body = encoded(AppResponse("500 Internal Server Error"), head, self._closing, date)
        if len(body) < PIECE:
            body = start + body
        else:
            self._transport.write(start)
        self._rest, self._sending = memoryview(body), len(body)
        self._flush()

    def _flush(self) -> None:
        """Write the rest of the response in pieces, each after the client has read the previous one."""
        while self._rest and not self._unsent:
            piece, self._rest = self._rest[:PIECE], self._rest[PIECE:]
            self._transport.write(piece)
        if self._unsent:
            self._count()
            return  # `resume_writing` continues
        self._sending = 0
        if self._closing:
            self._loop.call_soon(self._close)  # in `resume_writing`, asyncio would close the transport twice
        elif self._reader.buffered or self._ended:
            self._loop.call_soon(self._advance)  # other connections run first
        else:
            self._await_more()

    def _reject(self, problem: BadRequest) -> None:
        """Reject a request that is not read any further, and close the connection.

        Data that the client still sends is discarded for a while: a reset would reach it before the response.
        """
        head, now = self._reader.head or NO_HEAD, self._loop.time()
        self._discarding, self.deadline, self._latest = True, now + LINGER, now + self._limits.body_timeout
        response = rejection(problem)
        self._reader.forget()
        self._count()
        self._transport.write(b"".join(encoded(response, head, True, self._service.date())))
        if self._transport.can_write_eof():
            with suppress(OSError):  # the client has disconnected
                self._transport.write_eof()
        self._transport.resume_reading()
        self._log(head, problem.status, len(response.body), problem.reason)

    def _close(self) -> None:
        self.deadline = self._loop.time() + self._limits.body_timeout
        self._transport.close()

    def _log(self, head: Head, status: int, size: int, reason: str = "") -> None:
        if self._service.log:
            path = head.path.encode("latin-1").decode("utf-8", "replace")
            taken = time.perf_counter() - self._began if self._began else 0.0
            self._service.log(Served(head.method, path, head.query, status, size, taken, reason))


def unread(problem: BadRequest, response: AppResponse, log: Callable[[Served], None] | None, date: str) -> bytes:
    """Log a client whose request could not be read at all, and return the response as bytes."""
    if log:
        log(Served("-", "-", "", problem.status, len(response.body), 0.0, problem.reason))
    return b"".join(encoded(response, NO_HEAD, True, date))


def rejection(problem: BadRequest) -> AppResponse:
    """Return the response to a rejected request: a page, as Apache sends it."""
    later = [("Retry-After", "1")] if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else []
    return AppResponse(f"{problem.status} {HTTPStatus(problem.status).phrase}", [("Content-Type", PAGE), *later],
                       server_page(problem.status, problem.reason))


def encoded(response: AppResponse, head: Head, closing: bool, date: str) -> tuple[bytes, bytes]:
    """Serialise the response to a request, with the server's own headers. Return head and body."""
    bodiless = response.code in NO_BODY or response.code < 200
    headers = [field for field in response.headers if not (bodiless and field[0].lower() == "content-length")]
    names = {name.lower() for name, _ in headers}
    own = [("Date", date), ("Server", "sarkmock"), ("Content-Length", str(len(response.body)))]
    headers += [field for field in own[:2 if bodiless else 3] if field[0].lower() not in names]
    if closing or head.minor == 0:
        headers.append(("Connection", "close" if closing else "keep-alive"))
    start = response_head(response.status, headers, min(head.minor, 1))
    return start, b"" if head.method == "HEAD" or bodiless else response.body

"""The proxy as a server: accepts clients, limits connections, shuts down cleanly; shared parts of all passages."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from sarkmock.control import HEALTH, is_control
from sarkmock.faults import Faults
from sarkmock.http.engine import ApiRequest
from sarkmock.journal import Journal
from sarkmock.proxy.exchange import ALL_BODIES, BodyMemory, OnPassed, Pace, Record, record_in_journal, request_of
from sarkmock.proxy.passage import Passage, proxy_answer
from sarkmock.proxy.upstream import Upstream
from sarkmock.server.application import Application
from sarkmock.server.connection import READS, Served, unread
from sarkmock.server.http11 import BadRequest, Limits
from sarkmock.server.https_server import BACKLOG, STOP_TIMEOUT, Listener, most_connections
from sarkmock.server.tls import Tls


class Guard(Protocol):
    """Decides which requests may pass."""

    def needs_body(self, record: Record) -> bool:
        """Whether the decision depends on the body."""
        ...

    def rejection(self, record: Record, body: bytes) -> str:
        """Return why a request may not pass; "" if it may."""
        ...


class PermitAll:
    """A guard that permits every request."""

    def needs_body(self, record: Record) -> bool:
        return False

    def rejection(self, record: Record, body: bytes) -> str:
        return ""


@dataclass
class ProxyParts:
    """The optional parts of a proxy. ``judge`` receives every forwarded exchange, on the server's thread."""

    faults: Faults
    journal: Journal | None = None
    application: Application | None = None  # the control plane and its page
    guard: Guard = field(default_factory=PermitAll)
    pace: Pace = field(default_factory=Pace)
    judge: OnPassed | None = None
    report: Callable[[str], None] = lambda _: None
    log: Callable[[Served], None] | None = None


class Proxy(Listener):
    """A proxy that listens until `stop`; `with Proxy(upstream, around, port=0) as proxy: proxy.url`."""

    def __init__(self, upstream: Upstream, around: ProxyParts, host: str = "127.0.0.1", port: int = 0, *,
                 tls: ssl.SSLContext | None = None, limits: Limits | None = None) -> None:
        super().__init__(host, port, tls, limits)
        self.upstream, self.faults, self.pace, self.guard = upstream, around.faults, around.pace, around.guard
        self.application = around.application or nowhere
        self.report, self.log, self.probe = around.report, around.log, HEALTH
        self.stopping = False
        self.room = BodyMemory(max(ALL_BODIES, 2 * self.limits.body))
        self._around = around
        self._passages: set[Passage] = set()
        self._in_progress: dict[int, Record] = {}

    async def _serve(self) -> None:
        server = await self._loop.create_server(self._protocol, sock=self._listener, backlog=BACKLOG)
        await self._ending.wait()
        self.stopping = True
        self.pace.end()
        server.close()
        latest = self._loop.time() + STOP_TIMEOUT
        while any(passage.busy for passage in self._passages) and self._loop.time() < latest:
            await asyncio.sleep(STOP_TIMEOUT / 100)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}  # passages, and connections that were just accepted
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.upstream.pool.close()
        await asyncio.sleep(0)  # closes the transports

    def _protocol(self) -> asyncio.Protocol:
        reader = asyncio.StreamReader(self.limits.head, self._loop)
        streams = asyncio.StreamReaderProtocol(reader, self._client, self._loop)
        return Tls(self._context, streams, self.limits.header_timeout, self._rejected) if self._context else streams

    def _rejected(self, problem: BadRequest) -> bytes:
        return unread(problem, proxy_answer(problem.status, problem.reason), self.log, self.date())

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)  # so that drain() returns only when the response is sent
        passage = Passage(self, reader, writer)
        self._passages.add(passage)
        try:
            if len(self._passages) > most_connections(self.limits):
                await passage.reject(BadRequest(503, f"More than {self.limits.connections} connections are open."))
                writer.close()
                return
            await passage.serve()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._passages.remove(passage)

    # used by passages

    def controls(self, path: str) -> bool:
        """Whether the path belongs to the control plane."""
        return self._around.application is not None and is_control(path)

    def request_of(self, record: Record, body: bytes) -> ApiRequest:
        """Return the request as a mock would get it."""
        return request_of(record, body, self.upstream.base, self.environ)[1]

    def date(self) -> str:
        return formatdate(time.time(), usegmt=True)

    def begin(self, record: Record) -> None:
        """Note that a request is forwarded from now on."""
        for other in self._in_progress.values():
            if record.head.method not in READS or other.head.method not in READS:
                record.alone = other.alone = False
        self._in_progress[id(record)] = record
        record.forwarded = True

    def observe(self, record: Record) -> None:
        """Record a finished request in the journal; pass it to the judge if the upstream may have received it."""
        self._in_progress.pop(id(record), None)
        passed = record.passed(time.perf_counter() - record.began)
        if self._around.journal is not None:
            passed.entry = record_in_journal(self._around.journal, record, passed, self.upstream.base, self.environ)
        if self._around.judge is not None and record.forwarded:
            self._around.judge(passed)


def nowhere(_: object, start_response: Callable[..., object]) -> list[bytes]:
    """The WSGI application of a proxy without a control plane: 404 for everything."""
    start_response("404 Not Found", [])
    return []

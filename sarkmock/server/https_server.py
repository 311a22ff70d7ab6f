"""An HTTP(S) server for one WSGI application: one process, one thread for all connections.

asyncio waits for clients, OpenSSL encrypts. The application is called with complete requests only, so that a client
waits for other clients' processing, but never for their network (benchmarks/README.md has the numbers).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sarkmock.server.application import Application
from sarkmock.server.certificates import CertificatePair
from sarkmock.server.connection import Connection, Served, Service
from sarkmock.server.http11 import Limits
from sarkmock.server.listener import STOP_TIMEOUT, Listener, most_connections
from sarkmock.server.tls import Tls

MOST_REJECTED = 256  # connections beyond the limit that get a 503; further ones are closed
RETRY = 0.05  # seconds until the next attempt to accept when no file descriptors are left


class Server(Listener):
    """Serve an application until `stop`: `with Server(app, port=0) as server: server.url`.

    Requests whose path starts with ``background`` run in threads, so that other requests need not wait for them.
    Requests for which ``takes_long(path, body size)`` is true run in one further thread, one after another. The path
    ``probe`` may be requested without a Host header.
    """

    def __init__(self, app: Application, host: str = "127.0.0.1", port: int = 0, *,
                 tls: CertificatePair | ssl.SSLContext | None = None, log: Callable[[Served], None] | None = None,
                 limits: Limits | None = None, background: str | None = None, probe: str | None = None,
                 takes_long: Callable[[str, int], bool] | None = None) -> None:
        super().__init__(host, port, tls, limits)
        self._welcoming: set[asyncio.Task[None]] = set()
        self._service = Service(app, self.environ, self.limits, background, takes_long, probe, log, self.threads,
                                ThreadPoolExecutor(1, "sarkmock-long"))

    def stop(self) -> None:
        super().stop()
        self._service.long.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        self._service.most = most_connections(self.limits)
        tasks = [self._loop.create_task(self._accept()), self._loop.create_task(self._watch())]
        await self._ending.wait()
        for task in (*tasks, *self._welcoming):
            task.cancel()
        await asyncio.gather(*tasks, *self._welcoming, return_exceptions=True)
        self._listener.close()
        await self._finish()

    async def _finish(self) -> None:
        """Close idle connections at once, and the others after at most STOP_TIMEOUT."""
        service = self._service
        service.stopping = True
        latest = self._loop.time() + STOP_TIMEOUT
        for connection in list(service.connections):
            connection.finish()
        while any(connection.busy for connection in service.connections) and self._loop.time() < latest:
            await asyncio.sleep(STOP_TIMEOUT / 100)
        for connection in list(service.connections):
            connection.abort()
        await asyncio.sleep(0)

    async def _accept(self) -> None:
        while True:
            try:
                accepted, _ = await self._loop.sock_accept(self._listener)
            except OSError:  # the client has disconnected, or no file descriptors are left
                await asyncio.sleep(RETRY)
                continue
            if self._service.accepted >= self._service.most + MOST_REJECTED:
                accepted.close()
            else:
                self._service.accepted += 1
                task = self._loop.create_task(self._welcome(accepted))
                self._welcoming.add(task)
                task.add_done_callback(self._welcoming.discard)
            await asyncio.sleep(0)  # let other tasks run

    async def _welcome(self, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted)
        except BaseException as error:
            self._forget()
            if not isinstance(error, OSError):
                raise

    def _protocol(self) -> asyncio.Protocol:
        connection = Connection(self._service)
        if self._context is None:
            return connection
        return Tls(self._context, connection, self.limits.header_timeout, self._service.rejected, self._forget)

    def _forget(self) -> None:
        self._service.accepted -= 1

    async def _watch(self) -> None:
        """Drop connections whose clients are too slow."""
        limits = self.limits
        interval = min(1.0, limits.header_timeout / 4, limits.body_timeout / 4, limits.idle_timeout / 4)
        while True:
            await asyncio.sleep(interval)
            now = self._loop.time()
            for connection in list(self._service.connections):
                if connection.deadline <= now:
                    connection.expire()

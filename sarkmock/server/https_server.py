"""HTTP(S) in front of one WSGI application: one process, one thread that serves all connections.

asyncio waits for clients, OpenSSL encrypts; the application is called with whole requests in between, so that a client
waits only for what others have the application do, and never for their network (benchmarks/README.md has the numbers).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Self

from sarkmock.server.application import Application
from sarkmock.server.certificates import Pair
from sarkmock.server.connection import Connection, Served, Service
from sarkmock.server.limits import Limits, most_connections
from sarkmock.server.tls import Tls

BACKLOG = 1024
REFUSED = 256  # connections beyond the limit that get a 503; further ones are closed
STOP_TIMEOUT = 1.0
RETRY = 0.05  # seconds until the next try to accept a connection when the system has no more files
CONTROL_THREADS = 4


class CannotListen(Exception):
    """The address cannot be had; the message says which and what to do."""


class Server:
    """Serves an application until `stop`; `with Server(app, port=0) as server: server.url`.

    ``tls`` is a certificate and its key, or the server's SSLContext. Requests for a path that begins with
    ``background`` are answered in threads, so that the others need not wait for them; the path ``probe`` may be
    requested without the field Host.
    """

    def __init__(self, app: Application, host: str = "127.0.0.1", port: int = 0, *,
                 tls: Pair | ssl.SSLContext | None = None, log: Callable[[Served], None] | None = None,
                 limits: Limits | None = None, background: str | None = None, probe: str | None = None) -> None:
        self.host = unbracketed(host)
        self._context = context_of(tls) if isinstance(tls, Pair) else tls
        self._listener = listen(self.host, port)
        self.port = int(self._listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._welcoming: set[asyncio.Task[None]] = set()
        self.limits = limits or Limits()
        environ = {"SERVER_NAME": self.host, "SERVER_PORT": str(self.port),
                   "wsgi.url_scheme": "https" if self._context else "http"}
        self._service = Service(app, environ, self.limits, background, probe, log,
                                ThreadPoolExecutor(CONTROL_THREADS, "sarkmock-control"))

    @property
    def url(self) -> str:
        """Scheme, host and port, without a path."""
        return url_of(self._context is not None, self.host, self.port)

    def start(self) -> None:
        """Serve from now on, in a thread of this process."""
        self._thread = threading.Thread(target=self.run, name="sarkmock-server", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Serve in this thread until `end` is called in another one, or in a signal handler."""
        self._loop.run_until_complete(self._serve())

    def end(self) -> None:
        """Have `run` finish what is being answered, and return."""
        with suppress(RuntimeError):  # it has returned, and the loop is closed
            self._loop.call_soon_threadsafe(self._ending.set)

    def stop(self) -> None:
        """Finish what is being answered, then close; a client that does not finish is dropped."""
        self.end()
        if self._thread:
            self._thread.join()
        self._service.threads.shutdown(wait=False, cancel_futures=True)
        self._listener.close()
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

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
        """Close the connections that are idle now, and within STOP_TIMEOUT the others."""
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
            except OSError:  # the client is gone again, or the system has no more files
                await asyncio.sleep(RETRY)
                continue
            if self._service.accepted >= self._service.most + REFUSED:
                accepted.close()
            else:
                self._service.accepted += 1
                task = self._loop.create_task(self._welcome(accepted))
                self._welcoming.add(task)
                task.add_done_callback(self._welcoming.discard)
            await asyncio.sleep(0)  # in between, others have their turn

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
        return Tls(self._context, connection, self.limits.header_timeout, self._forget)

    def _forget(self) -> None:
        self._service.accepted -= 1

    async def _watch(self) -> None:
        """Drop the connections whose clients are too slow."""
        limits = self.limits
        interval = min(1.0, limits.header_timeout / 4, limits.body_timeout / 4, limits.idle_timeout / 4)
        while True:
            await asyncio.sleep(interval)
            now = self._loop.time()
            for connection in [one for one in self._service.connections if one.deadline <= now]:
                connection.expire()


def context_of(pair: Pair) -> ssl.SSLContext:
    """The context of a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def unbracketed(host: str) -> str:
    """An IPv6 address may be written as in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def url_of(tls: bool, host: str, port: int) -> str:
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; CannotListen says why not."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen(_cannot_listen(host, port, error)) from None
    listener.setblocking(False)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --port, or --port 0 for any free one"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} needs privileges; choose one above 1023 with --port"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; choose another with --host"
    return f"cannot listen on port {port} on {host}: {os.strerror(error.errno or 0)}"

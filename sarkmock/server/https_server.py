"""A listener (socket, thread and event loop), and an HTTP(S) server for one WSGI application.

One thread serves all connections: asyncio waits for clients, OpenSSL encrypts. The application is called with complete
requests only, so that a client waits for other clients' processing, but never for their network
(benchmarks/README.md has the numbers).
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Self

from sarkmock.server.addresses import is_wildcard
from sarkmock.server.application import Application, WsgiEnviron
from sarkmock.server.connection import Connection, Served, Service
from sarkmock.server.http11 import Limits
from sarkmock.server.tls import Tls

BACKLOG = 1024
STOP_TIMEOUT = 1.0  # seconds for requests in progress when a server stops
CONTROL_THREADS = 4
SPARE_FILES = 64  # open files reserved for the rest of the process


class CannotListen(Exception):
    """The address is not available; the message names it and suggests a fix."""


class Listener(ABC):
    """Listen from construction until `stop`. Subclasses implement serving.

    ``tls`` is the server's SSLContext; None for plain HTTP. ``environ`` contains the server's WSGI variables;
    ``threads`` run requests that should not block others.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, limits: Limits | None) -> None:
        self.host = unbracketed(host)
        self._context = tls
        self._listener = listen(self.host, port)
        self.port = int(self._listener.getsockname()[1])
        self.limits = limits or Limits()
        self.environ: WsgiEnviron = {"SERVER_NAME": self.host, "SERVER_PORT": str(self.port),
                                     "wsgi.url_scheme": "https" if self._context else "http"}
        self.threads = ThreadPoolExecutor(CONTROL_THREADS, "sarkmock-control")
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port by which clients on this machine reach it, without a path."""
        loopback = "::1" if ":" in self.host else "localhost"
        host = loopback if is_wildcard(self.host) else self.host
        return f"{'https' if self._context else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        """Start serving in a thread of this process."""
        self._thread = threading.Thread(target=self.run, name="sarkmock-server", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Serve in the current thread until `end` is called from another thread or a signal handler."""
        self._loop.run_until_complete(self._serve())

    @abstractmethod
    async def _serve(self) -> None:
        """Serve until ``_ending`` is set, then finish the requests in progress."""

    def end(self) -> None:
        """Make `run` finish the requests in progress and return."""
        with suppress(RuntimeError):  # `run` has returned, and the loop is closed
            self._loop.call_soon_threadsafe(self._ending.set)

    def stop(self) -> None:
        """Finish the requests in progress, then close. Clients that take too long are dropped."""
        self.end()
        if self._thread:
            self._thread.join()
        self.threads.shutdown(wait=False, cancel_futures=True)
        self._listener.close()
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def unbracketed(host: str) -> str:
    """Remove the brackets of an IPv6 address, as written in URLs."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. CannotListen with the reason if that fails."""
    try:
        family = socket.getaddrinfo(host or "-", port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, ValueError) as error:
        raise CannotListen(_cannot_listen(host, port, error)) from None
    listener.setblocking(False)
    return listener


def _cannot_listen(host: str, port: int, error: OSError | ValueError) -> str:
    number = error.errno or 0 if isinstance(error, OSError) else -1
    if number < 0 or number == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        printed = host if host.isprintable() and host == host.strip() != "" else repr(host)
        return f"{printed} is not an address of this machine; choose another with --host"
    if number == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --port, or --port 0 for any free one"
    if number == errno.EACCES:
        return f"port {port} on {host} needs privileges; choose one above 1023 with --port"
    return f"cannot listen on port {port} on {host}: {os.strerror(number)}"


def open_files() -> int | None:
    """Return the process's limit of open files; None if there is none."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def most_connections(limits: Limits) -> int:
    """Return how many connections may be open, limited by ``connections`` and by the process's open files."""
    files = open_files()
    return limits.connections if files is None else max(1, min(limits.connections, files - SPARE_FILES))


def allow_open_files(connections: int) -> None:
    """Raise the process's soft limit of open files for that many connections, up to the hard limit."""
    files = open_files()
    if files is None or files >= connections + SPARE_FILES:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


MOST_REJECTED = 256  # connections beyond the limit that get a 503; further ones are closed
RETRY = 0.05  # seconds until the next attempt to accept when no file descriptors are left


class Server(Listener):
    """Serve an application until `stop`: `with Server(app, port=0) as server: server.url`.

    Requests whose path starts with ``background`` run in threads, so that other requests need not wait for them.
    Requests for which ``takes_long(path, body size)`` is true run in one further thread, one after another. The path
    ``probe`` may be requested without a Host header.
    """

    def __init__(self, app: Application, host: str = "127.0.0.1", port: int = 0, *,
                 tls: ssl.SSLContext | None = None, log: Callable[[Served], None] | None = None,
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

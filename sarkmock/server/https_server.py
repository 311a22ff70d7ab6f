"""HTTP(S) in front of one WSGI application: one process, connections kept alive. Knows no Flask and nothing of the API.

granian's worker does TLS and HTTP in Rust and calls Python from one thread (benchmarks/README.md has the numbers).
It runs without granian's supervisor, which would hold the state in a child process that outlives a killed parent.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from granian._futures import _new_cbscheduler
from granian._granian import SocketHolder, WorkerSignal, WSGIWorker
from granian.constants import HTTPModes, SSLProtocols
from granian.http import HTTP1Settings

from sarkmock.http.delivery import DELAY, Dropped
from sarkmock.server.certificates import Pair
from sarkmock.server.connections import Patience, drop
from sarkmock.server.sending import Answer, Later, send

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
BACKLOG = 128
BODY_TIMEOUT = 5.0
STOP_TIMEOUT = 1.0


class CannotListen(Exception):
    """The address cannot be had; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Served:
    """One request that was answered, for a log."""

    method: str
    target: str
    status: int
    size: int
    seconds: float


class Server:
    """Serves an application until `stop`; `with Server(app, port=0) as server: server.url`."""

    def __init__(self, app: Application, host: str = "127.0.0.1", port: int = 0, *, tls: Pair | None = None,
                 log: Callable[[Served], None] | None = None, body_timeout: float = BODY_TIMEOUT) -> None:
        self._listener = listen(host, port)
        self._tls = tls
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self._patience = Patience(body_timeout, self._drop_stalled)
        self._loop = asyncio.new_event_loop()
        self._signal, self._stopped = WorkerSignal(), threading.Event()
        self._signal.add_cb(self._stopped.set)
        self._worker = worker(self._listener, tls)
        self._later = Later()
        self._handler = Handler(app, self._patience, log, self._later, self._listener)

    @property
    def url(self) -> str:
        """Scheme, host and port, without a path."""
        return url_of(self._tls is not None, self.host, self.port)

    def start(self) -> None:
        """Serve from now on, in threads of this process."""
        self._worker.serve_mtr(_new_cbscheduler(self._loop, self._handler, impl_asyncio=True), self._loop, self._signal)

    def stop(self) -> None:
        """Finish what is being answered, then close; a client that does not finish is dropped."""
        self._signal.set()
        if not self._stopped.wait(STOP_TIMEOUT):
            drop(self._listener)
            self._stopped.wait(STOP_TIMEOUT)
        self._later.stop()
        self._handler.finish(STOP_TIMEOUT)
        self._patience.end()
        self._listener.close()
        self._loop.close()

    def _drop_stalled(self, waited: float) -> None:
        """Drop who has been silent all the time; later, as a body may begin and then stop, who has been for a while."""
        limit = self._patience.seconds
        drop(self._listener, waited if waited < 2 * limit else limit)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


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
    # inherited by connections; else an answer waits 40 ms until the client has acknowledged the TLS tickets before it
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --port, or --port 0 for any free one"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} needs privileges; choose one above 1023 with --port"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; choose another with --host"
    return f"cannot listen on port {port} on {host}: {os.strerror(error.errno or 0)}"


def worker(listener: socket.socket, tls: Pair | None) -> Any:
    """granian's worker with one thread for Python: more contend for the interpreter and halve the throughput."""
    # Both stubs lag behind. (descriptor, is it a Unix socket, backlog); (id, (spec, socket), ipc, threads, ...).
    hold: Any = SocketHolder
    build: Any = WSGIWorker
    files = (str(tls.certificate), str(tls.key)) if tls else (None, None)
    encryption = (tls is not None, *files, None, str(SSLProtocols.tls12), None, [], False)
    return build(1, (None, hold(listener.dup().detach(), False, BACKLOG)), None, 1, 512, 1, 30, BACKLOG,
                 HTTPModes.http1, HTTP1Settings(), None, None, *encryption, (None, None))


class Handler:
    """Calls the application for one request of the worker, body read and answer whole."""

    def __init__(self, app: Application, patience: Patience, log: Callable[[Served], None] | None, later: Later,
                 listener: socket.socket) -> None:
        self._app, self._patience, self._log = app, patience, log
        self._later, self._listener = later, listener
        self._busy = threading.Lock()

    def finish(self, timeout: float) -> None:
        """Wait until the request that is being answered is logged, too: its client may have the answer before."""
        if self._busy.acquire(timeout=timeout):
            self._busy.release()

    def __call__(self, proto: Any, scope: Environ) -> int:
        with self._busy:
            return self._serve(proto, scope)

    def _serve(self, proto: Any, scope: Environ) -> int:
        began = time.perf_counter()
        delays: list[float] = []
        try:
            answer = self._answer(scope, delays)
        except BodyIncomplete:
            answer = Answer(400, [("Content-Length", "0"), ("Connection", "close")], b"")
        if delays:
            self._later.call(sum(delays), partial(self._send_late, proto, scope, answer, began))
        else:
            self._send(proto, scope, answer, began)
        return answer.status

    def _send_late(self, proto: Any, scope: Environ, answer: Answer, began: float) -> None:
        with self._busy:
            self._send(proto, scope, answer, began)

    def _send(self, proto: Any, scope: Environ, answer: Answer, began: float) -> None:
        send(proto, answer, self._listener)
        if self._log:
            taken = time.perf_counter() - began
            self._log(Served(scope["REQUEST_METHOD"], target(scope), answer.status, len(answer.body), taken))

    def _answer(self, scope: Environ, delays: list[float]) -> Answer:
        started: list[Any] = []
        parts: list[bytes] = []
        answer: Any = None
        try:
            answer = self._app(self._environ(scope, delays), lambda *status: started.append(status))
            parts.extend(answer)
        except Dropped:
            pass
        else:
            return Answer(int(started[-1][0][:3]), started[-1][1], b"".join(parts))
        finally:
            getattr(answer, "close", bool)()
        status, headers = started[-1][:2] if started else ("000", [])
        return Answer(int(status[:3]), headers, b"".join(parts), whole=False)

    def _environ(self, scope: Environ, delays: list[float]) -> Environ:
        body = self._body(scope)
        return scope | {
            DELAY: delays.append,
            "SCRIPT_NAME": "", "CONTENT_LENGTH": str(len(body)), "wsgi.version": (1, 0), "wsgi.input": io.BytesIO(body),
            "wsgi.input_terminated": True, "wsgi.errors": sys.stderr, "wsgi.multithread": False,
            "wsgi.multiprocess": False, "wsgi.run_once": False}

    def _body(self, scope: Environ) -> bytes:
        announced = scope.get("CONTENT_LENGTH")
        if not announced and "HTTP_TRANSFER_ENCODING" not in scope:
            return b""
        with self._patience.waiting():
            body: bytes = scope["wsgi.input"].read()
        if announced and len(body) != int(announced):
            raise BodyIncomplete
        return body


class BodyIncomplete(Exception):
    """The client went away, or was dropped, before it had sent what it announced."""


def target(scope: Environ) -> str:
    """Path and query string, for people."""
    path = scope["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    return f"{path}?{scope['QUERY_STRING']}" if scope["QUERY_STRING"] else path

"""The guard that decides which requests may pass to the box, and the queue of exchanges for the judge's thread."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache

from sarkmock.proxy_api import Passed, Record
from sarkmock.suite_api import profile_names

from ..client.http import Exchange, Request, Response
from ..errors import Withheld
from ..safety.gate import reject_method_override
from ..safety.routing import HAZARDS, MEANT, RequestReader, method_of
from ..spec.contract import contract_of

CACHED_LENGTH = 200  # of a path; longer ones are too rare to be cached
PASSED_METHODS = ("GET", "POST", "PUT", "DELETE")


def permitted_hazards(read_only: bool, disruptive: bool) -> frozenset[str]:
    """Return the hazards that may pass."""
    return frozenset(HAZARDS[:1] if read_only else HAZARDS if disruptive else HAZARDS[:3])


class TrafficGuard:
    """Passes permitted requests. As a POST may override its method, its body is read first where that matters."""

    def __init__(self, base: str, hazards: frozenset[str]) -> None:
        self._base, self._hazards = base, hazards
        self._cached = lru_cache(4096)(self._worst_of)

    @cached_property
    def _reader(self) -> RequestReader:
        return RequestReader([contract_of(name) for name in profile_names()])

    def prepare(self) -> None:
        """Load the documents before the first request."""
        self._worst(PASSED_METHODS, "/")

    def needs_body(self, record: Record) -> bool:
        """Whether the body must be read, because a method override in it could select a forbidden operation."""
        path = self._path(record)
        if record.head.method.upper() != "POST" or self._worst(("POST",), path) not in self._hazards:
            return False
        return self._worst(PASSED_METHODS, path) not in self._hazards

    def rejection(self, record: Record, body: bytes) -> str:
        """Return why a request may not pass; empty if it may."""
        path, query = self._path(record), record.target.partition("?")[2]
        request = Request(record.head.method, path, query, header_names(record), body)
        worst = self._worst(methods_of(request), path)
        if worst in self._hazards or self._reader.names_nothing(request):
            return ""
        why = "allow it with --allow-disruptive" if "write" in self._hazards else "--read-only allows only reads"
        return f"{record.head.method} {path} is {worst}; {why}"

    def _path(self, record: Record) -> str:
        path = record.target.partition("?")[0]
        return path[len(self._base):] if path.startswith(self._base + "/") else path

    def _worst(self, methods: tuple[str, ...], path: str) -> str:
        return (self._cached if len(path) < CACHED_LENGTH else self._worst_of)(methods, path)

    def _worst_of(self, methods: tuple[str, ...], path: str) -> str:
        """Return the worst hazard of a path over some methods."""
        return max((self._hazard(Request(method, path)) for method in methods), key=HAZARDS.index)

    def _hazard(self, request: Request) -> str:
        hazards = [self._reader.hazard(request, meaning) for meaning in self._reader.meanings(request)]
        if self._reader.is_unknown_command(request):
            hazards.append("disruptive")
        if not hazards:  # a path that no profile knows
            by_method = "read" if MEANT.get(request.method) == "GET" else "operational"
            hazards = [self._reader.worst_word(request), by_method]
        return max(hazards, key=HAZARDS.index)


def header_names(record: Record) -> tuple[tuple[str, str], ...]:
    """Return the header fields, with underscores in names read as hyphens, as some servers do."""
    return tuple((name.decode("ascii").replace("_", "-"), value.decode("latin-1").strip())
                 for name, value in record.fields)


def methods_of(request: Request) -> tuple[str, ...]:
    """Return the methods that a server may execute for a request: all, if it contains any kind of method override.

    PHP reads methods in any case, and variable names like ``.method`` as ``_method``.
    """
    own = request.method.upper()
    if own not in MEANT:
        return (own,)
    request = replace(request, method=own)
    meant = method_of(request)
    try:
        reject_method_override(request)
    except Withheld:
        return tuple(dict.fromkeys((own, meant, *PASSED_METHODS)))
    return (own,) if meant == own else tuple(dict.fromkeys((own, meant, *PASSED_METHODS)))


QUEUED_EXCHANGES = 10_000
BYTES = 64 << 20
QUIET = 0.01  # seconds without an exchange before judging, which would take processor time from the traffic
JUDGED_AFTER = 2.0  # longest wait of an exchange for quiet, in seconds
PATIENCE = 15.0  # seconds for judging the queue when the proxy is stopped
LEFT_BEHIND = frozenset(("host", "content-length", "connection", "user-agent", "accept-encoding", "transfer-encoding"))


class ExchangeQueue:
    """Passes exchanges to a callback in its own thread. ``missed`` counts those that did not fit or were incomplete."""

    def __init__(self, hear: Callable[[Passed], None], max_bytes: int = BYTES, patience: float = PATIENCE) -> None:
        self._hear, self._max_bytes, self._patience = hear, max_bytes, patience
        self._waiting: queue.Queue[tuple[Passed, float] | None] = queue.Queue(QUEUED_EXCHANGES)
        self._size = self.missed = 0
        self._latest = 0.0  # time of the latest exchange
        self._gap = self._closing = self._ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="sarkmock-judge", daemon=True)
        self._thread.start()

    def __call__(self, passed: Passed) -> None:
        """Add an exchange to the queue; never blocks."""
        size = len(passed.body) + len(passed.answer_body)
        if self._size + size > self._max_bytes or self._waiting.full():
            self.missed += 1
            self._gap = True
            return
        passed.gap, self._gap = self._gap, False
        self._count(size)
        self._latest = time.monotonic()
        self._waiting.put((passed, self._latest))

    def _count(self, size: int) -> None:
        with self._lock:
            self._size += size

    def close(self) -> None:
        """Process the queue for a limited time, and count the rest as missed. No exchange is processed afterwards."""
        self._closing = True
        with suppress(queue.Full):
            self._waiting.put(None, timeout=self._patience)
        self._thread.join(self._patience)
        self._ended = True
        while not self._waiting.empty():
            self.missed += self._waiting.get_nowait() is not None
        self._waiting.put(None)
        self._thread.join()

    def settle(self) -> None:
        """Wait until all queued exchanges are processed."""
        self._waiting.join()

    def _run(self) -> None:
        while not self._ended and (waiting := self._waiting.get()) is not None:
            passed, arrived = waiting
            self._await_quiet(arrived + JUDGED_AFTER)
            try:
                self._hear(passed)
            except Exception:  # keep the thread for the next exchange
                traceback.print_exc()
            finally:
                self._count(-len(passed.body) - len(passed.answer_body))
                self._waiting.task_done()

    def _await_quiet(self, latest: float) -> None:
        """Wait for a pause in the traffic, at most until ``latest``, and not if the queue fills or is closing."""
        while not self._closing and self._waiting.qsize() < QUEUED_EXCHANGES // 2:
            now = time.monotonic()
            if now > min(latest, self._latest + QUIET):
                break
            time.sleep(QUIET)


def exchange_of(passed: Passed, base: str) -> Exchange | None:
    """Return an exchange with the API; None if it is outside of the base path."""
    path, _, query = passed.target.partition("?")
    if not path.startswith(base + "/"):
        return None
    headers = tuple(pair for pair in passed.headers if pair[0].lower() not in LEFT_BEHIND)
    return Exchange(Request(passed.method, path[len(base):], query, headers, passed.body),
                    Response(passed.status, passed.answer_headers, passed.answer_body))

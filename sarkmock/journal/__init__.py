"""The journal: the most recent requests and responses, assertions on them, and the reasons for rejected requests.

Every request is recorded, so recording copies and computes nothing (benchmarks/README.md).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import Lock
from typing import Any, overload

from sarkmock.http.engine import Engine, Request
from sarkmock.http.middleware import Environ
from sarkmock.http.replies import FaultyReply, Reply
from sarkmock.http.wsgi import Answer
from sarkmock.journal.deviation_warnings import warnings
from sarkmock.journal.diagnosis import Reason, Verification, verdict_on, why
from sarkmock.journal.entries import Criteria, CriteriaError, Entry, Notice, to_har

__all__ = ["DEFAULT_KEPT", "Criteria", "CriteriaError", "Entry", "Journal", "Notice", "Reason", "Verification"]
DEFAULT_KEPT = 1000
MAX_BYTES = 16 * 2**20
MAX_BODY = 64 * 2**10


class Journal:
    """The most recent requests of an engine, the oldest first: `create_app(engine, journal=Journal(engine))`.

    Keeps at most ``limit`` entries and ``max_bytes``, and at most ``max_body`` bytes of each body.
    """

    def __init__(self, engine: Engine, limit: int = DEFAULT_KEPT, *, max_bytes: int = MAX_BYTES,
                 max_body: int = MAX_BODY) -> None:
        self.engine, self.limit, self.max_bytes, self.max_body = engine, limit, max_bytes, max_body
        self._entries: deque[Entry] = deque()
        self._lock = Lock()
        self._count = self._size = 0

    @property
    def count(self) -> int:
        """The number of requests since the start or `clear`, including those no longer kept."""
        return self._count

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries())

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        return self.entries()[index]

    def entries(self) -> list[Entry]:
        """Return all entries, the oldest first."""
        with self._lock:
            return list(self._entries)

    def entry(self, number: int) -> Entry | None:
        """Return the entry with a number, or None if it is not kept."""
        return next((entry for entry in self.entries() if entry.number == number), None)

    def clear(self) -> None:
        """Delete all entries; numbers start at 1 again."""
        with self._lock:
            self._entries.clear()
            self._count = self._size = 0

    def find(self, operation: str | None = None, **criteria: Any) -> list[Entry]:
        """Return the entries that meet all criteria (see `Criteria`). CriteriaError if a criterion cannot be met."""
        return Criteria.of(self.engine.operations, operation=operation, **criteria).matching(self.entries())

    def verify(self, operation: str | None = None, *, times: int | None = None, at_least: int | None = None,
               at_most: int | None = None, **criteria: Any) -> Verification:
        """Check whether the expected number of entries meet the criteria; at least one if no number is given."""
        wanted = Criteria.of(self.engine.operations, operation=operation, **criteria)
        return verdict_on(wanted, self.entries(), times, at_least, at_most)

    def assert_called(self, operation: str | None = None, *, times: int | None = None, at_least: int | None = None,
                      at_most: int | None = None, **criteria: Any) -> list[Entry]:
        """Return the entries that meet the criteria. AssertionError if there are too few or too many.

        The message lists the last entries that meet them and, if there are too few, the nearest others.

        ``journal.assert_called("tenants.create", times=1, body={"pkey": "acme"}, status=201)``
        """
        verdict = self.verify(operation, times=times, at_least=at_least, at_most=at_most, **criteria)
        if not verdict.ok:
            raise AssertionError(verdict.explanation)
        return verdict.entries

    def assert_not_called(self, operation: str | None = None, **criteria: Any) -> None:
        """Raise AssertionError if any entry meets the criteria."""
        self.assert_called(operation, times=0, **criteria)

    def why(self, entry: Entry) -> list[Reason]:
        """Return why a request failed: rules, lines of the documentation, nearest paths."""
        return [Reason(entry.reason)] if entry.reason else why(entry)

    def warnings(self, entry: Entry) -> list[Notice]:
        """Return warnings: a judge's notices, ignored variables, and differences of published versions."""
        return [*entry.notices, *warnings(entry, self.engine)]

    def har(self, entries: Iterable[Entry] | None = None, origin: str = "https://127.0.0.1") -> str:
        """Export entries (default: all) as an HTTP Archive without secrets; ``origin`` is the mock's address."""
        return to_har(self.entries() if entries is None else entries, origin, self.count - len(self))

    def record(self, environ: Environ, request: Request, reply: Reply, answer: Answer, began: float,
               sizes: tuple[int, int] | None = None) -> Entry:
        """Record a request that was just served.

        ``began`` is its arrival time (time.perf_counter). ``sizes`` are the original sizes of incomplete bodies.
        """
        sizes = sizes or (len(request.body), len(answer.body))
        if sizes[0] > self.max_body or sizes[1] > self.max_body:
            request = replace(request, body=request.body[:self.max_body])
            answer = replace(answer, body=answer.body[:self.max_body])
        fields = {name: environ[name] for name in environ if name[:5] == "HTTP_"}
        if environ.get("CONTENT_TYPE"):
            fields["CONTENT_TYPE"] = environ["CONTENT_TYPE"]
        engine, taken = self.engine, time.perf_counter() - began
        entry = Entry(0, engine.state.clock.now(), time.time(), taken, request, answer, engine.program, fields, sizes)
        if isinstance(reply, FaultyReply):
            entry.fault, entry.delay = reply.fault, reply.delay
        entry.weight = weight(entry)
        self._keep(entry)
        return entry

    def _keep(self, entry: Entry) -> None:
        with self._lock:
            self._count += 1
            entry.number = self._count
            self._entries.append(entry)
            self._size += entry.weight
            while len(self._entries) > self.limit or self._size > self.max_bytes:
                self._size -= self._entries.popleft().weight


def weight(entry: Entry) -> int:
    """Return the bytes of an entry's content. Its fixed overhead is limited by the number of entries."""
    request, answer = entry.request, entry.answer
    texts = "".join((request.path, request.query, request.method, *entry.fields, *entry.fields.values(),
                     *request.headers.values(), *[value for _, value in answer.headers]))
    return len(request.body) + len(answer.body) + len(texts) * (1 if texts.isascii() else 4)

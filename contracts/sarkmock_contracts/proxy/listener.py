"""Takes exchanges over for the judge's thread, within bounds: clients never wait for the judge."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable

from sarkmock.suite_api import Passed

from ..client.http import Exchange, Request, Response

QUEUED_EXCHANGES = 1_000  # exchanges
BYTES = 64 << 20
PATIENCE = 15.0  # seconds for what still waits when the proxy is stopped
LEFT_BEHIND = frozenset(("host", "content-length", "connection", "user-agent", "accept-encoding", "transfer-encoding"))


class ExchangeQueue:
    """Hands exchanges over, one after another. ``missed`` counts those for which there was no room, or which were not
    seen as a whole."""

    def __init__(self, hear: Callable[[Passed], None]) -> None:
        self._hear = hear
        self._waiting: queue.Queue[Passed | None] = queue.Queue(QUEUED_EXCHANGES)
        self._size = self.missed = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="sarkmock-judge", daemon=True)
        self._thread.start()

    def __call__(self, passed: Passed) -> None:
        """Take an exchange in; never waits."""
        size = len(passed.body) + len(passed.answer_body)
        if self._size + size > BYTES or self._waiting.full():
            self.missed += 1
            return
        self._count(size)
        self._waiting.put(passed)

    def _count(self, size: int) -> None:
        with self._lock:
            self._size += size

    def close(self) -> None:
        """Hear what waits, as far as that takes no longer than a person does."""
        try:
            self._waiting.put(None, timeout=PATIENCE)
        except queue.Full:
            return
        self._thread.join(PATIENCE)
        self.missed += self._waiting.qsize()

    def settle(self) -> None:
        """Wait until all that was taken in is heard."""
        self._waiting.join()

    def _run(self) -> None:
        while (passed := self._waiting.get()) is not None:
            try:
                self._hear(passed)
            except Exception:  # the next exchange is another
                traceback.print_exc()
            finally:
                self._count(-len(passed.body) - len(passed.answer_body))
                self._waiting.task_done()


def exchange_of(passed: Passed, base: str) -> Exchange | None:
    """An exchange with the API; None for what lies outside of its base path."""
    path, _, query = passed.target.partition("?")
    if not path.startswith(base + "/"):
        return None
    headers = tuple(pair for pair in passed.headers if pair[0].lower() not in LEFT_BEHIND)
    return Exchange(Request(passed.method, path[len(base):], query, headers, passed.body),
                    Response(passed.status, passed.answer_headers, passed.answer_body))

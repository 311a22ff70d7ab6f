"""How fast requests may pass: a number per minute, or an even rate; others wait in a bounded queue."""

from __future__ import annotations

import asyncio
from collections import deque
from math import ceil

PACE_WINDOW = 61.0  # a minute, and the second by which clocks may differ
QUEUE = 50


class QueueFull(Exception):
    """Too many requests wait already; ``seconds`` is when one may come again."""

    def __init__(self, waiting: int, seconds: float) -> None:
        super().__init__(f"{waiting} requests wait already for their turn")
        self.seconds = max(1, ceil(seconds))


class Pace:
    """Lets requests pass in the order in which they came. ``each`` is the seconds between two of them, ``most`` how
    many may pass in any minute, ``queue`` how many may wait."""

    def __init__(self, each: float = 0.0, most: int | None = None, queue: int = QUEUE) -> None:
        self._each, self._most, self._queue = each, most, queue
        self._passed: deque[float] = deque(maxlen=most or 1)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def turn(self) -> float:
        """Wait for this request's turn, and return the seconds that took; QueueFull if too many wait."""
        if not self._each and self._most is None:
            return 0.0
        began = asyncio.get_running_loop().time()
        wait = self._wait(began)
        if (wait or self._turn.locked()) and self._waiting >= self._queue:
            raise QueueFull(self._waiting, wait)
        self._waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(self._wait(asyncio.get_running_loop().time()))
                now = asyncio.get_running_loop().time()
                self._passed.append(now)
        finally:
            self._waiting -= 1
        return now - began

    def _wait(self, now: float) -> float:
        if not self._passed:
            return 0.0
        even = self._passed[-1] + self._each - now
        full = self._passed[0] + PACE_WINDOW - now if self._most and len(self._passed) == self._most else 0.0
        return max(0.0, even, full)

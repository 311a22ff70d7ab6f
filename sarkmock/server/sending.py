"""How an answer leaves: whole, in part, not at all, or late. Knows granian's protocol object, and nothing of HTTP."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sarkmock.server.connections import reset

FLUSH = 0.05  # seconds within which the worker has sent what it was given
DROPPED = 0
PADDING = 900  # bytes by which an answer is known, short of a packet


@dataclass(frozen=True, slots=True)
class Answer:
    """What an application answered; ``status`` is 0 where it wants the connection dropped before that."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool = True


class Beginning:
    """The part of a body that is sent before the connection is closed: an iterator that ends too early."""

    def __init__(self, body: bytes, until: Callable[[], object]) -> None:
        self._parts, self._until = iter([body] if body else []), until

    def __next__(self) -> bytes:
        part = next(self._parts, None)
        if part is None:
            self._until()
            raise StopIteration
        return part

    def close(self) -> None:
        pass


def send(proto: Any, answer: Answer, listener: socket.socket) -> None:
    """Hand an answer to the worker. Nobody else must do so meanwhile."""
    if answer.whole:
        proto.response_bytes(answer.status, answer.headers, answer.body)
    elif answer.status == DROPPED:
        drop_answer(proto, listener)
    else:
        threading.Thread(target=send_beginning, args=(proto, answer), daemon=True).start()


def send_beginning(proto: Any, answer: Answer) -> None:
    """The worker closes the connection where the body ends before its announced length, but may lose the rest then."""
    proto.response_iter(answer.status, answer.headers, Beginning(answer.body, lambda: time.sleep(FLUSH)))


def drop_answer(proto: Any, listener: socket.socket) -> None:
    """Close the connection without an answer; where that cannot be, with a status line and nothing more."""
    gone = threading.Event()
    beginning = Beginning(b"", lambda: gone.wait(1))
    headers = [("Content-Length", "1"), ("X-Padding", "-" * PADDING)]
    answer = threading.Thread(target=proto.response_iter, args=(500, headers, beginning), daemon=True)
    reset(listener, answer.start, PADDING)
    gone.set()


class Later:
    """Calls functions after so many seconds, from one thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None

    def call(self, seconds: float, function: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop.run_forever, name="sarkmock-later", daemon=True)
            self._thread.start()
        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, function)

    def stop(self) -> None:
        """What is not called by now never is."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

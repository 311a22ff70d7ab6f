"""Ctrl-C and SIGTERM: they end a run before its next request, never inside one or inside a library.

An exception raised wherever a signal happens to arrive may be swallowed there: by a callback of the garbage collector,
by a finalizer, by code that waits for an answer. So a signal is noted, and what it asks for happens between requests.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from .http import Request, Response
from .transports import Layer

STOPPING = (signal.SIGINT, signal.SIGTERM)
SLICE = 0.2  # seconds until a wait sees that a signal has come

_noted: list[int] = []
_followed: list[Path] = []


def install() -> None:
    """From now on signals are noted."""
    for number in STOPPING:
        signal.signal(number, _note)


def pass_on(tell: Callable[[], object]) -> None:
    """From now on the first signal is noted and told to other processes, which end the run."""
    def note(number: int, frame: FrameType | None) -> None:
        tell()
        _note(number, frame)

    if _noted:
        tell()
    for number in STOPPING:
        signal.signal(number, note)


def follow_file(file: Path) -> None:
    """Take a file that another process makes for a signal."""
    _followed[:] = [file]


def came() -> bool:
    """Whether a signal has come that no exception was raised for."""
    return bool(_noted) or any(file.exists() for file in _followed)


@contextmanager
def noted() -> Iterator[None]:
    """A block whose requests a signal ends; the handlers are as before after it."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    install()
    try:
        yield
    finally:
        _noted.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(number: int, frame: FrameType | None) -> None:
    if _noted:
        _interrupt(number, frame)  # a second signal: do not wait any longer
    _noted.append(number)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _noted.clear()
    _followed.clear()
    raise KeyboardInterrupt


def raise_if_stopped() -> None:
    """Raise KeyboardInterrupt if a signal has come. Called before every request and between the cases of a run."""
    if came():
        _interrupt(signal.SIGINT, None)


class Interrupts(Layer):
    """A signal ends the run before its next request."""

    def send(self, request: Request) -> Response:
        raise_if_stopped()
        return self.inner.send(request)


def sleep(seconds: float) -> None:
    """Wait, unless a signal comes."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        raise_if_stopped()
        time.sleep(min(left, SLICE))


@contextmanager
def deferred(message: str) -> Iterator[None]:
    """A block that has to be finished: signals are answered with a message."""
    def tell(_number: int, _frame: FrameType | None) -> None:
        os.write(1, f"{message}\n".encode())  # print is not reentrant

    before = {number: signal.signal(number, tell) for number in STOPPING}
    _noted.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""The connections a listening socket has accepted, found among this process's files. Knows nothing of HTTP.

The server's worker keeps its connections to itself, and the one thread that runs Python waits for a body as long as the
client does: a client that stops half-way must not hold up everyone else, nor the end.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OPEN_FILES = Path("/dev/fd")
# struct tcp_info: eight bytes, then 32-bit counters; the twelfth is tcpi_last_data_recv, milliseconds.
LAST_DATA_RECEIVED = struct.Struct("=8x44xI")


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """A second handle on every connection to the listener's port."""
    port = listener.getsockname()[1]
    for file in list(OPEN_FILES.iterdir()):
        with suppress(OSError):
            if file.is_socket():
                with socket.socket(fileno=os.dup(int(file.name))) as connection:
                    if connection.family == listener.family and connection.getsockname()[1] == port:
                        connection.getpeername()
                        yield connection


def drop(listener: socket.socket, silent_for: float = 0.0) -> None:
    """Shut down the connections that have sent nothing for so many seconds."""
    for connection in accepted(listener):
        if silence(connection) >= silent_for:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def silence(connection: socket.socket) -> float:
    """Seconds since the peer last sent something; for ever where the system does not tell."""
    if not hasattr(socket, "TCP_INFO"):
        return float("inf")
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA_RECEIVED.size)
    return float(LAST_DATA_RECEIVED.unpack(info)[0]) / 1000


class Patience:
    """Calls `give_up` with the seconds waited when a block entered by `waiting` has not ended in time."""

    def __init__(self, seconds: float, give_up: Callable[[float], None]) -> None:
        self.seconds, self._give_up = seconds, give_up
        self._since: float | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="sarkmock-patience", daemon=True).start()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def end(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self.seconds / 4):
            since = self._since
            if since is not None and time.monotonic() - since >= self.seconds:
                self._give_up(time.monotonic() - since)

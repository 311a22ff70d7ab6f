"""The connections a listening socket has accepted, found among this process's files. Knows nothing of HTTP.

The server's worker keeps its connections to itself, and the one thread that runs Python waits for a body as long as the
client does: a client that stops half-way must not hold up everyone else, nor the end.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

OPEN_FILES = Path("/dev/fd")
# struct tcp_info: eight bytes, then 32-bit counters; the twelfth is tcpi_last_data_recv, milliseconds.
LAST_DATA_RECEIVED = struct.Struct("=8x44xI")
SIOCOUTQNSD = 0x894B  # linux/sockios.h
UNCONNECTED = struct.pack("=H14x", socket.AF_UNSPEC)  # connect() to it dissolves a connection
SETTLING = 0.005  # seconds within which what is being written has reached the kernel
PATIENCE = 0.5  # seconds; once something is corked, the kernel sends it after 0.2
MARGIN = 400  # bytes: status line, headers, encryption


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


def reset(listener: socket.socket, write: Callable[[], None], size: int) -> bool:
    """Reset the connection that `write` makes the worker answer on, so that nothing of the answer arrives.

    Which connection that is, only the kernel knows: all are corked, and one gets about ``size`` bytes that it may not
    send yet. Nobody else must be answered meanwhile. False where the kernel has no such cork (Linux has), or where it
    is not clear which one it is.
    """
    if not hasattr(socket, "TCP_CORK"):
        write()
        return False
    with ExitStack() as stack:
        corked = [stack.enter_context(cork(one)) for one in accepted(listener)]
        time.sleep(SETTLING)
        before = [unsent(one) for one in corked]
        write()
        found = await_growth(corked, before, size)
        for one in found[:1] if len(found) == 1 else ():
            abort(one)
    return len(found) == 1


@contextmanager
def cork(connection: socket.socket) -> Iterator[socket.socket]:
    """Let the connection send full packets only."""
    kept = connection.dup()
    with kept, suppress(OSError):
        kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        try:
            yield kept
        finally:
            kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def await_growth(connections: list[socket.socket], before: list[int], size: int) -> list[socket.socket]:
    """The connections that have about so many bytes more to send than before."""
    deadline = time.monotonic() + PATIENCE
    found: list[socket.socket] = []
    while not found and time.monotonic() < deadline:
        time.sleep(SETTLING / 10)
        found = [one for one, had in zip(connections, before, strict=True) if 0 <= unsent(one) - had - size < MARGIN]
    return found


def unsent(connection: socket.socket) -> int:
    """Bytes that wait to be sent for the first time."""
    return int.from_bytes(fcntl.ioctl(connection, SIOCOUTQNSD, bytes(4)), sys.byteorder)


def abort(connection: socket.socket) -> None:
    """End a connection with RST, whatever waits to be sent; the file stays its owner's to close."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.connect(connection.fileno(), UNCONNECTED, len(UNCONNECTED))


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

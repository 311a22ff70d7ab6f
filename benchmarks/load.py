"""Measures requests per second over a few TLS connections that stay open."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECTIONS = 4


class Shot(NamedTuple):
    """A request that is sent repeatedly with a number, and its expected status."""

    name: str
    status: int
    method: str
    path: str
    body: Callable[[int], str] | None = None

    def encode(self, host: str, number: int) -> bytes:
        body = self.body(number).encode() if self.body else b""
        head = f"{self.method} {self.path} HTTP/1.1\r\nHost: {host}\r\n"
        if self.body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body


def rate(url: str, shot: Shot, seconds: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Requests per second of a clock. Each connection has a request in flight while the others are read."""
    parts = urlsplit(url)
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(parts.hostname or "", parts.port or 0, parts.scheme == "https"))
                       for _ in range(CONNECTIONS)]
        start, number = clock(), 0
        while clock() - start < seconds:
            for connection in connections:
                number += 1
                connection.sendall(shot.encode(parts.netloc, number))
            for connection in connections:
                expect(connection, shot)
        return number / (clock() - start)


def connect(host: str, port: int, tls: bool = True) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return connection
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)


def expect(connection: socket.socket, shot: Shot) -> None:
    """Read a whole response. An unexpected status ends the measurement."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    missing = content_length(head) - len(body)
    while missing > 0:
        missing -= len(receive(connection))
    if int(head[9:12]) != shot.status:
        raise SystemExit(f"{shot.name}: {head.splitlines()[0].decode()}, expected {shot.status}")


def receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise SystemExit("the server does not keep the connection alive")
    return received


def content_length(head: bytes) -> int:
    name = head.lower().index(b"content-length:") + 15
    return int(head[name:].split(b"\r\n", 1)[0])

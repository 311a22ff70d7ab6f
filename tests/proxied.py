"""A proxy in this process in front of a test's upstream, and requests as bytes on a socket."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from sarkmock.control import Control, MockControl
from sarkmock.faults import Fault, Faults
from sarkmock.http.engine import Engine
from sarkmock.http.flask_app import ControlApp
from sarkmock.journal import Entry, Journal
from sarkmock.proxy.exchange import Passed, Record
from sarkmock.proxy.server import Proxy, ProxyParts
from sarkmock.proxy.upstream import Timeouts, Upstream
from sarkmock.proxy_api import OF_TRAFFIC
from sarkmock.server.http11 import Limits, read_head
from tests.hostile_box import loopback_server
from tests.wire import payload

CLOSE = b"<close>"
EMPTY_LIST = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
SHORT_TIMEOUTS = Timeouts(connect=1, answer=1, piece=0.5, whole=2)


@dataclass
class Proxied:
    """A running proxy, the lines that it reported, and the exchanges that it passed to its judge."""

    proxy: Proxy
    journal: Journal
    reported: list[str]
    passed: list[Passed]

    def entries(self, count: int = 1) -> list[Entry]:
        """The journal, once it has that many entries: they are created after the responses are sent."""
        for _ in range(200):
            if len(self.journal) >= count:
                break
            time.sleep(0.01)
        return self.journal.entries()

    @property
    def url(self) -> str:
        return self.proxy.url + self.proxy.upstream.base


@contextmanager
def proxied(url: str, *, context: Any = None, timeouts: Timeouts | None = None, faults: tuple[str, ...] = (),
            **options: Any) -> Iterator[Proxied]:
    engine = Engine()
    parts = ProxyParts(Faults(engine, map(Fault.parse, faults), effects=OF_TRAFFIC), Journal(engine), **options)
    control = ControlApp(MockControl(engine, parts.faults, parts.journal, Control(), upstream=url))
    parts.application = control
    reported: list[str] = []
    passed: list[Passed] = []
    parts.report, parts.judge = reported.append, parts.judge or passed.append
    with Proxy(Upstream(url, context, timeouts), parts) as proxy:
        yield Proxied(proxy, parts.journal, reported, passed)


@dataclass
class Box:
    """An upstream that sends scripted responses, and then empty lists."""

    url: str
    requests: list[bytes]
    connections: int = 0


@contextmanager
def scripted(*responses: bytes, pause: float = 0.0, tls: ssl.SSLContext | None = None) -> Iterator[Box]:
    """Start an upstream with scripted responses. A response that ends with CLOSE ends the connection.

    With a pause, the responses are sent byte by byte.
    """
    pending = list(responses)

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), tls.wrap_socket(connection, True) if tls else connection as connection:
            while request := read_request(connection):
                box.requests.append(request)
                if not pending:
                    connection.sendall(EMPTY_LIST)
                    continue
                response = pending.pop(0)
                for byte in response if pause else ():
                    connection.sendall(bytes([byte]))
                    time.sleep(pause)
                connection.sendall(b"" if pause else response.removesuffix(CLOSE))
                if response.endswith(CLOSE):
                    return

    def accept(listener: socket.socket) -> None:
        connection = listener.accept()[0]
        box.connections += 1
        threading.Thread(target=serve, args=[connection], daemon=True).start()

    with loopback_server(accept) as address:
        box = Box(f"http{'s' if tls else ''}://{address}/api", [])
        yield box


def read_request(connection: socket.socket) -> bytes:
    """A request with a body of known length."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(1 << 16)
        if not chunk:
            return b""
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(1 << 16)
    return head + b"\r\n\r\n" + body


class Wire:
    """A client connection that writes bytes and reads whole responses as bytes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.authority = parts.netloc
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=10)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def exchange(self, request: bytes, method: str = "GET") -> tuple[bytes, list[bytes], bytes]:
        """Send a request and read status line, header lines and decoded body; empty if the connection was closed."""
        self._socket.sendall(request.replace(b"{host}", self.authority.encode()))
        return self.read(method)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self, method: str = "GET") -> tuple[bytes, list[bytes], bytes]:
        try:
            lines = [line := self._file.readline()]
            while line not in (b"\r\n", b""):
                lines.append(line := self._file.readline())
            status, headers = lines[0].rstrip(), [line.rstrip(b"\r\n") for line in lines[1:-1]]
            return status, headers, self._body(status, headers, method)
        except ConnectionResetError:
            return b"", [], b""

    def _body(self, status: bytes, headers: list[bytes], method: str) -> bytes:
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in headers)}
        if method == "HEAD" or status[9:12] in (b"204", b"304", b"") or status[9:10] == b"1":
            return b""
        if fields.get(b"transfer-encoding") == b"chunked":
            parts = []
            while size := int(self._file.readline(), 16):
                parts.append(self._file.read(size))
                self._file.readline()
            self._file.readline()
            return b"".join(parts)
        if b"content-length" in fields:
            return self._file.read(int(fields[b"content-length"]))
        return self._file.read()


def request_bytes(recorded: Mapping[str, Any], base: str = "/api") -> bytes:
    """A recorded request as a client sends it. ``{host}`` is replaced by the address."""
    path = recorded["path"]
    target = ("" if recorded.get("abs") else base) + (path if recorded.get("verbatim") else quote(path, safe="/%?=&"))
    content_type, body = payload(recorded)
    fields = {"Host": "{host}", "Accept": "application/json"} | ({"Content-Type": content_type} if content_type else {})
    fields |= {} if body is None else {"Content-Length": str(len(body))}
    fields |= {name: value for name, value in recorded.get("headers", {}).items() if value}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{recorded['method']} {target} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + (body or b"")


def record_of(method: str, target: str, headers: Mapping[str, str] | None = None) -> Record:
    """A request as a guard sees it."""
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    text = f"{method} {target} HTTP/1.1\r\nHost: h\r\n" + "".join(f"{n}: {v}\r\n" for n, v in (headers or {}).items())
    return Record(read_head(text.encode(), Limits()), fields, target, 0.0)

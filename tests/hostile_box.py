"""A hostile box: a raw socket server that answers every request with the same bytes."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def whole(body: bytes, headers: bytes = b"", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status, headers, len(body), body)


ANSWERS: dict[str, bytes] = {
    "deep": whole(b"[" * 1500 + b"]" * 1500),
    "nearly as deep": whole(b'{"a":' * 900 + b"1" + b"}" * 900),
    "a vast integer": whole(b'[{"pkey": ' + b"9" * 5000 + b"}]"),
    "a large integer": whole(b'[{"pkey": ' + b"9" * 4000 + b"}]"),
    "not a number": whole(b'[{"pkey": NaN, "a": -Infinity}]'),
    "half a pair of surrogates": whole(b'[{"pkey": "\\ud800", "\\udfff": 1}]'),
    "a gzip bomb": whole(gzip.compress(b" " * (100 << 20), 1), b"Content-Encoding: gzip\r\n"),
    "no gzip": whole(b"x" * 100, b"Content-Encoding: gzip\r\n"),
    "absurd limits": whole(b"[]", b"X-RateLimit-Limit: %s\r\nX-RateLimit-Remaining: %s\r\n" % ((b"9" * 5000,) * 2)),
    "a limit of other digits": whole(b"[]", "X-RateLimit-Limit: \u00b2\r\n".encode("latin-1")),
    "later": whole(b"{}", b"Retry-After: " + b"9" * 5000 + b"\r\n", b"429 Too Many Requests"),
    "later, some day": whole(b"{}", b"Retry-After: Mon, 01 Jan 99999 00:00:00 GMT\r\n", b"503 Service Unavailable"),
    "no HTTP": b"\x00\xff" * 500,
    "no status": b"HTTP/1.1 9x9 what\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n",
    "a long header": HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    "bad chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a length that is none": HEAD + b"Content-Length: -5\r\n\r\n[]",
    "less than announced": HEAD + b"Content-Length: 500\r\n\r\n[]",
    "bytes": whole(bytes(range(256))),
    "odd types": whole(b'{"pkey": [[]], "message": {"a": null}, "exception": 5}'),
    "commands": whole(b'{"message": "\\u001b[31m\\n::error file=a::b |c| <script>", "\\u001b]0;x": 1}',
                      b"Server: \x1b[2J\r\n"),
}


@contextlib.contextmanager
def loopback_server(accept: Callable[[socket.socket], object], threads: int = 1,
                    backlog: int | None = None) -> Iterator[str]:
    """The address of a listener, with which threads call ``accept`` repeatedly."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)

    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                accept(listener)

    for _ in range(threads):
        threading.Thread(target=run, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def hostile_box(answer: bytes, pause: float = 0.0) -> Iterator[str]:
    """The URL of a box with this response, optionally sent byte by byte with a pause."""
    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while connection.recv(1 << 16):
                if not pause:
                    connection.sendall(answer)
                    continue
                for byte in answer:
                    connection.sendall(bytes([byte]))
                    time.sleep(pause)

    def accept(listener: socket.socket) -> None:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()

    with loopback_server(accept) as address:
        yield f"http://{address}/api"

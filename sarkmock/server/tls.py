"""TLS as a layer between a plain connection and a protocol.

asyncio's own TLS has buffers of 256 KB for every connection; thousands of idle clients would cost a gigabyte.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

RECORDS = 2**16  # bytes that are decrypted at a time


class Tls(asyncio.Protocol):
    """The server's side of TLS. ``protocol`` is connected after the handshake; if that fails, ``failed`` is called."""

    def __init__(self, context: ssl.SSLContext, protocol: asyncio.Protocol, timeout: float,
                 failed: Callable[[], None]) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._protocol, self._timeout, self._failed = protocol, timeout, failed
        self._transport: Any = None
        self._deadline: asyncio.TimerHandle | None = None
        self._ready = False

    # what asyncio calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(self._timeout, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        if self._ready:
            self._protocol.connection_lost(exc)
        else:
            self._failed()

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            received, ended = self._read() if self._ready or self._shake_hands() else (b"", False)
        except ssl.SSLError:
            self._flush()  # an alert says why
            self._transport.close()
            return
        self._flush()
        if received:
            self._protocol.data_received(received)
        if ended:
            self.close()

    def eof_received(self) -> None:
        if self._ready:
            self._protocol.eof_received()

    def pause_writing(self) -> None:
        if self._ready:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._ready:
            self._protocol.resume_writing()

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        assert self._deadline is not None
        self._deadline.cancel()
        self._flush()
        self._ready = True
        self._protocol.connection_made(self)  # type: ignore[arg-type]  # as much of a transport as it needs
        return True

    def _read(self) -> tuple[bytes, bool]:
        """What there is to read, and whether the client has ended TLS."""
        parts = []
        try:
            while part := self._tls.read(RECORDS):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts), False
        except ssl.SSLZeroReturnError:
            pass
        return b"".join(parts), True

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    # the transport of the protocol

    def write(self, data: bytes | memoryview) -> None:
        if self._transport.is_closing():
            return
        self._tls.write(data)
        self._flush()

    def close(self) -> None:
        if self._transport.is_closing():
            return
        with suppress(ssl.SSLError):  # the client has not ended TLS yet, and need not
            self._tls.unwrap()
        self._flush()
        self._transport.close()

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls.context if name == "sslcontext" else self._transport.get_extra_info(name, default)

    def __getattr__(self, name: str) -> Any:
        """Flow control, `abort` and `is_closing` are those of the plain transport."""
        return getattr(self._transport, name)

"""TLS for protocols of asyncio."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sarkmock.server.http11 import METHOD_START, BadRequest

RECORDS = 2**16  # bytes of TLS decrypted per read


class Tls(asyncio.Protocol):
    """TLS between a plain connection and a protocol, which is connected after the handshake.

    asyncio's own TLS has buffers of 256 KB per connection, a gigabyte for thousands of idle clients. A client that
    speaks plain HTTP gets the bytes that ``rejected`` returns. ``failed`` is called if the handshake fails.
    """

    def __init__(self, context: ssl.SSLContext, protocol: asyncio.Protocol, timeout: float,
                 rejected: Callable[[BadRequest], bytes], failed: Callable[[], None] = lambda: None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._protocol, self._timeout, self._rejected, self._failed = protocol, timeout, rejected, failed
        self._transport: Any = None
        self._deadline: asyncio.TimerHandle | None = None
        self._ready = False

    # asyncio's protocol methods

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
            if not self._ready and METHOD_START.match(data):
                self._transport.write(self._rejected(BadRequest(400, "The request is not encrypted; use https.")))
            self._flush()  # send the alert with the reason
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
        self._protocol.connection_made(self)  # type: ignore[arg-type]  # it needs only some of a transport's methods
        return True

    def _read(self) -> tuple[bytes, bool]:
        """Return the decrypted data, and whether the client has ended TLS."""
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

    # the transport's methods

    def write(self, data: bytes | memoryview) -> None:
        if self._transport.is_closing():
            return
        self._tls.write(data)
        self._flush()

    def close(self) -> None:
        if self._transport.is_closing():
            return
        with suppress(ssl.SSLError):  # the client has not ended TLS, and does not have to
            self._tls.unwrap()
        self._flush()
        self._transport.close()

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls.context if name == "sslcontext" else self._transport.get_extra_info(name, default)

    def __getattr__(self, name: str) -> Any:
        """Delegate flow control, `abort` and `is_closing` to the plain transport."""
        return getattr(self._transport, name)

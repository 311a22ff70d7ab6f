"""TLS for protocols of asyncio, and certificates: generated for one run, or the user's own, validated before use."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from sarkmock.atomic import read_whole
from sarkmock.server.addresses import LOOPBACK, is_wildcard
from sarkmock.server.http11 import METHOD_START, BadRequest
from sarkmock.spec.yaml12 import FileError

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


LIFETIME = timedelta(days=397)


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """PEM files of a certificate and its key, and the CA file if the certificate was generated."""

    certificate: Path
    key: Path
    authority: Path | None = None


def make_certificate(directory: Path, host: str) -> CertificatePair:
    """Generate a certificate for the loopback names and `host`, with a new CA whose key is discarded."""
    import trustme  # slow to import, and not needed without TLS

    authority = trustme.CA()
    now = datetime.now(UTC)
    issue = partial(authority.issue_cert, not_before=now - timedelta(days=1), not_after=now + LIFETIME)
    try:
        leaf = issue(*names_of_host(host))
    except ValueError:  # a name that is not valid in a certificate, such as my_host
        leaf = issue(*LOOPBACK)
    pair = CertificatePair(directory / "certificate.pem", directory / "key.pem", directory / "ca.pem")
    pair.certificate.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(pair.key)
    authority.cert_pem.write_to_path(directory / "ca.pem")
    return pair


def generated_context(authority: Path, host: str) -> ssl.SSLContext:
    """Return a server's SSL context with a new certificate, and write its CA to a file."""
    with tempfile.TemporaryDirectory(prefix="sarkmock-") as directory:
        pair = make_certificate(Path(directory), host)
        authority.write_bytes((pair.authority or pair.certificate).read_bytes())
        return context_of(pair)


def users_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server's SSL context with the user's certificate. FileError names an invalid file."""
    with tempfile.TemporaryDirectory(prefix="sarkmock-") as directory:
        return context_of(checked_pair(certificate, key, Path(directory)))


def context_of(pair: CertificatePair) -> ssl.SSLContext:
    """Return a server's SSL context, which no longer needs the files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_alpn_protocols(["http/1.1"])
    return context


def names_of_host(host: str) -> list[str]:
    """Return the names clients may use for the server, for a wildcard address including this machine's name."""
    wanted = socket.gethostname() if is_wildcard(host) else host
    return list(dict.fromkeys([*LOOPBACK, wanted]))


def checked_pair(certificate: Path, key: Path, directory: Path) -> CertificatePair:
    """Validate the user's certificate and key and write normalised copies. FileError names an invalid one."""
    chain, private = _chain(certificate), _key(key)
    if private.public_key() != chain[0].public_key():
        raise FileError(key, None, f"is not the key of {certificate}; --cert and --key must belong together")
    if not _is_served(private):
        raise FileError(key, None, "is not supported; use RSA of 2048 to 4096 bits, ECDSA P-256 or P-384, or Ed25519")
    pair = CertificatePair(directory / "certificate.pem", directory / "key.pem")
    pair.certificate.write_bytes(b"".join(part.public_bytes(Encoding.PEM) for part in chain))
    pair.key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pair


def _is_served(key: PrivateKeyTypes) -> bool:
    """Whether the server's TLS supports this kind of key; others would abort the process."""
    if isinstance(key, rsa.RSAPrivateKey):
        return 2048 <= key.key_size <= 4096
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1))
    return isinstance(key, ed25519.Ed25519PrivateKey)


def _chain(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(file))
    except ValueError:
        raise FileError(file, None, "holds no PEM certificate (-----BEGIN CERTIFICATE-----)") from None


def _key(file: Path) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(_read(file), password=None)
    except TypeError:
        raise FileError(file, None, "is encrypted; give --key a file without a passphrase") from None
    except ValueError:
        raise FileError(file, None, "holds no PEM private key (-----BEGIN PRIVATE KEY-----)") from None


def _read(file: Path) -> bytes:
    try:
        return read_whole(file)
    except OSError as error:
        raise FileError(file, None, error.strerror or str(error)) from None

"""Certificates and their SSL contexts: generated for one run, or the user's own, validated before use."""

from __future__ import annotations

import socket
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from sarkmock.atomic import read_whole
from sarkmock.server.addresses import LOOPBACK, is_wildcard
from sarkmock.spec.yaml12 import FileError

LIFETIME = timedelta(days=397)


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """PEM files of a certificate and its key, and the CA file if the certificate was generated."""

    certificate: Path
    key: Path
    authority: Path | None = None


def make_certificate(directory: Path, host: str) -> CertificatePair:
    """Generate a certificate for the loopback names and `host`, with a new CA whose key is discarded."""
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

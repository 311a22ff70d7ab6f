"""What an address of a listener means."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_wildcard(host: str) -> bool:
    """Whether the address means all interfaces."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, judged by name or address without a lookup."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_same_address(host: str, listening: str) -> bool:
    """Whether a listener at an address, or at all addresses of this machine, can be reached at a host."""
    addresses = addresses_of(host)
    return any(map(is_own_address, addresses)) if is_wildcard(listening) else bool(addresses & addresses_of(listening))


def addresses_of(host: str) -> set[str]:
    """Return the IP addresses of a host; none if it is unknown."""
    with suppress(OSError, UnicodeError):
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return set()


def is_own_address(address: str) -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as attempt:
        attempt.bind((address, 0))
        return True
    return False

"""What an address of a listener means."""

from __future__ import annotations

import ipaddress


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

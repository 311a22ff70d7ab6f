"""Instants as the control plane writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(second: float) -> str:
    """An epoch second with milliseconds, in UTC."""
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="milliseconds")

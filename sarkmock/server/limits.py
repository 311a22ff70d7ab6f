"""Limits of the server for one client, with the values of an ordinary web server."""

from __future__ import annotations

from dataclasses import dataclass

SPARE_FILES = 64  # open files that the rest of the process needs


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, time-outs in seconds.

    The head of a request must arrive within ``header_timeout``, and of a body something within every ``body_timeout``;
    the same goes for a client that does not read its response. A connection that is kept alive is closed after
    ``idle_timeout`` without a request. Beyond ``connections``, a client gets 503 at once; so does a large request, or a
    read with a large response, that would bring all connections together beyond ``memory``.
    """

    line: int = 16 * 2**10
    head: int = 64 * 2**10
    fields: int = 100
    body: int = 40 * 2**20
    chunks: int = 1_000_000  # of a body: each takes as long as hundreds of bytes
    connections: int = 8192
    memory: int = 512 * 2**20  # of requests and responses on their way; twice ``body`` at least
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    idle_timeout: float = 75.0


def open_files() -> int | None:
    """How many files the process may have open; None if the system has no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def most_connections(limits: Limits) -> int:
    """How many connections may be open at once, by the limits and by what the process may have."""
    files = open_files()
    return limits.connections if files is None else max(1, min(limits.connections, files - SPARE_FILES))


def allow_open_files(connections: int) -> None:
    """Raise the soft limit of the process so that it may have that many connections, up to the hard limit."""
    files = open_files()
    if files is None or files >= connections + SPARE_FILES:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))

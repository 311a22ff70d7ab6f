"""The server's limits, with the values of an ordinary web server."""

from __future__ import annotations

from dataclasses import dataclass

SPARE_FILES = 64  # open files reserved for the rest of the process


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, timeouts in seconds.

    The head of a request must arrive within ``header_timeout``. ``body_timeout`` is the longest pause in receiving a
    body or in the client's reading of a response. A kept-alive connection is closed after ``idle_timeout`` without a
    request. A client beyond ``connections`` gets 503 at once; so does a large request, or a read with a large response,
    that would exceed ``memory`` for all connections together.
    """

    line: int = 16 * 2**10
    head: int = 64 * 2**10
    fields: int = 100
    body: int = 40 * 2**20
    chunks: int = 1_000_000  # per body; each costs as much time as hundreds of bytes
    connections: int = 8192
    memory: int = 512 * 2**20  # for requests and responses in progress; at least twice ``body``
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    idle_timeout: float = 75.0


def open_files() -> int | None:
    """Return the process's limit of open files; None if there is none."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def most_connections(limits: Limits) -> int:
    """Return how many connections may be open, limited by ``connections`` and by the process's open files."""
    files = open_files()
    return limits.connections if files is None else max(1, min(limits.connections, files - SPARE_FILES))


def allow_open_files(connections: int) -> None:
    """Raise the process's soft limit of open files for that many connections, up to the hard limit."""
    files = open_files()
    if files is None or files >= connections + SPARE_FILES:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))

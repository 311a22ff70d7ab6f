"""Writes a file atomically: a reader finds the old content or the new one, whole."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

PRIVATE, USUAL = 0o600, 0o644


def write_whole(file: Path, content: bytes, *, private: bool = False) -> None:
    """Put the content in the place of a file's. A file that was there keeps its mode, unless it has to be private.

    OSError if it cannot be written; the file is then unchanged.
    """
    file = file.resolve()  # through a link, not in its place
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fchmod(handle, PRIVATE if private else mode_of(file))
            os.fsync(handle)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(file.parent)


def mode_of(file: Path) -> int:
    """The permissions of a file, or those of a new one."""
    return stat.S_IMODE(file.stat().st_mode) if file.exists() else USUAL


def sync_directory(directory: Path) -> None:
    """Make the name of a new file last."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

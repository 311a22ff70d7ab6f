"""Atomic file writes: readers see either the old or the new content, never a part. Exclusive locks on files."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

PRIVATE, USUAL = 0o600, 0o644


def write_whole(file: Path, content: bytes, *, private: bool = False) -> None:
    """Replace a file's content atomically. An existing file keeps its mode, unless ``private`` is set.

    OSError if it cannot be written; the file is then unchanged. A device or a pipe is written to, not replaced.
    """
    file = file.resolve()  # replace the target of a link, not the link
    if file.exists() and not file.is_file():
        file.write_bytes(content)
        return
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(handle)
        usual = stat.S_IMODE(file.stat().st_mode) if file.exists() else USUAL
        Path(name).chmod(PRIVATE if private else usual)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_directory(file.parent)


def sync_directory(directory: Path) -> None:
    """Flush a directory, so that a new file's name is durable. On Windows a directory cannot be opened."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


BEYOND = 1 << 40  # an offset past the end of any file: on Windows, locked bytes cannot be read by others

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    def lock_exclusively(descriptor: int) -> None:
        """Lock the file. Raise BlockingIOError if it is locked already."""
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, BEYOND, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            raise BlockingIOError from None
        finally:
            os.lseek(descriptor, place, os.SEEK_SET)
else:
    def lock_exclusively(descriptor: int) -> None:
        """Lock the file. Raise BlockingIOError if it is locked already."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

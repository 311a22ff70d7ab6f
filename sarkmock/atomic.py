"""Atomic file writes: readers see either the old or the new content, never a part. Bounded reads. Exclusive locks."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

PRIVATE, USUAL = 0o600, 0o644
LOCKED = "sarkmock-ca-"  # beginning of the names of temporary directories that their process has locked
LOCKED_SOON = 60.0  # seconds after which a new one is locked
PIPE_WAIT = 3.0  # seconds in which a process must open the other end of a named pipe


def write_whole(file: Path, content: bytes, *, private: bool = False) -> None:
    """Replace a file's content atomically. An existing file keeps its mode, unless ``private`` is set.

    OSError if it cannot be written; the file is then unchanged. A device or a pipe is written to, not replaced.
    """
    if file.is_fifo():
        _write_to_pipe(file, content)
        return
    if file.exists() and not file.is_file():
        file.write_bytes(content)
        return
    file = file.resolve()  # replace the target of a link, not the link
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


def _write_to_pipe(file: Path, content: bytes) -> None:
    """Write to a named pipe. OSError if no process opens it for reading."""
    end = time.monotonic() + PIPE_WAIT
    while True:
        try:
            handle = os.open(file, os.O_WRONLY | os.O_NONBLOCK)  # a blocking open would wait for a reader
            break
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        if time.monotonic() > end:
            raise OSError(errno.ENXIO, "a pipe from which nothing is read")
        time.sleep(0.02)
    os.set_blocking(handle, True)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)


def sync_directory(directory: Path) -> None:
    """Flush a directory, so that a new file's name is durable. On Windows a directory cannot be opened."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """Wait for an exclusive lock on a directory and hold it, where the system can lock directories."""
    if os.name == "nt":
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Create a temporary directory. Those that killed processes have left are deleted (not on Windows)."""
    with tempfile.TemporaryDirectory(prefix=LOCKED) as name, locked_directory(Path(name)):
        for leftover in Path(name).parent.glob(f"{LOCKED}*"):
            with suppress(OSError):  # it is in use, or another user's
                _delete_abandoned(leftover)
        yield Path(name)


def _delete_abandoned(directory: Path) -> None:
    """Delete a directory. OSError if a process has locked it, or if it is not this user's."""
    if os.name == "nt" or time.time() - directory.stat().st_mtime < LOCKED_SOON:
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        lock_exclusively(handle)
        shutil.rmtree(directory)
    finally:
        os.close(handle)


def read_whole(file: Path) -> bytes:
    """Return the content of a user's file. OSError if it cannot be read, or would never end.

    The content of a pipe, such as `/dev/stdin` or `<(...)` of a shell, is kept, because it can be read only once.
    """
    if file.is_char_device() or file.is_block_device():
        raise OSError(errno.EINVAL, "a device")
    return _piped(str(file)) if file.is_fifo() else file.read_bytes()


@cache
def _piped(file: str) -> bytes:
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # a blocking open would wait for a writer
    try:
        first = _first_piped(handle)
        os.set_blocking(handle, True)
        with os.fdopen(handle, "rb", closefd=False) as stream:
            return first + stream.read()
    finally:
        os.close(handle)


def _first_piped(handle: int) -> bytes:
    """Return the first bytes of a pipe, if there are any yet. OSError if no process opens it for writing."""
    end = time.monotonic() + PIPE_WAIT
    while time.monotonic() < end:
        try:
            if first := os.read(handle, 1 << 16):
                return first
        except BlockingIOError:  # a process has opened it, and has not written yet
            return b""
        time.sleep(0.02)
    raise OSError(errno.EPIPE, "a pipe to which nothing is written")


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

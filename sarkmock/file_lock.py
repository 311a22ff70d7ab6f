"""An exclusive lock on an open file. It ends when the file is closed, also by the end of the process."""

from __future__ import annotations

import os

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

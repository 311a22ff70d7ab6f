"""Runs a sarkmock command without the modules and the names of os and signal that Python lacks on Windows."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

PRELOADED = asyncio, multiprocessing, subprocess  # loaded before the removal, because they need it
for module in ("fcntl", "grp", "pwd", "resource", "termios", "tty"):
    sys.modules[module] = None  # type: ignore[assignment]
for name in ("O_CLOEXEC", "O_NOFOLLOW", "fchmod", "fork", "geteuid", "getuid", "pread", "pwrite", "sched_getaffinity"):
    delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1"):
    delattr(signal, name)
locks: set[tuple[int, int]] = set()


def locking(descriptor: int, mode: int, size: int) -> None:
    """Lock a file for as long as the process lives."""
    status = os.fstat(descriptor)
    lock = status.st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
    if lock in locks:
        raise PermissionError
    locks.add(lock)


msvcrt: Any = SimpleNamespace(LK_NBLCK=2, locking=locking)
sys.modules["msvcrt"] = msvcrt
os.environ["USERNAME"] = "user"

if __name__ == "__main__":
    from sarkmock.cli import main

    main()

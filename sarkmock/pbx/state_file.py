"""A file of named parts that survives `kill -9`: each write is whole or nothing.

It is an SQLite database in WAL mode. Every part has a checksum, so that a damaged file is told and not served.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from sarkmock.pbx.database import MAGIC, transaction
from sarkmock.spec.yaml12 import FileError

APPLICATION = 0x5341524B  # "SARK"
UNTOUCHED = "it is left as it is; name another file"
Place = tuple[str, int]  # the name of a part, and its number among those of that name


class StateFileError(Exception):
    """What is wrong with a file, as the end of a sentence."""


class StateFile:
    """Parts by name and number. FileError if the file cannot be used; it is left as it is then.

    ``accept`` is given the parts that are there and raises KeyError or ValueError if they do not make sense.
    """

    def __init__(self, file: Path, version: int, accept: Callable[[dict[Place, bytes]], None]) -> None:
        self._lock = locked(file)
        try:
            accept(read(file, self._lock, version))
            self._db = opened(file, version)
        except (KeyError, ValueError):
            os.close(self._lock)
            raise FileError(file, None, f"is damaged (something is missing); {UNTOUCHED}") from None
        except FileError:
            os.close(self._lock)
            raise

    def write(self, changed: Mapping[Place, bytes], gone: Iterable[Place]) -> None:
        """Replace parts and remove others, all or nothing; OSError if that cannot be done."""
        try:
            with transaction(self._db):
                self._db.executemany("DELETE FROM part WHERE name = ? AND number = ?", gone)
                self._db.executemany("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?)",
                                     ((*place, content, zlib.crc32(content)) for place, content in changed.items()))
        except sqlite3.Error as error:
            raise OSError(str(error)) from None

    def close(self) -> None:
        """Leave one file behind, and let others use it."""
        self._db.close()
        os.close(self._lock)


def locked(file: Path) -> int:
    """The file, open and ours alone. It must stay open: SQLite's own locks would go with the descriptor."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FileError(file, None, "is in use by another server") from None
    except OSError as error:
        raise FileError(file, None, error.strerror or str(error)) from None
    return handle


def read(file: Path, handle: int, version: int) -> dict[Place, bytes]:
    """What the file holds, checked in a copy: SQLite may change a file by opening it."""
    if not os.fstat(handle).st_size:
        return {}
    if os.pread(handle, len(MAGIC), 0) != MAGIC:
        raise FileError(file, None, f"is no state file of sarkmock; {UNTOUCHED}")
    with tempfile.TemporaryDirectory(prefix="sarkmock-") as directory:
        copy = Path(directory) / "state"
        for end in ("", "-wal", "-journal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{file}{end}", f"{copy}{end}")
        try:
            with closing(sqlite3.connect(copy)) as db:
                return checked(db, version)
        except StateFileError as error:
            raise FileError(file, None, f"{error}; {UNTOUCHED}") from None
        except sqlite3.Error as error:
            raise FileError(file, None, f"is damaged ({error}); {UNTOUCHED}") from None


def checked(db: sqlite3.Connection, version: int) -> dict[Place, bytes]:
    """The parts of a file, none if its first server got no further than to create it; StateFileError says why not."""
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return {}
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise StateFileError("is no state file of sarkmock")
    if db.execute("PRAGMA user_version").fetchone()[0] != version:
        raise StateFileError("was written by another version of sarkmock, or for a profile with another database")
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    rows = db.execute("SELECT name, number, content, crc FROM part").fetchall()
    if verdict != "ok" or any(zlib.crc32(content) != crc for _, _, content, crc in rows):
        raise StateFileError("is damaged (not all of it is as it was written)")
    return {(name, number): content for name, number, content, _ in rows}


def opened(file: Path, version: int) -> sqlite3.Connection:
    """The file for writing. What was committed outlives a kill; a failure of power may take the last moments."""
    try:
        db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # so that there is no third file, in shared memory
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        with transaction(db):
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {version}")
            db.execute("CREATE TABLE IF NOT EXISTS part (name TEXT, number INTEGER, content BLOB, crc INTEGER, "
                       "PRIMARY KEY (name, number))")
    except sqlite3.Error as error:
        raise FileError(file, None, f"cannot be written: {error}") from None
    return db

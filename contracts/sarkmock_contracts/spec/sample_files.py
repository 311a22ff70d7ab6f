"""Small real files for uploads, each by the name that bounds and recipes call it."""

from __future__ import annotations

import io
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from functools import cache

_EPOCH = (2024, 6, 1, 9, 0, 0)  # a fixed time, so that the same seed sends the same bytes


@cache
def content(kind: str) -> bytes:
    """The bytes of a kind of file."""
    return _MAKERS[kind]()


def _zip() -> bytes:
    """A zip file that is neither a backup nor a snapshot."""
    return zipped("readme.txt", b"just text\n")


def zipped(name: str, data: bytes) -> bytes:
    """A zip file of one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _wav() -> bytes:
    """A tenth of a second of silence, 8 kHz mono."""
    samples = bytes(1600)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(form) + len(data)) + b"WAVE" + form + data


def _sqlite() -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE cluster (pkey TEXT PRIMARY KEY)")
        return database.serialize()


_MAKERS: dict[str, Callable[[], bytes]] = {
    "zip": _zip,
    "wav": _wav,
    "sqlite": _sqlite,
    "text": lambda: b"just text\n",
    "binary": lambda: bytes((0, 1, 254, 255)) * 64,
    "empty": lambda: b"",
}

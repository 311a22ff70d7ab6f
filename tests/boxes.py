"""A PBX under test, and the files that clients upload."""

from __future__ import annotations

import base64
import io
import sqlite3
import zipfile
from contextlib import closing
from typing import Any

from sarkmock.http.engine import Engine
from sarkmock.http.replies import Reply
from sarkmock.pbx.state import State
from tests.replay import request_of

NOW = 1_717_236_000  # Sat 01 Jun 10:00:00 2024
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0"


def box(profile: str = "documented") -> Engine:
    """A PBX in the factory state with a frozen clock."""
    return Engine(profile=profile, state=State(now=NOW))


def send(engine: Engine, line: str, body: Any = None) -> Reply:
    """Send a request: method and path, and optionally a JSON body."""
    method, path = line.split(" ")
    recorded = {"method": method, "path": path} | ({} if body is None else {"json": body})
    return engine.handle(request_of(recorded, {}))


def upload(engine: Engine, path: str, field: str, name: str, content: bytes) -> Reply:
    """Send one file in a multipart body."""
    return upload_all(engine, path, {field: (name, content)})


def upload_all(engine: Engine, path: str, files: dict[str, tuple[str, bytes]]) -> Reply:
    """Send files in a multipart body: field -> name and content."""
    sent = {field: (name, "application/octet-stream", base64.b64encode(content).decode())
            for field, (name, content) in files.items()}
    return engine.handle(request_of({"method": "POST", "path": path, "files": sent}, {}))


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def database(*statements: str) -> bytes:
    """An SQLite file created by the statements."""
    with closing(sqlite3.connect(":memory:")) as db:
        for statement in statements:
            db.executescript(statement)
        return bytes(db.serialize())


def tables(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """The content of the database."""
    return {table: engine.state.tables.rows(table) for table in engine.state.tables.tables()}

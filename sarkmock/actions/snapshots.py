"""Snapshots: copies of the database as SQLite files. Knows the product's names for them; reads no tables."""

from __future__ import annotations

import re
import sqlite3

from sarkmock import paths
from sarkmock.actions import archives, images, stored
from sarkmock.actions.stored import Shelf
from sarkmock.calls import Call
from sarkmock.php import UploadedFile
from sarkmock.replies import NotFound, Refusal, Reply

SNAPSHOTS = Shelf(paths.SNAPSHOTS, "snapshot", "snapshot set", re.compile(r"sark\.db\.[0-9]+"))
FIELD = "uploadsnap"
UPLOAD_NAME = re.compile(r"(sark\.db\.[0-9]{1,10})(\.zip)?")


def index(call: Call) -> Reply:
    return stored.dated_list(call, SNAPSHOTS)


def new(call: Call) -> Reply:
    name = f"sark.db.{int(call.state.clock.now())}"
    SNAPSHOTS.put(call.state, name, call.state.tables.dump())
    return Reply({"newsnapshotname": name})


def exists(call: Call) -> None:
    stored.must_exist(call, SNAPSHOTS)


def download(call: Call) -> Reply:
    return stored.download(call, SNAPSHOTS, "application/x-sqlite3")


def delete(call: Call) -> Reply:
    return stored.delete(call, SNAPSHOTS)


def is_named(call: Call) -> None:
    """An upload must bear the name of a snapshot, or it would join the set and never be listed."""
    file = call.input.get(FIELD)
    if isinstance(file, UploadedFile) and not call.errors and not UPLOAD_NAME.fullmatch(file.name):
        call.refuse(FIELD, f"The {FIELD} must be named sark.db.<epoch seconds> or sark.db.<epoch seconds>.zip.")


def is_sound(call: Call) -> None:
    """The archive must hold one database, and it must be one that can be restored."""
    file = call.input.get(FIELD)
    if not isinstance(file, UploadedFile) or call.errors:
        return
    try:
        problem = images.complaint(unpacked(file.content))
    except archives.Unsound as error:
        call.refuse(FIELD, f"The {FIELD} {error}.")
    else:
        if problem is not None:
            call.refuse(FIELD, f"The {FIELD} cannot be restored: {problem}.")


def unpacked(content: bytes) -> bytes:
    """The only file in the archive."""
    archive = archives.inspect(content)
    files = [member for member in archive.infolist() if not member.is_dir()]
    if len(files) != 1:
        raise archives.Unsound(f"must hold one database, not {len(files)} files")
    return archive.read(files[0])


def upload(call: Call) -> Reply:
    """Unpacks the archive (sark-v6-api.txt line 492 asks for a zip file) and adds what is in it to the set."""
    file: UploadedFile = call.input[FIELD]
    return add(call, file.name.removesuffix(".zip"), unpacked(file.content))


def upload_shipped(call: Call) -> Reply:
    """The published product takes the file as it is, under any name."""
    file: UploadedFile = call.input[FIELD]
    return add(call, file.name, file.content)


def add(call: Call, name: str, content: bytes) -> Reply:
    SNAPSHOTS.put(call.state, name, content)
    return Reply([f"Uploaded snaps/{name}"])


def restore(call: Call) -> Reply:
    name, file = call.path[SNAPSHOTS.parameter], SNAPSHOTS.find(call)
    if file is None:
        raise NotFound({"Error": "snapshot file not found"})
    problem = images.complaint(file.content)
    if problem is not None:
        raise unrestorable(name, problem)
    call.state.tables.load(file.content)
    return Reply({"restored": name})


def unrestorable(name: str, problem: str | sqlite3.Error) -> Refusal:
    return Refusal(422, {"Error": f"{name} cannot be restored: {problem}."})

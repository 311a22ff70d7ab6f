"""Snapshots: copies of the database as SQLite files. Knows the product's names for them; reads no tables."""

from __future__ import annotations

import re
import sqlite3

from sarkmock.http.context import Context
from sarkmock.http.replies import NotFound, PhpError, Refusal, Reply
from sarkmock.laravel.php import UploadedFile
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions import archives
from sarkmock.pbx.actions.stored import Shelf, upload_so_far

SNAPSHOT_SHELF = Shelf(pbx_files.SNAPSHOTS, "snapshot", "snapshot set", re.compile(r"sark\.db\.[0-9]+"))
SNAPSHOT_FIELD = "uploadsnap"
SNAPSHOT_UPLOAD_NAME = re.compile(r"(sark\.db\.[0-9]{1,10})(\.zip)?")


def take_snapshot(context: Context) -> Reply:
    name = f"sark.db.{int(context.state.clock.now())}"
    SNAPSHOT_SHELF.put(context.state, name, context.state.tables.dump())
    return Reply({"newsnapshotname": name})


def snapshot_is_sound(context: Context) -> None:
    """The archive must hold one database, and it must be one that can be restored."""
    file = upload_so_far(context, SNAPSHOT_FIELD)
    if file is None:
        return
    try:
        problem = archives.database_complaint(unpacked(file.content), context.state.tables.name)
    except archives.Unsound as error:
        context.refuse(SNAPSHOT_FIELD, f"The {SNAPSHOT_FIELD} {error}.")
    else:
        if problem is not None:
            context.refuse(SNAPSHOT_FIELD, f"The {SNAPSHOT_FIELD} cannot be restored: {problem}.")


def unpacked(content: bytes) -> bytes:
    """The only file in the archive."""
    archive = archives.inspect(content)
    files = [member for member in archive.infolist() if not member.is_dir()]
    if len(files) != 1:
        raise archives.Unsound(f"must hold one database, not {len(files)} files")
    return archive.read(files[0])


def upload_snapshot(context: Context) -> Reply:
    """Unpacks the archive (sark-v6-api.txt line 492 asks for a zip file) and adds what is in it to the set."""
    file: UploadedFile = context.input[SNAPSHOT_FIELD]
    return add_snapshot(context, file.name.removesuffix(".zip"), unpacked(file.content))


def upload_shipped(context: Context) -> Reply:
    """The published product checks one field and stores another, as it is and under any name."""
    file = context.input.get("uploadzip")
    if not isinstance(file, UploadedFile):
        raise PhpError("Call to a member function storeAs() on null", "Error", SNAPSHOT_FIELD)
    return add_snapshot(context, file.name, file.content)


def lose_snapshot(context: Context) -> Reply:
    """The file lands where nothing else looks."""
    return Reply([f"Uploaded snaps/{context.input[SNAPSHOT_FIELD].name}"])


def add_snapshot(context: Context, name: str, content: bytes) -> Reply:
    SNAPSHOT_SHELF.put(context.state, name, content)
    return Reply([f"Uploaded snaps/{name}"])


def restore_snapshot(context: Context) -> Reply:
    name, file = context.path[SNAPSHOT_SHELF.parameter], SNAPSHOT_SHELF.find(context)
    if file is None:
        raise NotFound({"Error": "snapshot file not found"})
    try:
        tables = archives.restorable_database(file.content, context.state.tables.name)
    except archives.Unrestorable as error:
        raise unrestorable(name, str(error)) from None
    context.state.tables.restore(tables.dump())
    return Reply({"restored": name})


def unrestorable(name: str, problem: str | sqlite3.Error) -> Refusal:
    return Refusal(422, {"Error": f"{name} cannot be restored: {problem}."})

"""Snapshots of the database, and checks of uploaded zip files and databases with limits on memory and time."""

from __future__ import annotations

import re
import sqlite3
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from sarkmock.http.context import Context
from sarkmock.http.replies import NotFound, PhpError, Rejection, Reply
from sarkmock.laravel.php import UploadedFile
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions.stored import FileSet, stored_at, upload_so_far
from sarkmock.pbx.database import Database

READ_CHUNK = 1 << 16
LARGEST_CONTENT = 128 * 1024 * 1024
MOST_MEMBERS = 20_000

CENTRAL_ENTRY = b"PK\x01\x02"
ENCRYPTED = 0x1
COMPRESSION_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Exceptions of the standard library for damaged archives, beside BadZipFile.
DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, struct.error, EOFError, OSError,
          ValueError, IndexError, OverflowError)
UNSOUND = "The {field} {}."


class BadArchive(Exception):
    """An archive that must not be unpacked; the message is the end of a sentence."""


def open_archive(content: bytes) -> zipfile.ZipFile:
    """Open an archive and check that every member is readable and intact; BadArchive if not."""
    if content.count(CENTRAL_ENTRY) > MOST_MEMBERS:
        raise BadArchive(f"has more than {MOST_MEMBERS} members")
    try:
        archive = zipfile.ZipFile(BytesIO(content))
        for problem in _archive_problems(archive):
            raise BadArchive(problem)
        damaged = next((member.orig_filename for member in archive.infolist() if _is_damaged(archive, member)), None)
    except DAMAGE:
        raise BadArchive("is damaged") from None
    if damaged is not None:
        raise BadArchive(f"is damaged: {damaged!r}")
    return archive


def _is_damaged(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    """Whether the unpacked member does not match its recorded size and checksum."""
    try:
        with archive.open(member) as stream:
            return sum(map(len, iter(lambda: stream.read(READ_CHUNK), b""))) != member.file_size
    except zipfile.BadZipFile:
        return True


def _archive_problems(archive: zipfile.ZipFile) -> Iterator[str]:
    members = archive.infolist()
    if sum(member.file_size for member in members) > LARGEST_CONTENT:
        yield f"unpacks to more than {LARGEST_CONTENT // 1024 // 1024} MB"
    if len({member.filename for member in members}) < len(members):
        yield "has two members of one name"
    for member in members:
        yield from _member_problems(member)


def _member_problems(member: zipfile.ZipInfo) -> Iterator[str]:
    name = member.orig_filename
    if leaves_directory(name):
        yield f"has a member outside of it: {name!r}"
    if member.flag_bits & ENCRYPTED:
        yield f"is encrypted: {name!r}"
    if member.compress_type not in COMPRESSION_METHODS:
        yield f"is compressed in an unknown way: {name!r}"
    if (kind := stat.S_IFMT(member.external_attr >> 16)) and kind not in (stat.S_IFREG, stat.S_IFDIR):
        yield f"has a member that is not a file: {name!r}"


def leaves_directory(name: str) -> bool:
    """Whether a member's name could lead out of the directory that it is unpacked to."""
    return name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name or name[1:2] == ":"


# A SARK always has globals and at least one tenant.
NEVER_EMPTY = ("globals", "cluster")


class BadDatabase(Exception):
    """Bytes that cannot be restored; the message is a clause about "it"."""


def restorable_database(image: bytes, database: str) -> Database:
    """Load the bytes into a database that can replace the PBX's; BadDatabase if they are not one."""
    aside = Database(database)
    try:
        aside.load(image)
    except sqlite3.DatabaseError as error:
        raise BadDatabase(str(error)) from None
    for table in NEVER_EMPTY:
        if not aside.size(table):
            raise BadDatabase(f"it is not a SARK database: its table {table} is empty")
    return aside


SNAPSHOT_SET = FileSet(pbx_files.SNAPSHOTS, "snapshot", "snapshot set", re.compile(r"sark\.db\.[0-9]+"))
SNAPSHOT_FIELD = "uploadsnap"
SNAPSHOT_UPLOAD_NAME = re.compile(r"(sark\.db\.[0-9]{1,10})(\.zip)?")


def take_snapshot(context: Context) -> Reply:
    name = f"sark.db.{int(context.state.clock.now())}"
    SNAPSHOT_SET.put(context.state, name, context.state.tables.dump())
    return Reply({"newsnapshotname": name})


def snapshot_is_sound(context: Context) -> None:
    """Reject an archive that does not hold exactly one restorable database."""
    file = upload_so_far(context, SNAPSHOT_FIELD)
    if file is None:
        return
    try:
        restorable_database(unpacked(file.content), context.state.tables.name)
    except BadArchive as error:
        context.reject(SNAPSHOT_FIELD, UNSOUND, str(error))
    except BadDatabase as error:
        context.reject(SNAPSHOT_FIELD, UNSOUND, f"cannot be restored: {error}")


def unpacked(content: bytes) -> bytes:
    """Return the content of the only file in the archive."""
    archive = open_archive(content)
    files = [member for member in archive.infolist() if not member.is_dir()]
    if len(files) != 1:
        raise BadArchive(f"must hold one database, not {len(files)} files")
    return archive.read(files[0])


def upload_snapshot(context: Context) -> Reply:
    """Unpack the archive (sark-v6-api.txt line 492 requires a zip file) and add its file to the set."""
    file: UploadedFile = context.input[SNAPSHOT_FIELD]
    name = file.name.removesuffix(".zip")
    SNAPSHOT_SET.put(context.state, name, unpacked(file.content))
    return Reply([f"Uploaded snaps/{name}"])


def upload_shipped(context: Context, *, silent: bool = False) -> Reply:
    """Store as the published product does: the file of another field than the checked one, as is, under any name."""
    file = other_upload(context)
    path = stored_at("snaps", file, silent=silent)
    if path:
        SNAPSHOT_SET.put(context.state, file.name, file.content)
    return Reply([f"Uploaded {path}"])


def lose_snapshot(context: Context) -> Reply:
    """Report success for an upload that no other operation finds."""
    return Reply([f"Uploaded {stored_at('snaps', other_upload(context), silent=True)}"])


def other_upload(context: Context) -> UploadedFile:
    """Return the upload that is stored; its field has no rules."""
    file = context.input.get("uploadzip")
    if not isinstance(file, UploadedFile):
        kind = "null" if file is None else "array" if isinstance(file, (list, dict)) else "string"
        raise PhpError(f"Call to a member function storeAs() on {kind}", "Error", SNAPSHOT_FIELD)
    return file


def restore_snapshot(context: Context) -> Reply:
    name, file = context.path[SNAPSHOT_SET.parameter], SNAPSHOT_SET.find(context)
    if file is None:
        raise NotFound({"Error": "snapshot file not found"})
    try:
        tables = restorable_database(file.content, context.state.tables.name)
    except BadDatabase as error:
        raise NotRestorable(name, str(error)) from None
    context.state.tables.restore(tables.dump())
    return Reply({"restored": name})


class NotRestorable(Rejection):
    """A file of the PBX cannot be restored."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(422, {"Error": f"{name} cannot be restored: {problem}."})

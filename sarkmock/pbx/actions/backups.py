"""Backups: zip files of the database and of directories of the PBX, restored part by part. Knows paths, no tables."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO

from sarkmock.http.context import Context
from sarkmock.http.replies import NotFound, Reply
from sarkmock.laravel import php
from sarkmock.laravel.php import UploadedFile
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions import archives, stored
from sarkmock.pbx.actions.snapshots import unrestorable
from sarkmock.pbx.actions.stored import Shelf
from sarkmock.pbx.database import Database
from sarkmock.pbx.state import File, State

BACKUPS = Shelf(pbx_files.BACKUPS, "backup", "backup set", re.compile(r"sarkbak\.[0-9]+\.zip"))
FIELD = "uploadzip"
UPLOAD_NAME = re.compile(r"sarkbak\.[0-9]{1,10}\.zip")

DATABASE = "opt/sark/db/sark.db"
ASTERISK = "etc/asterisk/"
SOUNDS = "usr/share/asterisk/sounds/"
GREETINGS = SOUNDS + "usergreeting"
VOICEMAIL = "var/spool/asterisk/voicemail/"
MAILBOXES = VOICEMAIL + "default/"
DIRECTORIES = (SOUNDS, VOICEMAIL, MAILBOXES, ASTERISK, "etc/shorewall/")
# The box writes its directory of contacts to this file for the time of the backup.
LDIF, CONTACTS = "tmp/sark.local.ldif", "/var/lib/ldap/sark.local.ldif"
# The years that a zip file can name.
EARLIEST, LATEST = datetime(1980, 1, 1, tzinfo=UTC).timestamp(), datetime(2107, 12, 31, tzinfo=UTC).timestamp()



@dataclass(frozen=True)
class Backup:
    """An archive, and the database in it."""

    archive: zipfile.ZipFile
    tables: Database | None


Part = Callable[[State, Backup], None]


def index(context: Context) -> Reply:
    return stored.dated_list(context, BACKUPS)


def new(context: Context) -> Reply:
    return keep(context, File(context.state.tables.dump(), context.state.clock.now()))


def new_without_database(context: Context) -> Reply:
    """The Laravel 11 line looks for the database under a name that does not exist."""
    return keep(context, None)


def keep(context: Context, database: File | None) -> Reply:
    name = f"sarkbak.{int(context.state.clock.now())}.zip"
    BACKUPS.put(context.state, name, pack(context.state, database))
    return Reply({"newbackupname": name})


def pack(state: State, database: File | None) -> bytes:
    """A zip file of what a restore can put back, and of the firewall and the other sounds besides."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        if database:
            write(archive, DATABASE, database)
        for directory in DIRECTORIES:
            archive.writestr(zipfile.ZipInfo(directory), b"")
        for path, file in sorted(state.files.items()):
            if path.startswith(tuple(f"/{directory}" for directory in DIRECTORIES)):
                write(archive, path.removeprefix("/"), file)
        if CONTACTS in state.files:
            write(archive, LDIF, state.files[CONTACTS])
    return target.getvalue()


def write(archive: zipfile.ZipFile, name: str, file: File) -> None:
    written = datetime.fromtimestamp(min(max(file.mtime, EARLIEST), LATEST), UTC).timetuple()[:6]
    # A name that is not UTF-8 is written with references, as &#56575; for \xff: zip files of Python's hold text.
    member = zipfile.ZipInfo(name.encode("utf-8", "xmlcharrefreplace").decode(), written)
    member.external_attr = 0o644 << 16
    archive.writestr(member, file.content, zipfile.ZIP_DEFLATED)


def exists(context: Context) -> None:
    stored.must_exist(context, BACKUPS)


def download(context: Context) -> Reply:
    return stored.download(context, BACKUPS)


def delete(context: Context) -> Reply:
    return stored.delete(context, BACKUPS)


def is_named(context: Context) -> None:
    """An upload must bear the name of a backup, or it would join the set and never be listed."""
    file = context.input.get(FIELD)
    if isinstance(file, UploadedFile) and not context.errors and not UPLOAD_NAME.fullmatch(file.name):
        context.refuse(FIELD, f"The {FIELD} must be named sarkbak.<epoch seconds>.zip.")


def is_sound(context: Context) -> None:
    """The archive must be one that can be restored without harm."""
    file = context.input.get(FIELD)
    if isinstance(file, UploadedFile) and not context.errors:
        problem = complaint(file.content, context.state.tables.name)
        if problem is not None:
            context.refuse(FIELD, f"The {FIELD} {problem}.")


def complaint(content: bytes, database: str) -> str | None:
    """What is wrong with an archive, as the end of a sentence; None if it can be restored."""
    try:
        opened(content, database)
    except archives.Unsound as error:
        return str(error)
    return None


def opened(content: bytes, database: str) -> Backup:
    """An archive that can be restored; Unsound says why it cannot."""
    archive = archives.inspect(content)
    if DATABASE not in archive.namelist():
        return Backup(archive, None)
    try:
        return Backup(archive, archives.open_database(archive.read(DATABASE), database))
    except archives.Unrestorable as error:
        raise archives.Unsound(f"holds a {DATABASE} that cannot be restored: {error}") from None


def upload_lost(context: Context) -> Reply:
    """The file lands where nothing else looks."""
    return Reply([f"Uploaded bkups/{context.input[FIELD].name}"])


def upload(context: Context) -> Reply:
    file: UploadedFile = context.input[FIELD]
    BACKUPS.put(context.state, file.name, file.content)
    return Reply([f"Uploaded bkups/{file.name}"])


def restore(context: Context) -> Reply:
    """Restores what is flagged with JSON's true; sark-v6-api.txt line 184: no quotes."""
    return restore_parts(context, context.path[BACKUPS.parameter], PARTS)


def restore_shipped(context: Context) -> Reply:
    """The published product looks for another flag than it documents, and lets a field of the body name the archive."""
    return restore_parts(context, source_of(context), SHIPPED_PARTS)


def restore_without_database(context: Context) -> Reply:
    """As the published product, but the database stays."""
    parts = {flag: part for flag, part in SHIPPED_PARTS.items() if part is not database}
    return restore_parts(context, source_of(context), parts)


def source_of(context: Context) -> str:
    name = context.input.get(BACKUPS.parameter)
    return context.path[BACKUPS.parameter] if name is None else php.to_text(name)


def restore_parts(context: Context, source: str, parts: dict[str, Part]) -> Reply:
    name = context.path[BACKUPS.parameter]
    if BACKUPS.find(context) is None:
        raise NotFound({"Error": "backup file not found"})
    file = context.state.files.get(BACKUPS.path(source))
    if file is None:
        raise NotFound({"Error": f"{name} has errors see logs for details"})
    try:
        backup = opened(file.content, context.state.tables.name)
    except archives.Unsound as error:
        raise unrestorable(name, f"it {error}") from None
    for flag, part in parts.items():
        if context.input.get(flag) is True:
            part(context.state, backup)
    return Reply({"restored": name})


def database(state: State, backup: Backup) -> None:
    if backup.tables is not None:
        state.tables.restore(backup.tables.dump())


def contacts(state: State, backup: Backup) -> None:
    if LDIF in backup.archive.namelist():
        state.files[CONTACTS] = File(backup.archive.read(LDIF), state.clock.now())


def files_below(prefix: str, state: State, backup: Backup) -> None:
    """What the archive has below the prefix takes the place of what the PBX has there; if it has nothing, all stays."""
    archive = backup.archive
    members = [name for name in archive.namelist() if name.startswith(prefix)]
    if members:
        for path in [path for path in state.files if path.startswith(f"/{prefix}")]:
            del state.files[path]
    for name in members:
        if not name.endswith("/"):
            state.files[f"/{name}"] = File(archive.read(name), state.clock.now())


PARTS: dict[str, Part] = {
    "restoredb": database,
    "restoreasterisk": partial(files_below, ASTERISK),
    "restoreusergreeting": partial(files_below, GREETINGS),
    "restorevmail": partial(files_below, MAILBOXES),
    "restoreldap": contacts,
}
SHIPPED_PARTS: dict[str, Part] = {
    "restoreusergreets" if flag == "restoreusergreeting" else flag: part for flag, part in PARTS.items()}

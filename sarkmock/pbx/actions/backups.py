"""Backups: zip files of the database and of directories of the PBX, restored part by part. Uses paths, not tables."""

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
from sarkmock.pbx.actions import archives
from sarkmock.pbx.actions.archives import NotRestorable
from sarkmock.pbx.actions.stored import FileSet, store_files, stored_at, upload_so_far
from sarkmock.pbx.database import Database
from sarkmock.pbx.state import PbxFile, State

BACKUP_SET = FileSet(pbx_files.BACKUPS, "backup", "backup set", re.compile(r"sarkbak\.[0-9]+\.zip"))
BACKUP_FIELD = "uploadzip"
BACKUP_UPLOAD_NAME = re.compile(r"sarkbak\.[0-9]{1,10}\.zip")

DATABASE = "opt/sark/db/sark.db"
ASTERISK = "etc/asterisk/"
SOUNDS = "usr/share/asterisk/sounds/"
GREETING_FILES = SOUNDS + "usergreeting"
VOICEMAIL = "var/spool/asterisk/voicemail/"
MAILBOX_FILES = VOICEMAIL + "default/"
DIRECTORIES = (SOUNDS, VOICEMAIL, MAILBOX_FILES, ASTERISK, "etc/shorewall/")
# The box exports its contacts directory to this file while it makes the backup.
LDIF, CONTACTS = "tmp/sark.local.ldif", "/var/lib/ldap/sark.local.ldif"
MOST_COMPRESSED = 2**20  # bytes of a backup's files; compression takes 20 ms for as many
# The range of dates in a zip file.
EARLIEST, LATEST = datetime(1980, 1, 1, tzinfo=UTC).timestamp(), datetime(2107, 12, 31, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Backup:
    """An archive and the database in it, if any."""

    archive: zipfile.ZipFile
    tables: Database | None


RestorePart = Callable[[State, Backup], None]


def take_backup(context: Context) -> Reply:
    return store_backup(context, PbxFile(context.state.tables.dump(), context.state.clock.now()))


def new_without_database(context: Context) -> Reply:
    """Create a backup without the database: the Laravel 11 line looks for it under a name that does not exist."""
    return store_backup(context, None)


def store_backup(context: Context, database: PbxFile | None) -> Reply:
    name = f"sarkbak.{int(context.state.clock.now())}.zip"
    BACKUP_SET.put(context.state, name, pack_backup(context.state, database))
    return Reply({"newbackupname": name})


def pack_backup(state: State, database: PbxFile | None) -> bytes:
    """Zip everything that a restore can put back, and the firewall's files and the other sounds."""
    places = tuple(f"/{directory}" for directory in DIRECTORIES)
    members: dict[str, PbxFile | None] = {DATABASE: database} if database else {}
    members |= dict.fromkeys(DIRECTORIES)
    members |= {path[1:]: file for path, file in sorted(state.files.items()) if path.startswith(places)}
    members |= {LDIF: state.files[CONTACTS]} if CONTACTS in state.files else {}
    target, size = BytesIO(), 0
    with zipfile.ZipFile(target, "w") as archive:
        for name, file in members.items():
            if file is None:
                archive.writestr(zipfile.ZipInfo(name), b"")
            else:
                size += len(file.content)
                method = zipfile.ZIP_DEFLATED if size < MOST_COMPRESSED else zipfile.ZIP_STORED
                write_member(archive, name, file, method)
    return target.getvalue()


def write_member(archive: zipfile.ZipFile, name: str, file: PbxFile, method: int) -> None:
    written = datetime.fromtimestamp(min(max(file.mtime, EARLIEST), LATEST), UTC).timetuple()[:6]
    # zipfile needs text: a byte that is not UTF-8 is written as a character reference, such as &#56575; for \xff.
    member = zipfile.ZipInfo(name.encode("utf-8", "xmlcharrefreplace").decode(), written)
    member.external_attr = 0o644 << 16
    archive.writestr(member, file.content, method)


def backup_is_sound(context: Context) -> None:
    """Reject an archive that cannot be restored safely."""
    file = upload_so_far(context, BACKUP_FIELD)
    if file is None:
        return
    try:
        open_backup(file.content, context.state.tables.name)
    except archives.BadArchive as error:
        context.reject(BACKUP_FIELD, archives.UNSOUND, str(error))


def open_backup(content: bytes, database: str) -> Backup:
    """Open an archive that can be restored; BadArchive gives the reason if it cannot."""
    archive = archives.open_archive(content)
    if DATABASE not in archive.namelist():
        return Backup(archive, None)
    try:
        return Backup(archive, archives.restorable_database(archive.read(DATABASE), database))
    except archives.BadDatabase as error:
        raise archives.BadArchive(f"holds a {DATABASE} that cannot be restored: {error}") from None


def lose_backup(context: Context) -> Reply:
    """Report success for an upload that no other operation finds."""
    return Reply([f"Uploaded {stored_at('bkups', context.input[BACKUP_FIELD], silent=True)}"])


def upload_backup(context: Context, *, silent: bool = False) -> Reply:
    file: UploadedFile = context.input[BACKUP_FIELD]
    path = stored_at("bkups", file, silent=silent)
    if path:
        BACKUP_SET.put(context.state, file.name, file.content)
    return Reply([f"Uploaded {path}"])


def restore_backup(context: Context) -> Reply:
    """Restore the parts whose flag is JSON's true (sark-v6-api.txt line 184: no quotes)."""
    return restore_parts(context, path_name, RESTORABLE_PARTS)


def restore_shipped(context: Context) -> Reply:
    """Restore as the published product does: one undocumented flag, and the body may name another archive.

    Nothing is restored from an archive that is damaged, or has no valid database; the product does not report that.
    """
    return restore_published(context, SHIPPED_PARTS)


def restore_without_database(context: Context) -> Reply:
    """Restore as the published product does, except for the database."""
    parts = {flag: part for flag, part in SHIPPED_PARTS.items() if part is not restore_database}
    return restore_published(context, parts)


def restore_published(context: Context, parts: dict[str, RestorePart]) -> Reply:
    try:
        return restore_parts(context, archive_name, parts)
    except NotRestorable:
        return Reply({"restored": path_name(context)})


def path_name(context: Context) -> str:
    return context.path[BACKUP_SET.parameter]


def archive_name(context: Context) -> str:
    """Return the name in the input, also if it is null, or else the one in the path."""
    return php.to_text(context.input.get(BACKUP_SET.parameter, path_name(context)))


def restore_parts(context: Context, archive: Callable[[Context], str], parts: dict[str, RestorePart]) -> Reply:
    name = path_name(context)
    if BACKUP_SET.find(context) is None:
        raise NotFound({"Error": "backup file not found"})
    source = archive(context)
    if not source:
        return Reply({"restored": name})  # the product finds the directory, in which it finds nothing to restore
    file = context.state.files.get(BACKUP_SET.path(source))
    if file is None:
        raise NotFound({"Error": f"{name} has errors see logs for details"})
    try:
        backup = open_backup(file.content, context.state.tables.name)
    except archives.BadArchive as error:
        raise NotRestorable(name, f"it {error}") from None
    for flag, part in parts.items():
        if context.input.get(flag) is True:
            part(context.state, backup)
    return Reply({"restored": name})


def restore_database(state: State, backup: Backup) -> None:
    if backup.tables is not None:
        state.tables.restore(backup.tables.dump())


def restore_contacts(state: State, backup: Backup) -> None:
    if LDIF in backup.archive.namelist():
        store_files(state, {CONTACTS: backup.archive.read(LDIF)})


def restore_files(prefix: str, state: State, backup: Backup) -> None:
    """Replace the PBX's files below the prefix with those of the archive; keep them if the archive has none."""
    archive = backup.archive
    members = [name for name in archive.namelist() if name.startswith(prefix)]
    if members:
        contents = {f"/{name}": archive.read(name) for name in members if not name.endswith("/")}
        store_files(state, contents, [path for path in state.files if path.startswith(f"/{prefix}")])


RESTORABLE_PARTS: dict[str, RestorePart] = {
    "restoredb": restore_database,
    "restoreasterisk": partial(restore_files, ASTERISK),
    "restoreusergreeting": partial(restore_files, GREETING_FILES),
    "restorevmail": partial(restore_files, MAILBOX_FILES),
    "restoreldap": restore_contacts,
}
SHIPPED_PARTS: dict[str, RestorePart] = {
    "restoreusergreets" if flag == "restoreusergreeting" else flag: part for flag, part in RESTORABLE_PARTS.items()}

"""Backups: zip files of the database and of directories of the PBX, restored part by part. Knows paths, no tables."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from io import BytesIO

from sarkmock import paths, php
from sarkmock.actions import archives, images, stored
from sarkmock.actions.snapshots import unrestorable
from sarkmock.actions.stored import Shelf
from sarkmock.calls import Call
from sarkmock.php import UploadedFile
from sarkmock.replies import NotFound, Reply
from sarkmock.state import File, State

BACKUPS = Shelf(paths.BACKUPS, "backup", "backup set", re.compile(r"sarkbak\.[0-9]+\.zip"))
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

Part = Callable[[State, zipfile.ZipFile], None]


def index(call: Call) -> Reply:
    return stored.dated_list(call, BACKUPS)


def new(call: Call) -> Reply:
    name = f"sarkbak.{int(call.state.clock.now())}.zip"
    BACKUPS.put(call.state, name, pack(call.state))
    return Reply({"newbackupname": name})


def pack(state: State) -> bytes:
    """A zip file of what a restore can put back, and of the firewall and the other sounds besides."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        write(archive, DATABASE, File(state.tables.dump(), state.clock.now()))
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
    member = zipfile.ZipInfo(name, written)
    member.external_attr = 0o644 << 16
    archive.writestr(member, file.content, zipfile.ZIP_DEFLATED)


def exists(call: Call) -> None:
    stored.must_exist(call, BACKUPS)


def download(call: Call) -> Reply:
    return stored.download(call, BACKUPS, "application/zip")


def delete(call: Call) -> Reply:
    return stored.delete(call, BACKUPS)


def is_named(call: Call) -> None:
    """An upload must bear the name of a backup, or it would join the set and never be listed."""
    file = call.input.get(FIELD)
    if isinstance(file, UploadedFile) and not call.errors and not UPLOAD_NAME.fullmatch(file.name):
        call.refuse(FIELD, f"The {FIELD} must be named sarkbak.<epoch seconds>.zip.")


def is_sound(call: Call) -> None:
    """The archive must be one that can be restored without harm."""
    file = call.input.get(FIELD)
    if isinstance(file, UploadedFile) and not call.errors:
        problem = complaint(file.content)
        if problem is not None:
            call.refuse(FIELD, f"The {FIELD} {problem}.")


def complaint(content: bytes) -> str | None:
    """What is wrong with an archive, as the end of a sentence; None if it can be restored."""
    try:
        archive = archives.inspect(content)
    except archives.Unsound as error:
        return str(error)
    if DATABASE not in archive.namelist():
        return None
    problem = images.complaint(archive.read(DATABASE))
    return None if problem is None else f"holds a {DATABASE} that cannot be restored: {problem}"


def upload(call: Call) -> Reply:
    file: UploadedFile = call.input[FIELD]
    BACKUPS.put(call.state, file.name, file.content)
    return Reply([f"Uploaded bkups/{file.name}"])


def restore(call: Call) -> Reply:
    """Restores what is flagged with JSON's true; sark-v6-api.txt line 184: no quotes."""
    return restore_parts(call, call.path[BACKUPS.parameter], PARTS)


def restore_shipped(call: Call) -> Reply:
    """The published product looks for another flag than it documents, and lets a field of the body name the archive."""
    name = call.input.get(BACKUPS.parameter)
    return restore_parts(call, call.path[BACKUPS.parameter] if name is None else php.to_text(name), SHIPPED_PARTS)


def restore_parts(call: Call, source: str, parts: dict[str, Part]) -> Reply:
    name = call.path[BACKUPS.parameter]
    if BACKUPS.find(call) is None:
        raise NotFound({"Error": "backup file not found"})
    file = call.state.files.get(BACKUPS.path(source))
    if file is None:
        raise NotFound({"Error": f"{name} has errors see logs for details"})
    problem = complaint(file.content)
    if problem is not None:
        raise unrestorable(name, f"it {problem}")
    archive = archives.inspect(file.content)
    for flag, part in parts.items():
        if call.input.get(flag) is True:
            part(call.state, archive)
    return Reply({"restored": name})


def database(state: State, archive: zipfile.ZipFile) -> None:
    if DATABASE in archive.namelist():
        state.tables.load(archive.read(DATABASE))


def contacts(state: State, archive: zipfile.ZipFile) -> None:
    if LDIF in archive.namelist():
        state.files[CONTACTS] = File(archive.read(LDIF), state.clock.now())


def files_below(prefix: str, state: State, archive: zipfile.ZipFile) -> None:
    """What the archive has below the prefix takes the place of what the PBX has there; if it has nothing, all stays."""
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

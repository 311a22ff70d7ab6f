"""Files of the PBX that the API lists, sends and deletes: shared parts of backups and snapshots, and greetings.

Handles directories and names, not file contents. A name is looked up literally, so it cannot lead elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sarkmock.http.context import Context
from sarkmock.http.replies import NotFound, PhpError, Rejection, Reply
from sarkmock.http.web_server import LONGEST_NAME
from sarkmock.laravel.php import UploadedFile
from sarkmock.laravel.php.finfo import EMPTY, OCTETS, PLAIN_TEXT, mime_type
from sarkmock.pbx import pbx_files
from sarkmock.pbx.database import MAX_INTEGER
from sarkmock.pbx.state import PbxFile, State
from sarkmock.spec import yaml12

# Media types that Flysystem derives from the extension, for files that can occur here.
TYPE_BY_ENDING = {"wav": "audio/x-wav", "mp3": "audio/mpeg", "zip": "application/zip", "db": "application/octet-stream"}
# The Gregorian calendar repeats every 400 years, weekdays included.
CALENDAR_CYCLE = 146_097 * 86_400
LARGEST_UPLOAD = 32 * 1024  # kilobytes
DISK = 128 * 2**20  # bytes for files, in addition to those of the seed
TOO_LARGE = f"The {{field}} may not be greater than {LARGEST_UPLOAD} kilobytes."
ASCII_FILE = Path(__file__).parents[2] / "laravel" / "ascii.yaml"
UNPRINTABLE = ("Cc", "Cf", "Cn", "Co")
SHELL = re.compile(r"""[\s;&|<>()$`"'\\]""", re.ASCII)


def store_files(state: State, contents: Mapping[str, bytes], instead_of: Iterable[str] = ()) -> None:
    """Write files to the PBX's disk, some instead of others. PhpError if it is full; nothing changes then."""
    gone, added = {*instead_of}, sum(map(len, contents.values()))
    kept = sum(len(file.content) for path, file in state.files.items() if path not in gone and path not in contents)
    if kept + added > DISK + sum(map(len, state.seed.files.values())):
        raise PhpError(f"file_put_contents(): Write of {added} bytes failed with errno=28 No space left on device",
                       "ErrorException")
    for path in gone:
        del state.files[path]
    state.files |= {path: PbxFile(content, state.clock.now()) for path, content in contents.items()}


@dataclass(frozen=True, slots=True)
class FileSet:
    """A directory of files: its path parameter, its name in messages, and the pattern of listed names."""

    directory: str
    parameter: str
    name: str
    pattern: re.Pattern[str]

    def path(self, name: str) -> str:
        return f"{self.directory}/{name}"

    def names(self, state: State) -> list[str]:
        """Return the listed names in descending order (the product's rsort)."""
        prefix = self.path("")
        names = (path.removeprefix(prefix) for path in state.files if path.startswith(prefix))
        return sorted((name for name in names if self.pattern.fullmatch(name)), reverse=True)

    def put(self, state: State, name: str, content: bytes) -> None:
        """Store a file; one whose name is not a single shell word is lost, as the product moves files by shell."""
        if not SHELL.search(name):
            store_files(state, {self.path(name): content})

    def find(self, context: Context) -> PbxFile | None:
        return context.state.files.get(self.path(context.path[self.parameter]))

    def dated_list(self, context: Context) -> Reply:
        """Return size and date of every file by name; if there are none, PHP's empty array."""
        entries: dict[str, Any] = {}
        for name in self.names(context.state):
            content = context.state.files[self.path(name)].content
            entries[name] = {"filesize": len(content), "date": php_date(number_in(name))}
        return Reply(entries or [])

    def must_exist(self, context: Context) -> None:
        """Raise 404 if there is no file with the name in the path."""
        if self.find(context) is None:
            raise NotFound({"Error": f"{context.path[self.parameter]} not found in {self.name}"})

    def download(self, context: Context) -> Reply:
        """Return the file. Without the check before it, the product crashes for an unknown name."""
        name, file = context.path[self.parameter], self.find(context)
        headers = attachment(name)
        check_path(name)
        if file is None:
            raise PhpError(f"File not found at path: {name}", "League\\Flysystem\\FileNotFoundException")
        return Reply(file.content, headers=headers, content_type=media_type(name, file.content))

    def delete(self, context: Context) -> Reply:
        """Delete the file."""
        if context.path[self.parameter] in (".", ".."):
            return Reply()  # the product finds a directory, which `rm` does not remove
        self.must_exist(context)
        del context.state.files[self.path(context.path[self.parameter])]
        return Reply()


def upload_fits(context: Context) -> None:
    """Reject an upload above PHP's size limit, with the message of Laravel's rule max.

    PHP checks this before Laravel's rules; here it is reported with them.
    """
    for field, value in context.input.items():
        if isinstance(value, UploadedFile) and len(value.content) > LARGEST_UPLOAD * 1024 and not context.errors:
            context.reject(field, TOO_LARGE)


def check_path(path: str) -> None:
    """Raise PhpError for a path with control characters or unassigned ones, before Flysystem touches the file."""
    if any(unicodedata.category(character) in UNPRINTABLE for character in path):
        raise PhpError(f"Corrupted path detected: {path}", "League\\Flysystem\\CorruptedPathDetected")


def stored_at(directory: str, file: UploadedFile, *, silent: bool = False) -> str:
    """Return the path at which the product keeps an upload until it moves the file.

    A name that no file can have is a PhpError, or gives an empty path if ``silent``: Flysystem 3 reports no error.
    """
    path = f"{directory}/{file.name}"
    check_path(path)
    is_directory = file.name in ("", ".", "..")
    if not is_directory and len(file.name.encode(errors="surrogateescape")) <= LONGEST_NAME:
        return path
    if silent:
        return ""
    problem = "Is a directory" if is_directory else "File name too long"
    place = f"/opt/sark/sark6api/storage/app/{path}".rstrip("/")
    raise PhpError(f"fopen({place}): Failed to open stream: {problem}", "ErrorException")


def upload_so_far(context: Context, field: str) -> UploadedFile | None:
    """Return the upload of a field, if the request has no error yet."""
    file = context.input.get(field)
    return file if isinstance(file, UploadedFile) and not context.errors else None


def upload_is_named(context: Context, field: str, pattern: re.Pattern[str], text: str) -> None:
    """Reject an upload whose name would not be listed, unless the request has another error already."""
    file = upload_so_far(context, field)
    if file is not None and not pattern.fullmatch(file.name):
        context.reject(field, text)


def media_type(name: str, content: bytes) -> str:
    """Return Flysystem's media type: by content, or by extension if the content is inconclusive."""
    kind = mime_type(content)
    if kind in (OCTETS, EMPTY):
        kind = TYPE_BY_ENDING.get(name.rpartition(".")[2].lower(), PLAIN_TEXT)
    return with_charset(kind)


def with_charset(media_type: str) -> str:
    """Add the charset to text types, as Symfony does."""
    return f"{media_type}; charset=UTF-8" if media_type.startswith("text/") else media_type


def attachment(name: str) -> dict[str, str]:
    """Return Laravel's header: an ASCII name, quoted unless it is a token, and the real name if it differs."""
    plain = re.sub("[^ -~]", "", name.translate(ascii_spellings())).replace("%", "") or name
    if re.search("[^ -~]", plain):
        raise PhpError("The filename fallback must only contain ASCII characters.", "InvalidArgumentException")
    if "%" in plain:
        raise PhpError('The filename fallback cannot contain the "%" character.', "InvalidArgumentException")
    if "\\" in name:
        raise PhpError('The filename and the fallback cannot contain the "/" and "\\" characters.',
                       "InvalidArgumentException")
    token = re.fullmatch(r"[A-Za-z0-9!#$%&'*.^_`|~-]+", plain)
    escaped = plain if token else '"' + plain.replace('"', '\\"') + '"'
    real = "" if plain == name else f"; filename*=utf-8''{quote(name, safe='-_.~', errors='surrogateescape')}"
    return {"Content-Disposition": f"attachment; filename={escaped}{real}"}


@cache
def ascii_spellings() -> dict[int, str]:
    """Return the spelling of each character in Laravel's Str::ascii()."""
    table: dict[str, str] = yaml12.read(ASCII_FILE)
    return {ord(character): text for text, characters in table.items() for character in characters}


def number_in(name: str) -> int:
    """Return the epoch second in the name of a backup or snapshot; values too large for PHP stay too large."""
    return int(re.sub(r"[^0-9]", "", name).lstrip("0")[:20] or "0")


def php_date(second: int) -> str:
    """Return PHP's date('D d M H:i:s Y') in UTC, in English in every locale."""
    if second > MAX_INTEGER:
        raise PhpError("date(): Argument #2 ($timestamp) must be of type ?int, string given", "TypeError")
    cycles, rest = divmod(second, CALENDAR_CYCLE)
    weekday, month, day, clock, year = datetime.fromtimestamp(rest, UTC).ctime().split()
    return f"{weekday} {int(day):02} {month} {clock} {int(year) + 400 * cycles}"


GREETING_SET = FileSet(pbx_files.GREETINGS, "greeting", "sounds set", re.compile(r"usergreeting[^/]*"))
GREETING_FIELD = "greeting"
GREETING_NAME = re.compile(r"usergreeting[0-9]{4}\.(?:mp3|wav)")


def list_greetings(context: Context) -> Reply:
    return Reply(GREETING_SET.names(context.state))


def upload_greeting(context: Context) -> Reply:
    """Store the file under its full name; response and duplicate check use only the greeting's name at its end."""
    file, greeting = named_upload(context)
    if GREETING_SET.path(greeting) in context.state.files:
        raise Rejection(422, {"Message": "UserGreeting Already exists"})
    GREETING_SET.put(context.state, file.name, file.content)
    return Reply([f"Uploaded {greeting}"])


def lose_greeting(context: Context) -> Reply:
    """Report success for an upload that no other operation finds."""
    return Reply([f"Uploaded {named_upload(context)[1]}"])


def named_upload(context: Context) -> tuple[UploadedFile, str]:
    """Return the upload and the greeting's name at the end of its file name; PhpError if it has none."""
    file: UploadedFile = context.input[GREETING_FIELD]
    stored_at("greetings", file)
    match = re.search(rf"{GREETING_NAME.pattern}\n?\Z", file.name)
    if match is None:
        raise PhpError("Undefined array key 1", field=GREETING_FIELD)
    return file, match.group().rstrip("\n")

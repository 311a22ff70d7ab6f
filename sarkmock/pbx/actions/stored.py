"""Files of the PBX that the API lists, sends and deletes: what backups, snapshots and greetings share.

Knows directories and names, not what is in the files. A name is looked up as it is, so it cannot lead elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import NotFound, PhpError, Reply
from sarkmock.laravel.php import UploadedFile
from sarkmock.pbx.state import File, State

# The Gregorian calendar repeats after 400 years, weekdays included.
CYCLE = 146_097 * 86_400
LARGEST_INTEGER = 2**63 - 1
LARGEST_UPLOAD = 32 * 1024  # kilobytes


@dataclass(frozen=True, slots=True)
class Shelf:
    """A directory of such files: the path parameter that names one, what messages call the whole, which are listed."""

    directory: str
    parameter: str
    name: str
    pattern: re.Pattern[str]

    def path(self, name: str) -> str:
        return f"{self.directory}/{name}"

    def names(self, state: State) -> list[str]:
        """The listed names, the highest first (the product's rsort)."""
        prefix = self.path("")
        names = (path.removeprefix(prefix) for path in state.files if path.startswith(prefix))
        return sorted((name for name in names if self.pattern.fullmatch(name)), reverse=True)

    def put(self, state: State, name: str, content: bytes) -> None:
        state.files[self.path(name)] = File(content, state.clock.now())

    def find(self, context: Context) -> File | None:
        return context.state.files.get(self.path(context.path[self.parameter]))

    def missing(self, context: Context) -> NotFound:
        return NotFound({"Error": f"{context.path[self.parameter]} not found in {self.name}"})


def dated_list(context: Context, shelf: Shelf) -> Reply:
    """Size and date of every file by name; PHP's empty array for none."""
    entries: dict[str, Any] = {}
    for name in shelf.names(context.state):
        content = context.state.files[shelf.path(name)].content
        entries[name] = {"filesize": len(content), "date": php_date(number_in(name))}
    return Reply(entries or [])


def upload_fits(context: Context) -> None:
    """PHP's own limit comes before the rules; here it joins them, in the words of Laravel's rule max."""
    for field, value in context.input.items():
        if isinstance(value, UploadedFile) and len(value.content) > LARGEST_UPLOAD * 1024 and not context.errors:
            context.refuse(field, f"The {field} may not be greater than {LARGEST_UPLOAD} kilobytes.")


def must_exist(context: Context, shelf: Shelf) -> None:
    if shelf.find(context) is None:
        raise shelf.missing(context)


def download(context: Context, shelf: Shelf, content_type: str) -> Reply:
    """The file itself; without the check before it, the product crashes for a name that it does not find."""
    name, file = context.path[shelf.parameter], shelf.find(context)
    if file is None:
        raise PhpError(f"File not found at path: {name}", "League\\Flysystem\\FileNotFoundException")
    return Reply(file.content, headers=attachment(name), content_type=content_type)


def delete(context: Context, shelf: Shelf) -> Reply:
    must_exist(context, shelf)
    del context.state.files[shelf.path(context.path[shelf.parameter])]
    return Reply()


def attachment(name: str) -> dict[str, str]:
    """As Symfony writes it: quoted only if the name is no token. What no header may hold becomes underscores."""
    plain = "".join(sign if " " <= sign <= "~" and sign not in '%"\\' else "_" for sign in name)
    quoted = plain if re.fullmatch(r"[A-Za-z0-9!#$&'*+.^_`|~-]+", plain) else f'"{plain}"'
    return {"Content-Disposition": f"attachment; filename={quoted}"}


def number_in(name: str) -> int:
    """The epoch second in the name of a backup or snapshot; what is beyond PHP's integers stays beyond them."""
    return int(re.sub(r"[^0-9]", "", name).lstrip("0")[:20] or "0")


def php_date(second: int) -> str:
    """PHP's date('D d M H:i:s Y') in UTC, in English whatever the locale."""
    if second > LARGEST_INTEGER:
        raise PhpError("date(): Argument #2 ($timestamp) must be of type ?int, string given", "TypeError")
    cycles, rest = divmod(second, CYCLE)
    weekday, month, day, clock, year = datetime.fromtimestamp(rest, UTC).ctime().split()
    return f"{weekday} {int(day):02} {month} {clock} {int(year) + 400 * cycles}"

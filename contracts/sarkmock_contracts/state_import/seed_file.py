"""The seed file of `sarkmock import`: progress while a target is read, the file, made-up secrets for real ones.

A made-up secret comes from where the real one stands, never from what it is: from a digest, a PIN could be guessed.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sarkmock.suite_api import SECRETS, Seed, is_secret, printable, write_whole

from ..client.transports import Access
from ..errors import CannotRun
from . import importing

NOTE_WIDTH = 100  # columns


def import_to_file(url: str, access: Access, rate: str, wanted: importing.Wanted, output: Path | None) -> None:
    """Write the state of a target to a file, or to standard output."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with progress_bar(console) as tell:
        seed, reader = importing.import_state(url, access, rate, wanted, tell)
    text = heading(url, reader) + seed.text()
    if output is None:
        sys.stdout.write(text)
    else:
        try:
            write_whole(output, text.encode(), private=wanted.secrets)
        except OSError as error:
            raise CannotRun(f"{output}: {error.strerror}") from None
    for line in reader.notes:  # a file has them whole
        console.print(shorten(printable(f"not read: {line}"), NOTE_WIDTH, placeholder=" ...") if output
                      else printable(f"not read: {line}"))
    console.print(import_summary(seed, reader.profile, output))


@contextmanager
def progress_bar(console: Console) -> Iterator[importing.Progress]:
    """A bar on a terminal, a line for each part elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task, parts = bar.add_task("connecting", total=None), set[str]()

        def tell(part: str, done: int, total: int) -> None:
            bar.update(task, description=part, completed=done, total=total)
            if part not in parts and not console.is_terminal:
                console.print(f"reading {part}: {total}")
            parts.add(part)

        yield tell


def heading(url: str, reader: importing.StateReader) -> str:
    """What the file says of itself."""
    read = f"# The state of {url} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, read by `sarkmock import`.\n"
    read += f"# It answers most like the profile {reader.profile}.\n"
    return read + "".join(f"# not read: {printable(' '.join(line.split()))}\n" for line in reader.notes)


def import_summary(seed: Seed, profile: str, output: Path | None) -> str:
    rows = sum(map(len, seed.tables.values()))
    text = f"{rows} rows, {len(seed.files)} files, {len(seed.astdb)} runtime values"
    return f"{text}; sarkmock serve --profile {profile} --seed {output} answers by them" if output else text


SECRET_LETTERS = "bcdfghjkmnpqrtvwxyz2346789"  # none that look alike
SECRET_LENGTH = 12
CONFIGURATION = ("sipiaxpeer", "sipiaxuser", "sipiaxfriend", "register", "provision", "extcode", "conf")
_NAMES = "|".join(sorted(map(re.escape, SECRETS), key=len, reverse=True))
# secret=x and secret => x of Asterisk's stanzas, "sip password: x" of phones. $password is a placeholder.
_NAMED = re.compile(rf"""(\b(?:{_NAMES})[ \t]*(?:=>?|:)[ \t]*["']?)([^\s"'$;][^\s"';]*)""", re.IGNORECASE)
_REGISTERED = re.compile(r"^([^:@/\s]*:)([^@\s]+)(?=@)", re.MULTILINE)  # user:secret@host


def disguised(place: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with made-up secrets; ``place`` identifies it."""
    made = {value: other_secret(f"{place} {name}", value) for name, value in row.items() if is_secret(name) and value}
    return {name: made.get(value, value) if is_secret(name) else _without(f"{place} {name}", value, made)
            if name in CONFIGURATION and isinstance(value, str) else value for name, value in row.items()}


def other_secret(place: str, real: Any) -> Any:
    """Another secret that rules take as they took the real one: as many digits, the first from 2 on, or letters."""
    dice = random.Random(place)
    text = str(real)
    while True:
        if text.isascii() and text.isdigit():
            made = dice.choice("23456789") + "".join(dice.choice("0123456789") for _ in text[1:])
        else:
            made = "".join(dice.choice(SECRET_LETTERS) for _ in range(SECRET_LENGTH))
        if made != text:
            return int(made) if isinstance(real, int) else made


def _without(place: str, text: str, made: Mapping[Any, str]) -> str:
    """A text of configuration without the row's secrets and any that it names itself."""
    def another(match: re.Match[str]) -> str:
        own = {str(value): str(other) for value, other in made.items()}
        return match[1] + own.get(match[2], str(other_secret(place, match[2])))

    text = _REGISTERED.sub(another, _NAMED.sub(another, text))
    for real, other in made.items():
        if len(str(real)) >= SECRET_LENGTH // 2:
            text = text.replace(str(real), str(other))
    return text

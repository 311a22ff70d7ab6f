"""The seed file of `sarkmock import`: progress while a target is read, the file, and what could not be read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sarkmock.suite_api import Seed, printable, write_whole

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

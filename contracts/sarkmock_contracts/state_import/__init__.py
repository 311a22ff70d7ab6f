"""Reads the state of a box, and writes it as a seed file without secrets.

The version only determines the columns of the tables. For each operation, the paths of all profiles are tried.

A made-up secret is derived from the place of the real one, never from its value: a PIN could be guessed from a digest.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sarkmock.suite_api import (
    BASE,
    SECRET_NAMES,
    Operation,
    Seed,
    SeedError,
    State,
    is_secret,
    load,
    load_seed,
    printable,
    profile_names,
    write_whole,
)

from ..client.http import Request, Response, fill_path
from ..client.interrupts import Admission, Budget, Interrupts
from ..client.rate_limit import RateLimit
from ..client.target import Target
from ..client.transports import Access, Http, Transport
from ..errors import CannotRun, Spent, Unanswered, Withheld, file_errors
from ..safety.fingerprint import Fingerprint, fingerprint
from ..safety.gate import Gate, Permissions
from ..safety.preflight import preflight, why_token_ended
from ..safety.routing import RequestReader
from ..spec.contract import Contract, contract_of
from . import state_reader

TIME_IS_OVER = "--max-time has elapsed; the rest has factory values"
OnProgress = Callable[[str, int, int], None]  # arguments: name of the part, number of items read, number of all items


@dataclass(frozen=True)
class ImportOptions:
    """What is read, and for how long. Backups and snapshots contain secrets."""

    secrets: bool = False
    tables_only: bool = False
    archives: bool = True
    seconds: float | None = None


@dataclass
class StateReader:
    """Reads a box by operation ids. ``notes`` lists what could not be read, one line each."""

    target: Target
    contracts: Sequence[Contract]
    on_progress: OnProgress = lambda *_: None
    profile: str = BASE  # of the box's version
    notes: list[str] = field(default_factory=list)
    status: int = 0  # of the last response
    _paths: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def factory(self) -> Seed:
        """The factory state of a box of that version."""
        return load_seed("factory", load(self.profile))

    @cached_property
    def fresh(self) -> State:
        """A mock's state of such a box."""
        return State(self.factory)

    def operations(self) -> Iterator[Operation]:
        """Yield every operation of every version, once per path."""
        yield from {(operation.id, operation.path): operation
                    for contract in self.contracts for operation in contract.operations}.values()

    def get(self, name: str, **parameters: Any) -> Response | None:
        """Return a successful response; None, with a note, if there is none."""
        known = [operation.path for operation in self.operations() if operation.id == name]
        paths = self._paths.setdefault(name, known)
        problem = ""
        for template in list(paths):
            path = fill_path(template, parameters)
            try:
                response = self.target.send(Request("GET", path)).response
            except Withheld as reason:
                problem = f"GET {path} is not sent: {reason}"
                continue
            except Spent:
                problem = TIME_IS_OVER
                break
            self.status = response.status
            if response.ok:
                self._paths[name] = [template]
                return response
            problem = f"GET {path} returned {response.status}"
        self.note(problem)
        return None

    def note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)


def import_state(url: str, access: Access, rate: str, wanted: ImportOptions,
                 on_progress: OnProgress) -> tuple[Seed, StateReader]:
    """Return the state of the box at a URL, and its reader. Raise CannotRun if it is not a SARK or stops responding."""
    try:
        limited = RateLimit(Http(url, access, wanted.seconds), rate)
        admitted = Admission(limited, why_token_ended) if access.credential else None
        budget = Budget(admitted or limited, None, wanted.seconds, lambda: 0, lambda: 0, wait=limited.wait)
        reader = guarded_reader(Interrupts(budget), on_progress)
        with budget.removing():
            reader.profile = version_behind(reader, access).nearest
        state = read_state(reader, wanted)
        if admitted is not None:
            admitted.confirm()
        return state, reader
    except Unanswered as reason:
        raise CannotRun(str(reason)) from None


def version_behind(reader: StateReader, access: Access) -> Fingerprint:
    """Detect the version of a reader's box; raise CannotRun if it is not a SARK."""
    url = reader.target.url
    first = preflight(reader.target, access.verify(access.check(url).hostname or ""))
    return fingerprint(reader.target, first).check(url)


def guarded_reader(transport: Transport, on_progress: OnProgress = lambda *_: None) -> StateReader:
    """Return a reader whose gate passes only reads."""
    contracts = [contract_of(name) for name in profile_names()]
    return StateReader(Target(Gate(transport, RequestReader(contracts), Permissions())), contracts, on_progress)


def read_state(reader: StateReader, wanted: ImportOptions) -> Seed:
    """Read the whole state. Tables and files that cannot be read are those of the factory."""
    tables = state_reader.read_tables(reader)
    running = state_reader.is_running(reader)
    files, astdb = dict(reader.factory.files), {}
    if not wanted.tables_only:
        archives = state_reader.read_archives(reader, wanted.secrets and wanted.archives)
        files |= state_reader.read_files(reader) | archives
        if running:
            files |= state_reader.read_mailboxes(reader)
            astdb = state_reader.read_runtime(reader, tables.get("ipphone", []))
    if not wanted.secrets:
        tables = {table: [anonymized_row(f"{table} {row.get('pkey')}", row) for row in rows]
                  for table, rows in tables.items()}
    tables |= state_reader.read_users(reader)
    return checked_seed(reader, Seed({**reader.factory.tables, **tables}, files, astdb, running,
                                     database=reader.factory.database))


def checked_seed(reader: StateReader, seed: Seed) -> Seed:
    """Return the seed, marked as unchecked if it has rows that the API would not have written.

    The rows are checked against the documented profile or, if its database differs, against the box's version.
    """
    fitting = (name for name in (BASE, reader.profile) if load(name)["x-database"] == seed.database)
    try:
        load_seed(seed.content(), load(next(fitting)))
    except SeedError as error:
        reader.note(f"a row that the API would not write, served unchanged: {error}")
        return replace(seed, unchecked=True)
    return seed


NOTE_WIDTH = 100  # columns


def import_to_file(url: str, access: Access, rate: str, wanted: ImportOptions, output: Path | None) -> None:
    """Write the state of a target to a file or to standard output."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with progress_bar(console) as on_progress:
        seed, reader = import_state(url, access, rate, wanted, on_progress)
    text = seed_heading(url, reader) + seed.text()
    if output is None:
        sys.stdout.write(text)
    else:
        with file_errors(output):
            write_whole(output, text.encode(), private=wanted.secrets)
    for line in reader.notes:  # the file has the whole lines
        console.print(shorten(printable(f"not read: {line}"), NOTE_WIDTH, placeholder=" ...") if output
                      else printable(f"not read: {line}"))
    console.print(import_summary(seed, reader.profile, output))


@contextmanager
def progress_bar(console: Console) -> Iterator[OnProgress]:
    """Show a progress bar on a terminal, or else one line per part."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task, parts = bar.add_task("connecting", total=None), set[str]()

        def on_progress(part: str, done: int, total: int) -> None:
            bar.update(task, description=part, completed=done, total=total)
            if part not in parts and not console.is_terminal:
                console.print(f"reading {part}: {total}")
            parts.add(part)

        yield on_progress


def seed_heading(url: str, reader: StateReader) -> str:
    """Return the comment at the head of the seed file."""
    read = f"# The state of {url} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, read by `sarkmock import`.\n"
    read += f"# The nearest profile is {reader.profile}.\n"
    return read + "".join(f"# not read: {printable(' '.join(line.split()))}\n" for line in reader.notes)


def import_summary(seed: Seed, profile: str, output: Path | None) -> str:
    rows = sum(map(len, seed.tables.values()))
    text = f"{rows} rows, {len(seed.files)} files, {len(seed.astdb)} runtime values"
    return f"{text}; serve them with sarkmock serve --profile {profile} --seed {output}" if output else text


SECRET_LETTERS = "bcdfghjkmnpqrtvwxyz2346789"  # without look-alikes
SECRET_LENGTH = 12
CONFIGURATION = ("sipiaxpeer", "sipiaxuser", "sipiaxfriend", "register", "provision", "extcode", "conf")
# Matches secret=x and secret => x in Asterisk's stanzas, and "sip password: x" of phones. $password is a placeholder.
_NAMED = re.compile(rf"""(\b(?:{SECRET_NAMES})[ \t]*(?:=>?|:)[ \t]*["']?)([^\s"'$;][^\s"';]*)""", re.IGNORECASE)
# Matches user:secret@host, but not "sip:number@host" in the provisioning of phones.
_REGISTERED = re.compile(r"""^([^:@/\s]*:)(?<!["']sip:)([^@\s]+)(?=@)""", re.MULTILINE)


def anonymized_row(place: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with made-up secrets; ``place`` identifies the row."""
    made = {value: made_up_secret(f"{place} {name}", value) for name, value in row.items()
            if is_secret(name) and name not in CONFIGURATION and value}
    return {name: _anonymized(f"{place} {name}", value, made) if name in CONFIGURATION and isinstance(value, str) else
            made.get(value, value) if is_secret(name) else value for name, value in row.items()}


def made_up_secret(place: str, real: Any) -> Any:
    """Return a made-up secret that the rules accept, too: as many digits, the first one at least 2, or letters."""
    rng = random.Random(place)
    text = str(real)
    while True:
        if text.isascii() and text.isdigit():
            made = rng.choice("23456789") + "".join(rng.choice("0123456789") for _ in text[1:])
        else:
            made = "".join(rng.choice(SECRET_LETTERS) for _ in range(SECRET_LENGTH))
        if made != text:
            return int(made) if isinstance(real, int) else made


def _anonymized(place: str, text: str, made: Mapping[Any, str]) -> str:
    """Return a configuration text with the row's secrets, and any others in it, replaced."""
    def another(match: re.Match[str]) -> str:
        own = {str(real): str(secret) for real, secret in made.items()}
        return match[1] + own.get(match[2], str(made_up_secret(place, match[2])))

    text = _REGISTERED.sub(another, _NAMED.sub(another, text))
    for real, secret in made.items():
        if len(str(real)) >= SECRET_LENGTH // 2:
            text = text.replace(str(real), str(secret))
    return text

"""`sarkmock import`: the present state of a box as a seed. Changes nothing there, and judges nothing.

Which version answers matters for the columns of its tables alone: of every operation, each path that some profile knows
is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sarkmock.suite_api import BASE, Operation, Seed, SeedError, State, load, load_seed, profiles

from ..client.http import Request, Response, fill_path
from ..client.interrupts import Admission, Budget, Interrupts
from ..client.rate_limit import RateLimit
from ..client.target import Target
from ..client.transports import Access, OverHttp, Transport
from ..errors import CannotRun, Spent, Unanswered, Withheld
from ..safety.fingerprint import Fingerprint, fingerprint
from ..safety.gate import Gate, Permissions
from ..safety.preflight import preflight, why_shut_out
from ..safety.routing import RequestReader
from ..spec.contract import Contract, contract_of
from . import state_reader
from .seed_file import disguised

TIME_IS_OVER = "the time of --max-time was over; the rest is as the factory has it"
Progress = Callable[[str, int, int], None]  # what is read, how many of them are, of how many


@dataclass(frozen=True)
class Wanted:
    """How much is read, and for how long. Backups and snapshots hold secrets."""

    secrets: bool = False
    tables_only: bool = False
    archives: bool = True
    seconds: float | None = None


@dataclass
class StateReader:
    """A box, read by the ids of operations. ``notes`` says what could not be read, a line each."""

    target: Target
    contracts: Sequence[Contract]
    tell: Progress = lambda *_: None
    profile: str = BASE  # of the version that answers
    notes: list[str] = field(default_factory=list)
    status: int = 0  # of the last answer
    _paths: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def factory(self) -> Seed:
        """What a box of that version has from the factory."""
        return load_seed("factory", load(self.profile))

    @cached_property
    def fresh(self) -> State:
        """Such a box."""
        return State(self.factory)

    def operations(self) -> Iterator[Operation]:
        """Every operation of every version, once for each path."""
        yield from {(operation.id, operation.path): operation
                    for contract in self.contracts for operation in contract.operations}.values()

    def get(self, name: str, **parameters: Any) -> Response | None:
        """A good answer; None, and a note, if there is none."""
        known = self._paths.setdefault(name, [one.path for one in self.operations() if one.id == name])
        problem = ""
        for template in list(known):
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
            problem = f"GET {path} answers {response.status}"
        self.note(problem)
        return None

    def note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)


def import_state(url: str, access: Access, rate: str, wanted: Wanted, tell: Progress) -> tuple[Seed, StateReader]:
    """The state of the box at a URL, and its reader. CannotRun if it is not a SARK, or stops answering."""
    try:
        limited = RateLimit(OverHttp(url, access, wanted.seconds), rate)
        admitted = Admission(limited, why_shut_out) if access.credential else None
        budget = Budget(admitted or limited, None, wanted.seconds, lambda: 0, lambda: 0, wait=limited.wait)
        reader = guarded_reader(Interrupts(budget), tell)
        with budget.removing():
            reader.profile = version_behind(reader, access).nearest
        state = read_state(reader, wanted)
        if admitted is not None:
            admitted.confirm()
        return state, reader
    except Unanswered as reason:
        raise CannotRun(str(reason)) from None


def version_behind(reader: StateReader, access: Access) -> Fingerprint:
    """Which version answers a reader; CannotRun if it is not a SARK."""
    url = reader.target.url
    first = preflight(reader.target, access.verify(access.check(url).hostname or ""))
    return fingerprint(reader.target, first)


def guarded_reader(transport: Transport, tell: Progress = lambda *_: None) -> StateReader:
    """The box behind a target, with a gate that lets out reads alone."""
    contracts = [contract_of(name) for name in profiles()]
    return StateReader(Target(Gate(transport, RequestReader(contracts), Permissions())), contracts, tell)


def read_state(reader: StateReader, wanted: Wanted) -> Seed:
    """All that can be read. What cannot, in tables and files that no list shows, is what the factory has."""
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
        tables = {table: [disguised(f"{table} {row.get('pkey')}", row) for row in rows]
                  for table, rows in tables.items()}
    tables |= state_reader.read_users(reader)
    return checked_seed(reader, Seed({**reader.factory.tables, **tables}, files, astdb, running,
                                database=reader.factory.database))


def checked_seed(reader: StateReader, seed: Seed) -> Seed:
    """The seed, marked if a box has rows that its API would not have written.

    The documentation says so, or the version itself where it works on another database.
    """
    fitting = (name for name in (BASE, reader.profile) if load(name)["x-database"] == seed.database)
    try:
        load_seed(seed.content(), load(next(fitting)))
    except SeedError as error:
        reader.note(f"a row is not as the API writes rows, and served as it is: {error}")
        return replace(seed, unchecked=True)
    return seed

"""A box in this process behind the gate, which records executed operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.client.rate_limit import Timer
from sarkmock_contracts.client.target import Client, Target
from sarkmock_contracts.client.transports import Transport, embedded_mock
from sarkmock_contracts.fixtures import Fixtures
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.safety import Caution, Safety
from sarkmock_contracts.safety.gate import Permissions
from sarkmock_contracts.spec.contract import contract_of
from sarkmock_contracts.spec.operation_data import LiveTables

from sarkmock import Engine, Seed, State
from sarkmock.suite_api import load

Reading = Callable[[Request], Request]


@dataclass
class Wire:
    """A transport that passes requests to the box as a particular kind of server reads them."""

    inner: Transport
    reading: Reading
    left: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url, self.base = self.inner.url, self.inner.base

    def send(self, request: Request) -> Response:
        self.left.append(request)
        return self.inner.send(self.reading(request))


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the time of its last change, which restoring changes."""
    times = ("z_updated", "z_updater", "last_used_at", "updated_at")
    return {name: value for name, value in row.items() if name not in times}


class Box:
    """A PBX that records executed operations."""

    def __init__(self, profile: str, reading: Reading | None = None) -> None:
        document = load(profile)
        state = State(Seed.factory(document["x-database"]), now=1_717_236_000, token="1|0123456789")
        self.engine = Engine(document, state)
        self.done: list[str] = []
        program = self.engine.program
        program.plans = {name: (self._noting(name, action), checks) for name, (action, checks) in program.plans.items()}
        self.wire = Wire(embedded_mock(self.engine), reading or (lambda request: request))
        self.hazards = {operation.id: operation.hazard for operation in self.engine.operations}

    def _noting(self, name: str, action: Any) -> Any:
        def noted(call: Any) -> Any:
            self.done.append(name)
            return action(call)

        return noted

    def contents(self) -> dict[str, Any]:
        """Rows, files, runtime values, and whether the PBX runs."""
        state = self.engine.state
        tables = {name: sorted(str(timeless(row)) for row in state.tables.rows(name)) for name in state.tables.tables()}
        return {**tables, "files": dict(state.files), "astdb": dict(state.astdb), "running": state.pbx.running}


def guarded(
    box: Box, judge: str, hazards: str, ledger: Path | None = None, hostile: bool = False, begin: bool = True
) -> tuple[Guarded, Fixtures]:
    """The guards and fixtures of a run with these permitted hazards."""
    guarded = Guarded(box, judge, Caution(Permissions(frozenset({"read", *hazards.split()}), hostile),
                                          ledger=str(ledger) if ledger else None))
    if begin:
        guarded.safety.begin()
    return guarded, guarded.fixtures


class Guarded(Client):
    """A client whose requests pass the gate."""

    def __init__(self, box: Box, judge: str, caution: Caution) -> None:
        contract = contract_of(judge)
        self.safety = Safety(contract, box.wire.url, caution, judge, self)
        self.gate, self.ledger = self.safety.gate(box.wire), self.safety.ledger
        self.target = Target(self.gate)
        live = LiveTables(contract, self)
        self.fixtures = Fixtures(contract, self, live, self.safety.keys, self.safety.unrestorable)

    def send(self, request: Request) -> Exchange:
        return self.target.send(request)

    def get(self, path: str) -> Response:
        return self.target.get(path)

    def end(self) -> list[str]:
        return self.safety.end()


def guarded_suite(box: Box, judge: str, hazards: str, ledger: Path, **settings: Any) -> Run:
    """A started run at the box with these permitted hazards."""
    caution = Caution(Permissions(frozenset({"read", *hazards.split()})), ledger=str(ledger))
    options = RunOptions(profile=judge, url=box.wire.url, caution=caution, **settings)
    suite = Run(contract_of(judge), box.wire, options, clock=Timer())
    with suite.budget.removing():
        suite.safety.begin()
    return suite


def ended(suite: Run) -> list[str]:
    """End a run and return its residue."""
    with suite.budget.removing():
        suite.fixtures.sweep(keep_fixtures=False)
        return suite.safety.end()

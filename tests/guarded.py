"""A rehearsal box in this process behind the gate, which notes what it carries out. Knows no particular test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sarkmock_contracts.client.http import Request, Response
from sarkmock_contracts.client.target import Target
from sarkmock_contracts.client.transports import InProcess
from sarkmock_contracts.fixtures.rows import Stock
from sarkmock_contracts.run import Settings, Suite
from sarkmock_contracts.safety.gate import Permissions
from sarkmock_contracts.safety.guards import Caution, Safety
from sarkmock_contracts.spec.contract import Contract
from sarkmock_contracts.spec.live_tables import LiveTables

from sarkmock import Engine, State, create_app, load

Reading = Callable[[Request], Request]


@dataclass
class Wire:
    """A transport that hands every request to the box as a server of some kind reads it."""

    inner: InProcess
    reading: Reading
    left: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url, self.base = self.inner.url, self.inner.base

    def send(self, request: Request) -> Response:
        self.left.append(request)
        return self.inner.send(self.reading(request))


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the time of its last change: what was put back was changed."""
    return {name: value for name, value in row.items() if name not in ("z_updated", "z_updater")}


class Box:
    """A PBX that notes which operations it carried out."""

    def __init__(self, profile: str, reading: Reading | None = None) -> None:
        self.engine = Engine(load(profile), State(now=1_717_236_000))
        self.done: list[str] = []
        program = self.engine.program
        program.plans = {name: (self._noting(name, action), checks) for name, (action, checks) in program.plans.items()}
        self.wire = Wire(InProcess(create_app(self.engine)), reading or (lambda request: request))
        self.hazards = {operation.id: operation.hazard for operation in self.engine.operations}

    def _noting(self, name: str, action: Any) -> Any:
        def noted(call: Any) -> Any:
            self.done.append(name)
            return action(call)

        return noted

    def contents(self) -> dict[str, Any]:
        """Everything that stays: rows, files, runtime values, whether it runs."""
        state = self.engine.state
        tables = {name: sorted(str(timeless(row)) for row in state.tables.rows(name)) for name in state.tables.tables()}
        return {**tables, "files": dict(state.files), "astdb": dict(state.astdb), "running": state.pbx.running}


def guarded(
    box: Box, judge: str, hazards: str, ledger: Path | None = None, hostile: bool = False
) -> tuple[Safety, Stock]:
    """The box as a run sees it that was allowed these hazards."""
    contract, target = Contract(load(judge)), Target(box.wire)
    permissions = Permissions(frozenset({"read", *hazards.split()}), hostile)
    safety = Safety(contract, target, Caution(permissions, ledger=str(ledger) if ledger else None), judge)
    stock = Stock(contract, target, LiveTables(contract, target))
    safety.begin(stock, judge)
    return safety, stock


def guarded_suite(box: Box, judge: str, hazards: str, ledger: Path, **settings: Any) -> Suite:
    """The whole suite on the box, allowed these hazards and begun."""
    caution = Caution(Permissions(frozenset({"read", *hazards.split()})), ledger=str(ledger))
    asked = Settings(profile=judge, url=box.wire.url, caution=caution, **settings)
    suite = Suite(Contract(load(judge)), Target(box.wire), asked)
    with suite.budget.removing():
        suite.safety.begin(suite.stock, judge)
    return suite


def ended(suite: Suite) -> list[str]:
    """The end of a run: what is not as it was before."""
    with suite.budget.removing():
        suite.stock.sweep(keep_fixtures=False)
        return suite.safety.end()

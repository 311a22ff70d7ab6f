"""Every operation that only reads, asked once for what the target has: nothing is made for it."""

from __future__ import annotations

from sarkmock.suite_api import Operation

from ..client.http import Request, fill_path
from ..fixtures.rows import Parameters
from ..run import Run
from ..spec.contract import Contract
from ..spec.live_tables import LiveTables
from ..spec.operation_data import recipe


def check_read(run: Run, operation: Operation) -> None:
    """One GET; the exchange is judged as every exchange is. Lists are kept, for the keys of their rows."""
    if operation.table is not None and not operation.parameters:
        run.live.rows(operation.table.name)
    path = readable_path(run, operation)
    if path is not None and not asked(run, operation):
        run.send(Request("GET", path))


def asked(run: Run, operation: Operation) -> bool:
    """Whether an answer was judged already."""
    return run.coverage.statuses[operation.id, operation.status] > 0


def readable_path(run: Run, operation: Operation) -> str | None:
    """The path of something that is there; None where there is nothing to read."""
    if not operation.parameters:
        return operation.path
    parameters = standing(run.contract, run.live, operation)
    return fill_path(operation.path, parameters) if parameters else None


def standing(contract: Contract, live: LiveTables, operation: Operation) -> Parameters:
    """The path of the first row that a list shows, or that of an operation without a row or a file to create first."""
    if operation.table is not None:
        keys = live.keys(operation.table.name, operation.table.key)
        return {operation.parameters[0]: keys[0]} if keys else {}
    files = recipe("uploaded", operation.id) or any(link.target == operation.id for link in contract.links)
    return {} if files else dict(recipe("parameters", operation.id)) or contract.examples(operation)

"""Tries what an overlay makes of operations, so that a check or action without what it needs is an error at load."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sarkmock.http.context import Context, Lacking
from sarkmock.pbx.actions import ACTION_FUNCTIONS, AFTER_CHECKS
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.state import State
from sarkmock.spec.operations import Operation
from sarkmock.suggest import Misnamed


class LookedUp(dict[str, Any]):
    """Values that are looked up by names of the document."""

    def __init__(self, kind: str, values: dict[str, Any]) -> None:
        super().__init__(values)
        self._kind = kind

    def __missing__(self, name: str) -> Any:
        raise Lacking(f"{self._kind} {name!r}")


def try_out(operations: Iterable[Operation], inherited: Iterable[Operation], database: str) -> None:
    """Misnamed for the first check or action that lacks something, of operations that are not as inherited."""
    before = {tried_facts(operation) for operation in inherited}
    state = State(Seed.factory(database))
    for operation in operations:
        if tried_facts(operation) in before:
            continue
        for name in operation.checks:
            _try("check", name, AFTER_CHECKS[name].run, operation, state)
        _try("action", operation.action, ACTION_FUNCTIONS[operation.action], operation, state)


def tried_facts(operation: Operation) -> tuple[Any, ...]:
    """What checks and actions depend on."""
    table = operation.table and (operation.table.name, operation.table.fixed)
    return operation.id, operation.action, operation.checks, operation.parameters, operation.key, table, operation.guard


def _try(kind: str, name: str, function: Callable[[Context], object], operation: Operation,
         state: State) -> None:
    for given in ({}, dict.fromkeys(operation.rules, "1")):
        try:
            state.reset()
            function(_context(operation, state, given))
        except Lacking as lack:
            raise Misnamed(name, f"{operation.id}: the {kind} {name!r} needs {lack}, and {operation.method} "
                                 f"{operation.path} has none") from None
        except Exception:  # such a request may well be rejected
            continue


def _context(operation: Operation, state: State, given: dict[str, Any]) -> Context:
    """A request to an operation, with a row and a user where a real one has them."""
    table = operation.table
    bound = table is not None and (operation.key is not None or table.fixed is not None)
    row = LookedUp("the column", state.tables.defaults(table.name)) if table and bound else None
    path = LookedUp("the path parameter", dict.fromkeys(operation.parameters, "1"))
    return Context(operation, state, path, dict(given), dict(given), {}, row, {} if operation.guard else None)

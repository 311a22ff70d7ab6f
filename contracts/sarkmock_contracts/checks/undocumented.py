"""Operations and variables of other versions: they must not exist here or have an effect.

They are read from the other profiles of the package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import unquote

from sarkmock.suite_api import Operation, profile_names

from ..client.http import Exchange, Request, fill_path
from ..errors import NoBounds, Unavailable, Withheld
from ..judge.judge import PBX_DOWN
from ..judge.oracle import Problem
from ..run import Run
from ..spec.boundary_values import FileOf, bounds_of, is_placeholder
from ..spec.contract import Contract, contract_of
from .protocol import check_method

MISSING_KEY = "zz-no-such-key"


@cache
def other_profiles(profile: str) -> tuple[Contract, ...]:
    """Return the contracts of the other profiles of the package."""
    return tuple(contract_of(name) for name in profile_names() if name != profile)


def foreign_operations(run: Run) -> list[Operation]:
    """Return operations of other profiles that the judging document does not have."""
    operations = {name: operation for contract in other_profiles(run.options.profile)
                  for name, operation in contract.by_name.items()}
    return [operation for name, operation in operations.items() if name not in run.contract.by_name]


def check_undocumented_operations(run: Run) -> None:
    """Report operations of other profiles that exist, on paths that the judging document has and on others."""
    ours = {operation.path: operation for operation in reversed(run.contract.operations)}
    for operation in foreign_operations(run):
        if operation.path not in ours:
            check_undocumented_path(run, operation)
        elif run.permits(operation):
            with suppress(Withheld):
                check_method(run, ours[operation.path], operation.method)


def check_undocumented_path(run: Run, operation: Operation) -> None:
    """Report a path of another profile that exists: GET must give 404, and OPTIONS must not allow its method."""
    missing = dict.fromkeys(operation.parameters, MISSING_KEY)
    path = fill_path(operation.path, missing | example_path(run, operation))
    if run.contract.operation_of(Request("GET", path)) is not None and operation.method == "GET":
        return  # a template of the judging document matches it, and its own checks judge it
    if operation.method == "GET" and operation.hazard == "read":
        exchange = run.send(Request("GET", path))
        there = exchange.response.status != 404
    else:
        exchange = run.send(Request("OPTIONS", path))
        there = operation.method in exchange.response.allow - set(run.contract.router.allowed(path))
    if exchange.response.status != PBX_DOWN:  # a stopped PBX does not show whether the path exists
        run.coverage.paths.add(operation.path)
    if there:
        text = f"{operation.name} exists, but is not documented"
        run.report("", Problem("unknown-path", operation.path, operation.method, text), exchange)


def example_path(run: Run, operation: Operation) -> dict[str, Any]:
    """Return the path parameters of the other profile's example."""
    owner = next(contract for contract in other_profiles(run.options.profile) if operation in contract.operations)
    return owner.examples(operation)


def foreign_fields(run: Run, operation: Operation) -> dict[str, Any]:
    """Return variables that the operation has only in other profiles, each with a value that is accepted there.

    For an update, the value differs from the one in its row.
    """
    rules = {name: text for contract in other_profiles(run.options.profile) if operation.id in contract.by_id
             for name, text in contract.by_id[operation.id].rules.items() if name not in operation.rules}
    seen = operation.method == "PUT" and not rules.keys().isdisjoint(operation.visible)
    held = row_to_update(run, operation) if seen else {}
    return {name: next((value for value in accepted_value(text) if str(value) != str(held.get(name))), "zz")
            for name, text in rules.items()}


def row_to_update(run: Run, operation: Operation) -> Mapping[str, Any]:
    """Return the row that an update changes, as a list or its path shows it."""
    path = run.fixtures.request(operation).path
    if operation.table is None or not operation.key:
        return run.get(path).fields
    key, rows = unquote(path.rpartition("/")[2]), run.live.rows(operation.table.name)
    return next((row for row in rows if str(row.get(operation.table.key)) == key), {})


def accepted_value(rules: Any) -> Iterator[Any]:
    try:
        values = bounds_of(rules).accept
    except NoBounds:
        return
    yield from (value for value in values if not is_placeholder(value) and not isinstance(value, FileOf))


def check_undocumented_fields(run: Run, operation: Operation) -> None:
    """Variables that the document does not have must be ignored: neither rejected nor stored.

    All are sent at once, or one by one if that request is not accepted. Variables that an accepted request already
    contained are not sent again.
    """
    undocumented = {name: value for name, value in foreign_fields(run, operation).items()
                    if (operation.id, name) not in run.coverage.strange}
    try:
        for name, exchange in exchanges(run, operation, undocumented):
            report_stored(run, operation, {name: undocumented[name]}, exchange)
    except Unavailable:
        return


def report_stored(run: Run, operation: Operation, undocumented: Mapping[str, Any], exchange: Exchange) -> None:
    """Report the undocumented variables that an exchange has stored."""
    run.coverage.strange.update((operation.id, name) for name in undocumented)
    held = {name: value for name, value in undocumented.items() if shows_value(exchange, name, value)}
    usual = held if operation.method == "POST" else {}  # an update has already changed the only row for a comparison
    plain = run.send(run.fixtures.request(operation, run.fixtures.minimal(operation))) if usual else exchange
    for name, value in held.items():
        if name not in usual or not shows_value(plain, name, value):
            text = f"{name} is not a documented variable, but is stored: {value!r}"
            run.report(operation.id, Problem("stored", name, "unknown field", text), exchange)


def exchanges(run: Run, operation: Operation, undocumented: dict[str, Any]) -> Iterator[tuple[str, Exchange]]:
    """Yield each variable with the exchange in which it was sent."""
    together = send_fields(run, operation, undocumented) if undocumented else None
    for name, value in undocumented.items():
        if together is None or (len(undocumented) > 1 and not together.response.ok):
            yield name, send_fields(run, operation, {name: value})
        else:
            yield name, together


def send_fields(run: Run, operation: Operation, undocumented: dict[str, Any]) -> Exchange:
    return run.send(run.fixtures.request(operation, {**run.fixtures.minimal(operation), **undocumented}))


def shows_value(exchange: Exchange, name: str, value: Any) -> bool:
    row = exchange.response.json
    return exchange.response.ok and isinstance(row, dict) and str(row.get(name)) == str(value)

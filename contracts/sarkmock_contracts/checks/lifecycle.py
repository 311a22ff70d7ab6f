"""Rows from creation to removal, in few requests: defaults, lists of several rows.

What is shown is compared by the run itself (judge/rows.py).
"""

from __future__ import annotations

from typing import Any

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request, fill_path
from ..errors import NoBounds, Unavailable
from ..judge.conformance import Problem
from ..run import Run
from ..spec.resources import Resource

CONFLICT = 409


def check_row_lifecycle(run: Run, resource: Resource) -> None:
    """A row with the least that is needed for every way to make one, beside the one that serves all checks."""
    made = [exchange for operation in resource.creates if (exchange := least(run, resource, operation))]
    look_at_list(run, resource)
    if made and resource.delete is not None:
        for operation in (resource.delete, resource.show):
            run.send(Request(operation.method, row_path(resource, operation, made[0])))


def least(run: Run, resource: Resource, operation: Operation) -> Exchange | None:
    """A row of which only the required variables are sent, what is shown of it, and the same once more."""
    try:
        exchange = run.send(run.fixtures.request(operation, run.fixtures.minimal(operation)))
    except (Unavailable, NoBounds):
        return None
    if not exchange.response.ok or resource.key not in exchange.response.fields:
        return None
    run.send(Request("GET", row_path(resource, resource.show, exchange)))
    make_again(run, resource, operation, exchange)
    return exchange


def make_again(run: Run, resource: Resource, operation: Operation, made: Exchange) -> None:
    """A key that is taken is refused, by whom the document says: the database or a check before it."""
    if resource.key not in operation.rules:
        return  # the server makes the key
    again, key = run.send(made.request), made.response.fields[resource.key]
    if again.response.ok:
        text = f"the key {key!r} is taken, and still {operation.id} answers {again.response.status}"
        run.report(operation.id, Problem("duplicate", resource.key, "accepted", text), made, again)
    elif again.response.status == CONFLICT:
        documented = by_database(run.contract.example(operation, CONFLICT))
        if documented is not None and by_database(again.response.json) is not documented:
            text = f"the key {key!r} is taken: {again.response.json}"
            run.report(operation.id, Problem("duplicate", resource.key, "wording", text), made, again)


def by_database(refusal: Any) -> bool | None:
    """Whether a refusal speaks the words of the database; None if there are no words."""
    return str(refusal.get("Error")).startswith("SQLSTATE") if isinstance(refusal, dict) else None


def look_at_list(run: Run, resource: Resource) -> None:
    if resource.list is not None:
        run.send(Request("GET", resource.list.path))


def row_path(resource: Resource, operation: Operation, made: Exchange) -> str:
    return fill_path(operation.path, {operation.parameters[0]: made.response.fields[resource.key]})

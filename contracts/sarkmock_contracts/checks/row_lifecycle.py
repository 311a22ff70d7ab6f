"""The life of a row: creation among other rows, list, GET, DELETE, and requests for the deleted row."""

from __future__ import annotations

from contextlib import suppress

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request, fill_path, request_for
from ..errors import NoBounds, Unavailable
from ..fixtures import Body
from ..judge.oracle import Problem
from ..judge.rows import duplicate_problem
from ..run import Run
from ..spec.boundary_values import listed_values
from ..spec.operation_data import Resource, recipe, resources
from .boundaries import Packet
from .minimal_rules import full_body, send_packet

USUAL_KEY = "pkey"
TENANT = "cluster"


def check_row_lifecycle(run: Run, resource: Resource) -> None:
    """Test the life of a row: creation, list, GET, DELETE, and requests for the deleted row, which must give 404.

    A row with more values and another tenant is placed before a minimal row for each create operation, so that the
    list shows by which columns it is sorted or filtered.
    """
    full = check_full_row(run, resource)
    made = [exchange for operation in resource.creates
            if (exchange := check_minimal_row(run, resource, operation, full is not None))]
    update_beside(run, resource)
    look_at_lists(run, resource)
    if full is not None and full.response.ok and resource.key in full.response.fields:
        run.send(Request("GET", row_path(resource, resource.show, full)))
    if made and resource.delete is not None:
        run.send(Request("DELETE", row_path(resource, resource.delete, made[0])))
        for operation in filter(None, (resource.show, resource.update, resource.delete)):
            body: Body | None = {} if operation.rules else None
            run.send(request_for(operation.method, row_path(resource, operation, made[0]), body))


def other_values(run: Run, resource: Resource, create: Operation) -> Body:
    """Return values of required variables that few rows have: the second of a list, or a text that sorts first."""
    listing = resource.list
    filters = listing.table.where if listing is not None and listing.table is not None else {}
    values: Body = {}
    for name in run.contract.required(create):
        listed = listed_values(create.rules[name])
        texts = [value for value in run.fixtures.bounds(create, name).accept
                 if isinstance(value, str) and value == value.strip()]
        others = listed[1:] if len(listed) == 2 else [] if listed else [text for text in texts[1:] if text < texts[0]]
        if others and name not in {TENANT, *filters, *run.fixtures.own_fields(create)}:
            values[name] = others[0]
    return values


def last_tenant(run: Run, resource: Resource, operation: Operation) -> Body:
    """Return a tenant that most rows do not have, if there is one.

    Rows that cannot be deleted are skipped: they would keep the tenant from being deleted.
    """
    tenants = run.live.keys("cluster", "pkey") if TENANT in operation.rules and resource.delete is not None else []
    return {TENANT: tenants[-1]} if tenants else {}


def check_full_row(run: Run, resource: Resource) -> Exchange | None:
    """Create a row with all variables, unless the server assigns its key or it is made of other rows."""
    create = resource.creates[0]
    if resource.key in create.rules and not recipe("made", create.id):
        with suppress(Unavailable, NoBounds):
            body = full_body(run.fixtures, create) | last_tenant(run, resource, create)
            return send_packet(run, create, Packet(body))
    return None


def check_minimal_row(run: Run, resource: Resource, operation: Operation, among_others: bool) -> Exchange | None:
    """Create a row with required variables only, then the same once more. Lists show it later.

    Unless it is placed among others, it has the other tenant, and one more row follows.
    """
    try:
        more = other_values(run, resource, operation) if among_others else last_tenant(run, resource, operation)
        exchange = run.send(run.fixtures.request(operation, run.fixtures.minimal(operation) | more))
    except (Unavailable, NoBounds):
        return None
    if not exchange.response.ok or resource.key not in exchange.response.fields:
        return None
    if resource.list is None:
        run.send(Request("GET", row_path(resource, resource.show, exchange)))
    check_duplicate_key(run, resource, operation, exchange)
    if USUAL_KEY not in operation.rules:
        check_taken_key(run, resource, operation, exchange)
    elif not among_others:
        run.send(run.fixtures.request(operation, run.fixtures.minimal(operation)))
    return exchange


def check_taken_key(run: Run, resource: Resource, operation: Operation, made: Exchange) -> None:
    """A taken key must change nothing where the key is not a variable."""
    older = next(iter(run.live.rows(resource.show.table.name)), {}) if resource.show.table else {}
    shared = {name: older[name] for name in recipe("made", operation.id) if name in older and name != resource.key}
    body = {**run.fixtures.minimal(operation), **shared, USUAL_KEY: made.response.fields[resource.key]}
    exchange = run.send(run.fixtures.request(operation, body))
    if not exchange.response.ok:
        text = f"{USUAL_KEY} is not a variable, but with it the status is {exchange.response.status}"
        run.report(operation.id, Problem("unknown-field", USUAL_KEY, str(exchange.response.status), text), exchange)


def check_duplicate_key(run: Run, resource: Resource, operation: Operation, made: Exchange) -> None:
    """A taken key must be rejected as documented: by the database, or by a check before it."""
    if resource.key not in operation.rules:
        return  # the server assigns the key
    again = run.send(made.request)
    run.report(operation.id, duplicate_problem(run.contract, resource, operation, made, again), made, again)


def update_beside(run: Run, resource: Resource) -> None:
    """Update an older row: the lists show whether the new rows are as they were."""
    if resource.update is None or resource.list is None:
        return
    with suppress(Unavailable, NoBounds):
        body = full_body(run.fixtures, resource.update)
        rejected = send_packet(run, resource.update, Packet(body)).response.rejected
        if rejected:  # a value may be wrong for this row
            run.send(run.fixtures.request(resource.update, {k: v for k, v in body.items() if k not in rejected}))


def look_at_lists(run: Run, resource: Resource) -> None:
    """Send a GET of the list, and of other lists of the same table: they must not show the rows."""
    table = resource.show.table
    others = [other.list for other in resources(run.contract) if table and other.show.table
              and other.show.table.name == table.name and other != resource]
    for listing in filter(None, (resource.list, *others)):
        run.send(Request("GET", listing.path))


def row_path(resource: Resource, operation: Operation, made: Exchange) -> str:
    return fill_path(operation.path, {operation.parameters[0]: made.response.fields[resource.key]})

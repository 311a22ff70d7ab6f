"""Tenants, Class of Service pairs and timers: generated keys, and restrictions on deletion."""

from __future__ import annotations

from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import Conflict, Reply
from sarkmock.laravel import php
from sarkmock.pbx.actions import crud
from sarkmock.pbx.actions.crud import first_scalar
from sarkmock.pbx.actions.destinations import UNRESOLVED, route_class
from sarkmock.pbx.database import Row


def create_with_id(context: Context) -> Reply:
    """Create a row whose id has no column in the database; it is empty, as the command that generates it is missing."""
    row = crud.default_row(context) | {"id": ""}
    crud.fill(context, row)
    return crud.store_row(context, row)


def delete_with_message(context: Context) -> Reply:
    crud.delete_row(context)
    return Reply([f"tenant {context.path['tenant']} deleted"])


def default_tenant_stays(context: Context) -> None:
    if crud.current_row(context)["pkey"] == "default":
        raise Conflict(["Error - Cannot delete default tenant!"])


def tenant_is_unused(context: Context) -> None:
    """Reject the deletion of a tenant that a row names as its cluster (sark-v6-api.txt line 685)."""
    tenant = crud.current_row(context)["pkey"]
    tables = context.state.tables
    owning = [name for name in tables.tables() if "cluster" in tables.columns(name)]
    users = {name: tables.count(name, "cluster", tenant) for name in owning}
    used = [f"{count} in {name}" for name, count in users.items() if count]
    if used:
        raise Conflict(f"Tenant {tenant} still has dependencies: {', '.join(used)}")


EXTENSION_COLUMN, RULE_COLUMN = "IPphone_pkey", "COS_pkey"
NO_EXTENSION = "The selected i pphone pkey is invalid."
NO_RULE = "The c o s pkey field is required."
DUPLICATE_PAIR = "Duplicate Keys, relationship already exists - {pkey}"
UNRESOLVED_ROUTE = "The routing target could not be resolved {value}"


def create_pair(context: Context) -> Reply:
    """Create a pair; the extension defaults to the one in the path."""
    row = {EXTENSION_COLUMN: extension_in_path(context)}
    crud.fill(context, row)
    return crud.store_row(context, row)


def pair_is_complete(context: Context) -> None:
    """Reject an incomplete pair, though no rule says required (E56); the path may give the extension (E13)."""
    extension = extension_in_path(context)
    if EXTENSION_COLUMN not in context.post and not context.state.tables.count("ipphone", "pkey", extension):
        context.reject(EXTENSION_COLUMN, NO_EXTENSION)
    if RULE_COLUMN not in context.post:
        context.reject(RULE_COLUMN, NO_RULE)


def pair_is_new(context: Context) -> None:
    """Reject an existing pair under the name ``save``; the message ends with pkey, which pairs do not have."""
    table = crud.table_of(context).name
    if context.state.tables.rows(table, {name: pair_value(context, name) for name in (EXTENSION_COLUMN, RULE_COLUMN)}):
        key = php.to_text(context.input.get("pkey"))
        context.reject("save", DUPLICATE_PAIR, pkey=key)


def pair_value(context: Context, name: str) -> str | None:
    """Return one side of the pair as it would be stored; for an array, its first value."""
    in_path = context.path and extension_in_path(context) if name == EXTENSION_COLUMN else None
    value: Any = context.input.get(name, in_path)
    return None if value is None else php.trim(php.to_text(first_scalar(value)))


def extension_in_path(context: Context) -> str:
    """Return the path's only parameter."""
    return next(iter(context.path.values()))


def create_daytimer(context: Context) -> Reply:
    """Create a recurring timer, named dateSegNNNNNN."""
    row = crud.default_row(context)
    crud.fill(context, row)
    return insert_with_new_name(context, row, "dateSeg")


def create_holidaytimer(context: Context) -> Reply:
    """Create a non-recurring timer, named schedNNNNNN; a name that was sent is ignored."""
    row = crud.default_row(context)
    set_class_of_route(context, row)
    crud.fill(context, row)
    return insert_with_new_name(context, row, "sched")


def update_holidaytimer(context: Context) -> Reply:
    """Update the row, and its class from the route if one was sent, even an unchanged one."""
    row = crud.current_row(context)
    before = dict(row)
    set_class_of_route(context, row)
    crud.fill(context, row)
    crud.save_changes(context, before, row)
    return Reply(crud.visible_columns(context, row))


def insert_with_new_name(context: Context, row: Row, prefix: str) -> Reply:
    """Insert a row under a random name; the response has the id that SQLite assigned: the highest so far plus one."""
    row["pkey"] = f"{prefix}{context.state.draw().randint(100000, 999999)}"
    row["id"] = crud.insert_row(context, row)
    return Reply(crud.visible_columns(context, row))


def set_class_of_route(context: Context, row: Row) -> None:
    """Set the class of the route that was sent; a class that the client sends takes precedence."""
    if context.input.get("route") is not None:
        row["routeclass"] = route_class(context.state.tables, context.input["route"], "route")


def holiday_route_resolves(context: Context) -> None:
    """Reject a route that cannot be resolved; for one that was not sent, the row's stored class decides."""
    route = context.input.get("route")
    if route is None:
        lost = context.row is not None and is_unresolved(context.row["routeclass"])
    else:
        lost = route_class(context.state.tables, route, "route") is None
    if lost:
        context.reject("route", UNRESOLVED_ROUTE, value=php.to_text(route))


def is_unresolved(stored: str | None) -> bool:
    """Return PHP's $stored == 404, for a column that holds an integer as text."""
    return stored is not None and stored.lstrip("+") == str(UNRESOLVED)

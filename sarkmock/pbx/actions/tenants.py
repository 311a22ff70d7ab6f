"""Tenants: what may be deleted; in the Laravel 11 line, the id that the database has no column for."""

from __future__ import annotations

from sarkmock.http.context import Context
from sarkmock.http.replies import Conflict, Reply
from sarkmock.pbx.actions import crud


def create_with_id(context: Context) -> Reply:
    """A new row with an id that the database has no column for. It is blank: the command that makes it is missing."""
    row = crud.default_row(context) | {"id": ""}
    crud.fill(context, row)
    return crud.store_row(context, row)


def delete_with_message(context: Context) -> Reply:
    crud.delete_row(context)
    return Reply([f"tenant {context.path['tenant']} deleted"])


def default_tenant_stays(context: Context) -> None:
    if crud.row_of(context)["pkey"] == "default":
        raise Conflict(["Error - Cannot delete default tenant!"])


def tenant_is_unused(context: Context) -> None:
    """sark-v6-api.txt line 685: nothing may name the tenant as its cluster."""
    tenant = crud.row_of(context)["pkey"]
    tables = context.state.tables
    owning = [name for name in tables.tables() if "cluster" in tables.columns(name)]
    users = {name: tables.count(name, "cluster", tenant) for name in owning}
    used = [f"{count} in {name}" for name, count in users.items() if count]
    if used:
        raise Conflict(f"Tenant {tenant} still has dependencies: {', '.join(used)}")

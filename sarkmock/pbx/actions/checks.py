"""Checks that several resources share; they run after the rules, as Laravel's validator->after does."""

from __future__ import annotations

from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import Conflict
from sarkmock.laravel import php
from sarkmock.pbx.actions.crud import row_of, table_of, text


def key_is_new(context: Context) -> None:
    """A key that is taken is refused with 422 under the name ``save``."""
    key = context.input.get("pkey")
    if taken(context, key):
        context.refuse("save", f"Duplicate Key - {text('pkey', key)}")


def key_is_free(context: Context) -> None:
    """A key that is taken is refused with 409, once the body is in order."""
    if not context.errors and taken(context, context.input.get("pkey")):
        raise Conflict("Key already exists")


def taken(context: Context, key: Any) -> bool:
    """Whether the table has a row of that key; null asks for a row without one."""
    table, wanted = table_of(context), first_of(key)
    if wanted is None and key is not None:
        return False  # a null in an array is compared with =, which null never satisfies
    if isinstance(wanted, bool):
        wanted = int(wanted)  # as Laravel binds it
    elif wanted is not None:
        wanted = php.trim(php.to_text(wanted))
    return context.state.tables.count(table.name, table.key, wanted) > 0


def first_of(value: Any) -> Any:
    """The value that Laravel's query builder binds: of an array, the first scalar inside (false if there is none)."""
    return next(iter(php.flattened(value)), False)


def default_tenant_stays(context: Context) -> None:
    if row_of(context)["pkey"] == "default":
        raise Conflict(["Error - Cannot delete default tenant!"])


def tenant_is_unused(context: Context) -> None:
    """sark-v6-api.txt line 685: nothing may name the tenant as its cluster."""
    tenant = row_of(context)["pkey"]
    tables = context.state.tables
    owning = [name for name in tables.tables() if "cluster" in tables.columns(name)]
    users = {name: tables.count(name, "cluster", tenant) for name in owning}
    used = [f"{count} in {name}" for name, count in users.items() if count]
    if used:
        raise Conflict(f"Tenant {tenant} still has dependencies: {', '.join(used)}")

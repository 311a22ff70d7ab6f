"""The five generic verbs over a table; quirks call them. Knows rows and columns, no particular resource."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from sarkmock import php
from sarkmock.calls import Call
from sarkmock.database import Row, quote
from sarkmock.operations import Table
from sarkmock.replies import Conflict, PhpError, Reply


def index(call: Call) -> Reply:
    """All rows of the table, in its order."""
    table = table_of(call)
    return Reply(call.state.tables.rows(table.name, table.where, table.order, call.operation.visible))


def show(call: Call) -> Reply:
    """The row that the path names."""
    return Reply(visible(call, row_of(call)))


def create(call: Call) -> Reply:
    """A new row: defaults, then what was sent."""
    row = new_row(call)
    fill(call, row)
    return store(call, row)


def update(call: Call) -> Reply:
    """What was sent replaces what the row has; the rest stays."""
    row = row_of(call)
    before = dict(row)
    fill(call, row)
    save_changes(call, before, row)
    return Reply(visible(call, row))


def delete(call: Call) -> Reply:
    """Removes the row."""
    table = table_of(call)
    call.state.tables.delete(table.name, table.key, row_of(call)[table.key])
    return Reply()


def crash(call: Call) -> NoReturn:
    """Laravel's debug page, as the example of the operation's 500 response shows it."""
    content = call.operation.spec["responses"]["500"]["content"]["application/json"]
    raise PhpError(content["example"]["message"], content["example"]["exception"])


def new_row(call: Call) -> Row:
    """The defaults of the model: those of visible columns, then those of hidden ones."""
    return {**call.operation.defaults, **table_of(call).defaults}


def fill(call: Call, row: Row) -> None:
    """The product's move_request_to_model: every variable that has a rule, as trimmed text."""
    for name, value in call.post.items():
        if name in call.operation.rules:
            row[name] = text(name, value)


def text(name: str, value: Any) -> str:
    """PHP's trim((string) $value); PhpError naming the field for arrays."""
    if isinstance(value, (list, dict)):
        message = "trim(): Argument #1 ($string) must be of type string, array given"
        raise PhpError(message, "TypeError", name)
    return php.trim(php.to_text(value))


def store(call: Call, row: Row) -> Reply:
    """Insert the row and answer it as Laravel does: defaults and what was set, not what the database adds."""
    insert(call, row)
    return Reply(visible(call, row))


def insert(call: Call, row: Row) -> int:
    """Insert the row with its time stamps; Conflict if the database refuses it."""
    table = table_of(call)
    stamp = call.state.clock.stamp()
    stamps = {"z_created": stamp, "z_updated": stamp} if table.stamps else {}
    # The stamps are the work of triggers: the statement that is answered does not name them.
    names, values = ", ".join(map(quote, row)), ", ".join(map(bound, row.values()))
    sql = f"insert into {quote(table.name)} ({names}) values ({values})"
    return guarded(lambda: call.state.tables.insert(table.name, {**row, **stamps}), sql)


def guarded(write: Callable[[], int], sql: str) -> int:
    """Run a write; what the database refuses is a Conflict, as the product's catch around save() makes it."""
    try:
        return write()
    except sqlite3.IntegrityError as error:
        reason = f"SQLSTATE[23000]: Integrity constraint violation: 19 {error}"
    except sqlite3.Error as error:
        reason = f"SQLSTATE[HY000]: General error: {getattr(error, 'sqlite_errorcode', 1)} {error}"
    raise Conflict(f"{reason} (SQL: {sql})")


def bound(value: Any) -> str:
    """A value as Laravel's QueryException shows it in the statement: bare."""
    return "" if value is None else str(value)


def save_changes(call: Call, before: Mapping[str, Any], row: Row) -> None:
    """Write what differs, if anything does (Eloquent's isDirty)."""
    table = table_of(call)
    changes = {name: value for name, value in row.items() if name not in before or before[name] != value}
    if changes:
        stamps = {"z_updated": call.state.clock.stamp()} if table.stamps else {}
        key = before[table.key]
        settings = ", ".join(f"{quote(name)} = {bound(value)}" for name, value in changes.items())
        sql = f"update {quote(table.name)} set {settings} where {quote(table.key)} = {bound(key)}"
        guarded(lambda: call.state.tables.update(table.name, table.key, key, {**changes, **stamps}), sql)


def visible(call: Call, row: Mapping[str, Any]) -> Row:
    """The columns that the operation's response schema knows."""
    known = set(call.operation.visible)
    return {name: value for name, value in row.items() if name in known}


def table_of(call: Call) -> Table:
    assert call.operation.table is not None, call.operation.id
    return call.operation.table


def row_of(call: Call) -> Row:
    assert call.row is not None, call.operation.id
    return call.row

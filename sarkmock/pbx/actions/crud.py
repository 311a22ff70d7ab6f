"""The five generic verbs on a table, and checks of its key; other actions build on them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NoReturn

from sarkmock.http.context import Context, MissingPart
from sarkmock.http.replies import Conflict, Later, PhpError, QueryError, QueryRejected, Reply, to_json
from sarkmock.laravel import php
from sarkmock.pbx.database import ROWS_AT_ONCE, Database, Row
from sarkmock.pbx.sql import quote_name
from sarkmock.spec.operations import Operation, Table

Adjust = Callable[[Context, Row], None]
DUPLICATE_KEY = "Duplicate Key - {pkey}"


def list_rows(context: Context) -> Reply:
    """Return all rows of the table, in its order."""
    table, tables, visible_names = table_of(context), context.state.tables, context.operation.visible
    if not context.encoded or tables.has_bytes:
        return Reply(tables.rows(table.name, table.where, table.order, visible_names))
    name, changes = (table.name, str(table.where), table.order, visible_names), tables.changes
    made = tables.remembered(name)
    if made is not None:
        return Reply(made)
    if tables.is_large:
        database, image = tables.name, tables.dump()
        return Reply(Later(lambda: encoded_list(Database(database, image), table, visible_names),
                           lambda made: tables.remember(name, made, changes)))
    made = encoded_list(tables, table, visible_names)
    tables.remember(name, made, changes)
    return Reply(made)


def encoded_list(tables: Database, table: Table, names: tuple[str, ...]) -> bytes:
    """Return all rows as JSON."""
    text = tables.as_json(table.name, table.where, table.order, names)
    if text is None:
        rows = iter(tables.rows(table.name, table.where, table.order, names))
        text = b"[%b]" % b",".join(to_json(some)[1:-1] for some in iter(lambda: list(islice(rows, ROWS_AT_ONCE)), []))
    return text


def show_row(context: Context) -> Reply:
    """Return the row that the path names."""
    return Reply(visible_columns(context, current_row(context)))


def create(context: Context, adjust: Adjust | None = None) -> Reply:
    """Create a row from the defaults and the request; ``adjust`` may change it before it is stored."""
    row = default_row(context)
    fill(context, row)
    if adjust:
        adjust(context, row)
    return store_row(context, row)


def update_row(context: Context, adjust: Adjust | None = None) -> Reply:
    """Update the row with what was sent, then let ``adjust`` change it; other columns stay."""
    row = current_row(context)
    before = dict(row)
    fill(context, row)
    if adjust:
        adjust(context, row)
    save_changes(context, before, row)
    return Reply(visible_columns(context, row))


def delete_row(context: Context) -> Reply:
    """Delete the row."""
    table = table_of(context)
    context.state.tables.delete(table.name, table.key, current_row(context)[table.key])
    return Reply()


def show_new(context: Context) -> Reply:
    """Return the defaults of a new row: if a route binds no model, Laravel creates an empty one."""
    return Reply(dict(context.operation.defaults))


def update_new(context: Context) -> Reply:
    """Return such a new row with the request's values; the product does not store it."""
    row = dict(context.operation.defaults)
    fill(context, row)
    return Reply(visible_columns(context, row))


def do_nothing(context: Context) -> Reply:
    """Return success without an effect."""
    return Reply()


def crash(context: Context) -> NoReturn:
    """Raise the error of Laravel's debug page, as in the example of the operation's 500 response."""
    raise debug_page(context.operation)


def debug_page(operation: Operation) -> PhpError:
    """Return the crash of an operation that always fails; ValueError if its 500 response has no complete example."""
    try:
        example = operation.spec["responses"]["500"]["content"]["application/json"]["example"]
        return PhpError(example["message"], example["exception"])
    except (LookupError, TypeError):
        raise ValueError(f"{operation.id}: x-action crash needs a 500 response of application/json whose example has "
                         "message and exception") from None


def default_row(context: Context) -> Row:
    """Return the model's defaults, in the column order of the product's SQL."""
    table = table_of(context)
    defaults = {**context.operation.defaults, **table.defaults}
    order = table.attributes or context.state.tables.columns(table.name)
    return {name: defaults[name] for name in order if name in defaults}


def fill(context: Context, row: Row) -> None:
    """Set every variable of the body that has a rule, as trimmed text: the product's move_request_to_model."""
    for name, value in context.post.items():
        if name in context.operation.rules:
            row[name] = trimmed_text(name, value)


def trimmed_text(name: str, value: Any) -> str:
    """Return PHP's trim((string) $value); PhpError naming the field for arrays."""
    return php.trim(php.text_argument(value, "trim", name))


def store_row(context: Context, row: Row) -> Reply:
    """Insert the row and return it as Laravel does: defaults and what was set, but not what the database adds."""
    if not row:
        return Reply([], 200)  # Eloquent does not save a model without attributes
    insert_row(context, row)
    return Reply(visible_columns(context, row))


def insert_row(context: Context, row: Row) -> int:
    """Insert the row with its time stamps; QueryRejected if the database rejects it, QueryError for an array."""
    table = table_of(context)
    stamp = context.state.clock.stamp()
    stamps = {"z_created": stamp, "z_updated": stamp} if table.stamps else {}

    def sql() -> str:  # without the time stamps: triggers set them in the product
        names, values = ", ".join(map(quote_name, row)), ", ".join(map(bound_text, row.values()))
        return f"insert into {quote_name(table.name)} ({names}) values ({values})"

    array = next((name for name, value in row.items() if isinstance(value, (list, dict))), None)
    if array is not None:
        raise QueryError("Array to string conversion", sql(), array=True, field=array)
    return guarded_write(lambda: context.state.tables.insert(table.name, {**row, **stamps}), sql)


def guarded_write(write: Callable[[], int], sql: Callable[[], str]) -> int:
    """Run a write; a database error becomes 409, as in the product's catch around save().

    ``sql`` returns the statement as Laravel shows it; it is called only on an error.
    """
    try:
        return write()
    except sqlite3.IntegrityError as error:
        spelt = str(error).replace("ipphone.", "IPphone.")  # spelled as in the product's schema
        reason = f"SQLSTATE[23000]: Integrity constraint violation: 19 {spelt}"
    except sqlite3.Error as error:
        reason = f"SQLSTATE[HY000]: General error: {getattr(error, 'sqlite_errorcode', 1)} {error}"
    raise QueryRejected(QueryError(reason, sql()))


def bound_text(value: Any) -> str:
    """Return a value as Laravel's QueryException shows it in the SQL: unquoted, and "?" for null and arrays."""
    return "?" if value is None or isinstance(value, (list, dict)) else str(value)


def save_changes(context: Context, before: Mapping[str, Any], row: Row) -> None:
    """Write the columns that changed, if any (Eloquent's isDirty)."""
    table = table_of(context)
    changes = {name: value for name, value in row.items() if name not in before or before[name] != value}
    if changes:
        stamps = {"z_updated": context.state.clock.stamp()} if table.stamps else {}
        key = before[table.key]

        def sql() -> str:
            settings = ", ".join(f"{quote_name(name)} = {bound_text(value)}" for name, value in changes.items())
            return f"update {quote_name(table.name)} set {settings} where {quote_name(table.key)} = {bound_text(key)}"

        guarded_write(lambda: context.state.tables.update(table.name, table.key, key, {**changes, **stamps}), sql)


def visible_columns(context: Context, row: Mapping[str, Any]) -> Row:
    """Return the columns that are in the operation's response schema."""
    names = set(context.operation.visible)
    return {name: value for name, value in row.items() if name in names}


def table_of(context: Context) -> Table:
    if context.operation.table is None:
        raise MissingPart("a table (x-table)")
    return context.operation.table


def current_row(context: Context) -> Row:
    if context.row is None:
        raise MissingPart("a row that the path names")
    return context.row


def key_is_new(context: Context) -> None:
    """Reject a duplicate key with 422 under the name ``save``."""
    key = context.input.get("pkey")
    if key_exists(context, key):
        context.reject("save", DUPLICATE_KEY, pkey=php.to_text(key, "pkey"))


def key_is_free(context: Context) -> None:
    """Reject a duplicate key with 409 if the body is valid."""
    if not context.errors and key_exists(context, context.input.get("pkey")):
        raise Conflict("Key already exists")


def key_exists(context: Context, key: Any) -> bool:
    """Whether the table has a row with that key; null matches a row without a key."""
    table, wanted = table_of(context), first_scalar(key)
    if wanted is None and key is not None:
        return False  # a null in an array is compared with =, which never matches
    if isinstance(wanted, bool):
        wanted = int(wanted)  # as Laravel binds it
    elif wanted is not None:
        wanted = php.trim(php.to_text(wanted))
    return context.state.tables.count(table.name, table.key, wanted) > 0


def first_scalar(value: Any) -> Any:
    """Return the value that Laravel's query builder binds: for an array, its first scalar (false if there is none)."""
    return next(php.flattened(value), False)

"""Access to the rows of each table over HTTP, as stored in the database. A rejected request changes nothing.

The API's validation rules do not apply: tests may insert rows that the API would reject.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sarkmock.control import MockControl
from sarkmock.control.bodies import ControlError, ControlRequest
from sarkmock.pbx.database import Database, IntegrityError, Row
from sarkmock.pbx.seed import Place, Seed, SeedError
from sarkmock.pbx.state import State
from sarkmock.suggest import unknown_name

SUGGESTED = 1000  # rows among which to look for keys similar to an unknown key


def list_tables(mock: MockControl, request: ControlRequest) -> list[dict[str, Any]]:
    with mock.engine.lock:
        tables = mock.engine.state.tables
        return [{"name": name, "key": tables.key(name), "columns": tables.columns(name), "rows": tables.size(name)}
                for name in tables.tables()]


def show_all(mock: MockControl, request: ControlRequest) -> list[Row]:
    table, tables = named_table(mock, request), mock.engine.copy().tables
    return tables.rows(table, order=tables.key(table), limit=request.query.get("limit"),
                       offset=request.query.get("offset", 0))


def replace_all(mock: MockControl, request: ControlRequest) -> list[Row]:
    table = named_table(mock, request)
    rows = checked_rows(mock, table, request.body)

    def replaced(state: State) -> list[Row]:
        state.tables.remove(table, {})
        return add_all(state, table, rows)
    return mock.engine.rewrite(replaced)


def add_rows(mock: MockControl, request: ControlRequest) -> list[Row]:
    table = named_table(mock, request)
    rows = checked_rows(mock, table, request.body)
    return mock.engine.rewrite(lambda state: add_all(state, table, rows))


def change_all(mock: MockControl, request: ControlRequest) -> list[Row]:
    table = named_table(mock, request)
    columns = mock.engine.state.tables.key(table)
    keys = [keys_in_row(columns, row, (index,)) for index, row in enumerate(request.body)]
    pairs = list(zip(keys, checked_rows(mock, table, request.body), strict=True))
    return mock.engine.rewrite(lambda state: [put_row(state, table, key, row) for key, row in pairs])


def clear_rows(mock: MockControl, request: ControlRequest) -> None:
    with writing(mock, request) as (state, table):
        state.tables.remove(table, {})


def show_table_row(mock: MockControl, request: ControlRequest) -> Row:
    with writing(mock, request) as (state, table):
        return existing(state.tables, table, keys_in_path(state.tables, table, request.path["key"]))


def replace_row(mock: MockControl, request: ControlRequest) -> Row:
    with writing(mock, request) as (state, table):
        keys = keys_in_path(state.tables, table, request.path["key"])
        whole = {**request.body, **{name: request.body.get(name, value) for name, value in keys.items()}}
        row = checked_rows(mock, table, [whole])[0]
        same_key(keys, row)
        state.tables.remove(table, keys)
        return add_all(state, table, [row])[0]


def change_row(mock: MockControl, request: ControlRequest) -> Row:
    with writing(mock, request) as (state, table):
        keys = keys_in_path(state.tables, table, request.path["key"])
        existing(state.tables, table, keys)
        row = checked_rows(mock, table, [{**keys, **request.body}])[0]
        same_key(keys, row)
        return put_row(state, table, keys, row)


def remove_row(mock: MockControl, request: ControlRequest) -> None:
    with writing(mock, request) as (state, table):
        keys = keys_in_path(state.tables, table, request.path["key"])
        existing(state.tables, table, keys)
        state.tables.remove(table, keys)


@contextmanager
def writing(mock: MockControl, request: ControlRequest) -> Iterator[tuple[State, str]]:
    """Yield the state and the table that the path names. Changes in the block are atomic.

    Requests wait for the block; use `Engine.rewrite` for longer changes.
    """
    table, state = named_table(mock, request), mock.engine.state
    with mock.engine.lock, state.tables.atomic():
        yield state, table


def named_table(mock: MockControl, request: ControlRequest) -> str:
    """Return the name of the table in the path. ControlError 404 if it does not exist."""
    tables, name = mock.engine.state.tables, request.path["table"]
    if not tables.has(name):
        raise ControlError(404, unknown_name("table", name, tables.tables()))
    return str(name)


def checked_rows(mock: MockControl, table: str, rows: list[Any]) -> list[Row]:
    """Return the rows if the table can store them. ControlError with the place of the first error if not."""
    try:
        return Seed.of({"tables": {table: rows}}, mock.engine.program.database).tables[table]
    except SeedError as error:
        if error.place[2:] == ():
            raise ControlError(404, error.problem) from None
        place = error.place[2:]
        raise ControlError(422, f"{'.'.join(map(str, place))}: {error.problem}", path=place) from None


def add_all(state: State, table: str, rows: Iterable[Row]) -> list[Row]:
    return [add_row(state, table, row, (index,)) for index, row in enumerate(rows)]


def add_row(state: State, table: str, row: Row, path: Place) -> Row:
    try:
        return state.insert(table, row)
    except IntegrityError:
        key = " ".join(str(row.get(name)) for name in state.tables.key(table))
        raise ControlError(409, f"row {key} of {table} already exists", path=path) from None


def put_row(state: State, table: str, keys: Row, row: Row) -> Row:
    """Update the row with this key, or insert it."""
    if state.tables.rows(table, keys):
        state.tables.change(table, keys, row)
        return state.tables.rows(table, {**keys, **{name: row[name] for name in keys if name in row}})[0]
    return add_row(state, table, {**keys, **row}, ())


def existing(tables: Database, table: str, keys: Row) -> Row:
    rows = tables.rows(table, keys)
    if not rows:
        first = next(iter(keys))
        keys_there = [str(row[first]) for row in tables.rows(table, only=(first,), limit=SUGGESTED)]
        raise ControlError(404, unknown_name(f"row of {table}", "/".join(keys.values()), keys_there))
    return rows[0]


def keys_in_path(tables: Database, table: str, key: str) -> Row:
    """Return the key columns with their values from the path."""
    columns = tables.key(table)
    values = key.split("/", len(columns) - 1)
    if len(values) < len(columns):
        raise ControlError(404, f"the key of {table} is {'/'.join(columns)}")
    return dict(zip(columns, values, strict=True))


def keys_in_row(columns: Sequence[str], row: Row, path: Place) -> Row:
    """Return the key columns with their values from a row. ControlError 422 if one is missing."""
    for column in columns:
        if row.get(column) is None:
            raise ControlError(422, f"{path[0]}: the key {column} is missing", path=path)
    return {column: row[column] for column in columns}


def same_key(keys: Mapping[str, Any], row: Row) -> None:
    for column, value in keys.items():
        if str(row.get(column, value)) != str(value):
            raise ControlError(422, f"{column}: the path has {value}, the body {row[column]}", path=(column,))

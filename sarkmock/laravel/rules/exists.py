"""The rules ``exists`` and ``unique``: what Laravel asks SQLite, and what SQLite makes of odd column names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sarkmock.http.replies import PhpError, QueryError
from sarkmock.laravel.php import flattened, to_text
from sarkmock.laravel.php.values import INT_MAX, INT_MIN, is_utf8
from sarkmock.laravel.rules.values import Rule, Tables, Test

QUERY_EXCEPTION = "Illuminate\\Database\\QueryException"


def exists_rule(rule: Rule) -> Test:
    """``exists:table,column``; without a column the field's own name is the column."""
    table, *columns = rule.parameters[:2]
    column = columns[0] if columns and columns[0] != "NULL" else rule.field
    others = len(rule.parameters[2:])  # pairs of a column and what is wanted in it

    def passes(value: Any, tables: Tables) -> bool:
        if others % 2:
            raise PhpError(f"Undefined array key {others}")
        if isinstance(value, (list, dict)):
            members = distinct(list(value.values() if isinstance(value, dict) else value))
            return all(member is not None and is_found(tables, table, column, member) for member in members)
        return is_found(tables, table, column, value)

    return passes


def unique_rule(rule: Rule) -> Test:
    """``unique:table,column``: no row has the value; without a column the field's own name is the column."""
    table, column = (*rule.parameters, rule.field)[:2]

    def passes(value: Any, tables: Tables) -> bool:
        return not is_found(tables, table, column, value)

    return passes


def distinct(members: list[Any]) -> Iterable[Any]:
    """``array_unique()``: members are compared as text, which an array is not; but PHP compares no lone member."""
    if len(members) > 1 or not isinstance(members[0] if members else None, (list, dict)):
        if any(isinstance(member, (list, dict)) for member in members):
            raise PhpError("Array to string conversion")
        return without_repetitions(members)
    found = flattened(members[0])
    if len(found) > 1:
        raise PhpError("SQLSTATE[HY000]: General error: 25 column index out of range", QUERY_EXCEPTION)
    return found or [None]


def without_repetitions(members: list[Any]) -> Iterator[Any]:
    """The members whose text did not come before."""
    seen = set()
    for member in members:
        text = to_text(member)
        if text not in seen:
            seen.add(text)
            yield member


def is_found(tables: Tables, table: str, column: str, value: Any) -> bool:
    """Whether ``select count(*) from table where column = value`` counts any."""
    known = {name.lower(): name for name in columns_of(tables, table, column, value)}
    prefix, dot, name = column.rpartition(".")
    if dot and (prefix.lower() != table.lower() or name.lower() not in known):
        raise query_error(f"no such column: {column}", table, column, value)
    if "\0" in column:  # the statement ends there, in the middle of a quoted name
        raise query_error(f'unrecognized token: ""{column.partition(chr(0))[0]}"', table, column, value)
    if column == "*" or " as " in column.lower():
        raise query_error(f'near "{"as" if " as " in column.lower() else "*"}": syntax error', table, column, value)
    bound = binding(value)
    if name.lower() not in known:
        # A quoted name that is not a column is text to SQLite: every row matches, or none.
        return bound == column and bool(tables.rows(table))
    if bound is None:
        return any(row[known[name.lower()]] is None for row in tables.rows(table))
    if isinstance(bound, str) and not is_utf8(bound):
        return False
    return tables.count(table, known[name.lower()], bound) > 0


def columns_of(tables: Tables, table: str, column: str, value: Any) -> Iterable[str]:
    try:
        return tables.columns(table)
    except KeyError:
        raise query_error(f"no such table: {table}", table, column, value) from None


def binding(value: Any) -> str | int | None:
    """What Laravel binds: integers and booleans as integers, null as IS NULL, all else as text."""
    if value is None or isinstance(value, str):
        return value
    return int(value) if isinstance(value, int) and INT_MIN <= value <= INT_MAX else to_text(value)


def query_error(reason: str, table: str, column: str, value: Any) -> QueryError:
    wrapped = ".".join(f'"{part}"' for part in column.split("."))
    sql = f'select count(*) as aggregate from "{table}" where {wrapped} = {to_text(binding(value))}'
    return QueryError(f"SQLSTATE[HY000]: General error: 1 {reason}", sql)

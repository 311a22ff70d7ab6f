"""The SQL of the few statements that the tables need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any


def quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@cache
def first_by(table: str, column: str) -> str:
    return f"SELECT * FROM {quote_name(table)} WHERE {quote_name(column)} = ? LIMIT 1"


@lru_cache(maxsize=256)
def among(columns: tuple[str, ...], only: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that are wanted, in their order."""
    return tuple(name for name in columns if name in only)


@lru_cache(maxsize=256)
def quoted_names(names: tuple[str, ...]) -> str:
    return ", ".join(map(quote_name, names))


def set_columns(table: str, names: Iterable[str]) -> str:
    """An update of every row."""
    return f"UPDATE {quote_name(table)} SET {', '.join(f'{quote_name(name)} = ?' for name in names)}"


@lru_cache(maxsize=256)
def update_of(table: str, column: str, names: tuple[str, ...]) -> str:
    return f"{set_columns(table, names)} WHERE {quote_name(column)} = ?"


@lru_cache(maxsize=256)
def insert_of(table: str, names: tuple[str, ...]) -> str:
    return f"INSERT INTO {quote_name(table)} ({quoted_names(names)}) VALUES ({', '.join('?' * len(names))})"


def select(table: str, where: Mapping[str, Any], what: str = "*", order: tuple[str, ...] = ()) -> tuple[str, list[Any]]:
    condition, values = matching(where)
    ordered = f" ORDER BY {quoted_names(order)}" if order else ""
    return f"SELECT {what} FROM {quote_name(table)}{condition}{ordered}", values


@lru_cache(maxsize=256)
def json_object(names: tuple[str, ...]) -> str:
    """A row as JSON, with these columns."""
    return f"json_object({', '.join(f'{text_literal(name)}, {quote_name(name)}' for name in names)})"


@lru_cache(maxsize=256)
def any_real(names: tuple[str, ...]) -> str:
    """Whether a row has a number with a fraction."""
    return " OR ".join(f"typeof({quote_name(name)}) = 'real'" for name in names) or "0"


def text_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def matching(where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The condition that columns equal, or are among, the wanted values, and those values."""
    terms: list[str] = []
    values: list[Any] = []
    for column, wanted in where.items():
        if wanted is None:
            terms.append(f"{quote_name(column)} IS NULL")
            continue
        options = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
        terms.append(f"{quote_name(column)} IN ({', '.join('?' * len(options))})")
        values += map(comparable, options)
    return " WHERE " + " AND ".join(terms) if terms else "", values


def comparable(value: Any) -> Any:
    """A value as the database has it: text that is not UTF-8 (PEP 383) as its bytes."""
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape")
    return value

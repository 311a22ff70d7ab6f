"""The initial state of a PBX, as YAML and in memory. A mistake is reported with file, line and field.

Uses the layout of the tables; independent of the API's rules and behaviour.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial, reduce
from itertools import islice
from math import isfinite
from typing import Any

from sarkmock.pbx.database import Database, Row
from sarkmock.pbx.sql import OLDEST
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import seed_file
from sarkmock.spec.pointers import dotted
from sarkmock.spec.prepared import cached_value
from sarkmock.suggest import unknown_name

MOST_PROBLEMS = 100  # counting stops here
STAMPS = ("z_created", "z_updated", "created_at", "updated_at")
SEED_KEYS = ("tables", "files", "astdb", "calls", "pbx", "unchecked")
PHONE_NUMBER = re.compile(r"[0-9*#+]{1,32}")
ROW_ID = "INTEGER PRIMARY KEY"  # the only kind of column for which SQLite itself rejects text
INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
# Each file adds to the one before.
FACTORY = {"sark-6.0": ("factory",), "sark-6.5": ("factory", "factory-6.5")}
Place = tuple[str | int, ...]
# (table, row index in the merged seed) -> index of the row in the seed on top.
Origins = Mapping[tuple[str, int], int]


def and_more(problems: int, kind: str) -> str:
    """Return a suffix with the number of further problems; counting stops at MOST_PROBLEMS."""
    least = "at least " if problems == MOST_PROBLEMS else ""
    return f" (and {least}{problems - 1} more{kind})" if problems > 1 else ""


class SeedError(ValueError):
    """A mistake in a seed: the path of keys to it, and the problem."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(f"{dotted(place, 'seed')}: {problem}")
        self.place, self.problem = place, problem


@dataclass(frozen=True)
class Seed:
    """Rows by table, files by path, AstDB values by (family, key), calls, and whether the PBX runs. Do not modify.

    Calls are pairs of numbers (caller, target); they are answered and last until they are hung up.
    ``unchecked`` allows rows that the API would reject; ``database`` names the layout of the tables.
    """

    tables: dict[str, list[Row]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    astdb: dict[tuple[str, str], str] = field(default_factory=dict)
    running: bool = True
    unchecked: bool = False
    database: str = OLDEST
    calls: list[tuple[str, str]] = field(default_factory=list)

    @staticmethod
    def factory(database: str = OLDEST) -> Seed:
        """Return the seed of a factory-fresh SARK with that database, always the same object."""
        return _factory(database)

    def for_database(self, database: str) -> Seed:
        """Return the seed in the layout of another database, without tables and columns that it lacks.

        Tables that the seed does not name have the factory rows.
        """
        layout = Database(database)
        tables = {table: [{name: value for name, value in row.items() if name in layout.columns(table)} for row in rows]
                  for table, rows in self.tables.items() if layout.has(table)}
        return replace(self, tables=Seed.factory(database).tables | tables, database=database)

    @classmethod
    def of(cls, content: Any, database: str = OLDEST) -> Seed:
        """Build a seed from the content of a seed file without ``base``; SeedError for a mistake."""
        problems = list(islice(shape_problems(content, database), MOST_PROBLEMS))
        if problems:
            place, problem = problems[0]
            raise SeedError(place, problem + and_more(len(problems), ""))
        return cls(
            tables={table: [dict(row) for row in rows or ()] for table, rows in (content.get("tables") or {}).items()},
            files={path: _bytes(value) for path, value in (content.get("files") or {}).items()},
            astdb={(str(family), str(key)): str(value) for family, entries in (content.get("astdb") or {}).items()
                   for key, value in (entries or {}).items()},
            calls=[(str(call["from"]), str(call["to"])) for call in content.get("calls") or ()],
            running=content.get("pbx", "running") == "running",
            unchecked=content.get("unchecked", False), database=database)

    def text(self) -> str:
        """Return the seed as YAML that people can read and edit."""
        return yaml12.dump(self.content())

    def content(self) -> dict[str, Any]:
        """Return the mapping that `of` accepts, without null columns and tables that are empty in the factory too."""
        layout, factory = Database(self.database), Seed.factory(self.database).tables
        astdb: dict[str, dict[str, str]] = {}
        for (family, key), value in self.astdb.items():
            astdb.setdefault(family, {})[key] = value
        tables = {table: _without_nulls(rows, layout.defaults(table)) for table, rows in self.tables.items()
                  if rows or factory.get(table)}
        return {"tables": tables,
                "files": {path: _readable(content) for path, content in self.files.items()},
                "astdb": astdb, "pbx": "running" if self.running else "stopped"} | (
                    {"calls": [{"from": caller, "to": target} for caller, target in self.calls]} if self.calls else {}
                ) | ({"unchecked": True} if self.unchecked else {})


@cache
def _factory(database: str) -> Seed:
    layers = [Seed.of(cached_value(name, partial(yaml12.read, seed_file(name))), database)
              for name in FACTORY[database]]
    return reduce(lambda base, own: merged_seeds(base, own, stated=False)[0], layers)


def merged_seeds(base: Seed, own: Seed, *, stated: bool) -> tuple[Seed, Origins]:
    """Merge a seed into a base: rows with the same key are merged column by column.

    ``stated``: whether ``own`` sets ``pbx``; if not, the base decides whether the PBX runs.
    """
    layout, origins = Database(own.database), {}
    tables = {table: list(rows) for table, rows in base.tables.items()}
    for table, rows in own.tables.items():
        whole = tables.setdefault(table, [])
        places = {row_key(layout, table, row): index for index, row in enumerate(whole)}
        for number, row in enumerate(rows):
            index = places.get(row_key(layout, table, row), len(whole))
            whole[index:index + 1] = [{**(whole[index] if index < len(whole) else {}), **row}]
            origins[table, index] = number
        for index, row in enumerate(whole):
            rejection = layout.rejection(table, row)
            if rejection:
                raise SeedError(("tables", table, origins.get((table, index), 0)), rejection)
    running = own.running if stated else base.running
    return Seed(tables, base.files | own.files, base.astdb | own.astdb, running, own.unchecked,
                own.database, [*base.calls, *own.calls]), origins


def row_key(layout: Database, table: str, row: Row) -> tuple[Any, ...]:
    """Return the key by which rows are merged: pkey, or the table's key; unique if a part of it is null."""
    names = ("pkey",) if "pkey" in layout.columns(table) else layout.key(table)
    values = tuple(None if row.get(name) is None else str(row[name]) for name in names)
    return (id(row),) if None in values else values


def shape_problems(content: Any, database: str) -> Iterator[tuple[Place, str]]:
    """Yield place and problem of each mistake in the shape of a seed without ``base``."""
    if not isinstance(content, dict):
        yield (), f"expected a mapping with {', '.join(SEED_KEYS)}"
        return
    for key in content:
        if key not in SEED_KEYS:
            yield (key,), unknown_name("key", key, SEED_KEYS)
    if content.get("pbx", "running") not in ("running", "stopped"):
        yield ("pbx",), "must be running or stopped"
    if not isinstance(content.get("unchecked", False), bool):
        yield ("unchecked",), "must be true or false"
    if content.get("calls") is not None:
        yield from _call_problems(content["calls"])
    checks: dict[str, Callable[[dict[Any, Any]], Iterator[tuple[Place, str]]]] = {
        "tables": partial(_table_problems, Database(database)), "files": _file_problems, "astdb": _astdb_problems}
    for key, problems in checks.items():
        value = content.get(key)
        if isinstance(value, dict):
            yield from problems(value)
        elif value is not None:
            yield (key,), "must be a mapping"


def _table_problems(layout: Database, tables: dict[Any, Any]) -> Iterator[tuple[Place, str]]:
    for table, rows in tables.items():
        if table not in layout.tables():
            yield ("tables", table), unknown_name("table", table, layout.tables())
        elif not isinstance(rows, list | None):
            yield ("tables", table), "must be a list of rows"
        else:
            yield from _rows_problems(("tables", table), rows or [], layout)


def _rows_problems(place: Place, rows: list[Any], layout: Database) -> Iterator[tuple[Place, str]]:
    table, seen = str(place[-1]), set()
    keys, kinds = layout.key(table), layout.column_types(table)
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            yield (*place, index), "must be a mapping of columns to values"
            continue
        wrong = list(_row_problems((*place, index), row, kinds))
        yield from wrong
        key = tuple(str(row[column]) for column in keys if row.get(column) is not None)
        if len(key) == len(keys) and key in seen:
            yield (*place, index, keys[0]), f"row {' '.join(key)} already exists"
        elif not wrong:
            rejection = layout.rejection(table, row)
            yield from [((*place, index), rejection)] if rejection else []
        seen.add(key)


def _row_problems(place: Place, row: dict[Any, Any], columns: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    for column, value in row.items():
        if column not in columns:
            yield (*place, column), unknown_name("column", column, columns)
            continue
        problem = _value_problem(columns[column], value)
        if problem:
            yield (*place, column), problem


def _value_problem(kind: str, value: Any) -> str | None:
    """Return what is wrong with a value for a column of that type."""
    if value is None:
        return None
    if isinstance(value, bool):
        return f"must be text, a number or null; write '{str(value).lower()}' if you mean the text"
    if kind == ROW_ID:
        return None if INTEGER.fullmatch(number_text(value)) else "must be an integer or null"
    if isinstance(value, float) and not isfinite(value):
        return "must be a finite number"
    if isinstance(value, int) and value.bit_length() > 63:
        return "must be a number of at most 64 bits; quote it if you mean the text"
    if isinstance(value, (str, int, float)):
        has_surrogates = any("\ud800" <= sign <= "\udfff" for sign in number_text(value))
        return "must be text that can be encoded in UTF-8" if has_surrogates else None
    return "must be text, a number or null"


def number_text(value: Any) -> str:
    """Return a value as text; for an integer with too many digits for Python, text that every check rejects."""
    try:
        return str(value)
    except ValueError:
        return "\ud800"


def _file_problems(contents: dict[Any, Any]) -> Iterator[tuple[Place, str]]:
    for path, value in contents.items():
        if not isinstance(path, str) or not path.startswith("/"):
            yield ("files", path), "must be an absolute path"
        try:
            _bytes(value)
        except (TypeError, KeyError, AttributeError, ValueError):
            yield ("files", path), "must be text, or {base64: ...}"


def _astdb_problems(astdb: dict[Any, Any]) -> Iterator[tuple[Place, str]]:
    for family, entries in astdb.items():
        if not isinstance(entries, dict | None):
            yield ("astdb", family), "must be a mapping of keys to values"
            continue
        for key, value in (entries or {}).items():
            if isinstance(value, bool) or not isinstance(value, (str, int)):
                yield ("astdb", family, key), "must be text or a whole number"


def _call_problems(calls: Any) -> Iterator[tuple[Place, str]]:
    if not isinstance(calls, list):
        yield ("calls",), "must be a list of calls, such as - {from: '1001', to: '1002'}"
        return
    for index, call in enumerate(calls):
        if not isinstance(call, dict) or call.keys() != {"from", "to"}:
            yield ("calls", index), "must have the keys from and to"
            continue
        for end, number in call.items():
            if isinstance(number, bool) or not PHONE_NUMBER.fullmatch(number_text(number)):
                yield ("calls", index, end), "must be a phone number"


def _bytes(value: Any) -> bytes:
    """Return the bytes of a file; base64 may span several lines."""
    if isinstance(value, str):
        return value.encode()
    if value.keys() != {"base64"}:
        raise KeyError
    return base64.b64decode("".join(value["base64"].split()), validate=True)


def _without_nulls(rows: list[Row], defaults: Row) -> list[Row]:
    """Drop columns that are null by default. Time stamps stay: a row without them would get new ones."""
    quiet = {name for name, value in defaults.items() if value is None and name not in STAMPS}
    return [{name: value for name, value in row.items() if value is not None or name not in quiet} for row in rows]


def _readable(content: bytes) -> Any:
    """Return the content as text if it is printable, or as base64 if not."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if all(sign.isprintable() or sign in "\n\t" for sign in text):
        return text
    return {"base64": base64.b64encode(content).decode()}

"""SQL statements for the tables, and safe opening of foreign SQLite files, so that they cannot run code."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cache, lru_cache
from importlib.resources import files
from math import isfinite
from operator import itemgetter
from threading import Thread
from typing import Any

NamesByTable = Mapping[str, tuple[str, ...]]

DATABASES = {"sark-6.0": ("tables.sql",), "sark-6.5": ("tables.sql", "tables-6.5.sql")}  # each extends the previous
OLDEST = "sark-6.0"
TEXTS = re.compile("CHAR|CLOB|TEXT", re.IGNORECASE)  # types of columns that hold no numbers (SQLite's affinity)
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"


def quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@cache
def first_by(table: str, column: str) -> str:
    return f"SELECT * FROM {quote_name(table)} WHERE {quote_name(column)} = ? LIMIT 1"


@lru_cache(maxsize=256)
def among(columns: tuple[str, ...], only: tuple[str, ...]) -> tuple[str, ...]:
    """Return the selected columns in the table's order."""
    return tuple(name for name in columns if name in only)


@lru_cache(maxsize=256)
def quoted_names(names: tuple[str, ...]) -> str:
    return ", ".join(map(quote_name, names))


def set_columns(table: str, names: Iterable[str]) -> str:
    """Return an UPDATE statement for every row."""
    return f"UPDATE {quote_name(table)} SET {', '.join(f'{quote_name(name)} = ?' for name in names)}"


@lru_cache(maxsize=256)
def update_of(table: str, column: str, names: tuple[str, ...]) -> str:
    return f"{set_columns(table, names)} WHERE {quote_name(column)} = ?"


@lru_cache(maxsize=256)
def insert_of(table: str, names: tuple[str, ...]) -> str:
    return f"INSERT INTO {quote_name(table)} ({quoted_names(names)}) VALUES ({', '.join('?' * len(names))})"


def select(table: str, where: Mapping[str, Any], what: str, order: tuple[str, ...] = ()) -> tuple[str, list[Any]]:
    condition, values = matching(where)
    ordered = f" ORDER BY {quoted_names(order)}" if order else ""
    return f"SELECT {what} FROM {quote_name(table)}{condition}{ordered}", values


@lru_cache(maxsize=256)
def json_object(names: tuple[str, ...]) -> str:
    """Return the SQL expression for a row as a JSON object of these columns."""
    texts = ("'" + name.replace("'", "''") + "'" for name in names)
    return f"json_object({', '.join(f'{text}, {quote_name(name)}' for text, name in zip(texts, names, strict=True))})"


@lru_cache(maxsize=256)
def any_real(names: tuple[str, ...]) -> str:
    """Return the SQL expression for whether a row has a number with a fraction."""
    return " OR ".join(f"typeof({quote_name(name)}) = 'real'" for name in names) or "0"


def matching(where: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return the WHERE clause for columns that equal, or are among, the wanted values, and its parameters."""
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
    """Return a value as the database stores it: text that is not UTF-8 (PEP 383) as its bytes."""
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape")
    return value


SQLITE_MAGIC = b"SQLite format 3\0"
ROLLBACK_JOURNAL = b"\1\1"  # bytes 18 and 19 of the header: a file in WAL mode cannot be opened in memory
MOST_STEPS = 5_000  # times 10,000 steps of SQLite's virtual machine, about a second
MOST_ROWS = 100_000  # in all tables together
PLAIN_TYPES = frozenset((str, int, type(None)))


@contextmanager
def open_image(image: bytes) -> Iterator[sqlite3.Connection]:
    """Open a foreign SQLite file so that it can neither run code nor take long."""
    if not image.startswith(SQLITE_MAGIC):
        raise sqlite3.DatabaseError("it is not a SQLite database")
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(image[:18] + ROLLBACK_JOURNAL + image[20:])
        db.execute("PRAGMA trusted_schema = OFF")
        budget = iter(range(MOST_STEPS))
        db.set_progress_handler(lambda: next(budget, None) is None, 10_000)
        yield db


def read_common(db: sqlite3.Connection, table: str, columns: Sequence[str],
                most: int) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
    """Return the columns that a foreign table shares with ours, and their values by row; views are ignored."""
    kind = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ? COLLATE NOCASE"
    if not db.execute(kind, (table,)).fetchone()[0]:
        return (), iter(())
    theirs = {row[1].lower() for row in db.execute(f"PRAGMA table_info({quote_name(table)})")}
    common = tuple(column for column in columns if column.lower() in theirs)
    if not common:
        return (), iter(())
    rows = db.execute(f"SELECT {', '.join(map(quote_name, common))} FROM {quote_name(table)}")
    return common, bounded_rows(rows, most)


def bounded_rows(rows: Iterable[tuple[Any, ...]], most: int) -> Iterator[tuple[Any, ...]]:
    for number, row in enumerate(rows):
        if number == most:
            raise sqlite3.DatabaseError(f"its tables have more than {MOST_ROWS} rows")
        yield row if PLAIN_TYPES.issuperset(map(type, row)) else tuple(map(plain_value, row))


def plain_value(value: Any) -> Any:
    """Convert a foreign value for responses: a BLOB of UTF-8 becomes text; other bytes and infinity are rejected."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise sqlite3.DatabaseError("it contains binary data") from None
    if isinstance(value, float) and not isfinite(value):
        raise sqlite3.DatabaseError("it contains an out-of-range number")
    return value


def layout(name: str) -> str:
    """Return the SQL that creates the tables of a database."""
    return "".join(files("sarkmock.pbx").joinpath(script).read_text(encoding="utf-8") for script in DATABASES[name])


@cache
def layout_of(name: str) -> tuple[NamesByTable, NamesByTable, NamesByTable, bytes]:
    """Return the columns, numeric columns and key of each table, and the image of the database without rows."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(layout(name))
        tables = {table: db.execute(f"PRAGMA table_info({quote_name(table)})").fetchall()
                  for (table,) in db.execute(TABLES)}
        return (
            {table: tuple(column[1] for column in columns) for table, columns in tables.items()},
            {table: tuple(column[1] for column in columns if not TEXTS.search(column[2]))
             for table, columns in tables.items()},
            {table: tuple(column[1] for column in sorted(columns, key=itemgetter(5)) if column[5])
             for table, columns in tables.items()},
            bytes(db.serialize()))


def in_memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


class Connections:
    """The connection to an in-memory database, and a second one to the same image for use after many changes."""

    def __init__(self) -> None:
        self.current = in_memory()
        self._other: sqlite3.Connection | None = None
        self._undoing = Thread()

    def undone(self, image: bytes, much: bool) -> sqlite3.Connection:
        """Return a connection to the unmodified image; if ``much``, the other one, as a thread rolls back this one."""
        if not much:
            self.current.execute("ROLLBACK")
            return self.current
        other = self._other
        if other is None:
            other = in_memory()
            other.deserialize(image)
        else:
            self._undoing.join()
        self.current, self._other = other, self.current
        self._undoing = Thread(target=self._other.execute, args=("ROLLBACK",))
        self._undoing.start()
        return self.current

    def forget(self) -> None:
        """Close the second connection."""
        if self._other:
            self._undoing.join()
            self._other.close()
            self._other = None

    def close(self) -> None:
        self.forget()
        self.current.close()

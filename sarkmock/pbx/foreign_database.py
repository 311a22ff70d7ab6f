"""SQLite files of others: opened so that they can neither run code nor take long, and read row by row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from math import isfinite
from typing import Any

from sarkmock.pbx.sql import quote_name

SQLITE_MAGIC = b"SQLite format 3\0"
ROLLBACK_JOURNAL = b"\1\1"  # bytes 18 and 19 of the header: a file in WAL mode cannot be opened in memory
MOST_STEPS = 5_000  # times 10,000 steps of SQLite's virtual machine, about a second
MOST_ROWS = 100_000  # of all tables
PLAIN_TYPES = frozenset((str, int, type(None)))


@contextmanager
def open_image(image: bytes) -> Iterator[sqlite3.Connection]:
    """A foreign SQLite file, opened so that it can neither run code nor take long."""
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
    """The columns of a foreign table that ours has too, and their values by row; views do not count."""
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
    """A foreign value as answers can show it: a BLOB that is text is text; other bytes and infinity are rejected."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise sqlite3.DatabaseError("it holds binary data") from None
    if isinstance(value, float) and not isfinite(value):
        raise sqlite3.DatabaseError("it holds a number beyond all bounds")
    return value

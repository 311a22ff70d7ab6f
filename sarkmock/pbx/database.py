"""The PBX's tables: an in-memory SQLite database in SARK's layout, behind a small interface. Independent of the API.

The product uses SQLite too: its type affinity, key order and id reuse are visible in responses.
"""

from __future__ import annotations

import re
import sqlite3
import weakref
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sarkmock.pbx.sql import (
    MOST_ROWS,
    OLDEST,
    Connections,
    among,
    any_real,
    comparable,
    first_by,
    insert_of,
    json_object,
    layout_of,
    matching,
    open_image,
    quote_name,
    quoted_names,
    read_common,
    select,
    set_columns,
    update_of,
)

Row = dict[str, Any]
IntegrityError = sqlite3.IntegrityError

MANY_PAGES = 250  # of 4 KB
MANY_CHANGES = 1000  # rows; SQLite takes a millisecond or two to undo this many
ROWS_AT_ONCE = 500  # rows
MAX_INTEGER = 2**63 - 1
MOST_IN_OBJECT = 60  # columns: an SQLite function takes at most 127 arguments
ODD = re.compile(r"\x7f|\\u")
# Tables whose keys the product copies to another table, where null is not allowed.
CROSS_REFERENCED = frozenset({"agent", "appl", "carrier", "cluster", "cos", "device", "ipphone", "ivrmenu", "lineio",
                              "queue", "route", "speed"})


class Database:
    """The tables of one of DATABASES.

    Rows are dicts of column -> value (str, int, float or None), in the table's column order. ``image`` is the initial
    content, as another database's ``dump`` returned it.
    """

    def __init__(self, name: str = OLDEST, image: bytes | None = None) -> None:
        self.name = name
        self._connections = Connections()
        self._db = self._connections.current
        self.close = weakref.finalize(self, self._connections.close)  # Python 3.13 warns about unclosed connections
        self._restored = self._made_at = self._began = 0
        self._origin: bytes | None = None  # the image that a rollback returns to
        self._made: dict[Hashable, bytes] = {}
        self.has_bytes = False  # whether there is text that is not UTF-8; it is stored as a BLOB
        self._columns, self._numeric, self._keys, empty = layout_of(name)
        self.restore(image or empty)

    def tables(self) -> list[str]:
        return list(self._columns)

    def has(self, table: str) -> bool:
        return table in self._columns

    def columns(self, table: str) -> tuple[str, ...]:
        """Return the table's columns in order; KeyError for an unknown table."""
        return self._columns[table]

    def column_types(self, table: str) -> dict[str, str]:
        """Return the declared type of each column; a single-column key has "PRIMARY KEY" after its type."""
        single = len(self.key(table)) == 1
        return {name: f"{kind} PRIMARY KEY" if key and single else kind
                for _, name, kind, _, _, key in self._db.execute(f"PRAGMA table_info({quote_name(table)})")}

    def defaults(self, table: str) -> Row:
        """Return the column defaults of a new row; null where the layout declares none."""
        self._db.execute("SAVEPOINT trial")
        self._db.execute(f"INSERT INTO {quote_name(table)} DEFAULT VALUES")
        try:
            row = self._db.execute(f"SELECT * FROM {quote_name(table)} WHERE rowid = last_insert_rowid()").fetchone()
        finally:
            self._db.execute("ROLLBACK TO trial")
            self._db.execute("RELEASE trial")
        return dict(zip(self._columns[table], row, strict=True))

    def key(self, table: str) -> tuple[str, ...]:
        """Return the columns of the primary key."""
        return self._keys[table]

    def rows(self, table: str, where: Mapping[str, Any] | None = None, order: Sequence[str] = (),
             only: tuple[str, ...] | None = None, *, limit: int | None = None, offset: int = 0) -> list[Row]:
        """Return the rows that match ``where``, in SQLite's own order unless ``order`` names columns.

        ``where`` maps columns to a value, or to a list of allowed values. ``only`` selects columns, which keep the
        table's order. ``limit`` is the number of rows to return and ``offset`` the number to skip.
        """
        names = self._columns[table] if only is None else among(self._columns[table], only)
        sql, values = select(table, where or {}, "*" if only is None else quoted_names(names), tuple(order))
        if limit is not None or offset:
            sql += " LIMIT ? OFFSET ?"
            values += [min(-1 if limit is None else limit, MAX_INTEGER), min(offset, MAX_INTEGER)]
        cursor = self._db.execute(sql, values)
        return [dict(zip(names, row, strict=True)) for row in (map(self._read, cursor) if self.has_bytes else cursor)]

    def as_json(self, table: str, where: Mapping[str, Any], order: Sequence[str],
                only: tuple[str, ...]) -> bytes | None:
        """Return the same rows as JSON text that SQLite builds, in a third of the time.

        Rows are read in batches, so that other threads can run. Returns None where SQLite might format a value
        differently from Python: fractions, control characters, and text beyond ASCII.
        """
        names = among(self._columns[table], only)
        if self.has_bytes or len(names) > MOST_IN_OBJECT:
            return None
        what = f"{json_object(names)}, {any_real(among(names, self._numeric[table]))}"
        sql, values = select(table, where, what, tuple(order))
        cursor, pieces = self._db.execute(sql, values), []
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            text = ",".join([row for row, _ in rows])
            if any(real for _, real in rows) or not text.isascii() or ODD.search(text):
                return None
            pieces.append(text.replace("/", "\\/").encode())
        if not pieces:
            return b"[]"
        pieces[0] = b"[" + pieces[0]
        pieces[-1] += b"]"
        return b",".join(pieces)

    def values(self, table: str, column: str, where: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the values of one column. A text key comes sorted, as SQLite reads the index instead of the rows."""
        sql, values = select(table, where or {}, quote_name(column))
        return [value for row in self._db.execute(sql, values) for value in self._read(row)]

    def first(self, table: str, column: str, value: Any) -> Row | None:
        row = self._db.execute(first_by(table, column), (comparable(value),)).fetchone()
        return None if row is None else dict(zip(self._columns[table], self._read(row), strict=True))

    def _read(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a row with text as str; bytes that are not UTF-8 become surrogates (PEP 383)."""
        if not self.has_bytes:
            return row
        return tuple(value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in row)

    def _written(self, values: Iterable[Any]) -> tuple[Any, ...]:
        """Return values as they are stored."""
        stored = tuple(map(comparable, values))
        if any(isinstance(value, bytes) for value in stored):
            self.has_bytes = True
            self._db.execute("PRAGMA user_version = 1")  # stored in the image
        return stored

    def count(self, table: str, column: str, value: Any) -> int:
        """Count the rows with that value in the column; for a list, the rows with any of its values."""
        sql, values = select(table, {column: value}, "count(*)")
        return int(self._db.execute(sql, values).fetchone()[0])

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Insert a row and return its rowid; sqlite3.IntegrityError for a duplicate or missing key."""
        self._check_key(table, row)
        return int(self._db.execute(insert_of(table, tuple(row)), self._written(row.values())).lastrowid or 0)

    def _check_key(self, table: str, row: Mapping[str, Any]) -> None:
        """Reject a null key, as the triggers of the product's database do when they copy keys of a valid statement."""
        if table in CROSS_REFERENCED and row.get("pkey") is None and row.keys() <= set(self._columns[table]):
            raise IntegrityError("NOT NULL constraint failed: master_xref.pkey")

    def rejection(self, table: str, row: Mapping[str, Any]) -> str | None:
        """Insert a row; return the reason if the database rejects it."""
        try:
            self.insert(table, row or {self._columns[table][0]: None})
        except (sqlite3.Error, OverflowError) as error:
            missing = re.fullmatch(r"NOT NULL constraint failed: \w+\.(\w+)", str(error))
            return f"needs {missing[1]}" if missing else f"the database rejects it: {error}"
        return None

    def update(self, table: str, column: str, value: Any, changes: Mapping[str, Any]) -> int:
        if not changes:
            return 0
        self._check_key(table, {"pkey": "", **changes})
        sql = update_of(table, column, tuple(changes))
        return self._db.execute(sql, self._written((*changes.values(), value))).rowcount

    def delete(self, table: str, column: str, value: Any) -> int:
        sql = f"DELETE FROM {quote_name(table)} WHERE {quote_name(column)} = ?"
        return self._db.execute(sql, (comparable(value),)).rowcount

    def atomic(self) -> AbstractContextManager[None]:
        """A block whose writes are all rolled back if it raises."""
        return transaction(self._db)

    def size(self, table: str) -> int:
        """Return the number of rows."""
        return int(self._db.execute(f"SELECT count(*) FROM {quote_name(table)}").fetchone()[0])

    def change(self, table: str, key: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """Change the row whose columns match the key."""
        if changes:
            condition, values = matching(key)
            self._db.execute(f"{set_columns(table, changes)}{condition}", (*changes.values(), *values))

    def remove(self, table: str, key: Mapping[str, Any]) -> None:
        """Remove the row whose columns match the key; every row if the key is empty."""
        condition, values = matching(key)
        self._db.execute(f"DELETE FROM {quote_name(table)}{condition}", values)

    def dump(self) -> bytes:
        """Return the database as the bytes of an SQLite file."""
        self._end_transaction("COMMIT")  # SQLite does not serialize uncommitted changes
        return bytes(self._db.serialize())

    def load(self, image: bytes) -> None:
        """Replace every table's rows with those of another SQLite file, and keep our layout.

        Tables that the file lacks become empty, columns that it lacks take their default, and what it has beyond
        ours is ignored. Raises sqlite3.DatabaseError if the bytes are not a readable database; nothing changes then.
        """
        with open_image(image) as other, transaction(self._db):
            room = MOST_ROWS
            for table in self.tables():
                self._db.execute(f"DELETE FROM {quote_name(table)}")
                names, rows = read_common(other, table, self._columns[table], room)
                if names:
                    room -= self._db.executemany(insert_of(table, names), rows).rowcount

    def remembered(self, name: Hashable) -> bytes | None:
        """Return the cached bytes of that name, unless a table has changed since."""
        return self._made.get(name) if self._made_at == self.changes else None

    def remember(self, name: Hashable, made: bytes, changes: int) -> None:
        """Cache bytes derived from the tables, unless a table has changed since `changes` had that number."""
        if self._made_at != self.changes:
            self._made_at, self._made = self.changes, {}
        if changes == self.changes:
            self._made[name] = made

    @property
    def is_large(self) -> bool:
        """Whether reading all rows of a table may take long."""
        return int(self._db.execute("PRAGMA page_count").fetchone()[0]) > MANY_PAGES

    @property
    def changes(self) -> int:
        """A number that increases with every change of a row."""
        return self._db.total_changes + self._restored

    @property
    def revision(self) -> tuple[int, bool]:
        """A value that stays equal as long as the image does."""
        return self.changes, self.has_bytes

    def restore(self, image: bytes) -> None:
        """Return to an image that ``dump`` made."""
        self._end_transaction("ROLLBACK")
        self._restored += 1
        self._connections.forget()
        self._db.deserialize(image)
        self.has_bytes = bool(self._db.execute("PRAGMA user_version").fetchone()[0])

    def rewind(self, image: bytes) -> None:
        """Restore an image, if possible by undoing the changes since the last rewind to it, which is faster."""
        if self._origin is image and self._db.in_transaction:
            before = self.changes
            self._db = self._connections.undone(image, self._db.total_changes - self._began > MANY_CHANGES)
            self._restored += before + 1 - self.changes
            self.has_bytes = bool(self._db.execute("PRAGMA user_version").fetchone()[0])
        else:
            self.restore(image)
        self._db.execute("BEGIN")
        self._origin, self._began = image, self._db.total_changes

    def _end_transaction(self, how: str) -> None:
        if self._db.in_transaction:
            self._db.execute(how)
        self._origin = None


class DatabaseLocked(sqlite3.OperationalError):
    """The error that SQLite raises while another program writes."""

    def __init__(self) -> None:
        super().__init__("database is locked")
        self.sqlite_errorcode = sqlite3.SQLITE_BUSY


class LockedDatabase(Database):
    """Another database's rows, readable but not writable: another program holds the lock."""

    def __init__(self, other: Database) -> None:
        vars(self).update(vars(other))

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        raise DatabaseLocked

    def update(self, table: str, column: str, value: Any, changes: Mapping[str, Any]) -> int:
        raise DatabaseLocked

    def delete(self, table: str, column: str, value: Any) -> int:
        raise DatabaseLocked

    def load(self, image: bytes) -> None:
        raise DatabaseLocked

    def restore(self, image: bytes) -> None:
        raise DatabaseLocked


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """A block whose writes are all rolled back if it raises."""
    db.execute("SAVEPOINT block")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK TO block")
        raise
    finally:
        db.execute("RELEASE block")

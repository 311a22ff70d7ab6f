"""Test data of operations (recipes, resources, sample files), and the current rows of the target."""

from __future__ import annotations

import io
import re
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sarkmock.suite_api import Operation, Table, check_texts, read_yaml, to_text

from ..client.http import Exchange, Request
from ..client.target import Client
from ..errors import NoBounds
from .boundary_values import Bounds, bounds_of, placeholder
from .contract import Contract, is_plain_read

_FILE = Path(__file__).parent / "boundary_values" / "operations.yaml"


@cache
def _operations_yaml() -> dict[str, dict[str, Any]]:
    return read_yaml(_FILE)  # type: ignore[no-any-return]


@cache
def recipe(section: str, operation: str) -> Mapping[str, Any]:
    """Return the first entry of a section whose pattern matches the operation; empty if none does."""
    return next((entry for name, entry in _operations_yaml()[section].items() if fnmatchcase(operation, name)), {})


def boundaries_beside_rules(operation: Operation, field: str) -> Mapping[str, Any]:
    """Return the boundary values that checks or recipes set for a field: accept, reject, both or neither."""
    checks = _operations_yaml()["checks"]
    tables = [checks[check][field] for check in operation.checks if field in checks.get(check, ())]
    values = recipe("values", operation.id)
    own = [{"accept": values[field]}] if field in values else []
    merged = {name: entry[name] for entry in (*own, *tables) for name in entry if name == "accept"}
    rejected = [value for entry in tables for value in entry.get("reject", ())]
    return {**merged, "reject": rejected} if rejected else merged


def own_bounds(operation: Operation, field: str) -> Bounds:
    """Return the boundary values of a field: those of its rules, checks and recipes."""
    bounds, own = bounds_of(operation.rules[field]), boundaries_beside_rules(operation, field)
    accept = [placeholder(value) for value in own["accept"]] if "accept" in own else bounds.accept
    return replace(bounds, accept=accept, reject=[*bounds.reject, *map(placeholder, own.get("reject", ()))])


def bounds_in(version: Contract, operation: Operation, field: str) -> Bounds:
    """Return the boundary values of a field's rules in a version; none if it has the same rules."""
    theirs = version.by_id.get(operation.id)
    rules = theirs.rules.get(field) if theirs is not None else None
    if rules is not None and rules != operation.rules[field]:
        with suppress(NoBounds):
            return bounds_of(rules)
    return Bounds((), ())


def open_fields(operation: Operation) -> frozenset[str]:
    """Return the fields of checks without boundary values. The tables cannot predict whether they are rejected."""
    unknown = [fields for check, fields in check_texts(operation).items() if check not in _operations_yaml()["checks"]]
    return frozenset(field for fields in unknown for field in fields)


def columns_derived(operation: str, sent: Iterable[str]) -> set[str]:
    """Return the columns that the server sets: always, or because of a sent field."""
    return {*recipe("derived", operation), *columns_following(operation, sent)}


def columns_following(operation: str, sent: Iterable[str]) -> set[str]:
    """Return the columns that the server sets because of a sent field."""
    names = set(sent)
    return {column for column, causes in recipe("follows", operation).items() if names.intersection(causes)}


@cache
def patterns() -> tuple[str, ...]:
    """Return all patterns of keys and file names."""
    return tuple(dict.fromkeys(text for section in ("fresh", "names") for entry in _operations_yaml()[section].values()
                               for text in entry.values()))


@cache
def is_listed(section: str, operation: str) -> bool:
    """Whether a section that is a list of operations includes this one."""
    return any(fnmatchcase(operation, name) for name in _operations_yaml()[section])


def download_of(kind: str) -> Mapping[str, Any] | None:
    """Return how to download a kind of file from the target; None if `file_content` creates it."""
    return _operations_yaml()["downloads"].get(kind)


_TEXT = b"just text\n"
_EPOCH = (2024, 6, 1, 9, 0, 0)  # a fixed time, so that the same seed sends the same bytes


@cache
def file_content(kind: str) -> bytes:
    return _MAKERS[kind]()


def zipped(name: str, data: bytes) -> bytes:
    """Return a zip file with one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _wav() -> bytes:
    """Return a WAV file: a tenth of a second of silence, 8 kHz mono."""
    samples = bytes(1600)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(form) + len(data)) + b"WAVE" + form + data


def _sqlite() -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE cluster (pkey TEXT PRIMARY KEY)")
        return database.serialize()


_MAKERS: dict[str, Callable[[], bytes]] = {
    "zip": lambda: zipped("readme.txt", _TEXT),  # neither a backup nor a snapshot
    "damaged": lambda: file_content("zip").replace(struct.pack("<I", zlib.crc32(_TEXT)), bytes(4)),  # wrong checksum
    "wav": _wav,
    "sqlite": _sqlite,
    "text": lambda: _TEXT,
    "binary": lambda: bytes((0, 1, 254, 255)) * 64,
    "empty": lambda: b"",
}


@dataclass(frozen=True)
class Resource:
    """The operations on one kind of row. There may be several creates, and list, update or delete may be missing."""

    name: str
    creates: tuple[Operation, ...]
    show: Operation
    list: Operation | None
    update: Operation | None
    delete: Operation | None

    @property
    def key(self) -> str:
        """The field of a response that contains the key of the row."""
        assert self.show.table is not None
        return self.show.table.key

    @property
    def section(self) -> str:
        return self.show.section


def resources(contract: Contract) -> list[Resource]:
    """Return every resource whose rows can be created and shown."""
    creators: dict[str, list[Operation]] = {}
    for operation in contract.operations:
        show = _target(contract, operation, "GET") if operation.method == "POST" else None
        if show is not None and show.table is not None:
            creators.setdefault(show.id, []).append(operation)
    return [_resource(contract, contract.by_id[show], tuple(operations)) for show, operations in creators.items()]


def _resource(contract: Contract, show: Operation, creates: tuple[Operation, ...]) -> Resource:
    collection = show.path.rpartition("/")[0]
    listing = next((operation for operation in contract.operations
                    if operation.path == collection and operation.method == "GET"), None)
    return Resource(collection.strip("/"), creates, show, listing, _target(contract, creates[0], "PUT"),
                    _target(contract, creates[0], "DELETE"))


def _target(contract: Contract, operation: Operation, method: str) -> Operation | None:
    """Return the first linked operation with a method whose path ends in a parameter; None if there is none."""
    targets = [contract.by_id[link.target] for link in contract.links_from(operation).values()]
    fitting = [target for target in targets if target.method == method and target.path.endswith("}")]
    return fitting[0] if fitting else None


def creator_of(contract: Contract, exchange: Exchange) -> Operation | None:
    """Return the create operation whose effect an undocumented method had, so that its row is removed, too."""
    if exchange.response.status != 201:
        return None
    path = exchange.request.path
    creates = (contract.operation_of(Request("POST", at)) for at in (path, path.rpartition("/")[0]))
    return next(filter(None, creates), None)


def key_text(value: Any) -> str:
    """Return the key of a row as text for a path; empty for a value that cannot be a key."""
    return to_text(value) if isinstance(value, (str, int)) else ""


EXISTS = re.compile(r"\bexists:(\w+),(\w+)")
Rows = list[Mapping[str, Any]]


class LiveTables:
    """The rows of the target by table.

    They are fetched on demand or taken from list responses, and discarded when a request may have changed them.
    """

    can_fetch = True  # whether lists can be requested

    def __init__(self, contract: Contract, client: Client) -> None:
        self._client = client
        self._rows: dict[str, Rows] = {}
        self._shown: dict[str, Rows] = {}  # by the path of a list
        self._seen: set[str] = set()  # paths of lists that were shown, even if their rows have changed since
        self._lists: dict[str, list[Operation]] = {}
        for operation in contract.operations:
            if operation.table and is_plain_read(operation):
                self._lists.setdefault(operation.table.name, []).append(operation)

    def held(self, rules: Any, values: Sequence[Any]) -> Sequence[Any]:
        """Return the values whose row exists; all values if no rule requires a row or no list shows its table."""
        match = EXISTS.search(str(rules))
        if match is None or match[1] not in self._lists:
            return values
        return [value for value in values if not isinstance(value, str) or value in self.keys(match[1], match[2])]

    def columns(self, table: str) -> list[str]:
        """Return the columns that the lists of a table show; raise KeyError if the table has no list."""
        return [name for operation in self._lists[table] for name in operation.visible]

    def rows(self, table: str) -> Rows:
        """Return the rows of a table, from all of its lists."""
        if table not in self._rows:
            self._rows[table] = [row for operation in self._lists.get(table, ()) for row in self._list(operation)]
        return self._rows[table]

    def _known_rows(self, table: str) -> Rows | None:
        """Return the rows of a table if nothing has to be fetched for them."""
        is_shown = all(operation.path in self._shown for operation in self._lists.get(table, ()))
        return self.rows(table) if is_shown else self._rows.get(table)

    def know_all(self) -> bool:
        """Fetch the lists that were never shown. Return whether there were none, so that predictions so far count."""
        unseen = [listing for lists in self._lists.values() for listing in lists if listing.path not in self._seen]
        for listing in unseen:
            self._seen.add(listing.path)  # the judge of its response asks again
            self._list(listing)
        return not unseen

    def _list(self, operation: Operation) -> Rows:
        if operation.path not in self._shown:
            response = self._client.get(operation.path)
            self._keep(operation, list(response.rows) if isinstance(response.json, list) else [])
        return self._shown[operation.path]

    def _keep(self, listing: Operation, rows: Rows) -> None:
        self._shown[listing.path] = rows
        self._seen.add(listing.path)

    def keys(self, table: str, column: str) -> list[str]:
        """Return the values of a column as text, in the order of the lists."""
        return [str(row[column]) for row in self.rows(table) if row.get(column) is not None]

    def keys_beside(self, operation: Operation, table: Table) -> list[str]:
        """Return the keys from the list at an operation's own path. Trunks and inbound routes share a table."""
        lists = self._lists.get(table.name, ())
        own = [listing for listing in lists if operation.path.startswith(listing.path + "/")]
        if len(lists) == 1 or not own:
            return self.keys(table.name, table.key)
        return [str(row[table.key]) for row in self._list(own[0]) if row.get(table.key) is not None]

    def count(self, table: str, column: str, value: Any) -> int:
        """Return the number of rows with a value in a column, compared as text."""
        return sum(str(row.get(column)) == str(value) for row in self.rows(table))

    def forget(self) -> None:
        """Discard all rows, because others may have changed them."""
        self._rows.clear()
        self._shown.clear()
        self._seen.clear()

    def _forget(self, table: str) -> None:
        self._rows.pop(table, None)
        for operation in self._lists.get(table, ()):
            self._shown.pop(operation.path, None)

    def observe(self, operation: Operation, exchange: Exchange) -> None:
        """Update the rows from an exchange. Discard all of them after a disruptive operation."""
        rejected = 400 <= exchange.response.status < 500
        if rejected or (operation.method == "GET" and operation.hazard == "read"):
            self._saw_list(operation, exchange)
        elif operation.hazard == "disruptive":
            self.forget()
        elif operation.hazard != "write" and operation.table is not None:
            self._forget(operation.table.name)
        elif operation.table is not None and exchange.response.ok:
            rows = self._known_rows(operation.table.name)
            self._forget(operation.table.name)
            if rows is not None and self._followed(rows, operation, operation.table, exchange):
                self._rows[operation.table.name] = rows

    def _saw_list(self, operation: Operation, exchange: Exchange) -> None:
        """Keep the rows of a list response, so that they need not be fetched."""
        lists = self._lists.get(operation.table.name, ()) if operation.table else ()
        if operation in lists and isinstance(exchange.response.json, list) and not exchange.request.query:
            self._keep(operation, list(exchange.response.rows))
            if operation.table is not None:
                self._rows.pop(operation.table.name, None)

    def _followed(self, rows: Rows, operation: Operation, table: Table, exchange: Exchange) -> bool:
        """Apply a created, changed or deleted row to ``rows``; return False if the rows must be fetched again."""
        shown, key = exchange.response.json, unquote(exchange.request.path.rpartition("/")[2])
        if operation.method == "DELETE":
            rows[:] = [row for row in rows if str(row.get(table.key)) != key]
            return True
        if operation.method == "PUT" and isinstance(shown, dict) and str(shown.get(table.key)) == key:
            rows[:] = [{**row, **shown} if str(row.get(table.key)) == key else row for row in rows]
            return True
        if operation.method == "POST" and isinstance(shown, dict) and shown.get(table.key) is not None:
            rows.append({name: _stored(value) for name, value in shown.items()})
            return True
        return False


def _stored(value: Any) -> Any:
    """Return a value of a POST response as the table stores it; the response echoes what was sent."""
    return to_text(value) if isinstance(value, (bool, float)) else value

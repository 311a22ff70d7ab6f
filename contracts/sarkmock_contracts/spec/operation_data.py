"""What the suite knows of operations: recipes of operations.yaml, resources of rows, sample files for uploads."""

from __future__ import annotations

import io
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sarkmock.suite_api import Operation, check_fields, to_text

from .contract import Contract

_FILE = Path(__file__).parent / "boundary_values" / "operations.yaml"


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(_FILE.read_text())  # type: ignore[no-any-return]


@cache
def recipe(section: str, operation: str) -> Mapping[str, Any]:
    """The first entry of a section whose name fits the operation."""
    return next((entry for name, entry in _tables()[section].items() if fnmatchcase(operation, name)), {})


def narrowed(operation: Operation, field: str) -> Mapping[str, Any]:
    """What the checks of an operation leave of a field's boundaries: accept, reject, or nothing to say."""
    known = _tables()["checks"]
    found = [known[check][field] for check in operation.checks if field in known.get(check, ())]
    values = recipe("values", operation.id)
    own = [{"accept": values[field]}] if field in values else []
    merged = {name: entry[name] for entry in (*own, *found) for name in entry if name == "accept"}
    rejected = [value for entry in found for value in entry.get("reject", ())]
    return {**merged, "reject": rejected} if rejected else merged


def open_fields(operation: Operation) -> frozenset[str]:
    """Fields of checks without a table: the tables cannot say whether they are rejected."""
    unknown = [fields for check, fields in check_fields(operation).items() if check not in _tables()["checks"]]
    return frozenset(field for fields in unknown for field in fields)


def columns_derived(operation: str, sent: Iterable[str]) -> set[str]:
    """Columns that the server sets itself: always, or because of another field."""
    names = set(sent)
    following = recipe("follows", operation).items()
    return {*recipe("derived", operation), *(column for column, causes in following if names.intersection(causes))}


@cache
def patterns() -> tuple[str, ...]:
    """Every pattern by which keys and file names are written."""
    return tuple(dict.fromkeys(text for section in ("fresh", "names") for entry in _tables()[section].values()
                               for text in entry.values()))


@cache
def is_listed(section: str, operation: str) -> bool:
    """Whether a section that is a list of operations names this one."""
    return any(fnmatchcase(operation, name) for name in _tables()[section])


def download(kind: str) -> Mapping[str, Any] | None:
    """How a kind of file is had from the target; None for one that files.py makes."""
    return _tables()["downloads"].get(kind)


_EPOCH = (2024, 6, 1, 9, 0, 0)  # a fixed time, so that the same seed sends the same bytes


@cache
def content(kind: str) -> bytes:
    """The bytes of a kind of file."""
    return _MAKERS[kind]()


def _zip() -> bytes:
    """A zip file that is neither a backup nor a snapshot."""
    return zipped("readme.txt", b"just text\n")


def zipped(name: str, data: bytes) -> bytes:
    """A zip file of one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _wav() -> bytes:
    """A tenth of a second of silence, 8 kHz mono."""
    samples = bytes(1600)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(form) + len(data)) + b"WAVE" + form + data


def _sqlite() -> bytes:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE cluster (pkey TEXT PRIMARY KEY)")
        return database.serialize()


_MAKERS: dict[str, Callable[[], bytes]] = {
    "zip": _zip,
    "wav": _wav,
    "sqlite": _sqlite,
    "text": lambda: b"just text\n",
    "binary": lambda: bytes((0, 1, 254, 255)) * 64,
    "empty": lambda: b"",
}


@dataclass(frozen=True)
class Resource:
    """The operations on one kind of row. It may be created in several ways, and not every kind can be changed."""

    name: str
    creates: tuple[Operation, ...]
    show: Operation
    list: Operation | None
    update: Operation | None
    delete: Operation | None

    @property
    def key(self) -> str:
        """The field of an answer that names the row."""
        assert self.show.table is not None
        return self.show.table.key

    @property
    def section(self) -> str:
        return self.show.section


def resources(contract: Contract) -> list[Resource]:
    """Every resource whose rows can be created and shown."""
    creators: dict[str, list[Operation]] = {}
    for operation in contract.operations:
        show = _target(contract, operation, "GET") if operation.method == "POST" else None
        if show is not None and show.table is not None:
            creators.setdefault(show.id, []).append(operation)
    return [_resource(contract, contract.by_id[show], tuple(found)) for show, found in creators.items()]


def _resource(contract: Contract, show: Operation, creates: tuple[Operation, ...]) -> Resource:
    collection = show.path.rpartition("/")[0]
    listing = next((operation for operation in contract.operations
                    if operation.path == collection and operation.method == "GET"), None)
    return Resource(collection.strip("/"), creates, show, listing, _target(contract, creates[0], "PUT"),
                    _target(contract, creates[0], "DELETE"))


def _target(contract: Contract, operation: Operation, method: str) -> Operation | None:
    """The row operation of that method to which a create operation links: the shortest path counts."""
    found = [contract.by_id[link.target] for link in contract.links_from(operation).values()]
    fitting = [target for target in found if target.method == method and target.path.endswith("}")]
    return fitting[0] if fitting else None


def key_text(value: Any) -> str:
    """The key of a row as a path holds it; empty for a value in its place that cannot be a key."""
    return to_text(value) if isinstance(value, (str, int)) else ""

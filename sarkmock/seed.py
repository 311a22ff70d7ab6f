"""Reads a seed: what the PBX holds at the start. A mistake is told with file, line and field. Knows no behaviour."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from sarkmock import yaml12
from sarkmock.database import Database, Row
from sarkmock.yaml12 import FileError

KEYS = ("tables", "files", "astdb", "pbx")
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Seed:
    """Rows by table, files by path, AstDB values by (family, key), and whether the PBX runs."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    astdb: dict[tuple[str, str], str] = field(default_factory=dict)
    running: bool = True

    @classmethod
    def factory(cls) -> Seed:
        """A factory-fresh SARK."""
        return cls.read(Path(str(files("sarkmock").joinpath("seed.yaml"))))

    @classmethod
    def read(cls, file: Path) -> Seed:
        """The seed in a YAML file; FileError names file, line and field of the first mistake."""
        content = yaml12.read(file)
        for place, problem in _problems(content):
            raise FileError(file, yaml12.line_of(file, place), f"{'.'.join(map(str, place)) or 'seed'}: {problem}")
        return cls(
            tables={table: [dict(row) for row in rows] for table, rows in (content.get("tables") or {}).items()},
            files={path: _bytes(value) for path, value in (content.get("files") or {}).items()},
            astdb={(family, str(key)): str(value) for family, entries in (content.get("astdb") or {}).items()
                   for key, value in entries.items()},
            running=content.get("pbx", "running") == "running")


def _problems(content: Any) -> Iterator[tuple[Place, str]]:
    if not isinstance(content, dict):
        yield (), f"expected a mapping with {', '.join(KEYS)}"
        return
    for key in content:
        if key not in KEYS:
            yield (key,), f"unknown key; there is {', '.join(KEYS)}"
    if content.get("pbx", "running") not in ("running", "stopped"):
        yield ("pbx",), "must be running or stopped"
    yield from _mapping_problems(content)
    yield from _table_problems(content.get("tables") or {})
    yield from _file_problems(content.get("files") or {})


def _mapping_problems(content: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    for key in ("tables", "files", "astdb"):
        if not isinstance(content.get(key) or {}, dict):
            yield (key,), "must be a mapping"
    astdb = content.get("astdb") or {}
    for family, entries in astdb.items() if isinstance(astdb, dict) else ():
        if not isinstance(entries, dict):
            yield ("astdb", family), "must be a mapping of keys to values"


def _table_problems(tables: Any) -> Iterator[tuple[Place, str]]:
    layout = Database()
    known = layout.tables()
    for table, rows in tables.items():
        if table not in known:
            yield ("tables", table), f"unknown table; there is {', '.join(known)}"
        elif not isinstance(rows, list):
            yield ("tables", table), "must be a list of rows"
        else:
            for index, row in enumerate(rows):
                yield from _row_problems(("tables", table, index), row, layout.columns(table))


def _row_problems(place: Place, row: Any, columns: tuple[str, ...]) -> Iterator[tuple[Place, str]]:
    if not isinstance(row, dict):
        yield place, "must be a mapping of columns to values"
        return
    for column, value in row.items():
        if column not in columns:
            yield (*place, column), f"unknown column; there is {', '.join(columns)}"
        elif not isinstance(value, (str, int, float, type(None))) or isinstance(value, bool):
            yield (*place, column), "must be text, a number or null"


def _file_problems(contents: dict[str, Any]) -> Iterator[tuple[Place, str]]:
    for path, value in contents.items():
        try:
            _bytes(value)
        except (TypeError, KeyError, AttributeError, binascii.Error):
            yield ("files", path), "must be text, or {base64: ...}"


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"], validate=True)

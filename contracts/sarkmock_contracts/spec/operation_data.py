"""What operations.yaml says about one operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sarkmock.suite_api import Operation, check_fields

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

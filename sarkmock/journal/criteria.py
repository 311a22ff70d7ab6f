"""Criteria for requests, and how an entry differs from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from sarkmock.http.wsgi import API_PATH
from sarkmock.journal.entries import Entry
from sarkmock.spec.operations import Operation
from sarkmock.suggest import unknown

ANY_VALUE = object()
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class CriteriaError(ValueError):
    """A criterion that no request can meet; the message says what there is."""


@dataclass(frozen=True)
class Criteria:
    """The conditions that an entry has to fulfil. Those that are None are not tested.

    ``operation`` is an id or a pattern (``tenants.*``), ``status`` a number or a class (``4xx``), ``method`` a method,
    ``path`` a path or a pattern with or without /api, ``query`` the query string, ``fault`` a fault's id. The entry's
    number must exceed ``after`` and be below ``before``. ``body`` is compared with the request's body as the API reads
    it: an object must have at least these members, anything else must be equal.
    """

    operation: str | None = None
    status: int | str | None = None
    method: str | None = None
    path: str | None = None
    query: str | None = None
    body: Any = ANY_VALUE
    fault: str | None = None
    after: int | None = None
    before: int | None = None

    @classmethod
    def of(cls, operations: Iterable[Operation], **criteria: Any) -> Criteria:
        """Criteria that these operations can meet; CriteriaError for others."""
        names = [field.name for field in fields(cls)]
        for name in criteria:
            if name not in names:
                raise CriteriaError(unknown("criterion", name, names))
        made = cls(**criteria)
        ids = [operation.id for operation in operations]
        if made.operation is not None and not any(fnmatchcase(known, made.operation) for known in ids):
            raise CriteriaError(unknown("operation", made.operation, ids))
        if not is_status(made.status):
            raise CriteriaError(f"status {made.status!r} is neither a number nor one of {', '.join(STATUS_CLASSES)}")
        return made

    def among(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries that meet them."""
        return [entry for entry in entries if not any(self.differences(entry))]

    def differences(self, entry: Entry) -> Iterator[str]:
        """In what an entry does not meet them, the weightiest first, one phrase each."""
        if self.operation is not None and not fnmatchcase(entry.operation or "", self.operation):
            yield f"operation: expected {self.operation}, got {entry.operation or 'none'}"
        if self.method is not None and entry.method != self.method.upper():
            yield f"method: expected {self.method.upper()}, got {entry.method}"
        if self.path is not None and not fnmatchcase(entry.path, absolute_path(self.path)):
            yield f"path: expected {absolute_path(self.path)}, got {entry.path}"
        if self.query is not None and entry.query != self.query:
            yield f"query: expected {self.query!r}, got {entry.query!r}"
        if not has_status(entry.status, self.status):
            yield f"status: expected {self.status}, got {entry.status}"
        if self.fault is not None and entry.fault != self.fault:
            yield f"fault: expected {self.fault}, got {entry.fault or 'none'}"
        if self.after is not None and entry.number <= self.after:
            yield f"number: expected above {self.after}, got {entry.number}"
        if self.before is not None and entry.number >= self.before:
            yield f"number: expected below {self.before}, got {entry.number}"
        if self.body is not ANY_VALUE:
            yield from compare_values(self.body, entry.request_json, "body")

    def __str__(self) -> str:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return ", ".join(f"{name}={show_value(value) if name == 'body' else value}" for name, value in given.items()
                         if value is not None and value is not ANY_VALUE) or "any request"


def is_status(wanted: int | str | None) -> bool:
    return wanted is None or isinstance(wanted, int) or wanted in STATUS_CLASSES or wanted.isdecimal()


def has_status(status: int, wanted: int | str | None) -> bool:
    return wanted is None or str(wanted) in (str(status), f"{status // 100}xx")


def absolute_path(path: str) -> str:
    """A path with /api, as entries have it."""
    return path if path.startswith(API_PATH + "/") else f"{API_PATH}/{path.lstrip('/')}"


def compare_values(expected: Any, actual: Any, place: str) -> Iterator[str]:
    """Where a value is not as expected; an object may have more members than expected."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name, value in expected.items():
            if name in actual:
                yield from compare_values(value, actual[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}: expected {show_value(value)}, missing"
    elif is_several(expected) and is_several(actual) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from compare_values(one, other, f"{place}[{index}]")
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        yield f"{place}: expected {show_value(expected)}, got {show_value(actual)}"


def is_several(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def show_value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)

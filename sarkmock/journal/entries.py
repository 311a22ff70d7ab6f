"""Journal entries (a request and its response), and the criteria that select entries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from sarkmock.http.engine import ApiRequest, Program
from sarkmock.http.wsgi import API_PATH, Answer
from sarkmock.laravel.php import read_input
from sarkmock.spec.operations import Operation
from sarkmock.suggest import unknown_name, unknown_operation


@dataclass(frozen=True)
class Notice:
    """One sentence; with ``deviation`` and its ``severity`` if a deviation causes it."""

    text: str
    deviation: str = ""
    severity: str = ""


@dataclass(slots=True, eq=False)
class Entry:
    """A request and its response. Bodies are bytes, truncated if long; ``sizes`` has the original lengths.

    ``number`` counts from 1 since the start. ``time`` is the PBX's clock, ``received`` the real one (epoch seconds).
    ``seconds`` is the real processing time, ``delay`` the delay that a fault added, ``fault`` the fault's id.
    ``reason`` explains why a proxy responded instead of its upstream; ``notices`` are a judge's findings.
    """

    number: int
    time: float
    received: float
    seconds: float
    request: ApiRequest
    answer: Answer
    program: Program
    fields: Mapping[str, str]
    sizes: tuple[int, int]
    fault: str = ""
    delay: float = 0.0
    weight: int = 0  # approximate size in bytes
    reason: str = ""
    notices: list[Notice] = field(default_factory=list)

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> str:
        """The request's decoded path, including /api."""
        decoded = unquote(self.request.raw_path, errors="surrogateescape")
        return decoded or f"{API_PATH}/{self.request.path}"

    @property
    def query(self) -> str:
        return self.request.query

    @property
    def operation(self) -> str | None:
        """The operation's id, such as ``tenants.create``; None if no operation has that method and path."""
        operation = self.program.router.operation(self.request.method, self.request.path)
        return operation.id if operation else None

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def request_headers(self) -> dict[str, str]:
        """The request's headers, with names such as ``Content-Type``."""
        return {name.removeprefix("HTTP_").replace("_", "-").title(): value for name, value in self.fields.items()}

    @property
    def request_body(self) -> bytes:
        return self.request.body

    @property
    def request_json(self) -> Any:
        """The request's body as the API reads it: JSON, or the variables of a form; None without a body."""
        body, content_type = self.request.body, self.request.headers.get("Content-Type", "")
        if not body:
            return None
        return parsed(body) if "json" in content_type else read_input("POST", content_type, "", body)[1]

    @property
    def response_headers(self) -> dict[str, str]:
        return dict(self.answer.headers)

    @property
    def response_body(self) -> bytes:
        return self.answer.body

    @property
    def response_json(self) -> Any:
        """The response's body if it is JSON and was kept whole, else None."""
        return parsed(self.answer.body)

    @property
    def whole(self) -> bool:
        """Whether both bodies were kept whole."""
        return self.sizes == (len(self.request.body), len(self.answer.body))

    def __str__(self) -> str:
        target = f"{self.path}?{self.query}" if self.query else self.path
        return f"#{self.number} {self.method} {target} -> {self.status}"


def parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


ANY_VALUE = object()
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class CriteriaError(ValueError):
    """A criterion that no request can meet; the message lists the valid values."""


@dataclass(frozen=True)
class Criteria:
    """Conditions on an entry. Those that are None are not checked.

    ``operation`` is an id or a pattern (``tenants.*``), ``status`` a number or a class (``4xx``), ``method`` a method,
    ``path`` a path or a pattern with or without /api, ``query`` the query string, ``fault`` a fault's id. The entry's
    number must be above ``after`` and below ``before``. ``body`` is compared with the request's body as the API reads
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
        """Create criteria for these operations. CriteriaError if one is unknown or no request can meet it."""
        names = [field.name for field in fields(cls)]
        for name in criteria:
            if name not in names:
                raise CriteriaError(unknown_name("criterion", name, names))
        made = cls(**criteria)
        ids = [operation.id for operation in operations]
        if made.operation is not None and not any(fnmatchcase(identity, made.operation) for identity in ids):
            raise CriteriaError(unknown_operation(made.operation, ids))
        if not is_status(made.status):
            raise CriteriaError(f"status {made.status!r} is neither a number nor one of {', '.join(STATUS_CLASSES)}")
        return made

    def matching(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return the entries that meet the criteria."""
        return [entry for entry in entries if not any(self.differences(entry))]

    def differences(self, entry: Entry) -> Iterator[str]:
        """Yield one phrase for each condition that the entry does not meet, the most important first."""
        if self.operation is not None and not fnmatchcase(entry.operation or "", self.operation):
            yield f"operation: expected {self.operation}, got {entry.operation or 'none'}"
        if self.method is not None and entry.method != self.method.upper():
            yield f"method: expected {self.method.upper()}, got {entry.method}"
        if self.path is not None and not fnmatchcase(entry.path, absolute_path(self.path)):
            yield f"path: expected {absolute_path(self.path)}, got {entry.path}"
        if self.query is not None and entry.query != self.query:
            yield f"query: expected {self.query!r}, got {entry.query!r}"
        if self.status is not None and str(self.status) not in (str(entry.status), f"{entry.status // 100}xx"):
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
        criteria = {field.name: getattr(self, field.name) for field in fields(self)}
        return ", ".join(f"{name}={show_value(value) if name == 'body' else value}" for name, value in criteria.items()
                         if value is not None and value is not ANY_VALUE) or "any request"


def is_status(wanted: int | str | None) -> bool:
    return wanted is None or isinstance(wanted, int) or wanted in STATUS_CLASSES or wanted.isdecimal()


def absolute_path(path: str) -> str:
    """Return a path with /api, as in entries."""
    return path if path.startswith(API_PATH + "/") else f"{API_PATH}/{path.lstrip('/')}"


def compare_values(expected: Any, actual: Any, place: str) -> Iterator[str]:
    """Yield the differences between two values; the actual object may have further members."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name, value in expected.items():
            if name in actual:
                yield from compare_values(value, actual[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}: expected {show_value(value)}, missing"
    elif is_several(expected) and is_several(actual) and len(expected) == len(actual):
        for index, (wanted, found) in enumerate(zip(expected, actual, strict=True)):
            yield from compare_values(wanted, found, f"{place}[{index}]")
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        yield f"{place}: expected {show_value(expected)}, got {show_value(actual)}"


def is_several(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def show_value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)

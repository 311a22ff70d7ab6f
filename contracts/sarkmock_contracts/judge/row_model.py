"""The expected state of rows after the writes so far, and whether columns contain what was sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sarkmock.suite_api import JSON, Operation, to_text

from ..client.http import Exchange, Response
from ..spec.operation_data import Resource, columns_derived, is_listed, key_text
from .agreement import mask_volatile
from .oracle import Problem

BlamedProblem = tuple[Operation, Problem, tuple[Exchange, ...]]
_Row = dict[str, Any]
UNDOCUMENTED = "nosuchvalue"  # the value of fields that an operation does not have
UNSHOWN = "not shown"  # kind of problem: a variable that was sent is missing in the response
STAMP, STAMPED = "YYYY-MM-DD HH:MM:SS", re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")  # set by database triggers


@dataclass(frozen=True)
class Expected:
    """The value that a column must have, the operation that should have written it, and the check that reports it."""

    value: Any
    operation: Operation
    check: str

    def fits(self, shown: Any) -> bool:
        if self.value == STAMP:
            return isinstance(shown, str) and STAMPED.fullmatch(shown) is not None
        if self.check == "unrequested" and shown == self.value:  # a value from a response, which is not trimmed
            return True
        return shown is None if self.check == "default" and self.value is None \
            else is_same_value(self.operation, self.value, shown)


@dataclass(frozen=True)
class Doubt:
    """A wrong value that a read has shown: the write may be wrong, or the read."""

    read_by: Operation
    problem: Problem
    exchange: Exchange
    wanted: Any = None  # the value that reads have shown before, of a column that no request sent


@dataclass
class RowModel:
    """One row: the expected and the last seen values of its columns, and the writes that led to them."""

    resource: Resource
    key: str
    written_by: Operation
    expected: dict[str, Expected]
    history: list[Exchange] = field(default_factory=list)
    shown: dict[str, Any] = field(default_factory=dict)
    changed_by: Operation | None = None  # the operation that changed the row since it was last shown
    confirmed: set[str] = field(default_factory=set)  # columns that a read has shown with the expected value
    doubts: dict[str, Doubt] = field(default_factory=dict)

    def update(self, operation: Operation, sent: Mapping[str, Any], exchange: Exchange) -> None:
        """Apply a PUT. Columns that the server derives from it, and the time of change, become unknown."""
        self.written_by = self.changed_by = operation
        later, writes = set(sent), [exchange]
        for write in reversed(self.history[1:]):  # kept while a column has the value that it sent
            if not later.issuperset(write.request.post):
                writes.insert(0, write)
                later |= write.request.post.keys()
        self.history[1:] = writes
        derived = columns_derived(operation.id, sent)
        self.expected = {name: wanted for name, wanted in {**self.expected, **expected_columns(operation, sent)}.items()
                         if name not in derived and not isinstance(sent.get(name), (list, dict))}
        changed = {*sent, *derived, "z_updated"}
        self.confirmed -= changed
        self.doubts.clear()
        self.shown = {name: value for name, value in self.shown.items() if name not in changed}

    def expect_derived(self, operation: Operation, sent: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        """Expect the columns that the server has derived from a write as its response shows them."""
        self.expected |= {name: Expected(row[name], operation, "unrequested")
                          for name in sorted(columns_derived(operation.id, sent) & row.keys())
                          if row[name] is not None}

    def differences(self, show: Operation, row: Mapping[str, Any], exchange: Exchange) -> Iterator[BlamedProblem]:
        """Yield the differences between a row shown in an exchange and the expected one, and the operation to blame.

        The operation to blame is the one that should have written the value, or else the one that shows it.
        """
        undocumented = {name for name, value in row.items()
                        if value == UNDOCUMENTED and name not in self.written_by.rules}
        for name in sorted(undocumented):
            text = f"{name} is not a variable, but is stored"
            yield self.written_by, Problem("stored", name, "unknown field", text), self._evidence(exchange)
        for name in [name for name in self.expected if name in row and name not in undocumented]:
            yield from self._compared(show, name, row[name], exchange)
        known = {name for name, expected in self.expected.items()
                 if expected.value != STAMP or not expected.fits(row.get(name))}
        for name in self.shown.keys() & row.keys() - known - undocumented:  # the schema judges missing columns
            if row[name] != self.shown[name]:
                text = f"{name} was {self.shown[name]!r}, is {row[name]!r}, although no request sent it"
                yield self.changed_by or show, Problem("unrequested", name, "changed", text), self._evidence(exchange)

    def _compared(self, show: Operation, name: str, value: Any, exchange: Exchange) -> Iterator[BlamedProblem]:
        """Compare one column. If two reads differ, blame the one that shows the wrong value."""
        wanted = self.expected[name]
        if wanted.fits(value):
            doubt = self.doubts.pop(name, None)
            if doubt is not None and doubt.read_by != show:
                yield doubt.read_by, doubt.problem, self._evidence(doubt.exchange)
            if show.method == "GET":
                self.confirmed.add(name)
            return
        problem = wrong_value(wanted.check, name, "changed", wanted.value, value)
        if show.method == "GET":
            self.doubts[name] = Doubt(show, problem, exchange)
        blamed = (self.changed_by or show) if name in self.confirmed else wanted.operation
        yield blamed, problem, self._evidence(exchange)

    def _evidence(self, exchange: Exchange) -> tuple[Exchange, ...]:
        return *(made for made in self.history if made is not exchange), exchange

    def confirmed_values(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield (operation, variable) and value for columns that a read has shown as they were sent."""
        for name in self.confirmed & self.expected.keys():
            wanted = self.expected[name]
            if wanted.check == "stored":
                yield (wanted.operation.id, name), stored_text(wanted.value)

    def holds(self, name: str) -> Any:
        """Return the value that a column must have; None if it is unknown."""
        return self.expected[name].value if name in self.expected else None

    def learn(self, row: Mapping[str, Any]) -> None:
        """Remember a shown row. Columns that later writes do not send must keep these values."""
        self.shown, self.changed_by = dict(row), None


def new_row(resource: Resource, operation: Operation, key: str, sent: Mapping[str, Any], made: Exchange) -> RowModel:
    """Return the row that a create operation should have made: its defaults, overridden by the values sent."""
    expected = {**default_columns(operation, sent), **expected_columns(operation, sent)}
    return RowModel(resource, key, operation, expected, [made])


def default_columns(operation: Operation, sent: Mapping[str, Any]) -> dict[str, Expected]:
    """Return the columns of a new row that have their defaults."""
    derived = columns_derived(operation.id, sent)
    return {name: Expected(value, operation, "default") for name, value in operation.defaults.items()
            if name not in derived and name not in sent}


def default_problems(operation: Operation, sent: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield columns of a new row that do not have their defaults."""
    for name, wanted in default_columns(operation, sent).items() if operation.method == "POST" else ():
        if name in row and not wanted.fits(row[name]):
            yield wrong_value(wanted.check, name, "changed", wanted.value, row[name])


def expected_columns(operation: Operation, sent: Mapping[str, Any]) -> dict[str, Expected]:
    """Return the columns that a write determines: variables with rules, except derived ones, and time stamps."""
    names = sent.keys() & operation.rules.keys() - columns_derived(operation.id, sent)
    stamped = ("z_created", "z_updated") if operation.method == "POST" else ("z_updated",)
    stamps = stamped if operation.table and operation.table.stamps else ()
    return {**{name: Expected(STAMP, operation, "default") for name in stamps},
            **{name: Expected(sent[name], operation, "stored") for name in names
               if not isinstance(sent[name], (list, dict))}}


def column_problems(operation: Operation, exchange: Exchange, expected: Response) -> Iterator[Problem]:
    """Yield columns set by the server whose value is not the expected one, and values shown with another type."""
    row, key = exchange.response.fields, operation.table.key if operation.table is not None else ""
    for name in sorted(columns_of_server(operation, exchange) & expected.fields.keys() - {key}):  # others judge the key
        if mask_volatile(name, row[name]) != mask_volatile(name, expected.fields[name]):
            yield wrong_value("default", name, "changed", expected.fields[name], row[name])
    wrong = {name: (wanted[name], value) for shown, wanted in paired_rows(operation, exchange.response, expected)
             for name, value in shown.items() if name in wanted and type(value) is not type(wanted[name])
             and is_scalar(value) and is_scalar(wanted[name]) and to_text(value) == to_text(wanted[name])}
    for name, (wanted, shown) in sorted(wrong.items()):
        yield wrong_value("schema", name, "type", wanted, shown)


def paired_rows(operation: Operation, response: Response, expected: Response) -> Iterator[tuple[_Row, _Row]]:
    """Pair the rows of two responses by their keys. Two objects without a key are a pair."""
    column = operation.table.key if operation.table is not None else ""
    rows = {key_text(row.get(column)): row for row in expected.rows}
    for row in response.rows:
        key = key_text(row.get(column))
        if key in rows and (key or not isinstance(response.json, list)):
            yield row, rows[key]


def wrong_value(check: str, name: str, kind: str, wanted: Any, shown: Any) -> Problem:
    return Problem(check, name, kind, f"{name} should be {wanted!r}, is {shown!r}")


def columns_of_server(operation: Operation, exchange: Exchange) -> set[str]:
    """Return the columns in the response to a write that neither the request nor a default determines."""
    sent, response = exchange.request.post, exchange.response
    if operation.method not in ("POST", "PUT") or exchange.request.media_type != JSON:
        return set()
    derived = columns_derived(operation.id, sent) & response.fields.keys()
    return derived | (response.fields.keys() - operation.defaults.keys() - sent.keys()
                      if operation.method == "POST" else set())


def is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def stored_problems(operation: Operation, sent: Mapping[str, Any], row: Mapping[str, Any],
                    optional: Collection[str] = ()) -> Iterator[Problem]:
    """Yield columns that do not contain what was sent, and fields without rules that nevertheless appear.

    Variables that are missing in the row are reported for the ``optional`` columns, which its schema does not require.
    """
    derived = columns_derived(operation.id, sent)
    sent = {key: sent[key]} if (key := key_of_another_row(operation, sent, row)) else sent
    for name, value in sent.items():
        if name in derived or isinstance(value, (list, dict)):
            continue
        if name not in operation.rules:
            if name in row and name not in operation.visible:
                yield Problem("stored", name, "unknown field", f"{name} is not a variable of the operation but appears")
        elif name in row and not is_same_value(operation, value, row[name]):
            sent_as = repr(value) if value is not None else "null, which is stored as '',"
            yield Problem("stored", name, "changed", f"{name} was sent as {sent_as} and is {row[name]!r}")
        elif name in optional and name not in row:
            yield Problem("stored", name, UNSHOWN, f"{name} was sent as {value!r}, but the response lacks it")


def key_of_another_row(operation: Operation, sent: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Return the name of the key if a row that was created with a key is shown with another one, else ""."""
    key = operation.table.key if operation.table is not None and operation.method == "POST" else ""
    is_sent = key in sent and key in row and key in operation.rules
    return key if is_sent and not is_same_value(operation, sent[key], row[key]) else ""


def is_same_value(operation: Operation, sent: Any, shown: Any) -> bool:
    """Whether a column contains what was sent, compared as text. A numeric column may spell a number differently."""
    text = stored_text(sent)
    if text == "" and shown is None:
        return is_listed("as_sent", operation.id)
    return shown == text or (isinstance(shown, (int, float)) and number_in_text(text) == shown)


def stored_text(value: Any) -> str:
    """Return the text that PHP stores for a value: trimmed, and empty for null."""
    return to_text(value).strip(" \t\n\r\0\x0b")


def number_in_text(text: str) -> int | float | None:
    """Parse a number; None if the text is not one. Integers are exact."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None

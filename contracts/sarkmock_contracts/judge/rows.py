"""Track the rows that a run has created: update them with every exchange and compare them with what responses show.

Rows from before the run are not tracked, since others may change them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter
from typing import Any
from urllib.parse import unquote

from sarkmock.suite_api import JSON, Operation

from ..client.http import Exchange, Request, fill_path
from ..spec.contract import Contract
from ..spec.operation_data import Resource, key_text, resources
from .oracle import Problem
from .row_model import BlamedProblem, RowModel, default_problems, key_of_another_row, new_row, stored_problems

RowPlace = tuple[str, str]  # resource name, row key
CONFLICT = 409
REMEMBERED_ROWS = 100  # deleted rows that are remembered
VALUE_OF = attrgetter("value")


class RowTracker:
    """Tracks rows. ``alive`` and ``gone`` map a place (resource name, key) to a row."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self.alive: dict[RowPlace, RowModel] = {}
        self.gone: dict[RowPlace, RowModel] = {}
        self._read_twice: set[tuple[str, str]] = set()  # (read operation, column) that another read was compared with
        self._unknown: set[RowPlace] = set()  # rows of the run whose values became unknown
        self.stored: set[tuple[str, str]] = set()  # (operation, variable) of which reads showed two values as sent
        self._values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        all_resources = resources(contract)
        self._of = {operation.id: resource for resource in all_resources
                    for operation in (*resource.creates, resource.show, resource.list, resource.update, resource.delete)
                    if operation is not None}

    def observe(self, exchange: Exchange) -> Iterator[BlamedProblem]:
        """Update the rows with an exchange, and yield where its response differs from the expected state."""
        operation = self._contract.operation_of(exchange.request)
        if operation is None:
            if exchange.response.ok:
                self.lost(exchange.request)  # it may have changed or removed the row at its path
            return
        yield from ((operation, problem, (exchange,)) for problem in self._repeated(operation, exchange))
        resource = self._of.get(operation.id)
        if operation.hazard == "disruptive":
            if exchange.request.method == "PUT" and not 400 <= exchange.response.status < 500:
                self._restored()
        elif exchange.request.method in ("POST", "PUT") and exchange.response.ok:
            yield from self._wrote(resource, operation, exchange)
        elif resource is None:
            return
        elif exchange.request.method == "DELETE":
            self._removed(resource, exchange)
        elif operation == resource.list:
            yield from self._listed(resource, operation, exchange)
        elif operation == resource.show:
            yield from self._shown(resource, operation, exchange)

    def _wrote(self, resource: Resource | None, operation: Operation, exchange: Exchange) -> Iterator[BlamedProblem]:
        sent = exchange.request.post
        fields = exchange.response.json
        if resource is not None:
            self._reused(resource, exchange)
        if exchange.request.query or exchange.request.media_type != JSON:
            self.alive.pop((resource.name if resource else "", last_segment(exchange.request)), None)
            return  # other checks test how such requests are parsed
        if isinstance(fields, dict):
            optional = self._contract.optional_columns(operation)
            yield from ((operation, problem, (exchange,))
                        for problem in stored_problems(operation, sent, fields, optional))
            if resource is None:  # nothing shows the row again
                yield from ((operation, problem, (exchange,)) for problem in default_problems(operation, sent, fields))
        if resource is not None and operation in (*resource.creates, resource.update):
            make = self._made if operation in resource.creates else self._changed
            row = make(resource, operation, exchange, sent)
            if row is not None and isinstance(fields, dict):
                yield from row.differences(operation, fields, exchange)
                row.expect_derived(operation, sent, fields)
        else:
            for row in self.alive.values():  # it may change or create other rows of its section
                row.shown = row.shown if row.resource.section != operation.section else {}
            self.gone = {place: row for place, row in self.gone.items() if row.resource.section != operation.section}

    def _reused(self, resource: Resource, exchange: Exchange) -> None:
        """Forget a deleted row whose key another one has. Timers get the highest number plus one."""
        key = key_text(exchange.response.fields.get(resource.key))
        if key and key != last_segment(exchange.request):
            self.gone.pop((resource.name, key), None)

    def _made(
        self, resource: Resource, operation: Operation, exchange: Exchange, sent: dict[str, Any]
    ) -> RowModel | None:
        key = key_text(exchange.response.fields.get(resource.key))
        if not key or key_of_another_row(operation, sent, exchange.response.fields):
            return None
        place = resource.name, key
        self._unknown.discard(place)
        self.alive[place] = row = new_row(resource, operation, key, sent, exchange)
        return row

    def _changed(self, resource: Resource, operation: Operation, exchange: Exchange,
                 sent: dict[str, Any]) -> RowModel | None:
        place = resource.name, last_segment(exchange.request)
        row = self.alive.get(place)
        if row is None and place in self._unknown:
            row = self.alive[place] = RowModel(resource, place[1], operation, {})
        if row is None:
            return None
        if resource.key in sent and resource.key in operation.rules:
            del self.alive[place]  # its key may have changed
            return None
        row.update(operation, sent, exchange)
        return row

    def _removed(self, resource: Resource, exchange: Exchange) -> None:
        place = resource.name, last_segment(exchange.request)
        if exchange.response.status == 404:
            self.lost(exchange.request)  # a later read does not show that its creation or that read is wrong
        if not exchange.response.ok:
            return
        self._unknown.discard(place)
        row = self.alive.pop(place, None)
        if row is not None:
            row.history.append(exchange)
            self.gone[place] = row
            if resource.key in resource.creates[0].rules:  # other rows cannot use a number that the server assigned
                self._forget_dependents(row)
            while len(self.gone) > REMEMBERED_ROWS:
                del self.gone[next(iter(self.gone))]

    def _forget_dependents(self, row: RowModel) -> None:
        """Stop tracking rows that refer to a deleted row: they may be deleted, too."""
        for place, dependent in [*self.alive.items()]:
            if row.key in map(VALUE_OF, dependent.expected.values()):
                self._untrack(place)

    def _restored(self) -> None:
        """Handle that the target may have an earlier state again: its rows are unknown until they are updated."""
        unknown = {*self._unknown, *self.alive}
        self.forget()
        self._unknown = unknown

    def _untrack(self, place: RowPlace) -> RowModel | None:
        """Stop tracking a row until the run updates it again."""
        row = self.alive.pop(place, None)
        if row is not None:
            self._unknown.add(place)
        return row

    def other_reads(self) -> Iterator[str]:
        """Yield paths of other reads of the rows of which a read has shown a wrong value, once for each column."""
        for row in self.alive.values():
            for read in filter(None, (row.resource.list, row.resource.show)):
                doubted = {(doubt.read_by.id, name) for name, doubt in row.doubts.items() if doubt.read_by != read}
                if not doubted <= self._read_twice:
                    self._read_twice |= doubted
                    yield fill_path(read.path, dict.fromkeys(read.parameters, row.key))

    def forget(self) -> None:
        """Stop tracking all rows."""
        self._unknown.clear()
        self.alive.clear()
        self.gone.clear()

    def lost(self, request: Request) -> None:
        """Stop tracking the row of a write whose effect is unknown: a lost response, or an undocumented operation."""
        operation = self._contract.operation_of(request) or self._contract.operation_of(Request("GET", request.path))
        resource = self._of.get(operation.id) if operation is not None else None
        if resource is not None and request.method in ("PUT", "DELETE"):
            row = self._untrack((resource.name, last_segment(request)))
            if row is not None:
                self._forget_dependents(row)

    def _shown(self, resource: Resource, show: Operation, exchange: Exchange) -> Iterator[BlamedProblem]:
        place, response = (resource.name, last_segment(exchange.request)), exchange.response
        row = self.alive.get(place)
        if row is not None and response.ok and isinstance(response.json, dict):
            yield from row.differences(show, response.json, exchange)
            self._confirm(row)
            row.learn(response.json)
        elif row is not None and response.status == 404:
            yield self._missing(row, show, exchange)
            del self.alive[place]
        elif row is None and response.ok and place in self.gone:
            row = self.gone.pop(place)
            text = f"{row.key!r} should not exist: {response.status}"
            blamed = resource.delete or show
            yield blamed, Problem("presence", "", "still there", text), (*row.history, exchange)

    def _confirm(self, row: RowModel) -> None:
        """Record confirmed values. A single value could be a default that the document lacks, so two are required."""
        for variable, value in row.confirmed_values():
            if variable not in self.stored:
                self._values[variable].add(value)
            if len(self._values[variable]) > 1:
                self.stored.add(variable)

    def _missing(self, row: RowModel, show: Operation, exchange: Exchange) -> BlamedProblem:
        """Return the problem of a missing row. If it was never shown, its creation may have returned the wrong key."""
        links = self._contract.links_from(row.written_by).values()
        link = next((link for link in links if link.target == show.id), None)
        status = exchange.response.status
        if link is None or row.shown:
            text = f"{row.key!r} should exist: {status}"
            return show, Problem("presence", "", "missing", text), (*row.history, exchange)
        text = f"{show.method} {exchange.request.path} returned {status}, expected {show.status}"
        return row.written_by, Problem("link", link.name, str(status), text), (*row.history, exchange)

    def _listed(self, resource: Resource, listing: Operation, exchange: Exchange) -> Iterator[BlamedProblem]:
        """Compare a list with the expected rows: every row as expected, no deleted row, in the document's order."""
        items = exchange.response.json
        if not exchange.response.ok or not isinstance(items, list) or exchange.request.query:
            return
        items = [item for item in items if isinstance(item, dict)]
        yield from ((listing, problem, (exchange,)) for problem in out_of_order(listing, items))
        listed = {key: item for item in items if (key := key_text(item.get(resource.key)))}
        for row in self._rows(resource):
            if row.key not in listed:
                yield listing, unlisted(row.key), (*row.history, exchange)
                continue
            yield from row.differences(listing, listed[row.key], exchange)
            self._confirm(row)
        for row in self._rows_beside(resource):
            if row.key in listed:
                text = f"{row.key!r} is listed, but is of {row.resource.name}"
                yield listing, Problem("list", "", "of another kind", text), (*row.history, exchange)
        for place in [place for place in self.gone if place[0] == resource.name and place[1] in listed]:
            text = f"{place[1]!r} was deleted but is still listed"
            yield listing, Problem("list", "", "stale", text), (*self.gone.pop(place).history, exchange)

    def _repeated(self, listing: Operation, exchange: Exchange) -> Iterator[Problem]:
        """Report a row that a list shows twice, whoever created it. Rows without a key are skipped."""
        if listing.table is None or not exchange.response.ok or not isinstance(exchange.response.json, list):
            return
        columns = self._contract.primary_key(listing.table.name)
        seen = set()
        for row in exchange.response.rows:
            if row.get(listing.table.key) is None:
                continue
            shown = all(row.get(column) is not None for column in columns)
            identity = str([row[column] for column in columns] if shown else row)
            if identity in seen:
                yield Problem("list", "", "repeated", f"{row[listing.table.key]!r} is listed twice")
                return
            seen.add(identity)

    def _rows(self, resource: Resource) -> list[RowModel]:
        return [row for (name, _), row in self.alive.items() if name == resource.name]

    def _rows_beside(self, resource: Resource) -> list[RowModel]:
        """Return the rows of the same table that belong to another list."""
        table = resource.show.table
        return [row for row in self.alive.values() if row.resource != resource and row.resource.list is not None
                and row.resource.show.table is not None and table is not None
                and row.resource.show.table.name == table.name]


def last_segment(request: Request) -> str:
    """Return the decoded last segment of the path."""
    return unquote(request.path.rstrip("/").rpartition("/")[2])


def duplicate_problem(contract: Contract, resource: Resource, operation: Operation, made: Exchange,
                      again: Exchange) -> Problem | None:
    """Return what is wrong with the response to a create operation with a taken key."""
    key = made.response.fields[resource.key]
    if again.response.ok:
        text = f"the key {key!r} is taken, but {operation.id} returned {again.response.status}"
        return Problem("duplicate", resource.key, "accepted", text)
    documented = is_database_message(contract.example(operation, CONFLICT))
    differs = documented is not None and is_database_message(again.response.json) is not documented
    if again.response.status != CONFLICT or not differs:
        return None
    return Problem("duplicate", resource.key, "wording", f"the key {key!r} is taken: {again.response.json}")


def is_database_message(rejection: Any) -> bool | None:
    """Whether an error message comes from the database; None if there is no message."""
    return str(rejection.get("Error")).startswith("SQLSTATE") if isinstance(rejection, dict) else None


def unlisted(key: str) -> Problem:
    return Problem("list", "", "missing", f"{key!r} exists but is not listed")


def out_of_order(listing: Operation, items: list[dict[str, Any]]) -> Iterator[Problem]:
    """Report rows that are not in the order of the document's x-table. Texts compare by bytes, as in SQLite."""
    if listing.table is None or not listing.table.order:
        return
    keys = [[sortable(item.get(name)) for name in listing.table.order] for item in items]
    if keys != sorted(keys):
        yield Problem("list", "", "order", f"the rows are not in the order of {', '.join(listing.table.order)}")


def sortable(value: Any) -> tuple[int, int, bytes]:
    """Return a sort key with SQLite's order: null, numbers, texts."""
    if value is None:
        return 0, 0, b""
    return (1, value, b"") if isinstance(value, int) else (2, 0, str(value).encode("utf-8", "surrogatepass"))

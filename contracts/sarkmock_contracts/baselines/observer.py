"""The values that a recording tries, the requests that it sends, and the facts that it derives from the responses.

The choice depends only on the tables, so that two recordings send the same requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from sarkmock.suite_api import Operation, redacted

from ..checks.minimal_rules import greedy_cover
from ..client.http import Exchange, Request, Response, header_number
from ..client.target import Client
from ..errors import NoBounds, Unavailable
from ..fixtures import Body, Fixtures, Unrestorable
from ..fixtures.keys import MARK, Keys
from ..safety.fingerprint import DEBUG
from ..spec.boundary_values import FileOf, Live, is_placeholder
from ..spec.operation_data import LiveTables, own_bounds, recipe
from .catalogue import CatalogueEntry, catalogue, field_types, fields_of_answers, working_contract
from .facts import BOX, NOT_SENT, Fact, Facts, canonical_json

# Values that separate other kinds of rules.
GENERAL: tuple[Any, ...] = (None, "zz", "two words", 7, "1.5", True, "x" * 100)


@dataclass(frozen=True)
class Depth:
    """How many accepted and rejected boundary values, and which general values, are tried for a variable."""

    name: str
    accepted: int
    rejected: int
    general: tuple[Any, ...]


DEPTHS = {depth.name: depth for depth in (Depth("quick", 1, 0, ()), Depth("usual", 4, 4, GENERAL),
                                          Depth("full", 99, 99, GENERAL))}


def values_for(entry: CatalogueEntry, field: str, depth: Depth) -> list[Any]:
    """Return the values to try for a variable, the plainest first; placeholders are not resolved."""
    return list(_values_for(entry.name, field, depth.name))


@cache
def _values_for(name: str, field: str, depth_name: str) -> tuple[Any, ...]:
    entry, depth = catalogue()[name], DEPTHS[depth_name]
    values: dict[str, Any] = {}
    for operation in entry.versions.values():
        if field in operation.rules:
            for value in _of_version(operation, field, depth):
                values.setdefault(canonical_json(recorded_value(value)), value)
    for value in () if are_files(values.values()) else depth.general[: 1 if is_new_key(entry, field) else None]:
        values.setdefault(canonical_json(recorded_value(value)), value)
    return tuple(value for value in values.values() if not _names_a_key(entry, field, value))


def are_files(values: Iterable[Any]) -> bool:
    """Whether a variable takes files; nothing else is tried for it then."""
    return any(isinstance(value, FileOf) for value in values)


def _of_version(operation: Operation, field: str, depth: Depth) -> Iterator[Any]:
    accepted, rejected = boundary_lists(operation, field)
    yield from accepted[: depth.accepted]
    covering = greedy_cover(operation, field, [value for value in rejected if not is_placeholder(value)])
    yield from covering
    rest = [value for value in rejected if value not in covering]
    yield from rest[: max(depth.rejected - len(covering), 0 if covering else 1)]


def boundary_lists(operation: Operation, field: str) -> tuple[list[Any], list[Any]]:
    """Return the accepted and rejected boundary values of a variable, checks included; empty lists if unknown."""
    try:
        bounds = own_bounds(operation, field)
    except NoBounds:
        return [], []
    return list(bounds.accept), [*bounds.reject, *bounds.fatal]


def _names_a_key(entry: CatalogueEntry, field: str, value: Any) -> bool:
    """Whether an update with this value could rename a row, because every version accepts it as the key."""
    table = entry.first.table
    if entry.method != "PUT" or table is None or table.key != field:
        return False
    return all(value in boundary_lists(operation, field)[0] for operation in entry.versions.values()
               if field in operation.rules)


@cache
def rejected_by_every_version(name: str, field: str, text: str) -> bool:
    """Whether every version that has the variable rejects a value (as JSON text) by its tables."""
    versions = [version for version in catalogue()[name].versions.values() if field in version.rules]
    return bool(versions) and all(
        text in {canonical_json(recorded_value(value)) for value in boundary_lists(operation, field)[1]}
        for operation in versions)


def rejected_body(entry: CatalogueEntry, depth: Depth) -> Body:
    """Return a body of values that every version rejects by its tables."""
    return {field: value for field in entry.fields for value in values_for(entry, field, depth)
            if rejected_by_every_version(entry.name, field, canonical_json(recorded_value(value)))}


def recorded_value(value: Any) -> Any:
    """Return a value in the form that a recording stores: a live key or a file by its description."""
    if isinstance(value, Live):
        return {"live": [value.table, value.column, value.variant]}
    if isinstance(value, FileOf):
        return {"file": value.kind, **({"name": value.name} if value.name else {})}
    return value


# packets


def probe_packets(entry: CatalogueEntry, fields: Iterable[str], depth: Depth) -> Iterator[dict[str, Any]]:
    """Yield bodies with one value per variable, mixing accepted and rejected values, so that few rows are created.

    Keys that must be new are tried separately, because the owner of the row must be known in advance.
    """
    rows = {field: values_for(entry, field, depth) for field in fields}
    keys = {field: rows.pop(field) for field in list(rows) if is_new_key(entry, field)}
    rows = {field: row[turn % len(row):] + row[: turn % len(row)]
            for turn, (field, row) in enumerate(rows.items()) if row}
    for turn in range(max(map(len, rows.values()), default=0)):
        packet = {field: row[turn] for field, row in rows.items() if turn < len(row)}
        yield {**packet, **_anchor(entry, rows, packet)}
    for field, row in keys.items():
        yield from ({field: value} for value in row)


def _anchor(entry: CatalogueEntry, rows: Mapping[str, list[Any]], packet: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rejected value of a finished variable for a packet that must not be accepted and change a row."""
    if any(rejected_by_every_version(entry.name, field, canonical_json(recorded_value(value)))
           for field, value in packet.items()):
        return {}
    return next(({field: value} for field, row in rows.items() if field not in packet for value in row
                 if rejected_by_every_version(entry.name, field, canonical_json(recorded_value(value)))), {})


def is_new_key(entry: CatalogueEntry, field: str) -> bool:
    """Whether a variable is a key that must be new in every create request."""
    return any(field in {**recipe("fresh", operation.id), **recipe("made", operation.id)}
               for operation in entry.versions.values())


TESTED, NOT_TESTED, THERE, ABSENT_ROW, NOT_REACHED = "tested", "not tested", "there", "absent", "not reached"
NOT_ALLOWED = "hazard"  # the part of an operation whose hazard was not allowed
WAS_ACCEPTED, WAS_REJECTED, HAS_CRASHED = "accepted", "rejected", "crashed"
AS_SENT, DIFFERENT = "as sent", "different"  # how the response shows a sent value
ANY_INPUT = "any input"  # what an operation crashes for
# what a sequence shows
SHOWN_IN_LIST, ROW_ORDER, TAKES_EFFECT = "shows a new row", "order of rows", "takes effect"
RECORDED_HEADERS = ("Content-Disposition", "Location", "WWW-Authenticate")
BOX_HEADERS = ("Server", "X-Powered-By")


class Observer(Client):
    """A target under recording, with the document that fits it and the facts found so far."""

    def __init__(self, client: Client, depth: Depth, keys: Keys | None = None,
                 unrestorable: Unrestorable | None = None) -> None:
        self.client, self.depth = client, depth
        self.facts = Facts()
        self.texts, self.unrestorable = keys, unrestorable
        self.work_by({})

    def work_by(self, there: Mapping[str, bool]) -> None:
        """Switch to the document that fits a target with these operations."""
        self.contract = working_contract(there)
        self.live = LiveTables(self.contract, self)
        self.fixtures = LearningFixtures(self)

    def send(self, request: Request) -> Exchange:
        """Send a request and track the rows that it creates."""
        exchange = self.client.send(request)
        operation = self.contract.operation_of(request)
        if operation is not None:
            self.fixtures.observe(operation, exchange)
            self.live.observe(operation, exchange)
        return exchange

    @cached_property
    def unknown_page(self) -> Any:
        """The target's error page for an unknown route, from one request. Its wording differs between versions."""
        return error_page_form(self.client.send(Request("GET", f"/{self.fixtures.texts.prefix}nosuchpage")))

    def is_missing(self, exchange: Exchange) -> bool:
        """Whether the response means that the route does not exist, unlike the 404 of a missing row."""
        status = exchange.response.status
        return status == 405 or (status == 404 and error_page_form(exchange) == self.unknown_page)

    def is_absent(self, op: str) -> bool:
        """Whether the target does not have an operation of the catalogue."""
        return bool(self.facts.get(op, "reach") == ABSENT_ROW)

    def operation(self, entry: CatalogueEntry) -> Operation | None:
        """Return the operation of the working document; None if it is not there at this method and path."""
        operation = next((self.contract.by_id[name] for name in entry.ids if name in self.contract.by_id), None)
        return operation if operation and (operation.method, operation.path) == (entry.method, entry.path) else None

    def learn(self, facts: Iterator[Fact] | list[Fact]) -> list[Fact]:
        """Store facts for use by later cases, and return them."""
        result = list(facts)
        for fact in result:
            self.facts.by_key.setdefault(fact.key, fact)
        return result

    def accepted(self, entry: CatalogueEntry, field: str) -> list[Any]:
        """Return the values of a variable that the box accepted, the plainest first."""
        return [value for value in values_for(entry, field, self.depth)
                if self.verdict(entry, field, recorded_value(value)) == WAS_ACCEPTED]

    def verdict(self, entry: CatalogueEntry, field: str, sent: Any) -> Any:
        """Return the verdict on a value of a variable; None if it was not tried."""
        fact = self.facts.by_key.get((entry.name, "rule", field, "", canonical_json(sent)))
        return fact.is_ if fact else None

    # facts of a response

    def answered(self, entry: CatalogueEntry, kind: str, exchange: Exchange, by: str = "",
                 form: bool = True) -> Iterator[Fact]:
        """Yield status, content type and headers of a response, and its fields unless ``form`` is false."""
        response = exchange.response
        yield Fact(entry.name, "status", kind, response.status, by)
        if response.status >= 500:
            return  # the shape of a crash is not part of the API
        if response.content_type:
            yield Fact(entry.name, "type", kind, response.content_type, by)
        for name in RECORDED_HEADERS:
            if response.header(name):
                value = self.plain(response.header(name)).partition(";")[0]
                yield Fact(entry.name, "header", f"{kind} {name}", value, by)
        if form and response.json is not None and response.status != 422:
            yield from self.form(entry, kind, response.json, response.ok, by)

    def form(self, entry: CatalogueEntry, kind: str, body: Any, good: bool, by: str) -> Iterator[Fact]:
        """Yield the fields of a response, as `field` facts if it is successful, else as `error` facts."""
        names = fields_of_answers(entry.name) if good else None
        for name, types in field_types(body, names).items():
            yield Fact(entry.name, "field" if good else "error", name if good else f"{kind} {name}", types,
                       by or (kind if good else ""))

    def plain(self, text: str | None) -> str:
        """Return a text with the run's prefix replaced by the mark, and secrets redacted."""
        return str(redacted(str(text).replace(self.fixtures.texts.prefix, MARK)))


class LearningFixtures(Fixtures):
    """Fixtures that build bodies from values that the target has accepted, if any are known."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(observer.contract, observer, observer.live, observer.texts, observer.unrestorable)
        self.observer = observer

    def minimal(self, operation: Operation) -> Body:
        usual = super().minimal(operation)
        entry = catalogue().get(operation.name)
        tried = {name: self.observer.verdict(entry, name, NOT_SENT) for name in entry.fields} if entry else {}
        if entry is None or not any(tried.values()):
            return usual
        return self.body(entry, operation, [name for name, verdict in tried.items() if verdict == WAS_REJECTED], usual)

    def spelling(self, live: Live) -> str:
        if not self.keys(live.table, live.column):
            raise Unavailable(f"the target lists no row of {live.table}")
        return super().spelling(live)

    def body(self, entry: CatalogueEntry, operation: Operation, fields: list[str], fallback: Mapping[str, Any]) -> Body:
        """Return a body with the first accepted value of each variable; new keys come from ``fallback``."""
        result: Body = {}
        for field in fields:
            values = self.observer.accepted(entry, field)
            if is_new_key(entry, field):
                result |= {field: fallback[field]} if field in fallback else {}
            elif values:
                result[field] = self.value(operation, field, values[0])
            elif field in fallback:
                result[field] = fallback[field]
        return result


def error_page_form(exchange: Exchange) -> Any:
    """Return an error response without the request's path: its fields without debug data, or type and body."""
    body, path = exchange.response.json, exchange.request.path.strip("/")
    if isinstance(body, dict):
        return {name: str(value).replace(path, "{path}") for name, value in body.items() if name not in DEBUG}
    return exchange.response.content_type, body


def box_facts(response: Response) -> Iterator[Fact]:
    """Yield the facts about the box that a response shows."""
    limit = response.header("X-RateLimit-Limit")
    yield Fact(BOX, "limit", "requests a minute", header_number(limit))
    for name in BOX_HEADERS:
        if response.header(name):
            yield Fact(BOX, "header", name, redacted(response.header(name)))


def takes_files(entry: CatalogueEntry, depth: Depth) -> bool:
    return any(are_files(values_for(entry, field, depth)) for field in entry.fields)

"""Sequences on a row: create, show, list, change, create again, delete. Every row that is created is removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request, request_for
from ..errors import Unavailable, Withheld
from ..fixtures import Body, linked_path
from ..judge.agreement import mask_volatile
from ..judge.row_model import is_same_value
from ..spec.contract import Link
from ..spec.operation_data import key_text
from .catalogue import CatalogueEntry, catalogue
from .facts import Fact
from .observer import AS_SENT, DIFFERENT, ROW_ORDER, SHOWN_IN_LIST, TAKES_EFFECT, TESTED, Observer

SEQUENCE_PART = "sequence"
REPAIRS = 3


def makes_rows(observer: Observer, entry: CatalogueEntry) -> bool:
    """Whether an operation creates a row and has links to operations on it."""
    operation = observer.operation(entry)
    return bool(operation and operation.method == "POST" and operation.table and links(observer, operation))


def links(observer: Observer, operation: Operation) -> list[Link]:
    """Return the links that show, change and delete the created row, in this order."""
    order = ("GET", "PUT", "DELETE")
    linked = observer.contract.links_from(operation).values()
    return sorted((link for link in linked if link.target in observer.contract.by_id),
                  key=lambda link: order.index(observer.contract.by_id[link.target].method))


def ask_sequence(observer: Observer, entry: CatalogueEntry) -> Iterator[Fact]:
    """Create a row with the minimal body and one with every variable, and follow the life of the latter."""
    operation = observer.operation(entry)
    assert operation is not None
    try:
        yield from Sequence(observer, entry, operation).facts()
    except Unavailable as reason:
        yield Fact(entry.name, "part", SEQUENCE_PART, f"not created: {observer.plain(str(reason))}")
    finally:
        observer.fixtures.sweep()


class Sequence:
    """The steps of a sequence, each of one or two requests."""

    def __init__(self, observer: Observer, entry: CatalogueEntry, operation: Operation) -> None:
        self.observer, self.entry, self.operation = observer, entry, operation
        self.by = operation.id
        self.rows: dict[str, Mapping[str, Any]] = {}  # rows of the list, by key

    def facts(self) -> Iterator[Fact]:
        fixtures = self.observer.fixtures
        lowest, least = fixtures.minimal(self.operation), fixtures.minimal(self.operation)
        first = self.send(self.operation, least)
        yield Fact(self.entry.name, "part", SEQUENCE_PART, TESTED)
        body, made = self.everything(self.operation, first.response.fields)
        yield from self.observer.answered(self.entry, "minimal request", first, self.by, form=not made.response.ok)
        yield from self.observer.answered(self.entry, "full request", made, self.by)
        yield from self.stores(self.operation, "answer", body, made)
        row = made if made.response.ok else first
        if not isinstance(row.response.json, dict) or not row.response.ok:
            return
        again = self.observer.send(row.request)
        yield Fact(self.entry.name, "status", "repeated create", again.response.status, self.by)
        last = self.send(self.operation, lowest)  # created last, to show how the list is sorted
        yield from self.listed(row, first, made, last)
        yield from self.defaults((least, first), (lowest, last))
        for link in links(self.observer, self.operation):
            yield from self.follow(link, row, body if row is made else least)

    def send(self, operation: Operation, body: Body) -> Exchange:
        return self.observer.send(self.observer.fixtures.request(operation, body or None))

    def everything(self, operation: Operation, row: Mapping[str, Any],
                   path: str | None = None) -> tuple[Body, Exchange]:
        """Send every variable with an accepted value that is not shown yet; drop rejected ones and retry."""
        entry = catalogue()[operation.name]
        fixtures = self.observer.fixtures
        body = {**{field: value for field in entry.fields if operation.table is None or operation.table.key != field
                   for value in [self.distinct_value(entry, operation, field, row.get(field))] if value is not None},
                **fixtures.minimal(operation)}
        for _ in range(REPAIRS):
            exchange = (self.observer.send(request_for(operation.method, path, body)) if path
                        else self.send(operation, body))
            named = exchange.response.json if exchange.response.status == 422 else {}
            wrong = [field for field in body if isinstance(named, dict) and field in named]
            if not wrong:
                break
            body = {field: value for field, value in body.items() if field not in wrong}
            body |= {field: value for field, value in fixtures.minimal(operation).items() if field not in wrong}
        return body, exchange

    def distinct_value(self, entry: CatalogueEntry, operation: Operation, field: str, current: Any) -> Any:
        """Return an accepted value that the row does not have yet, so that the response shows whether it is stored."""
        if field in self.observer.fixtures.unrestorable(operation):
            return None
        fixtures = self.observer.fixtures
        values = [fixtures.value(operation, field, value) for value in self.observer.accepted(entry, field)
                  if value is not None and not isinstance(value, (list, dict))]
        different = (value for value in values if not is_same_value(operation, value, current))
        return next(different, values[0] if values else None)

    def stores(self, operation: Operation, where: str, body: Body, exchange: Exchange) -> Iterator[Fact]:
        """Yield for each sent variable whether the response shows its value."""
        row = exchange.response.json
        if not exchange.response.ok or not isinstance(row, dict):
            return
        name = operation.name
        for field, value in body.items():
            if isinstance(value, (str, int, float)):
                stored = stored_verdict(operation, field, value, row)
                yield Fact(name, "stores", f"{field} in the {where}", stored, self.by)

    def listed(self, row: Exchange, *made: Exchange) -> Iterator[Fact]:
        """Yield whether the list shows the row, with which fields, and in which order new rows are."""
        table = self.operation.table
        listing = next((entry for entry in catalogue().values() if entry.method == "GET" and entry.first.table == table
                        and "{" not in entry.path and self.operation.path.startswith(entry.path)), None)
        if listing is None or table is None or self.observer.is_absent(listing.name):
            return
        response = self.observer.send(Request("GET", listing.path)).response
        rows = [(key_text(item.get(table.key)), item) for item in response.rows]
        ours = [item for key, item in rows if key == key_text(row.response.json.get(table.key))]
        yield Fact(listing.name, "sequence", SHOWN_IN_LIST, bool(ours), self.by)
        yield from self.observer.form(listing, "read", ours, good=True, by=self.by) if ours else ()
        created = dict.fromkeys(key_text(one.response.fields.get(table.key)) for one in made if one.response.ok)
        order = [key for key, _ in rows if key in created]
        if len(order) == len(created) > 1:
            yield Fact(listing.name, "sequence", ROW_ORDER, orders_of(list(created), order), self.by)
        self.rows = dict(rows)

    def defaults(self, *made: tuple[Body, Exchange]) -> Iterator[Fact]:
        """Yield the values of columns that were not sent, if two rows have them in common."""
        rows = [self.unsent(sent, exchange.response.fields) for sent, exchange in made if exchange.response.ok]
        for name, value in rows[0].items() if len(rows) == len(made) else ():
            if all(name in row and (type(value), value) == (type(row[name]), row[name]) for row in rows):
                yield Fact(self.entry.name, "default", name, value, self.by)

    def unsent(self, sent: Body, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the other columns of a row that was created, without times and with sent values as their variables.

        Of a text that no version has as its default, the digest is returned: it may come from the box's settings.
        """
        texts = {str(value): f"{{{name}}}" for name, value in sent.items() if len(str(value)) > 2}
        key = self.operation.table.key if self.operation.table else ""
        result = {}
        for name, value in {**self.rows.get(key_text(fields.get(key)), {}), **fields}.items():
            plain = mask_volatile(name, value)
            for text, variable in texts.items() if isinstance(plain, str) else ():
                plain = plain.replace(text, variable)
            if name not in sent and not isinstance(value, (dict, list)):
                result[name] = self.public(name, self.observer.plain(plain)) if isinstance(plain, str) else plain
        return result

    def public(self, column: str, text: str) -> str:
        known = {operation.defaults.get(column) for operation in self.entry.versions.values()}
        return text if text in known | {""} else f"text {sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"

    def follow(self, link: Link, row: Exchange, sent: Body) -> Iterator[Fact]:
        """Follow a link: show, change or delete the row."""
        target = self.observer.contract.by_id[link.target]
        entry = catalogue()[target.name]
        path = linked_path(self.observer.contract, link, row.response.json)
        if path is None or self.observer.is_absent(entry.name):
            return
        try:
            yield Fact(entry.name, "part", SEQUENCE_PART, TESTED, self.by)
            if target.method == "GET":
                yield from self.shown(entry, target, path, sent)
            elif target.method == "PUT":
                yield from self.changed(entry, target, path)
            else:
                yield from self.removed(entry, path)
        except Withheld:
            yield Fact(entry.name, "part", SEQUENCE_PART, "not allowed", self.by)

    def shown(self, entry: CatalogueEntry, target: Operation, path: str, sent: Body) -> Iterator[Fact]:
        exchange = self.observer.send(Request("GET", path))
        yield from self.observer.answered(entry, "created row", exchange, self.by)
        yield from self.stores(self.operation, "row", sent, exchange) if target.table else ()

    def changed(self, entry: CatalogueEntry, target: Operation, path: str) -> Iterator[Fact]:
        """Change every variable that can be changed, then show the row."""
        before = self.observer.send(Request("GET", path))
        body, exchange = self.everything(target, before.response.fields, path)
        yield from self.observer.answered(entry, "created row", exchange, self.by)
        yield from self.stores(target, "answer", body, exchange)
        if exchange.response.ok:
            yield from self.stores(target, "row", body, self.observer.send(Request("GET", path)))

    def removed(self, entry: CatalogueEntry, path: str) -> Iterator[Fact]:
        exchange = self.observer.send(Request("DELETE", path))
        yield from self.observer.answered(entry, "created row", exchange, self.by)
        if exchange.response.ok:
            after = self.observer.send(Request("GET", path))
            yield Fact(entry.name, "sequence", TAKES_EFFECT, not after.response.ok, self.by)
            shows = self.observer.contract.operation_of(after.request)
            if shows is not None:
                name = shows.name
                yield Fact(name, "status", "deleted row", after.response.status, self.by)
            again = self.observer.send(Request("DELETE", path))
            yield Fact(entry.name, "status", "repeated delete", again.response.status, self.by)


def orders_of(created: list[str], shown: list[str]) -> list[str]:
    """Return the orders that the keys of a list agree with; keys that the server draws may agree with several."""
    by_key = sorted(created, key=lambda key: (int(key) if key.isdecimal() else 0, key))
    orders = {"by key": by_key, "by key, descending": by_key[::-1],
              "as created": created, "latest first": created[::-1]}
    return [name for name, keys in orders.items() if keys == shown] or ["another"]


def stored_verdict(operation: Operation, field: str, sent: Any, row: Mapping[str, Any]) -> str:
    """Return whether a response shows a sent value, another one, or none."""
    if field not in row:
        return "not shown"
    return AS_SENT if is_same_value(operation, sent, row[field]) else DIFFERENT

"""Sequences on a row: create, show, list, change, create again, delete. Every row that is created is removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request, request_for
from ..errors import Unavailable, Withheld
from ..fixtures.rows import Body, path_along
from ..judge.row_model import same
from ..spec.contract import Link
from ..spec.operation_data import key_text
from .catalogue import Known, catalogue
from .facts import Fact
from .observer import ABSENT_ROW, REQUESTED, Observer, get

SEQUENCE_PART = "sequence"
REPAIRS = 3


def makes_rows(observer: Observer, known: Known) -> bool:
    """Whether an operation makes a row that its links lead to."""
    operation = observer.operation(known)
    return bool(operation and operation.method == "POST" and operation.table and links(observer, operation))


def links(observer: Observer, operation: Operation) -> list[Link]:
    """Where the row can be shown, changed and removed, in this order."""
    order = ("GET", "PUT", "DELETE")
    found = observer.contract.links_from(operation).values()
    return sorted((link for link in found if link.target in observer.contract.by_id),
                  key=lambda link: order.index(observer.contract.by_id[link.target].method))


def ask_sequence(observer: Observer, known: Known) -> Iterator[Fact]:
    """A row with what it needs, one with everything, and the way of the latter."""
    operation = observer.operation(known)
    assert operation is not None
    try:
        yield from Sequence(observer, known, operation).facts()
    except Unavailable as reason:
        yield Fact(known.name, "part", SEQUENCE_PART, f"not made: {observer.plain(str(reason))}")
    finally:
        observer.fixtures.sweep()


class Sequence:
    """The steps, each one or two requests."""

    def __init__(self, observer: Observer, known: Known, operation: Operation) -> None:
        self.observer, self.known, self.operation = observer, known, operation
        self.by = operation.id

    def facts(self) -> Iterator[Fact]:
        fixtures = self.observer.fixtures
        least = fixtures.minimal(self.operation)
        first = self.send(self.operation, least)
        yield Fact(self.known.name, "part", SEQUENCE_PART, REQUESTED)
        body, made = self.everything(self.operation, shown_by(first))
        yield from self.observer.answered(self.known, "minimal", first, self.by, form=not made.response.ok)
        yield from self.observer.answered(self.known, "everything", made, self.by)
        yield from self.stores(self.operation, "answer", body, made)
        row = made if made.response.ok else first
        if not isinstance(row.response.json, dict) or not row.response.ok:
            return
        again = self.observer.send(row.request)
        yield Fact(self.known.name, "status", "made again", again.response.status, self.by)
        yield from self.listed(row)
        for link in links(self.observer, self.operation):
            yield from self.follow(link, row, body if row is made else least)

    def send(self, operation: Operation, body: Body, path: Mapping[str, Any] | None = None) -> Exchange:
        return self.observer.send(self.observer.fixtures.request(operation, body or None, dict(path or {})))

    def everything(self, operation: Operation, shown: Mapping[str, Any],
                   path: str | None = None) -> tuple[Body, Exchange]:
        """Every variable with a value that the box takes and does not show already; what still disturbs is left out."""
        known = catalogue()[f"{operation.method} {operation.path}"]
        fixtures = self.observer.fixtures
        body = {**{field: value for field in known.fields if operation.table is None or operation.table.key != field
                   for value in [self.telling(known, operation, field, shown.get(field))] if value is not None},
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

    def telling(self, known: Known, operation: Operation, field: str, shown: Any) -> Any:
        """An accepted value that is not what the row holds anyway, so that it shows whether it is stored."""
        if field in self.observer.fixtures.spared(operation):
            return None
        fixtures = self.observer.fixtures
        values = [fixtures.value(operation, field, value) for value in self.observer.accepted(known, field)
                  if value is not None and not isinstance(value, (list, dict))]
        return next((value for value in values if not same(operation, value, shown)), values[0] if values else None)

    def stores(self, operation: Operation, where: str, body: Body, exchange: Exchange) -> Iterator[Fact]:
        """Whether each variable that was sent is what is shown."""
        shown = exchange.response.json
        if not exchange.response.ok or not isinstance(shown, dict):
            return
        name = f"{operation.method} {operation.path}"
        for field, value in body.items():
            if isinstance(value, (str, int, float)):
                yield Fact(name, "stores", f"{field} in the {where}", kept(operation, field, value, shown), self.by)

    def listed(self, row: Exchange) -> Iterator[Fact]:
        """Whether the list shows the row, and in which form."""
        table = self.operation.table
        listing = next((known for known in catalogue().values() if known.method == "GET" and known.first.table == table
                        and "{" not in known.path and self.operation.path.startswith(known.path)), None)
        if listing is None or table is None or self.absent(listing):
            return
        answer = self.observer.send(get(listing.path)).response
        key = key_text(row.response.json.get(table.key))
        rows = answer.json if isinstance(answer.json, list) else []
        ours = [one for one in rows if isinstance(one, dict) and key_text(one.get(table.key)) == key]
        yield Fact(listing.name, "sequence", "shows a new row", bool(ours), self.by)
        yield from self.observer.form(listing, "read", ours, good=True, by=self.by) if ours else ()

    def absent(self, known: Known) -> bool:
        return bool(self.observer.facts.get(known.name, "reach") == ABSENT_ROW)

    def follow(self, link: Link, row: Exchange, sent: Body) -> Iterator[Fact]:
        """What a link promises, done to the row."""
        target = self.observer.contract.by_id[link.target]
        known = catalogue()[f"{target.method} {target.path}"]
        path = path_along(self.observer.contract, link, row.response.json)
        if path is None or self.absent(known):
            return
        try:
            yield Fact(known.name, "part", SEQUENCE_PART, REQUESTED, self.by)
            if target.method == "GET":
                yield from self.shown(known, target, path, sent)
            elif target.method == "PUT":
                yield from self.changed(known, target, path)
            else:
                yield from self.removed(known, path)
        except Withheld:
            yield Fact(known.name, "part", SEQUENCE_PART, "not allowed", self.by)

    def shown(self, known: Known, target: Operation, path: str, sent: Body) -> Iterator[Fact]:
        exchange = self.observer.send(get(path))
        yield from self.observer.answered(known, "own row", exchange, self.by)
        yield from self.stores(self.operation, "row", sent, exchange) if target.table else ()

    def changed(self, known: Known, target: Operation, path: str) -> Iterator[Fact]:
        """Everything that can be changed, changed; then shown."""
        before = self.observer.send(get(path))
        body, exchange = self.everything(target, shown_by(before), path)
        yield from self.observer.answered(known, "own row", exchange, self.by)
        yield from self.stores(target, "answer", body, exchange)
        if exchange.response.ok:
            yield from self.stores(target, "row", body, self.observer.send(get(path)))

    def removed(self, known: Known, path: str) -> Iterator[Fact]:
        exchange = self.observer.send(Request("DELETE", path))
        yield from self.observer.answered(known, "own row", exchange, self.by)
        if exchange.response.ok:
            after = self.observer.send(get(path))
            shows = self.observer.contract.operation_of(after.request)
            if shows is not None:
                name = f"{shows.method} {shows.path}"
                yield Fact(name, "status", "own row once removed", after.response.status, self.by)
            again = self.observer.send(Request("DELETE", path))
            yield Fact(known.name, "status", "once more", again.response.status, self.by)


def kept(operation: Operation, field: str, sent: Any, shown: Mapping[str, Any]) -> str:
    """What became of a value that was sent."""
    if field not in shown:
        return "not shown"
    return "as sent" if same(operation, sent, shown[field]) else "different"


def shown_by(exchange: Exchange) -> Mapping[str, Any]:
    return exchange.response.json if isinstance(exchange.response.json, dict) else {}

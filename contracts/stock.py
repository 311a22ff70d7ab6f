"""What requests need to succeed: keys that are free, rows that exist, bodies that pass. Judges nothing."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.bodies import request_for
from contracts.bounds import Bounds, FileOf, Live, bounds_of, placeholder, spelled
from contracts.document import Contract, Link
from contracts.files import File, content, zipped
from contracts.live import LiveTables
from contracts.messages import Exchange, Request, fill_path
from contracts.recipes import download, narrowed, recipe
from contracts.target import Target
from sarkmock import Operation, to_text

Body = dict[str, Any]
Parameters = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A row that this run made, and how to remove it."""

    operation: str
    answer: Mapping[str, Any]
    delete: str | None = None  # the path of its DELETE, where the document links to one


class Unavailable(Exception):
    """The target has no row to use, and makes none."""


class Stock:
    """Makes rows as they are needed and removes them again; every key it takes is written once."""

    def __init__(self, contract: Contract, target: Target, live: LiveTables) -> None:
        self.contract = contract
        self.target = target
        self.live = live
        self.made: list[Made] = []
        self._counters: Counter[str] = Counter()
        self._fixtures: dict[str, Made] = {}
        self._origins: dict[str, Exchange] = {}
        self._kept: set[str | None] = set()
        self._files: dict[str, bytes] = {}

    # keys, values and bodies

    def fresh(self, pattern: str) -> str:
        """The next text of a pattern that names nothing we made. Its digits are used over when they run out."""
        width = re.search(r"\{n:0([0-9])\}", pattern)
        most = 10 ** int(width[1]) - 1 if width else sys.maxsize
        taken = {str(value) for made in self.made for value in made.answer.values()}
        while True:
            self._counters[pattern] = self._counters[pattern] % most + 1
            text = pattern.format(n=self._counters[pattern])
            if text not in taken:
                return text

    def fresh_fields(self, operation: Operation) -> Body:
        """The fields whose value must be new in every request of a create operation."""
        texts = {field: self.fresh(pattern) for field, pattern in recipe("fresh", operation.id).items()
                 if field in operation.rules}
        keys = {field: self.new_key(maker) for field, maker in recipe("made", operation.id).items()}
        return {**texts, **keys}

    def new_key(self, maker: str) -> str:
        """The key of a row made for the purpose."""
        made = self.make(self.contract.by_id[maker])
        table = self.contract.by_id[maker].table
        assert table is not None, maker
        return str(made.answer[table.key])

    def bounds(self, operation: Operation, field: str) -> Bounds:
        """A field's boundary values: those of its rules, narrowed by what a check beside them asks."""
        found, own = bounds_of(operation.rules[field]), narrowed(operation, field)
        accept = [placeholder(value) for value in own["accept"]] if "accept" in own else found.accept
        return Bounds(accept, [*found.reject, *map(placeholder, own.get("reject", ()))], found.fatal)

    def value(self, operation: Operation, field: str, value: Any) -> Any:
        """A boundary value with its placeholders filled in."""
        if isinstance(value, FileOf):
            name = value.name or self.fresh(recipe("names", operation.id).get(field, "upload{n}"))
            return File(name, self.file(value.kind))
        if isinstance(value, Live):
            return self.spelling(value)
        return value

    def file(self, kind: str) -> bytes:
        """The bytes of a kind of file: made here, or by the target itself and fetched from it once."""
        how = download(kind)
        if how is None:
            return content(kind)
        if kind not in self._files:
            made = self.make(self.contract.by_id[how["made_by"]])
            links = self.contract.links_from(self.contract.by_id[how["made_by"]])
            link = next(link for link in links.values() if link.name == "download")
            fetched = self.target.get(path_along(self.contract, link, made.answer) or "").body
            self._files[kind] = zipped(kind, fetched) if how["zipped"] else fetched
        return self._files[kind]

    def spelling(self, live: Live) -> str:
        """The key of a live row, or a spelling of it that is no key."""
        keys = self.keys(live.table, live.column)
        found = spelled(keys[0], live.variant)
        return found if live.variant == 0 or found not in keys else "no such key"

    def keys(self, table: str, column: str) -> list[str]:
        """Keys of live rows of a table; makes one if there is none."""
        if not self.live.keys(table, column):
            self.make(self._maker_of(table))
        return self.live.keys(table, column)

    def _maker_of(self, table: str) -> Operation:
        for operation in self.contract.operations:
            if operation.table and operation.table.name == table and operation.method == "POST":
                return operation
        raise Unavailable(f"no operation makes a row of {table}")

    def minimal(self, operation: Operation) -> Body:
        """The least body that passes: every required field with a value that is accepted."""
        fresh = self.fresh_fields(operation)
        required = self.contract.required(operation)
        accepted = {field: self.bounds(operation, field).accept for field in required if field not in fresh}
        first = {field: self.value(operation, field, values[0]) for field, values in accepted.items() if values}
        return {**first, **fresh}

    # requests and rows

    def request(self, operation: Operation, body: Body | None = None, path: Parameters | None = None) -> Request:
        """A request of the operation; its path names a live row unless one is given."""
        parameters = {**self.path(operation, body or {}), **(path or {})} if operation.parameters else {}
        return request_for(operation.method, fill_path(operation.path, parameters), body)

    def path(self, operation: Operation, body: Body) -> Parameters:
        """Values of the path parameters: from the body, an upload, a row of ours, or as they are written down."""
        agreeing = recipe("path", operation.id)
        if agreeing:
            return {name: as_segment(body.get(field)) or self.fresh("zzpath{n}") for name, field in agreeing.items()}
        uploads = recipe("uploaded", operation.id)
        if uploads:
            return {name: self.uploaded(self.contract.by_id[source]) for name, source in uploads.items()}
        return self.fixture(operation) or self.existing(operation) or self.contract.examples(operation)

    def existing(self, operation: Operation) -> Parameters:
        """The path of a row that was there before, for reading and changing."""
        if operation.table is None or operation.key is None or operation.method == "DELETE":
            return {}
        keys = self.live.keys(operation.table.name, operation.table.key)
        return {operation.key: keys[0]} if keys else {}

    def fixture(self, operation: Operation) -> Parameters:
        """The path of a row made for tests, kept until it is gone; empty if nothing links to the operation."""
        links = [link for link in self.contract.links if link.target == operation.id]
        for link in links:
            made = self._fixture_of(link.source)
            if made is not None:
                return along(link, made)
        return {}

    def _fixture_of(self, source: str) -> Made | None:
        if source not in self._fixtures:
            before = len(self.made)
            try:
                self._fixtures[source] = self.make(self.contract.by_id[source])
            except Unavailable:
                return None
            self._kept |= {made.delete for made in self.made[before:]}  # with the rows that it needs
        return self._fixtures[source]

    def uploaded(self, operation: Operation) -> str:
        """The name of a file that is there because it was just uploaded."""
        body = self.minimal(operation)
        self.target.send(self.request(operation, body))
        return next(value.name for value in body.values() if isinstance(value, File))

    def make(self, operation: Operation, body: Body | None = None) -> Made:
        """Send a create operation; Unavailable if it does not succeed."""
        body = self.minimal(operation) if body is None else body
        exchange = self.target.send(self.request(operation, body or None))
        made = self.made_by(operation, exchange)
        if made is None:
            raise Unavailable(f"{operation.id} answers {exchange.response.status}")
        return made

    def made_by(self, operation: Operation, exchange: Exchange) -> Made | None:
        """The row that a successful exchange made, as the document's links see it."""
        answer = exchange.response.json
        if not exchange.response.ok or not isinstance(answer, dict):
            return None
        links = self.contract.links_from(operation)
        delete = next((path_along(self.contract, link, answer) for link in links.values()
                       if self.contract.by_id[link.target].method == "DELETE"), None)
        return Made(operation.id, answer, delete)

    # housekeeping

    def saw(self, operation: Operation, exchange: Exchange) -> None:
        """Keep account of an exchange, whoever sent it: what it made, and what is no longer there."""
        if operation.method == "DELETE" and exchange.response.ok:
            self._forget(exchange.request.path)
        elif operation.method == "POST" or operation.hazard == "operational":
            made = self.made_by(operation, exchange)
            if made is not None:
                self.made += [made] if made.delete else []
                links = self.contract.links_from(operation).values()
                self._origins |= {str(path_along(self.contract, link, made.answer)): exchange for link in links}

    def origin(self, path: str) -> Exchange | None:
        """The exchange that made the row at a path, if this run did."""
        return self._origins.get(path)

    def _forget(self, path: str) -> None:
        self.made = [made for made in self.made if made.delete != path]
        self._fixtures = {source: made for source, made in self._fixtures.items() if made.delete != path}

    def sweep(self, keep_fixtures: bool = True) -> None:
        """Delete what was made, newest first; fixtures stay for the next test unless the run is over."""
        kept = self._kept if keep_fixtures else set()
        for made in reversed(self.made):
            if made.delete and made.delete not in kept:
                self.target.send(Request("DELETE", made.delete))
        self.made = [made for made in self.made if made.delete in kept]

    def reset(self) -> None:
        """Nothing is known any more: the state of the target was replaced."""
        self._fixtures.clear()
        self.made.clear()


def as_segment(value: Any) -> str | None:
    """A value as one segment of a path, if it is such that no server reads it otherwise."""
    text = str(value).strip() if isinstance(value, (str, int)) else ""
    return text if text.replace("-", "").replace("_", "").isalnum() else None


def along(link: Link, made: Made) -> Parameters:
    """The path parameters of a link's target."""
    return {name: to_text(made.answer[field]) for name, field in link.parameters.items()}


def path_along(contract: Contract, link: Link, answer: Mapping[str, Any]) -> str | None:
    """The path of a link's target; None if the answer lacks a field it needs."""
    if any(answer.get(field) is None for field in link.parameters.values()):
        return None
    parameters = {name: to_text(answer[field]) for name, field in link.parameters.items()}
    return fill_path(contract.by_id[link.target].path, parameters)

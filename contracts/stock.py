"""What requests need to succeed: keys that are free, rows that exist, bodies that pass. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from contracts.bodies import request_for
from contracts.bounds import Bounds, FileOf, Live, bounds_of, placeholder, spelled
from contracts.document import Contract, Link
from contracts.files import File, content, zipped
from contracts.keys import Keys
from contracts.live import LiveTables
from contracts.messages import Exchange, Request, fill_path
from contracts.recipes import download, narrowed, recipe
from contracts.target import Target, Withheld
from sarkmock import Operation, read_input, to_text

TRIES = 10_000  # no range is longer
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
        self.texts = Keys()
        self.spared: Callable[[Operation], frozenset[str]] = lambda _: frozenset()
        self.made: list[Made] = []
        self._counters: Counter[str] = Counter()
        self._fixtures: dict[str, Made] = {}
        self._kept: set[str | None] = set()
        self._files: dict[str, bytes] = {}

    # keys, values and bodies

    def fresh(self, pattern: str) -> str:
        """The next text of a pattern."""
        for _ in range(TRIES):
            self._counters[pattern] += 1
            text = self.texts.text(pattern, self._counters[pattern])
            if self.texts.is_free(text):
                return text
        raise Unavailable(f"every key like {pattern} is taken")

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

    def fields(self, operation: Operation) -> list[str]:
        """The fields that may be tried: all but those whose value at a box could not be put back."""
        spared = self.spared(operation)
        return [field for field in operation.rules if field not in spared]

    def bounds(self, operation: Operation, field: str) -> Bounds:
        """A field's boundary values: those of its rules, narrowed by what a check beside them asks."""
        found, own = bounds_of(operation.rules[field]), narrowed(operation, field)
        accept = [placeholder(value) for value in own["accept"]] if "accept" in own else found.accept
        return replace(found, accept=accept, reject=[*found.reject, *map(placeholder, own.get("reject", ()))])

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
        return (self.fixture(operation) or self.written_down(operation) or self.existing(operation)
                or self.standing(operation) or self.contract.examples(operation))

    def existing(self, operation: Operation) -> Parameters:
        """The path of a row that was there before, for reading and changing."""
        if operation.table is None or operation.key is None or operation.method == "DELETE":
            return {}
        keys = self.live.keys(operation.table.name, operation.table.key)
        return {operation.key: keys[0]} if keys else {}

    def written_down(self, operation: Operation) -> Parameters:
        """What operations.yaml says of the path; texts of the run's own carry its prefix."""
        return {name: self.texts.text(value, 1) for name, value in recipe("parameters", operation.id).items()}

    def standing(self, operation: Operation) -> Parameters:
        """The path of a row or file that is there already: to be read, where none may be made."""
        parent = operation.path.partition("/{")[0]
        if operation.method != "GET" or len(operation.parameters) != 1 or not self._lists(parent):
            return {}
        shown = self.target.get(parent).json
        key = operation.table.key if operation.table else ""
        rows = [row.get(key) if isinstance(row, dict) else row for row in shown or ()]
        plain = [str(row) for row in rows if as_segment(str(row).replace(".", ""))]
        return {operation.parameters[0]: plain[0]} if plain else {}

    def _lists(self, path: str) -> bool:
        return any(operation.path == path and operation.method == "GET" and operation.hazard == "read"
                   for operation in self.contract.operations)

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

    def keep(self, operation: Operation, exchange: Exchange) -> None:
        """Let a row that was made serve as the fixture of its operation, with the rows that it needs."""
        made = self.made_by(operation, exchange)
        if made is not None and made.delete is not None and operation.id not in self._fixtures:
            self._fixtures[operation.id] = made
            self._kept |= {other.delete for other in self.made}

    def uploaded(self, operation: Operation) -> str:
        """The name of a file that is there because it was just uploaded."""
        body = self.minimal(operation)
        self.target.send(self.request(operation, body))
        return next(value.name for value in body.values() if isinstance(value, File))

    def make(self, operation: Operation, body: Body | None = None) -> Made:
        """Send a create operation; Unavailable if it does not succeed."""
        try:
            return self._make(operation, body)
        except Withheld as reason:
            raise Unavailable(str(reason)) from None

    def _make(self, operation: Operation, body: Body | None) -> Made:
        body = self.minimal(operation) if body is None else body
        exchange = self.target.send(self.request(operation, body or None))
        if exchange.response.status == 422 and isinstance(exchange.response.json, dict):
            body = {**self.minimal(operation), **self.otherwise(operation, exchange.response.json)}
            exchange = self.target.send(self.request(operation, body))
        made = self.made_by(operation, exchange)
        if made is None:
            raise Unavailable(f"{operation.id} answers {exchange.response.status}")
        return made

    def otherwise(self, operation: Operation, refused: Mapping[str, Any]) -> Body:
        """Another value for required fields that a box refuses: one deviation shall not hide what comes after it."""
        required = [name for name in self.contract.required(operation) if name in refused]
        return {name: self.value(operation, name, self.bounds(operation, name).accept[-1]) for name in required
                if name not in recipe("fresh", operation.id)}

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
            self.forget(exchange.request.path)
        elif operation.hazard == "disruptive" and operation.method == "PUT" and restores(exchange):
            self._fixtures.clear()  # an earlier state came back, in which they may not have been there
        elif operation.method == "POST" or operation.hazard == "operational":
            made = self.made_by(operation, exchange)
            if made is not None and made.delete is not None:
                self.made.append(made)

    def forget(self, path: str) -> None:
        """The row with that path for DELETE is gone."""
        self.made = [made for made in self.made if made.delete != path]
        self._fixtures = {source: made for source, made in self._fixtures.items() if made.delete != path}

    def there(self) -> tuple[list[Made], dict[str, Made]]:
        """What is there now, for `came_back`."""
        return list(self.made), dict(self._fixtures)

    def came_back(self, there: tuple[list[Made], dict[str, Made]]) -> None:
        """A restore has brought back what was there at a moment: it is to be removed again, and serves again."""
        rows, fixtures = there
        self.made += [made for made in rows if made not in self.made]
        self._fixtures = dict(fixtures)

    def sweep(self, keep_fixtures: bool = True) -> None:
        """Delete what was made, newest first; fixtures stay for the next test unless the run is over."""
        kept = self._kept if keep_fixtures else set()
        for made in reversed(self.made):
            if made.delete and made.delete not in kept:
                with suppress(Withheld):
                    self.target.send(Request("DELETE", made.delete))
        self.made = [made for made in self.made if made.delete in kept]

    def reset(self) -> None:
        """Nothing is known any more: the state of the target was replaced."""
        self._fixtures.clear()
        self.made.clear()


def restores(exchange: Exchange) -> bool:
    """Whether a restore brought something back: all, or what one of its flags chose."""
    request = exchange.request
    sent, _ = read_input(request.method, request.content_type, request.query, request.body)
    return exchange.response.ok and (not sent or any(value in (True, "1") for value in sent.values()))


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

"""What a run knows of its target's state: that of a mock which repeats every exchange and is corrected by what
the target shows. Judges nothing.

So any document can be asked what its box would have answered to a request of the run, at that moment.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from sarkmock.suite_api import (
    Document,
    Engine,
    MethodNotAllowed,
    Operation,
    PageNotFound,
    PbxFile,
    State,
    Table,
    api_application,
    pbx_files,
)

from ..client.http import Exchange, Request, Response, header
from ..client.transports import InProcess, embedded_mock
from ..spec.contract import Contract
from .agreement import is_same
from .findings import FINDING_TYPES
from .oracle import Problem, conformance_problems

FILE_LISTS = {"/backups": pbx_files.BACKUPS, "/snapshots": pbx_files.SNAPSHOTS, "/greetings": pbx_files.GREETINGS}
REMEMBERED_EXCHANGES = 256  # exchanges that can still be asked about
TableRow = dict[str, Any]


@dataclass(frozen=True)
class Moment:
    """All that a mock holds, to come back to."""

    tables: bytes
    files: Mapping[str, Any]
    memory: Mapping[str, Any]


@dataclass(frozen=True)
class Remembered:
    """An exchange, what a mock held before it, and what models would have answered."""

    exchange: Exchange  # kept, so that no other has its identity
    before: Moment
    expected: Response  # by the leader
    answers: WeakKeyDictionary[Model, dict[Sequence[str], Response]] = field(default_factory=WeakKeyDictionary)


class Model:
    """A document that may be the target's: its contract, and a mock of it over a state that it shares with others.

    Without a state it gets a factory-fresh one. If that one has another database, what both databases have is copied.
    """

    def __init__(self, document: Document, state: State | None = None) -> None:
        shared = state if state is not None and state.tables.name == document["x-database"] else None
        engine = Engine(document, shared)
        self.contract = Contract(document, engine.operations)
        self.state, self.shares = engine.state, shared is not None
        self._held = b"", b""  # the tables of the other database, and what became of them in this one
        self._mock = embedded_mock(engine)
        self._admits = engine.state.token is not None or not any(operation.guard for operation in engine.operations)

    @cached_property
    def _open(self) -> InProcess:
        """A mock of the document without tokens."""
        return InProcess(api_application(Engine({**self.contract.document, "security": []}, self.state)))

    def answer(self, request: Request) -> Response:
        """What the mock answers; it may change the state.

        If the document wants a token and the state has none, the client has one, unless the request is about tokens.
        """
        is_let_in = self._admits or header(request.headers, "Authorization") is not None
        return (self._mock if is_let_in else self._open).send(request)

    def hold(self, moment: Moment) -> None:
        """Copy a moment of a state with another database."""
        if self._held[0] == moment.tables:
            self.state.tables.restore(self._held[1])
        else:
            self.state.tables.load(moment.tables)
            self._held = moment.tables, self.state.tables.dump()
        self.state.files = dict(moment.files)
        self.state.restore_memory(moment.memory)

    def answer_without(self, tables: Iterable[str], request: Request) -> Response:
        """What it answers if these tables have no rows, and the list of vendors has none either."""
        for table in tables:
            self.state.files[pbx_files.MAC_VENDORS] = PbxFile(b"", 0.0)
            if self.state.tables.has(table):
                self.state.tables.remove(table, {})
        return self.answer(request)

    def operation(self, request: Request) -> Operation | None:
        """The operation that a request means, if it means one."""
        try:
            return self.contract.router.find(request.method, request.path)[0]
        except (PageNotFound, MethodNotAllowed):
            return None

    def allows(self, problem: Problem, exchange: Exchange) -> bool:
        """Whether the document has nothing to say against the answer, as far as the problem goes.

        A status that it does not have, and yet gives, is a crash that its rules foretell.
        """
        operation = self.operation(exchange.request)
        of_response = problem.check in FINDING_TYPES and "response" in FINDING_TYPES[problem.check].places
        if operation is None or not of_response or operation.method != exchange.request.method:
            return True
        found = [other for other in conformance_problems(self.contract, operation, exchange) if other.check != "status"]
        if problem.check == "header":
            return problem.check not in {other.check for other in found}
        return not any(problem.check != "schema" or other.field == problem.field for other in found)


class Replica:
    """The state, and the moments before the last exchanges. ``leader`` is the document by which the state moves."""

    def __init__(self, leader: Document) -> None:
        self.leader = Model(leader)
        self.state = self.leader.state
        self._moments: OrderedDict[int, Remembered] = OrderedDict()
        self._image, self._marks = b"", (-1, False)  # the tables as they were last looked at, and their marks then

    def model(self, document: Document) -> Model:
        """Another document over the same state."""
        return Model(document, self.state)

    def observe(self, exchange: Exchange) -> bool:
        """Live through an exchange; False if the leader would have answered differently."""
        before = self._now()
        expected = self.leader.answer(exchange.request)
        self._moments[id(exchange.response)] = Remembered(exchange, before, expected)
        if len(self._moments) > REMEMBERED_EXCHANGES:
            self._moments.popitem(last=False)
        if (expected.status, expected.body) != (exchange.response.status, exchange.response.body):
            self._correct(exchange, expected, before)
        return is_same(exchange.response, expected)

    def answer(self, model: Model, exchange: Exchange, without: Iterable[str] = ()) -> Response:
        """What a model would have answered in the target's place, and if some tables had no rows.

        What is too long ago is asked as of now.
        """
        remembered, lacking = self._moments.get(id(exchange.response)), tuple(without)
        if remembered is None:
            return self._answer(model, self._now(), exchange.request, lacking)
        if model is self.leader and not lacking:
            return remembered.expected
        known = remembered.answers.setdefault(model, {})
        if lacking not in known:
            known[lacking] = self._answer(model, remembered.before, exchange.request, lacking)
        return known[lacking]

    def answers(self, model: Model, exchanges: Sequence[Exchange], alone: bool = False) -> list[Response]:
        """What a model would have answered to exchanges if everything since the first of them had been sent to it, or
        nothing else."""
        wanted = [id(exchange.response) for exchange in exchanges]
        if not self._moments.keys() >= set(wanted):
            return [self.answer(model, exchange) for exchange in exchanges]
        since = list(self._moments)[list(self._moments).index(wanted[0]):]
        lived = {key: self._moments[key] for key in (wanted if alone else since[:since.index(wanted[-1]) + 1])}
        with self._at(model, lived[wanted[0]].before):
            answered = {key: model.answer(remembered.exchange.request) for key, remembered in lived.items()}
        return [answered[key] for key in wanted]

    def _answer(self, model: Model, moment: Moment, request: Request, without: Sequence[str]) -> Response:
        with self._at(model, moment):
            return model.answer_without(without, request)

    @contextmanager
    def _at(self, model: Model, moment: Moment) -> Iterator[None]:
        """While a model is asked as of a moment."""
        if not model.shares and model is not self.leader:
            model.hold(moment)
            yield
            return
        now = self._now()
        self._go(moment)
        try:
            yield
        finally:
            self._go(now)

    def remembers(self, exchange: Exchange) -> bool:
        """Whether it can still be asked about."""
        return id(exchange.response) in self._moments

    def predict(self, request: Request) -> Response:
        """What the leader would answer now."""
        now = self._now()
        try:
            return self.leader.answer(request)
        finally:
            self._go(now)

    def _now(self) -> Moment:
        if self._marks != self.state.tables.revision:  # most requests change no table
            self._image, self._marks = self.state.tables.dump(), self.state.tables.revision
        return Moment(self._image, dict(self.state.files), self.state.memory())

    def _go(self, moment: Moment) -> None:
        if moment.tables is not self._image or self._marks != self.state.tables.revision:
            self.state.tables.restore(moment.tables)
            self._image, self._marks = moment.tables, self.state.tables.revision
        self.state.files = dict(moment.files)
        self.state.restore_memory(moment.memory)

    # what the target shows is so

    def _correct(self, exchange: Exchange, expected: Response, before: Moment) -> None:
        answer = exchange.response
        if answer.ok != expected.ok:
            self._go(before)  # what was not done has no effect
        if answer.ok and isinstance(answer.json, dict) and isinstance(expected.json, dict):
            self._rename_files(expected.json, answer.json)
        operation = self.leader.operation(exchange.request)
        if operation is not None and operation.path in FILE_LISTS and answer.ok and operation.method == "GET":
            self._take_files(FILE_LISTS[operation.path], answer.json, expected.json)
        if operation is not None and operation.table is not None and answer.ok:
            with suppress(sqlite3.Error, OverflowError):
                self._take(operation, operation.table, exchange, expected)

    def _rename_files(self, expected: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
        """Names that hold the time of day are the target's."""
        for name, value in expected.items():
            given = shown.get(name)
            if isinstance(value, str) and isinstance(given, str) and value and value != given:
                self.state.files = {path.removesuffix(value) + given if path.endswith("/" + value) else path: file
                                    for path, file in self.state.files.items()}

    def _take_files(self, directory: str, shown: Any, expected: Any) -> None:
        """The files that a list names are there, and those that it does not name are not."""
        if not (isinstance(shown, list) and isinstance(expected, list)):
            return
        for name in expected:
            if name not in shown:
                self.state.files.pop(f"{directory}/{name}", None)
        for name in shown:
            if isinstance(name, str) and name not in expected:
                self.state.files[f"{directory}/{name}"] = PbxFile(b"", self.state.clock.now())

    def _take(self, operation: Operation, table: Table, exchange: Exchange, expected: Response) -> None:
        shown = exchange.response.json
        if operation.method == "DELETE":
            self.state.tables.delete(table.name, table.key, unquote(exchange.request.path.rpartition("/")[2]))
        elif isinstance(shown, list) and operation.action == "index":
            self._take_list(table, [row for row in shown if isinstance(row, dict)])
        elif isinstance(shown, dict) and shown.get(table.key) is not None:
            made = expected.json.get(table.key) if isinstance(expected.json, dict) and expected.ok else None
            self._take_row(table, shown, made if operation.method == "POST" and made is not None else shown[table.key])

    def _take_list(self, table: Table, rows: list[TableRow]) -> None:
        """The rows of the list are all there are; of hidden columns it says no more than that they belong to it."""
        belonging = {name: values[0] for name, values in table.where.items()}
        held = {row[table.key]: row for row in self.state.tables.rows(table.name, table.where)}
        self.state.tables.remove(table.name, table.where)
        for row in rows:
            with suppress(sqlite3.Error):
                kept = held.get(row.get(table.key), belonging)
                self.state.tables.insert(table.name, {**kept, **self._columns(table, row)})

    def _take_row(self, table: Table, row: TableRow, key: Any) -> None:
        """A row as it is shown; ``key`` is what the mock had called it."""
        shown = self._columns(table, row)
        if not self.state.tables.update(table.name, table.key, key, shown):
            self.state.tables.insert(table.name, shown)

    def _columns(self, table: Table, row: TableRow) -> TableRow:
        known = self.state.tables.columns(table.name)
        return {name: value for name, value in row.items() if name in known and not isinstance(value, (list, dict))}

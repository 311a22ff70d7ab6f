"""The documents that a target may follow, each as a model: the profiles, and documents with or without a deviation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sarkmock.suite_api import (
    Deviation,
    Document,
    Engine,
    MethodNotAllowed,
    Operation,
    PageNotFound,
    PbxFile,
    State,
    api_application,
    load,
    load_toggled,
    load_with_deviation,
    pbx_files,
)

from ..client.http import VALID_TOKEN, Exchange, Request, Response, header
from ..client.transports import InProcess, embedded_mock
from ..spec.contract import Contract
from .findings import ABSENT, FINDING_TYPES
from .oracle import Problem, conformance_problems

MODELS = 256  # compiled documents kept, about 0.2 MB each


@dataclass(frozen=True)
class Moment:
    """The complete state of a mock, to be restored later."""

    tables: bytes
    files: Mapping[str, Any]
    memory: Mapping[str, Any]


class Model:
    """A document that the target may follow: its contract, and a mock of it that shares its state with other models.

    Without a state it gets a factory-fresh one. If the document uses another database, the model has its own state,
    into which the data that both databases have is copied.
    """

    def __init__(self, document: Document, state: State | None = None) -> None:
        shared = state if state is not None and state.tables.name == document["x-database"] else None
        engine = Engine(document, shared)
        self.contract = Contract(document, engine.operations)
        self.state, self.shares = engine.state, shared is not None
        self._held = b"", b""  # the tables of the other database, and the resulting tables of this one
        self._mock = embedded_mock(engine)
        self._admits = engine.state.token is not None or not any(operation.guard for operation in engine.operations)

    @cached_property
    def _open(self) -> InProcess:
        """A mock of the document without authentication."""
        return InProcess(api_application(Engine({**self.contract.document, "security": []}, self.state)))

    def answer(self, request: Request) -> Response:
        """Return the mock's response. The request may change the state.

        If the document requires a token and the state has none, requests without their own token need none.
        """
        if VALID_TOKEN in request.headers:
            request = replace(request, headers=tuple(pair for pair in request.headers if pair != VALID_TOKEN))
        is_let_in = self._admits or header(request.headers, "Authorization") is not None
        return (self._mock if is_let_in else self._open).send(request)

    def hold(self, moment: Moment) -> None:
        """Copy a moment from a state with another database."""
        if self._held[0] == moment.tables:
            self.state.tables.restore(self._held[1])
        else:
            self.state.tables.load(moment.tables)
            self._held = moment.tables, self.state.tables.dump()
        self.state.files = dict(moment.files)
        self.state.restore_memory(moment.memory)

    def answer_without(self, tables: Iterable[str], request: Request) -> Response:
        """Return the response if these tables, and the list of phone vendors, were empty."""
        for table in tables:
            self.state.files[pbx_files.MAC_VENDORS] = PbxFile(b"", 0.0)
            if self.state.tables.has(table):
                self.state.tables.remove(table, {})
        return self.answer(request)

    def recreate(self, exchange: Exchange) -> None:
        """Replace the row that an exchange created by the row that the model creates, if it has the same key."""
        operation, tables = self.operation(exchange.request), self.state.tables
        table = operation.table if operation is not None and operation.method == "POST" else None
        key = exchange.response.fields.get(table.key) if table is not None else None
        if table is None or key is None:
            return
        held = tables.rows(table.name, {table.key: key})
        tables.delete(table.name, table.key, key)
        if self.answer(exchange.request).fields.get(table.key) != key:
            for row in held:
                tables.insert(table.name, row)

    def operation(self, request: Request) -> Operation | None:
        """Return the operation of a request; None if there is none."""
        return self.contract.router.operation(request.method, request.path)

    def operations_beyond(self, other: Contract, request: Request) -> Iterator[Operation]:
        """Yield the operations that this document has for a request, or for its OPTIONS, and another has not."""
        methods = [request.method]
        with suppress(PageNotFound, MethodNotAllowed):
            if request.method == "OPTIONS":
                theirs = other.router.allowed(request.path)
                methods = [name for name in self.contract.router.allowed(request.path) if name not in theirs]
            yield from (self.contract.router.find(method, request.path)[0] for method in methods)

    def allows(self, problem: Problem, exchange: Exchange) -> bool:
        """Whether the document allows the response, in the aspects that the problem concerns.

        An undocumented status is allowed here: if the mock gives it, it is a crash that the rules predict.
        """
        operation = self.operation(exchange.request)
        of_response = problem.check in FINDING_TYPES and "response" in FINDING_TYPES[problem.check].places
        if operation is None or not of_response or operation.method != exchange.request.method:
            return True
        shown = [problem for problem in conformance_problems(self.contract, operation, exchange)
                 if problem.check != "status"]
        if problem.check == "header":
            return all(another.check != problem.check for another in shown)
        return not any(problem.check != "schema" or another.field == problem.field for another in shown)


class Models:
    """Models that share the state of ``leader``, the model of the target's version; compiled when they are needed."""

    def __init__(self, leader: Model, version: str, profile: str, judging: Document) -> None:
        self._leader, self._version = leader, version
        self._profile, self._judging = profile, judging  # the judging profile may come from a file
        self._kept: dict[str, Model] = {}

    def profile(self, name: str) -> Model:
        if name == self._version:
            return self._leader
        return self._model(f"profile {name}", self._judging if name == self._profile else load(name))

    def toggled(self, name: str, *deviations: str) -> Model:
        """Return the model of a profile with all its deviations except these, given by id."""
        return self._model(f"{name} without {' '.join(deviations)}", load_toggled(name, *deviations))

    def having(self, deviation: Deviation) -> Model:
        return self._model(*documents(deviation)[1])

    def lacking(self, deviation: Deviation) -> Model:
        return self._model(*documents(deviation)[0])

    def _model(self, name: str, document: Document) -> Model:
        self._kept[name] = model = self._kept.pop(name, None) or Model(document, self._leader.state)
        if len(self._kept) > MODELS:
            del self._kept[next(iter(self._kept))]
        return model


def documents(deviation: Deviation) -> tuple[tuple[str, Document], tuple[str, Document]]:
    """Return the document without a deviation and the one with it, each with its name."""
    named = [(f"{deviation.id} {number}", document)
             for number, document in enumerate(load_with_deviation(deviation.id))]
    first, second = reversed(named) if deviation.summary.startswith(ABSENT) else named
    return first, second

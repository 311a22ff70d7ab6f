"""A run that sends no requests: the judge of `check` judges the exchanges of clients, with the same reports.

As a proxy cannot read the tables, rules that query them (`exists`, `unique`) are judged by the rows that the response
itself implies.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from sarkmock.suite_api import BASE, JSON, WEB_SERVERS, Operation, PhpError, Seed, State, load

from ..checks.authentication import answer_text
from ..client.http import (
    ACCEPT,
    NO_TOKEN,
    SAFE_METHODS,
    VALID_TOKEN,
    Exchange,
    Request,
    Response,
    fill_path,
    header,
)
from ..client.rate_limit import is_away
from ..client.target import Client
from ..client.transports import Silent
from ..errors import NotSent
from ..judge.row_model import BlamedProblem
from ..judge.verdicts import Accepted, Classified, Outcome, classify, today
from ..run import Run
from ..run_options import RunOptions
from ..safety.fingerprint import Fingerprint
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables, Rows
from .guard import methods_of
from .problems import ClientRows, invalid_token, single_problems

PENDING = 120.0  # seconds in which a box may still carry out a request that it did not answer
MOST_NOTED = 10_000  # rows that the attribution learned from requests


class ImpliedRow(NamedTuple):
    """A row that must exist: a table, a column and its value."""

    table: str
    column: str
    value: str


class ImpliedTables(LiveTables):
    """The rows that the current exchange implies, in tables with all their columns."""

    can_fetch = False

    def __init__(self, contract: Contract, client: Client) -> None:
        super().__init__(contract, client)
        self._layout = State(Seed.factory(contract.document["x-database"])).tables
        self.supposed: set[ImpliedRow] = set()

    def columns(self, table: str) -> list[str]:
        return list(self._layout.columns(table))

    def rows(self, table: str) -> Rows:
        empty = dict.fromkeys(self._layout.columns(table), "")
        return [{**empty, row.column: row.value} for row in self.supposed if row.table == table]


class _Everything:
    """Tables in which every row exists, or none. They record the queries."""

    def __init__(self, live: ImpliedTables, there: bool) -> None:
        self._there, self.columns = there, live.columns
        self.queried: set[ImpliedRow] = set()

    def rows(self, table: str) -> Rows:
        """Return one row or none. Rules use this to test whether there are rows, and whether a column is null."""
        columns = self.columns(table)
        self.queried.add(ImpliedRow(table, columns[0], ""))
        return [dict.fromkeys(columns, "")] if self._there else []

    def count(self, table: str, column: str, value: Any) -> int:
        self.queried.add(ImpliedRow(table, column, str(value)))
        return int(self._there)


def _supposed_by(operation: Operation, name: str, value: Any, rejection: Any, live: ImpliedTables) -> set[ImpliedRow]:
    received = {str(message) for message in (rejection if isinstance(rejection, list) else [rejection])}
    tables = {there: _Everything(live, there) for there in (True, False)}
    try:
        messages = {there: set(operation.validator.errors({name: value}, tables[there]).get(name, ()))
                    for there in tables}
    except PhpError:
        return set()
    if_there, if_missing = messages[True] - messages[False], messages[False] - messages[True]
    there = bool(received & if_there) if if_there else not received & if_missing
    return tables[True].queried if there else set()


UNSEEN = "only the requests of clients are judged"


class WatchedRun(Run):
    """Judges passing exchanges. ``skipped`` counts those that cannot be judged as responses of the API."""

    listens = True

    def __init__(self, options: RunOptions, base: str, accepted: Accepted, exclusive: bool = False) -> None:
        silent = Silent(str(options.url), base, NotSent("a proxy sends no requests"))
        super().__init__(Contract(load(options.profile)), silent, options, accepted=accepted)
        if options.target_profile:
            self.identify(Fingerprint(options.target_profile))
        self.skipped = 0
        self._before_php = WEB_SERVERS[self.contract.document["x-web-server"]]
        self._noted: set[ImpliedRow] = set()
        self._shows = dict(self._rows_shown())
        self._rows_of_clients = ClientRows(self.contract) if exclusive else None
        self._unsure_until = 0.0

    def tables(self) -> ImpliedTables:
        return ImpliedTables(self.contract, self)

    @property
    def _compares(self) -> bool:
        """Whether the responses of mocks are needed, to attribute findings to deviations."""
        return bool(self.judge.lists.known) or self.options.profile != BASE

    def _rows_shown(self) -> Iterator[tuple[str, Operation]]:
        """Yield each table with the operation that shows one of its rows, in the version of the upstream."""
        contract = self.judge.attribution.replica.leader.contract if self._compares else self.contract
        for operation in contract.operations:
            if operation.table and operation.key and operation.method == "GET" and operation.action == "show":
                yield operation.table.name, operation

    def judge_exchange(self, exchange: Exchange, seconds: float, alone: bool = True) -> list[Classified]:
        """Judge an exchange; return the findings that are new. ``alone``: no write was in progress at the same time."""
        self.target.requests += 1
        if self.cassette is not None:
            self.cassette.add(self.target.url, exchange.request, exchange.response, seconds)
        if (is_not_comparable(exchange) or self._hides(exchange)
                or self._before_php(exchange.request.method, self.target.transport.base + exchange.request.path)):
            self.skipped += 1
            self.miss(exchange.request)
            return []
        known = self._with_known_token(exchange)
        self._suppose(known)
        with self.findings.fresh() as fresh:
            self.judge.observe(known)
            self.judge.judge(known)
            self.judge.samples.clear()  # only checks that send requests use them
            for operation, problem in single_problems(self, exchange):
                self.report(operation, problem, known)
            for blamed, problem, evidence in self._compare(known, alone):
                self.report(blamed.id, problem, *evidence)
        return [classify(finding, self.judge.lists, today()) for finding in fresh]

    def miss(self, request: Request, pending: bool = False) -> None:
        """Record that an exchange is not compared with others. ``pending``: the box may carry out the request later."""
        if request.method not in SAFE_METHODS:
            self.forget_rows()
            self._unsure_until = time.monotonic() + PENDING if pending else self._unsure_until

    def forget_rows(self) -> None:
        """Compare no response with earlier exchanges, because it is unknown what has changed."""
        if self._rows_of_clients is not None:
            self._rows_of_clients.forget()

    def _compare(self, exchange: Exchange, alone: bool) -> Iterable[BlamedProblem]:
        """Return where an exchange contradicts earlier ones, if no other client writes and their order is known."""
        operation = self.contract.operation_of(exchange.request)
        admitted = operation is None or not operation.guard or VALID_TOKEN in exchange.request.headers
        if self._rows_of_clients is not None and alone and admitted and time.monotonic() > self._unsure_until:
            return self._rows_of_clients.observe(exchange)
        self.miss(exchange.request)
        return ()

    def get(self, path: str) -> Response:
        """Report a stopped PBX, the only thing that the judge reads, without a request: the proxy sends none."""
        return response_of({"pbxrunstate": False})

    def _hides(self, exchange: Exchange) -> bool:
        """Whether a response may be due to a token without abilities, for which the operation does not exist."""
        operation = self.contract.operation_of(exchange.request)
        if operation is None or not operation.abilities:
            return False
        fallback = self.contract.document["x-laravel"]["fallback"]
        body = exchange.response.json
        return exchange.response.status == 405 or (exchange.response.status == 404 and body == fallback)

    def _with_known_token(self, exchange: Exchange) -> Exchange:
        """Replace a token that the box accepts, which no mock knows; mark a request without one."""
        request, mock = exchange.request, self.judge.attribution.replica.leader
        operation = mock.contract.operation_of(request)
        if operation is not None and not operation.guard:
            return exchange
        others = tuple(pair for pair in request.headers if pair[0].lower() != "authorization")
        if header(request.headers, "Authorization") in (None, ""):
            return Exchange(replace(request, headers=(*others, NO_TOKEN) if operation else others), exchange.response)
        if invalid_token(request):
            return exchange
        if operation and answer_text(Exchange(request, mock.answer(request))) == answer_text(exchange):
            return exchange  # the box does not accept it either
        return Exchange(replace(request, headers=(*others, VALID_TOKEN)), exchange.response)

    def _suppose(self, exchange: Exchange) -> None:
        """Assume the rows that the response implies, also in the mocks of known versions."""
        operation = self.contract.operation_of(exchange.request)
        if operation is None:
            return
        assert isinstance(self.live, ImpliedTables)
        sent, rejected = exchange.request.variables, exchange.response.rejected
        supposed: set[ImpliedRow] = set()
        for name in self.contract.asking(operation) & sent.keys():
            supposed |= _supposed_by(operation, name, sent[name], rejected.get(name), self.live)
        self.live.supposed = supposed
        addressed = row_in_path(self.contract, operation, exchange)
        gone = exchange.response.status == 404
        if self._compares:
            for row in addressed if gone else {*self.live.supposed, *addressed} - self._noted:
                self._note(row, gone)
        if exchange.request.method == "DELETE" or gone or len(self._noted) > MOST_NOTED:
            self._noted.clear()
        if self.options.profile != self.version() and exchange.request.method == "GET" and exchange.response.ok:
            self.judge.attribution.observe(exchange)  # rows of others, before they are predicted

    def _note(self, row: ImpliedRow, gone: bool) -> None:
        """Pass a row, or its deletion, to the attribution, as if a response had shown it."""
        show = self._shows.get(row.table)
        if show is None or show.table is None or row.column != show.table.key:
            return
        self._noted.add(row)
        path = fill_path(show.path, dict.fromkeys(show.parameters, row.value))
        shown = Exchange(Request("GET", path), response_of({row.column: row.value}))
        self.judge.attribution.observe(Exchange(Request("DELETE", path), Response(204)) if gone else shown)

    def outcome(self, accepted: Accepted | None = None) -> Outcome:
        """Return the outcome, in which deviations that no client has triggered are untested instead of fixed."""
        outcome = super().outcome(accepted)
        outcome.listed = [replace(listed, status="untested", reason=UNSEEN) if listed.status == "fixed" else listed
                          for listed in outcome.listed]
        return outcome


def row_in_path(contract: Contract, operation: Operation, exchange: Exchange) -> Iterator[ImpliedRow]:
    """Yield the row that the path addresses, if the response implies whether it exists."""
    if operation.table is None or not operation.key or exchange.response.status in (401, 403, 405):
        return
    parameters = contract.router.find(exchange.request.method, exchange.request.path)[1]
    yield ImpliedRow(operation.table.name, operation.table.key, parameters[operation.key])


def is_not_comparable(exchange: Exchange) -> bool:
    """Whether an exchange cannot be judged: not from the API, a page for browsers, or with an ambiguous method."""
    response = exchange.response
    accept = header(exchange.request.headers, ACCEPT[0]) or ""
    page = response.status >= 300 and response.content_type != JSON and "json" not in accept
    try:
        unquote_to_bytes(exchange.request.path).decode()
    except UnicodeDecodeError:
        return True
    return response.status == 429 or is_away(response) or page or len(methods_of(exchange.request)) > 1


def response_of(value: object) -> Response:
    return Response(200, (("Content-Type", JSON),), json.dumps(value).encode())

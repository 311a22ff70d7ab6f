"""The estimated state of the target: a mock repeats every exchange and is corrected by the target's responses.

Any document can then be tried on it: how would its box have answered a request of the run, at that moment?
This module judges nothing.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from sarkmock.suite_api import (
    Document,
    Operation,
    PbxFile,
    Table,
    pbx_files,
)

from ..client.http import Exchange, Request, Response
from ..spec.operation_data import key_text
from .agreement import is_same
from .list_keys import with_known_keys
from .models import Model, Moment
from .row_model import key_of_another_row

FILE_LISTS = {"/backups": pbx_files.BACKUPS, "/snapshots": pbx_files.SNAPSHOTS, "/greetings": pbx_files.GREETINGS}
RULE_FILES = {"/firewalls/ipv4": pbx_files.RULES_IPV4, "/firewalls/ipv6": pbx_files.RULES_IPV6}
REMEMBERED_EXCHANGES, REMEMBERED_BYTES = 256, 256 << 20  # exchanges for which earlier states are kept
A_DAY = 86_400.0  # seconds
TableRow = dict[str, Any]


@dataclass(frozen=True)
class Remembered:
    """An exchange, the state of the mock before it, and the predicted responses by model and tables left empty."""

    exchange: Exchange  # kept so that its id is not reused
    before: Moment
    size: int  # in bytes; tables count for the first of the exchanges that share them
    answers: WeakKeyDictionary[Model, dict[Sequence[str], Response]] = field(default_factory=WeakKeyDictionary)


class Replica:
    """The state, and the moments before the last exchanges. ``leader`` is the model that applies the requests."""

    def __init__(self, leader: Document, max_bytes: int = REMEMBERED_BYTES) -> None:
        self._max_bytes = max_bytes
        self.leader = Model(leader)
        self.state = self.leader.state
        self._moments: OrderedDict[int, Remembered] = OrderedDict()
        self._size = 0  # of the moments, in bytes
        self._listed: set[str] = set()  # paths of lists that were shown
        self._keys: defaultdict[str, set[str]] = defaultdict(set)  # by table: the keys that rows have or had
        self.shown = Response(0)  # the last response; a list with the keys that its rows really have
        self._image, self._marks = b"", (-1, False)  # the last dump of the tables, and their revision then

    def observe(self, exchange: Exchange) -> bool:
        """Apply an exchange. Return False if the leader would have responded differently."""
        operation = self.leader.operation(exchange.request)
        self._take_what_was_there(exchange)
        before = self._now()
        expected = self.leader.answer(exchange.request)
        self.shown = self._with_known_keys(operation, exchange.response, expected)
        self._remember(exchange, before, len(expected.body)).answers[self.leader] = {(): expected}
        if (expected.status, expected.body) != (exchange.response.status, exchange.response.body):
            self._correct(exchange, expected, before)
        return is_same(exchange.response, expected)

    def _with_known_keys(self, operation: Operation | None, shown: Response, expected: Response) -> Response:
        """Return a response; if it is a list, with the keys that its rows have by the earlier exchanges."""
        table = operation.table if operation is not None else None
        if table is None or not expected.ok:
            return shown
        former = self._keys[table.name]
        former.update(key_text(row.get(table.key)) for row in expected.rows)
        return with_known_keys(table.key, shown, expected, former) if isinstance(shown.json, list) else shown

    def pass_over(self, exchange: Exchange) -> None:
        """Remember an exchange without effect. The leader's response is computed when it is asked for."""
        self._remember(exchange, self._now())

    def _remember(self, exchange: Exchange, before: Moment, size: int = 0) -> Remembered:
        key, size = id(exchange.response), exchange.weight + size
        if key in self._moments:
            self._size -= self._moments.pop(key).size
        latest = next(reversed(self._moments.values()), None)
        if latest is None or latest.before.tables is not before.tables:
            size += len(before.tables)
        self._moments[key] = remembered = Remembered(exchange, before, size)
        self._size += size
        while len(self._moments) > REMEMBERED_EXCHANGES or (self._size > self._max_bytes and len(self._moments) > 1):
            self._size -= self._moments.popitem(last=False)[1].size
        return remembered

    def answer(self, model: Model, exchange: Exchange, without: Iterable[str] = ()) -> Response:
        """Return a model's response to an exchange in the state of that moment, optionally with empty tables.

        If the moment is no longer remembered, use the current state.
        """
        remembered, lacking = self._moments.get(id(exchange.response)), tuple(without)
        if remembered is None:
            return self._answer(model, self._now(), exchange.request, lacking)
        answers = remembered.answers.setdefault(model, {})
        if lacking not in answers:
            answers[lacking] = self._answer(model, remembered.before, exchange.request, lacking)
        return answers[lacking]

    def answer_at_another_time(self, model: Model, exchange: Exchange) -> Response:
        """Return a model's response to an exchange in the state of that moment, a day later, with other random values.

        If the moment is no longer remembered, use the current state.
        """
        remembered = self._moments.get(id(exchange.response))
        with self._at(model, remembered.before if remembered else self._now()):
            model.state.clock.advance(A_DAY)
            model.state.draw()
            return model.answer(exchange.request)

    def answers(self, model: Model, exchanges: Sequence[Exchange], alone: bool = False) -> list[Response]:
        """Return a model's responses to exchanges, starting from the state before the first that is remembered.

        The exchanges in between are applied as well, unless ``alone`` is true. For those that are no longer remembered
        the responses of the target are returned; with ``alone``, the model writes the rows that they created itself.
        """
        wanted = [id(exchange.response) for exchange in exchanges if self.remembers(exchange)]
        if len(exchanges) == 1 or not wanted:
            return [self.answer(model, exchange) for exchange in exchanges]
        since = list(self._moments)[list(self._moments).index(wanted[0]):]
        lived = {key: self._moments[key] for key in (wanted if alone else since[:since.index(wanted[-1]) + 1])}
        with self._at(model, lived[wanted[0]].before):
            for exchange in exchanges if alone else ():
                if not self.remembers(exchange):
                    model.recreate(exchange)
            answered = {key: model.answer(remembered.exchange.request) for key, remembered in lived.items()}
        return [answered.get(id(exchange.response), exchange.response) for exchange in exchanges]

    def _answer(self, model: Model, moment: Moment, request: Request, without: Sequence[str]) -> Response:
        with self._at(model, moment):
            return model.answer_without(without, request)

    @contextmanager
    def _at(self, model: Model, moment: Moment) -> Iterator[None]:
        """Put a model into the state of a moment for the block."""
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
        """Whether the state before an exchange is still known."""
        return id(exchange.response) in self._moments

    def predict(self, request: Request) -> Response:
        """Return the leader's response to a request now, without changing the state."""
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

    # corrections by what the target shows

    def _correct(self, exchange: Exchange, expected: Response, before: Moment) -> None:
        response = exchange.response
        if response.ok != expected.ok:
            self._go(before)  # a request that failed had no effect
        if response.ok and isinstance(response.json, dict) and isinstance(expected.json, dict):
            self._rename_files(expected.json, response.json)
        operation = self.leader.operation(exchange.request)
        if operation is not None and operation.path in FILE_LISTS and response.ok and operation.method == "GET":
            self._take_files(FILE_LISTS[operation.path], response.json, expected.json)
        if operation is not None and operation.table is not None and response.ok:
            with suppress(sqlite3.Error, OverflowError):
                self._take(operation, operation.table, exchange, expected)

    def _take_what_was_there(self, exchange: Exchange) -> None:
        """Store what a read shows of the state before it: run state, firewall rules, rows of a path's first list."""
        operation = self.leader.operation(exchange.request) if exchange.request.method == "GET" else None
        if operation is None or not exchange.response.ok:
            return
        if operation.action == "pbx_run_state":
            self._take_run_state(exchange.response.fields.get("pbxrunstate"))
        elif operation.path in RULE_FILES:
            self._take_rules(RULE_FILES[operation.path], exchange.response.json)
        elif operation.action == "index" and operation.table is not None and operation.path not in self._listed:
            self._take_first_list(operation.path, operation.table, exchange)

    def _take_run_state(self, running: Any) -> None:
        pbx = self.state.pbx
        if isinstance(running, bool) and running != pbx.running:
            (pbx.start if running else pbx.stop)()

    def _take_rules(self, file: str, shown: Any) -> None:
        """Store firewall rules, however the target wraps them."""
        lines = shown.get("rules") if isinstance(shown, dict) else shown
        if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
            content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
            self.state.files[file] = PbxFile(content, self.state.clock.now())

    def _take_first_list(self, path: str, table: Table, exchange: Exchange) -> None:
        """Store the rows of a list if they are not those of the mock."""
        if not isinstance(exchange.response.json, list):
            return
        self._listed.add(path)
        response = with_known_keys(table.key, exchange.response, self.leader.answer(exchange.request))
        held = {key_text(row[table.key]) for row in self.state.tables.rows(table.name, table.where)}
        if held != {key_text(row.get(table.key)) for row in response.rows}:
            with suppress(sqlite3.Error, OverflowError):
                self._take_list(table, response.rows)

    def _rename_files(self, expected: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
        """Rename files to the names that the target shows: they contain the time of day."""
        for name, value in expected.items():
            actual = shown.get(name)
            if isinstance(value, str) and isinstance(actual, str) and value and value != actual:
                self.state.files = {path.removesuffix(value) + actual if path.endswith("/" + value) else path: file
                                    for path, file in self.state.files.items()}

    def _take_files(self, directory: str, shown: Any, expected: Any) -> None:
        """Add the files that the target lists, and remove those that it does not list."""
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
        elif isinstance(shown, list):
            rows = self.shown.rows
            if operation.action == "index":
                self._take_list(table, rows)
            else:
                self._take_part(table, rows, expected.rows)
        elif isinstance(shown, dict) and shown.get(table.key) is not None:
            made = expected.json.get(table.key) if isinstance(expected.json, dict) and expected.ok else None
            if made is not None and key_of_another_row(operation, exchange.request.post, shown):
                shown = {**shown, table.key: made}  # the row has the key that was sent
            self._take_row(table, shown, made if operation.method == "POST" and made is not None else shown[table.key])

    def _take_list(self, table: Table, rows: Iterable[TableRow]) -> None:
        """Replace the rows of a table by those of a list. Keep the hidden columns of known rows."""
        belonging = {name: values[0] for name, values in table.where.items()}
        held = {row[table.key]: row for row in self.state.tables.rows(table.name, table.where)}
        self.state.tables.remove(table.name, table.where)
        for row in rows:
            shown = self._columns(table, row)
            with suppress(sqlite3.Error):
                self.state.tables.insert(table.name, {**held.get(shown.get(table.key), belonging), **shown})

    def _take_part(self, table: Table, rows: list[TableRow], expected: Iterable[TableRow]) -> None:
        """Replace the rows that a list should show by those that it shows. The table may have others."""
        shown = {key_text(row.get(table.key)) for row in rows}
        for row in expected:
            if key_text(row.get(table.key)) not in shown:
                self.state.tables.delete(table.name, table.key, row.get(table.key))
        for row in rows:
            self._take_row(table, row, row.get(table.key))

    def _take_row(self, table: Table, row: TableRow, key: Any) -> None:
        """Store a row as the target shows it. ``key`` is the key that the mock has given it."""
        shown = self._columns(table, row)
        if not self.state.tables.update(table.name, table.key, key, shown):
            self.state.tables.insert(table.name, shown)

    def _columns(self, table: Table, row: TableRow) -> TableRow:
        columns = self.state.tables.columns(table.name)
        return {name: value for name, value in row.items() if name in columns and not isinstance(value, (list, dict))}

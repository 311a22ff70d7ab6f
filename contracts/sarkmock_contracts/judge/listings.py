"""Rows as the mock of the judging document shows them after the same requests: which a list shows, and their columns.

It judges what `rows`, which tracks rows without a mock, cannot: columns that no request determines, rows that no
operation shows by themselves, and rows from before the run that a list lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from sarkmock.suite_api import Operation, Table

from ..client.http import Exchange, Response
from ..spec.contract import Contract
from ..spec.operation_data import key_text, resources
from .agreement import mask_volatile
from .oracle import Problem
from .replica import FILE_LISTS
from .row_model import BlamedProblem, paired_rows, wrong_value
from .rows import unlisted

TableKey = tuple[str, str]  # table, row key
_Pair = tuple[dict[str, Any], dict[str, Any]]  # a row, and the expected one


class Listings:
    """The rows that a run has created, and those that a list lacked although they are shown."""

    def __init__(self, contract: Contract, settable: Callable[[str], Collection[str]] = lambda table: ()) -> None:
        self._contract = contract
        self._settable = settable  # the columns of a table that requests can set in the target's version
        shown = (resource.show.table for resource in resources(contract))
        self._tracked = {table.name for table in shown if table is not None}
        self._written: dict[TableKey, Operation | None] = {}  # last writer; if untracked, until it is listed
        self._wrong: dict[tuple[str, str], Operation] = {}  # by table and column: the first that showed it wrongly
        self._unlisted: dict[TableKey, Exchange] = {}

    def observe(self, operation: Operation, exchange: Exchange, is_predicted: bool) -> None:
        """Record the row of a successful write if the mock has written it, too.

        Forget which rows were not listed if the request may have deleted any.
        """
        table = operation.table
        if operation.method == "DELETE" or operation.hazard == "disruptive" or table is None:
            self._unlisted.clear()
            return
        place = table.name, key_text(exchange.response.fields.get(table.key))
        is_own = place in self._written or operation.method == "POST"
        self._written.pop(place, None)
        if is_own and is_predicted:
            self._written[place] = operation

    def is_tracked(self, operation: Operation) -> bool:
        return operation.table is None or operation.table.name in self._tracked

    def may_differ(self, operation: Operation) -> bool:
        """Whether a response can have a problem although it shows the expected values."""
        return is_file_list(operation) or not self.is_tracked(operation)

    def is_shown_wrongly(self, operation: Operation, column: str) -> bool:
        """Whether a read has shown a column of the operation's rows wrongly, so that no write is to blame for it."""
        return operation.table is not None and (operation.table.name, column) in self._wrong

    def doubt(self, operation: Operation, problems: Iterable[Problem]) -> None:
        """Record the columns that a read shows against its schema."""
        for problem in problems:
            if operation.method == "GET" and operation.table is not None and problem.check == "schema":
                self._wrong.setdefault((operation.table.name, problem.field), operation)

    def problems(self, operation: Operation, exchange: Exchange, shown: Response,
                 expected: Response) -> Iterator[BlamedProblem]:
        """Compare a response with the expected one. ``shown``: a list with the keys that its rows really have.

        Of a list with wrong keys nothing else is judged.
        """
        table = operation.table
        if is_file_list(operation):
            yield from files_out_of_order(operation, exchange, expected)
        if table is None or operation.method == "POST":
            return
        if shown is not exchange.response:
            yield from wrong_key(operation, table, exchange, shown)
            return
        is_list = operation.action == "index" and isinstance(exchange.response.json, list)
        if operation.action == "show" and expected.status == 404:  # the last list did not show the row
            self._unlisted[table.name, key_text(exchange.response.fields.get(table.key))] = exchange
        elif is_list:
            yield from self._still_unlisted(operation, table, exchange)
        if is_list and table.name not in self._tracked:
            yield from self._of_list(operation, table, exchange, expected)
        yield from self._of_columns(operation, table, exchange, expected)

    def _still_unlisted(self, listing: Operation, table: Table, exchange: Exchange) -> Iterator[BlamedProblem]:
        listed = {key_text(row.get(table.key)) for row in exchange.response.rows}
        for place in [place for place in self._unlisted if place[0] == table.name]:
            show = self._unlisted.pop(place)
            row = show.response.fields
            if place[1] not in listed and all(row.get(name) in values for name, values in table.where.items()):
                yield listing, unlisted(place[1]), (show, exchange)

    def _of_list(self, listing: Operation, table: Table, exchange: Exchange,
                 expected: Response) -> Iterator[BlamedProblem]:
        """Yield rows of the run that a list lacks, and their wrong order. A list that lacks all is not to blame."""
        own = {key: place for row in expected.rows
               if (place := (table.name, key := key_text(row.get(table.key)))) in self._written and key}
        listed = [key for row in exchange.response.rows if (key := key_text(row.get(table.key))) in own]
        for key in sorted(own.keys() - listed):
            yield (listing if listed else self._written[own[key]] or listing), unlisted(key), (exchange,)
        if listed != [key for key in own if key in listed]:
            text = f"the rows of the run are not in the order in which they were created: {listed}"
            yield listing, Problem("list", "", "order", text), (exchange,)

    def _of_columns(self, operation: Operation, table: Table, exchange: Exchange,
                    expected: Response) -> Iterator[BlamedProblem]:
        """Yield columns of rows of the run whose value is not the expected one, once for each operation to blame.

        `rows` judges those of its rows that a request can set. Numbers are left out: the database counts them. So are
        columns that another operation has shown wrongly, since the mock has their values from it.
        """
        tracked = table.name in self._tracked
        elsewhere = (name for (of, name), reader in self._wrong.items() if of == table.name and reader != operation)
        settable = *self._contract.settable(table.name), *self._settable(table.name)
        left_out = {*settable, *elsewhere} if tracked else set()
        wrong: dict[tuple[str, str], BlamedProblem] = {}
        for row, model in self._new_rows_first(table, paired_rows(operation, exchange.response, expected)):
            place = table.name, key_text(row.get(table.key))
            for name in sorted(row.keys() & model.keys() - left_out) if place in self._written else ():
                wanted, shown = model[name], row[name]
                if mask_volatile(name, shown) != mask_volatile(name, wanted) and not (
                        isinstance(shown, (int, float)) and isinstance(wanted, (int, float))):
                    problem = wrong_value("unrequested" if tracked else "stored", name, "changed", wanted, shown)
                    blamed = self._to_blame(operation, place, name)
                    wrong[blamed.id, name] = blamed, problem, (exchange,)
            if not tracked and place in self._written:
                self._written[place] = None
        yield from wrong.values()

    def _new_rows_first(self, table: Table, pairs: Iterable[_Pair]) -> list[_Pair]:
        """Sort rows that were updated behind the others: a new row shows that the read is wrong, not the update."""
        def is_updated(pair: _Pair) -> bool:
            writer = self._written.get((table.name, key_text(pair[0].get(table.key))))
            return writer is not None and writer.method == "PUT"

        return sorted(pairs, key=is_updated)

    def _to_blame(self, reader: Operation, place: TableKey, name: str) -> Operation:
        """Return the operation to blame for a wrong column: the row's writer or, if a new row shows it, the reader."""
        writer = self._written[place]
        if writer is not None and (place[0] not in self._tracked or (
                writer.method == "PUT" and (place[0], name) not in self._wrong)):
            return writer
        self._wrong[place[0], name] = reader
        return reader


def wrong_key(listing: Operation, table: Table, exchange: Exchange, shown: Response) -> Iterator[BlamedProblem]:
    """Yield the first row of a list that is shown with another key than its own."""
    for row, real in zip(exchange.response.rows, shown.rows, strict=True):
        if row.get(table.key) != real.get(table.key):
            yield listing, wrong_value("stored", table.key, "changed", real[table.key], row.get(table.key)), (exchange,)
            return


def is_file_list(operation: Operation) -> bool:
    return operation.method == "GET" and operation.path in FILE_LISTS


def files_out_of_order(listing: Operation, exchange: Exchange, expected: Response) -> Iterator[BlamedProblem]:
    """Yield a problem if the names of files, in a list or an object, are not in the expected order."""
    shown, wanted = ({name: None for name in response.json if isinstance(name, str)}
                     if isinstance(response.json, (list, dict)) else {} for response in (exchange.response, expected))
    if [name for name in shown if name in wanted] != [name for name in wanted if name in shown]:
        yield listing, Problem("list", "", "order", "the files are not in the order of their names, the last first"), (
            exchange,)

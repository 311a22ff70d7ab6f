"""What an answer says of rows that were never seen: which ones must exist for the rules to give it.

A proxy sends nothing, so rules that ask tables (`exists`, `unique`) are judged by what the answer itself supposes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sarkmock.suite_api import Operation, PhpError, Seed, State, read_input

from ..client.http import Exchange
from ..client.target import Client
from ..spec.contract import Contract
from ..spec.live_tables import LiveTables, Rows

ASKING = ("exists:", "unique:")


class ImpliedRow(NamedTuple):
    """A row that must be there: a table, and the value of a column."""

    table: str
    column: str
    value: str


class SupposedTables(LiveTables):
    """The rows that the present exchange supposes, in tables with all their columns."""

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
    """Tables in which everything is there, or nothing; they note what they are asked."""

    def __init__(self, live: SupposedTables, there: bool) -> None:
        self._there, self.columns = there, live.columns
        self.asked: set[ImpliedRow] = set()

    def rows(self, table: str) -> Rows:
        """What is asked of all rows: whether there are any, and whether some have null."""
        columns = self.columns(table)
        self.asked.add(ImpliedRow(table, columns[0], ""))
        return [dict.fromkeys(columns, "")] if self._there else []

    def count(self, table: str, column: str, value: Any) -> int:
        self.asked.add(ImpliedRow(table, column, str(value)))
        return int(self._there)


def supposed(operation: Operation, exchange: Exchange, live: SupposedTables) -> set[ImpliedRow]:
    """The rows that must be there, of those that the rules ask for."""
    request, response = exchange.request, exchange.response
    everything, _ = read_input(request.method, request.content_type, request.query, request.body)
    found: set[ImpliedRow] = set()
    for name in asking(operation):
        if name in everything:
            found |= _supposed_by(operation, name, everything[name], response.refused.get(name), live)
    return found


def _supposed_by(operation: Operation, name: str, value: Any, said: Any, live: SupposedTables) -> set[ImpliedRow]:
    told = {str(message) for message in (said if isinstance(said, list) else [said])}
    tables = {there: _Everything(live, there) for there in (True, False)}
    try:
        messages = {there: set(operation.validator.errors({name: value}, tables[there]).get(name, ()))
                    for there in tables}
    except PhpError:
        return set()
    if_there, if_missing = messages[True] - messages[False], messages[False] - messages[True]
    there = bool(told & if_there) if if_there else not told & if_missing
    return tables[True].asked if there else set()


def asking(operation: Operation) -> Iterator[str]:
    """The fields of an operation whose rules ask tables."""
    for name, rules in operation.rules.items():
        text = rules if isinstance(rules, str) else "|".join(rules)
        if any(word in text for word in ASKING):
            yield name

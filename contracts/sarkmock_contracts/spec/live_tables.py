"""What the target's tables hold at this moment, read from its own lists: the answer to `exists`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from sarkmock.suite_api import Operation, Table, to_text

from ..client.http import Exchange
from ..client.target import Client
from .contract import Contract

EXISTS = re.compile(r"\bexists:(\w+),(\w+)")
Rows = list[Mapping[str, Any]]


class LiveTables:
    """Rows by table, fetched when asked for unless a list was just shown, and forgotten when something may have
    changed them."""

    def __init__(self, contract: Contract, client: Client) -> None:
        self._client = client
        self._rows: dict[str, Rows] = {}
        self._shown: dict[str, Rows] = {}  # by the path of a list
        self._lists: dict[str, list[Operation]] = {}
        for operation in contract.operations:
            if operation.table and operation.method == "GET" and not operation.parameters:
                self._lists.setdefault(operation.table.name, []).append(operation)

    def may_hold(self, rules: Any, value: Any) -> bool:
        """Whether the row exists that a value names, as far as the rules ask for it and a list shows it."""
        asked = EXISTS.search(str(rules)) if isinstance(value, str) else None
        return asked is None or asked[1] not in self._lists or value in self.keys(asked[1], asked[2])

    def columns(self, table: str) -> list[str]:
        """The columns that the lists of a table show; KeyError if there is no list of it."""
        return [name for operation in self._lists[table] for name in operation.visible]

    def rows(self, table: str) -> Rows:
        """The rows of a table, of every list that shows some of them."""
        if table not in self._rows:
            self._rows[table] = [row for operation in self._lists.get(table, ()) for row in self._list(operation)]
        return self._rows[table]

    def _list(self, operation: Operation) -> Rows:
        """The rows of one list."""
        if operation.path not in self._shown:
            answer = self._client.get(operation.path)
            self._shown[operation.path] = list(answer.rows) if isinstance(answer.json, list) else []
        return self._shown[operation.path]

    def keys(self, table: str, column: str) -> list[str]:
        """The texts in a column, in the order of the lists."""
        return [str(row[column]) for row in self.rows(table) if row.get(column) is not None]

    def keys_beside(self, operation: Operation, table: Table) -> list[str]:
        """The keys of a table that the list of an operation's own path shows: trunks and inbound routes share one."""
        lists = self._lists.get(table.name, ())
        own = [listing for listing in lists if operation.path.startswith(listing.path + "/")]
        if len(lists) == 1 or not own:
            return self.keys(table.name, table.key)
        return [str(row[table.key]) for row in self._list(own[0]) if row.get(table.key) is not None]

    def count(self, table: str, column: str, value: Any) -> int:
        """How many rows hold a value in a column, compared as texts."""
        return sum(str(row.get(column)) == str(value) for row in self.rows(table))

    def forget(self) -> None:
        """Ask again: others may have written."""
        self._rows.clear()
        self._shown.clear()

    def _forget(self, table: str) -> None:
        self._rows.pop(table, None)
        for operation in self._lists.get(table, ()):
            self._shown.pop(operation.path, None)

    def saw(self, operation: Operation, exchange: Exchange) -> None:
        """Follow what a row operation did to its table; after what brings an earlier state back, ask for all again."""
        refused = 400 <= exchange.response.status < 500
        if refused or (operation.method == "GET" and operation.hazard == "read"):
            self._saw_list(operation, exchange)
        elif operation.hazard == "disruptive":
            self.forget()
        elif operation.hazard != "write" and operation.table is not None:
            self._forget(operation.table.name)
        elif operation.table is not None and exchange.response.ok:
            rows = self._rows.get(operation.table.name)
            self._forget(operation.table.name)
            if rows is not None and self._followed(rows, operation, operation.table, exchange):
                self._rows[operation.table.name] = rows

    def _saw_list(self, operation: Operation, exchange: Exchange) -> None:
        """What a list shows need not be asked."""
        lists = self._lists.get(operation.table.name, ()) if operation.table else ()
        if operation in lists and isinstance(exchange.response.json, list) and not exchange.request.query:
            self._shown[operation.path] = list(exchange.response.rows)
            if operation.table is not None:
                self._rows.pop(operation.table.name, None)

    def _followed(self, rows: Rows, operation: Operation, table: Table, exchange: Exchange) -> bool:
        """A row that was made or deleted, as its answer or its path says; False where it must be asked for."""
        answer = exchange.response.json
        if operation.method == "DELETE":
            key = unquote(exchange.request.path.rpartition("/")[2])
            rows[:] = [row for row in rows if str(row.get(table.key)) != key]
            return True
        if operation.method == "POST" and isinstance(answer, dict) and answer.get(table.key) is not None:
            rows.append({name: _stored(value) for name, value in answer.items()})
            return True
        return False


def _stored(value: Any) -> Any:
    """A value of an answer as the table holds it: the answer to a POST shows what was sent."""
    return to_text(value) if isinstance(value, (bool, float)) else value

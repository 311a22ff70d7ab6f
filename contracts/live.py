"""What the target's tables hold at this moment, read from its own lists: the answer to `exists`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.document import Contract
from contracts.target import Target
from sarkmock import Operation

Rows = list[Mapping[str, Any]]


class LiveTables:
    """Rows by table, fetched when asked for and forgotten when something may have changed them."""

    def __init__(self, contract: Contract, target: Target) -> None:
        self._target = target
        self._rows: dict[str, Rows] = {}
        self._lists: dict[str, list[Operation]] = {}
        for operation in contract.operations:
            if operation.table and operation.method == "GET" and not operation.parameters:
                self._lists.setdefault(operation.table.name, []).append(operation)

    def columns(self, table: str) -> list[str]:
        """The columns that the lists of a table show; KeyError if there is no list of it."""
        return [name for operation in self._lists[table] for name in operation.visible]

    def rows(self, table: str) -> Rows:
        """The rows of a table, of every list that shows some of them."""
        if table not in self._rows:
            answers = [self._target.get(operation.path).json for operation in self._lists.get(table, ())]
            self._rows[table] = [row for answer in answers if isinstance(answer, list) for row in answer]
        return self._rows[table]

    def keys(self, table: str, column: str) -> list[str]:
        """The texts in a column, in the order of the lists."""
        return [str(row[column]) for row in self.rows(table) if row.get(column) is not None]

    def count(self, table: str, column: str, value: Any) -> int:
        """How many rows hold a value in a column, compared as texts."""
        return sum(str(row.get(column)) == str(value) for row in self.rows(table))

    def saw(self, operation: Operation) -> None:
        """Forget what an operation may have changed: its own table, or everything if it is no plain row operation."""
        if operation.method == "GET" and operation.hazard == "read":
            return
        if operation.hazard == "write" and operation.table:
            self._rows.pop(operation.table.name, None)
        else:
            self._rows.clear()


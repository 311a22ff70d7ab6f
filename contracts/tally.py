"""What a run has seen: operations that answered, rules that accepted and refused. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from contracts.messages import Exchange
from contracts.oracle import Verdict
from sarkmock import Operation

Field = tuple[str, str]


class Tally:
    """Counts by operation and by (operation, field)."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = list(operations)
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.accepted: set[Field] = set()
        self.refused: set[Field] = set()

    def saw(self, operation: Operation, exchange: Exchange, given: Verdict | None) -> None:
        """Count an exchange."""
        status = exchange.response.status
        self.statuses[operation.id, status] += 1
        if exchange.response.ok and given is not None:
            self.accepted |= {(operation.id, name) for name in given.sent if name in operation.rules}
        elif status == 422 and isinstance(exchange.response.json, dict):
            self.refused |= {(operation.id, name) for name in exchange.response.json if name in operation.rules}

    def answered(self, operation: Operation) -> bool:
        """Whether an operation answered as documented."""
        documented = {int(status) for status in operation.spec["responses"] if status.isdigit()}
        return any(self.statuses[operation.id, status] for status in documented)

    def rules(self, operations: Iterable[Operation]) -> list[Field]:
        """The fields with rules of some operations."""
        return [(operation.id, name) for operation in operations for name in operation.rules]

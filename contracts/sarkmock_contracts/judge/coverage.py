"""What a run has seen: operations that answered, rules that accepted and refused. Judges nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sarkmock.suite_api import Operation

from ..client.http import Exchange
from .oracle import Verdict

CoveredField = tuple[str, str]


class Coverage:
    """Counts by operation and by (operation, field)."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = list(operations)
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.accepted: set[CoveredField] = set()
        self.refused: set[CoveredField] = set()
        self.right: set[CoveredField] = set()  # sent with a value that the document accepts
        self.wrong: set[CoveredField] = set()  # and with one that it refuses
        self.arrays = False  # whether a value that is not text was sent where PHP dies of it
        self.withheld: set[str] = set()  # operations of which the gate kept requests back
        self.filled: set[str] = set()  # operations that answered with something in it
        self.checked: set[str] = set()  # operations whose checks beside the rules spoke, or should have
        self.paths: set[str] = set()  # looked for, though the document does not have them
        self.strange: set[CoveredField] = set()  # sent, though the document does not have them
        self.unlike: set[str] = set()  # places of operations that did not answer as the version that was expected
        self.framework: set[str] = set()  # keys of x-laravel that a check has looked at by itself
        self.seconds: Counter[tuple[str]] = Counter()  # that the answers of an operation took

    def saw(self, operation: Operation, exchange: Exchange, given: Verdict | None) -> None:
        """Count an exchange."""
        status = exchange.response.status
        self.statuses[operation.id, status] += 1
        self.arrays |= given is not None and given.crash is not None
        if exchange.response.ok and exchange.response.json:
            self.filled.add(operation.id)
        if given is not None and status < 500:
            if exchange.response.refused.keys() - given.errors:
                self.checked.add(operation.id)
            self.wrong |= {(operation.id, name) for name in given.errors}
            self.right |= {(operation.id, name) for name in given.sent if name not in given.errors}
        if exchange.response.ok and given is not None:
            self.accepted |= {(operation.id, name) for name in given.sent if name in operation.rules}
        self.refused |= {(operation.id, name) for name in exchange.response.refused if name in operation.rules}

    @property
    def seen(self) -> dict[str, Any]:
        """Everything that was counted, by name."""
        return {name: value for name, value in vars(self).items() if name != "operations"}

    def add(self, theirs: Mapping[str, Any]) -> None:
        """Add what another run counted: counters and sets add up, a flag is true if one is."""
        for name, value in theirs.items():
            if isinstance(value, bool):
                setattr(self, name, getattr(self, name) or value)
            else:
                getattr(self, name).update(value)

    def answered(self, operation: Operation) -> bool:
        """Whether an operation answered as it does when nothing is wrong, or at least as documented."""
        documented = {int(status) for status in operation.spec["responses"] if status.isdigit()}
        return any(self.statuses[operation.id, status] for status in documented)

    def rules(self, operations: Iterable[Operation]) -> list[CoveredField]:
        """The fields with rules of some operations."""
        return [(operation.id, name) for operation in operations for name in operation.rules]

"""Evidence against a deviation: other responses of the run that show that the target does not have it.

A box that accepts one value may have a deviation that accepts every value; if it rejects another, as the judging
document says, it has not.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Container, Iterator
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sarkmock.suite_api import Operation

from ..client.http import Exchange
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables
from .agreement import judged
from .oracle import verdict

MOST_ANSWERS = 60  # answers of an operation
MOST_VERDICTS = 2_000  # answers of which it is remembered what documents say


class Rejected(NamedTuple):
    """The variables that rules reject, and those that a check beside the rules may name."""

    rejected: frozenset[str]
    open: frozenset[str]


class Witnesses:
    """Answers that were judged, by operation, each with the variables that it has a problem with."""

    def __init__(self, live: LiveTables, stored: Container[tuple[str, str]] = ()) -> None:
        self._live, self._stored = live, stored
        self._answers: dict[str, deque[tuple[Exchange, frozenset[str]]]] = defaultdict(
            lambda: deque(maxlen=MOST_ANSWERS))
        self._said = OrderedDict[int, tuple[Exchange, WeakKeyDictionary[Contract, Rejected | None]]]()

    def saw(self, operation: Operation, exchange: Exchange, problems: Collection[str]) -> None:
        if judged(exchange.response):
            self._answers[operation.id].append((exchange, frozenset(problems)))

    def speaking_of(self, operation: str, field: str) -> Iterator[Exchange]:
        """Answers that are as the judging document says, as far as this variable goes; the last one first."""
        return (exchange for exchange, problems in reversed(self._answers[operation]) if field not in problems)

    def contradicts(self, contract: Contract, exchange: Exchange, field: str) -> bool:
        """Whether by the rules of another document an answer should have said something else of a variable."""
        if not judged(exchange.response):
            return False  # a crash says nothing of the rules
        operation = contract.operation_of(exchange.request)
        if operation is not None and field not in operation.rules and (operation.id, field) in self._stored:
            return True  # what is no variable is not stored
        if id(exchange.response) not in self._said:
            self._said[id(exchange.response)] = exchange, WeakKeyDictionary()
            if len(self._said) > MOST_VERDICTS:
                self._said.popitem(last=False)
        _, by_contract = self._said[id(exchange.response)]
        if contract not in by_contract:
            by_contract[contract] = self._rejected(contract, exchange)
        said = by_contract[contract]
        return said is not None and field not in said.open and (
            (field in said.rejected) != (field in exchange.response.refused))

    def _rejected(self, contract: Contract, exchange: Exchange) -> Rejected | None:
        """What the rules of a document say to a request; None if it has none there, or may crash."""
        operation = contract.operation_of(exchange.request)
        if operation is None:
            return None
        theirs = verdict(contract, operation, exchange.request, self._live)
        if theirs.crash is not None or theirs.may_crash:
            return None
        return Rejected(frozenset(theirs.errors), contract.may_name(operation) | contract.unlisted(operation))

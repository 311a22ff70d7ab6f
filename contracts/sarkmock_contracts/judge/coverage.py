"""What a run has tested: operations, rules and verdicts, which deviations it could have observed, and gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sarkmock.suite_api import Deviation, Operation, counted, covers, keys_of, pointer

from ..client.http import Exchange
from ..spec.contract import Contract
from .oracle import Verdict

CoveredField = tuple[str, str]


class Coverage:
    """Counts by operation and by (operation, field)."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.operations = list(operations)
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.accepted: set[CoveredField] = set()
        self.rejected: set[CoveredField] = set()
        self.right: set[CoveredField] = set()  # sent with a value that the document accepts
        self.wrong: set[CoveredField] = set()  # sent with a value that the document rejects
        self.arrays = False  # whether a non-text value was sent that makes PHP crash
        self.withheld: set[str] = set()  # operations for which the gate withheld requests
        self.filled: set[str] = set()  # operations that returned a 2xx response with data
        self.checked: set[str] = set()  # operations where a check beyond the rules rejected, or should have
        self.paths: set[str] = set()  # tested paths that the document does not have
        self.strange: set[CoveredField] = set()  # sent undocumented fields; the name is a key of reports of shards
        self.unlike: set[str] = set()  # places whose responses differed from those of the expected version
        self.framework: set[str] = set()  # keys of x-laravel that a check tested by itself
        self.seconds: Counter[tuple[str]] = Counter()  # total response time by operation

    def observe(self, operation: Operation, exchange: Exchange, verdict: Verdict | None) -> None:
        """Count an exchange."""
        status = exchange.response.status
        self.statuses[operation.id, status] += 1
        self.arrays |= verdict is not None and verdict.crash is not None
        if exchange.response.ok and exchange.response.json:
            self.filled.add(operation.id)
        if verdict is not None and status < 500:
            if exchange.response.rejected.keys() - verdict.errors:
                self.checked.add(operation.id)
            self.wrong |= {(operation.id, name) for name in verdict.errors}
            right = verdict.sent.keys() & operation.rules.keys() - verdict.errors.keys()
            self.right |= {(operation.id, name) for name in right}
        if exchange.response.ok and verdict is not None:
            self.accepted |= {(operation.id, name) for name in verdict.sent if name in operation.rules}
        self.rejected |= {(operation.id, name) for name in exchange.response.rejected if name in operation.rules}

    @property
    def seen(self) -> dict[str, Any]:
        """All counters, sets and flags by name."""
        return {name: value for name, value in vars(self).items() if name != "operations"}

    def add(self, theirs: Mapping[str, Any]) -> None:
        """Add the values of another run: counters and sets are merged, a flag is true if either is."""
        for name, value in theirs.items():
            if isinstance(value, bool):
                setattr(self, name, getattr(self, name) or value)
            else:
                getattr(self, name).update(value)

    def answered(self, operation: Operation) -> bool:
        """Whether an operation returned at least one documented status."""
        documented = {int(status) for status in operation.spec["responses"] if status.isdigit()}
        return any(self.statuses[operation.id, status] for status in documented)

    def rules(self, operations: Iterable[Operation]) -> list[CoveredField]:
        """Return the fields of these operations that have rules."""
        return [(operation.id, name) for operation in operations for name in operation.rules]


WORDED = {"messages": 422, "row-not-found": 404, "method-not-allowed": 405, "query-error": 409, "array-in-query": 500,
          "not-encodable": 500}
BLIND = {401, 403, 404, 405, 429, 500, 502, 503}  # statuses that precede the work of an operation


def why_not_exercised(contract: Contract, coverage: Coverage, deviation: Deviation) -> str:
    """Return why it is unknown whether a deviation is fixed; empty if every place that it changes was tested."""
    reasons = [reason for place in deviation.observable for reason in gaps_at_place(contract, coverage, place)]
    if not reasons:  # an absent path can be tested, an absent schema cannot
        absent = all(covers(pointer("components", "schemas"), place) for place in deviation.observable)
        return "the judging document lacks the operations that it changes" if absent else "no check covers it"
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def gaps_at_place(contract: Contract, coverage: Coverage, place: str) -> Iterator[str]:
    """Yield one reason, possibly empty, for every way in which a place can be observed."""
    steps = keys_of(place)
    if steps[0] == "paths":
        yield from gaps_on_path(contract, coverage, steps)
    elif steps[0] == "x-crashes":
        yield "" if coverage.arrays else "no value other than text was sent"
    elif steps[0] == "x-laravel":
        yield from gaps_in_framework(coverage, steps[1])
    elif len(steps) > 2 and steps[1] == "schemas":
        yield from gaps_in_schema(contract, coverage, pointer(*steps[:3]), steps[3:])
    elif len(steps) > 2 and steps[1] == "responses":
        yield from gaps_in_response(contract, coverage, pointer(*steps[:3]))


def gaps_in_framework(coverage: Coverage, key: str) -> Iterator[str]:
    """Yield a reason for a key of x-laravel: it shows in a response status, or a check tests it."""
    if key in WORDED:
        yield "" if any(status == WORDED[key] for _, status in coverage.statuses) else f"no response was {WORDED[key]}"
    else:
        yield "" if key in coverage.framework else f"{key} was not tested"


def gaps_on_path(contract: Contract, coverage: Coverage, steps: list[str]) -> Iterator[str]:
    path, rest = steps[1], steps[2:]
    members = [member for member in contract.operations
               if member.path == path and (not rest or member.method.lower() == rest[0])]
    if not members:
        yield "" if path in coverage.paths else f"{path} was not tested"
    for operation in members:
        yield why_unreached(coverage, operation)
        if rest[1:] and rest[1] in ("x-after", "x-action"):
            yield why_unchecked(coverage, operation)


def gaps_in_response(contract: Contract, coverage: Coverage, place: str) -> Iterator[str]:
    """Yield reasons for a response that operations share."""
    for operation in contract.operations:
        for status in contract.responses(operation):
            documented = contract.response(operation, int(status))
            if documented is not None and documented[0] == place:
                seen = coverage.statuses[operation.id, int(status)]
                yield "" if seen else f"{operation.name} never returned {status}"


def gaps_in_schema(contract: Contract, coverage: Coverage, schema: str, rest: list[str]) -> Iterator[str]:
    """Yield reasons for a schema.

    A schema of a request body: its variable must have been sent with a valid and an invalid value. A schema of a
    response: a response with data must have been received.
    """
    name = rest[1] if len(rest) > 1 and rest[0] == "properties" else None
    for operation in contract.operations:
        body = contract.body_place(operation)
        if body and covers(schema, contract.resolve(body)[0]):
            yield why_unreached(coverage, operation) or why_untried(coverage, operation, name)
        row = contract.row_place(operation)
        if row and covers(schema, row):
            answered = operation.id in coverage.filled
            name = operation.name
            yield "" if answered else f"{name} never returned {operation.status} with content"


def why_unreached(coverage: Coverage, operation: Operation) -> str:
    """Return why the operation was not tested; empty if it was."""
    statuses = sorted(status for name, status in coverage.statuses if name == operation.id)
    if not statuses:
        return f"{operation.name} was not sent"
    if BLIND.issuperset(statuses):
        return f"{operation.name} only returned {', '.join(map(str, statuses))}"
    return ""


def why_unchecked(coverage: Coverage, operation: Operation) -> str:
    """Return why the checks beyond the rules were not tested; they show in what they reject."""
    if operation.checks and operation.id in coverage.withheld:
        return f"requests of {operation.name} were withheld"
    tried = operation.id in coverage.checked or not operation.checks
    return "" if tried else f"{operation.name} was sent no invalid input"


def why_untried(coverage: Coverage, operation: Operation, name: str | None) -> str:
    if name is None:
        return ""
    field = (operation.id, name)
    if name not in operation.rules:
        return "" if field in coverage.strange else f"{operation.name} was not sent {name}"
    if field in coverage.right and field in coverage.wrong:
        return ""
    return f"{operation.name} was not sent every kind of {name}"


@dataclass
class Gaps:
    """Why a run could not test everything."""

    stopped: str = ""  # why no more requests are sent
    unanswered: list[str] = field(default_factory=list)  # requests without a response
    untested: list[str] = field(default_factory=list)  # cases skipped, or cut short by a missing response
    unavailable: set[str] = field(default_factory=set)  # what could not be tested at all, with the reason
    broken: list[str] = field(default_factory=list)  # cases without a result because the suite failed

    def add(self, other: Gaps) -> None:
        """Add the gaps of another run on the same target."""
        self.stopped = self.stopped or other.stopped
        self.unanswered += [reason for reason in other.unanswered if reason not in self.unanswered]
        self.unavailable |= other.unavailable

    @property
    def ending(self) -> str:
        """How an incomplete run ended; empty if it is complete."""
        parts = [f"stopped: {self.stopped}"] if self.stopped else []
        if self.broken:
            parts.append(f"incomplete: {counted(len(self.broken), 'case')} of the suite failed with an error")
        return ", ".join(parts)

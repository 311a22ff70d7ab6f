"""Boundary values: accepted values are combined with rejected ones of other fields, so that no row is created.

A field that has the same rules in several operations on the same rows divides its values among them. Laravel judges
each field separately and names those that it rejects; fields that it does not name are accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from math import ceil
from typing import Any

from sarkmock.suite_api import Operation

from ..errors import NoBounds, Unavailable
from ..fixtures import Fixtures
from ..judge.oracle import messages_of
from ..run import Run
from ..safety.restorable import SURELY
from ..spec.boundary_values import NOTHING, is_placeholder, listed_values
from ..spec.operation_data import recipe
from .boundaries import (
    NOT_THERE,
    SILENCE,
    Packet,
    accepted_values,
    check_bounds,
    distinctive_value,
    is_silent,
    rejected_values,
    surely_rejected,
)
from .minimal_rules import (
    accept_once,
    covering_packets,
    covering_values,
    has_accepted_value,
    passing_value,
    reject_first,
    send_packet,
)
from .undocumented import accepted_value, other_profiles

NEIGHBOURS = 3  # misspellings of listed values
DISTINCTIVE = 2  # rejected values that distinguish rules; every operation sends them
FEW_VALUES = 6  # a field with at most this number of values sends them all
MOST_LISTED = 20  # lists up to this length are sent in full by every operation; lists of days are longer
EMPTIED = "", "  "  # the framework turns these into None in any field
CERTAIN = SURELY + 1  # with this many rejected values no guard asks the target: versions differ by about one rule
RULE_PARTS = 3  # an accepted request, a rejected one, the other rejected ones
FOREIGN_SHARE = 10  # an operation with this number of list fields sends as many packets of foreign values early
SWEEP_PARTS = 10  # the packets of an operation are sent in this number of parts, in turns with other operations
Edge = tuple[Any, bool]  # a value, and whether the rules accept it


class Sweep:
    """The packets of one operation, sent a few at a time in each part of the run."""

    def __init__(self, run: Run, operation: Operation) -> None:
        self.run, self.operation = run, operation
        shares = {field: share(run, operation, field) for field in operation.rules}
        self.planned = max(map(len, shares.values()), default=0)
        self.rows = {field: shares[field] for field in sorted(shares, key=lambda field: -len(shares[field]))}
        self.foreign = {field: foreign_values(run, operation, field) for field in shares}
        for field, row in self.rows.items():
            more = min(self.planned - len(row), len(self.foreign[field]))
            row += [(self.foreign[field].pop(0), False) for _ in range(more)]
        self.wrong = wrong_values(run, operation, reversed(self.rows))
        self.free: dict[str, Any] = {}  # free keys by field; no packet creates a row with them
        self.turn = self.silent = 0

    @property
    def turns(self) -> int:
        """The number of packets: the most values that a field has. Shorter lists are extended by foreign values."""
        return max(map(len, self.rows.values()), default=0)

    def packets(self) -> Iterator[Packet]:
        turn = 0
        while turn < self.turns:
            yield self.packet(turn)
            turn += 1

    def packet(self, turn: int) -> Packet:
        """Return a packet with one value of each field, some rejected, so that the request creates nothing."""
        picked = {field: row[turn % len(row)] for field, row in self.rows.items() if row}
        certain = {field for field, (_, passes) in picked.items() if not passes and field in self.wrong}
        through = [field for field in self.wrong if field not in certain and turn >= len(self.rows[field])]
        for field in through[: max(0, CERTAIN - len(certain))]:
            picked[field] = self.wrong[field], False
        if turn < self.planned and all(passes for _, passes in picked.values()) and len(picked) > 1:
            for field in [*self.wrong][:1]:
                self.rows[field].append(picked[field])  # it is sent at the end
                picked[field] = self.wrong[field], False
        return self.packed(picked)

    def packed(self, picked: Mapping[str, Edge]) -> Packet:
        """Return a packet of one value for each field."""
        wrong = frozenset(field for field, (_, passes) in picked.items() if not passes)
        body = {field: self.filled(field, *edge) for field, edge in picked.items()}
        return surely_rejected(self.run.fixtures, self.operation, Packet(body, wrong))

    def beside(self, packet: Packet) -> Packet:
        """Extend a rejected packet by the next values of the fields that are not rejected in it."""
        picked = {field: row.pop(0) for field, row in self.rows.items() if row and field not in packet.rejected}
        more = self.packed(picked)
        return Packet({**packet.body, **more.body}, packet.rejected | more.rejected)

    def foreign_packets(self) -> Iterator[Packet]:
        """Yield packets of the next values of other lists, one for each list field."""
        required = self.run.contract.required(self.operation)
        for _ in range(early_packets(self.operation)):
            picked = {field: (values.pop(0), False) for field, values in self.foreign.items() if values}
            if picked:
                packet = self.packed(picked)
                yield Packet(packet.body, packet.rejected.union(required))

    def array_packets(self) -> Iterator[Packet]:
        """Yield a packet with an array in place of a text that no rule rejects, if there is one."""
        contract, fixtures, operation = self.run.contract, self.run.fixtures, self.operation
        for array in ["a"], []:
            names = [name for name in fixtures.fields(operation)
                     if not contract.takes(operation, name, array) and not messages_of(operation, name, array)]
            required = [name for name in names if name in contract.required(operation)]
            for name in (required or names)[-1:]:
                body = {**fixtures.minimal(operation), name: array}
                yield Packet(body, frozenset({name}), hidden=True)
                return

    def filled(self, field: str, value: Any, passes: bool) -> Any:
        """Return the value; for a taken key, a free one."""
        fixtures, table = self.run.fixtures, self.operation.table
        result = fixtures.value(self.operation, field, value)
        if passes and self.operation.method == "POST" and table is not None and table.key == field \
                and str(result).strip() in fixtures.live.keys(table.name, field):
            if field not in self.free:
                self.free[field] = passing_value(fixtures, self.operation, field)
            return self.free[field]
        return result

    def until(self, part: int) -> None:
        """Send the packets up to a part of the run. Rows created unexpectedly are removed."""
        while self.turn < ceil(self.turns * (part + 1) / SWEEP_PARTS) and not self.is_over:
            self.turn += 1
            self.send(self.packet(self.turn - 1))

    @property
    def is_over(self) -> bool:
        """Whether responses no longer depend on the values."""
        return self.silent == SILENCE or is_silent(self.run, self.operation)

    def send(self, packet: Packet) -> None:
        exchange = send_packet(self.run, self.operation, packet)
        self.silent = self.silent + 1 if exchange.response.status in NOT_THERE else 0
        if exchange.response.ok:
            self.run.fixtures.sweep()


def check_rules(run: Run, operation: Operation, part: int | None = None) -> None:
    """Send one accepted request, then as few rejected ones as possible. Parts: accepted, first rejected, the rest.

    Operations take turns in each part, so that a small budget leaves none of them untested.
    """
    for number, step in enumerate((accept_once, reject_first, reject_more)):
        try:
            if part in (None, number):
                step(run, operation)
        except (Unavailable, NoBounds):
            continue


def reject_more(run: Run, operation: Operation) -> None:
    """Send the remaining rejected packets, filled with the first boundaries of other fields."""
    for packet in covering_packets(run, operation, slice(1, None)):
        send_packet(run, operation, run.shared(Sweep, operation).beside(packet))


def check_edges(run: Run, operation: Operation, part: int = SWEEP_PARTS - 1) -> None:
    """Send the packets up to a part, so that a budget cut anywhere leaves all operations tested about equally."""
    try:
        run.shared(Sweep, operation).until(part)
    except (Unavailable, NoBounds):
        return


def check_foreign_values(run: Run, operation: Operation) -> None:
    """Send values of other lists that the sweep did not send, to all list fields at once. The more fields, the more."""
    send_all(run, operation, Sweep.foreign_packets)


def check_boundaries(run: Run, operation: Operation) -> None:
    """Test every rule with all boundary values, and with the values of other lists that were not sent before."""
    check_edges(run, operation)  # the packets that the sweep has not sent yet
    left = run.shared(Sweep, operation).foreign
    check_bounds(run, operation, {field: [*values, *rare_values(run, operation, field)]
                                  for field, values in left.items()})


def check_array_for_text(run: Run, operation: Operation) -> None:
    """Send an array in place of one text that no rule rejects. The check `arrays` tests every field."""
    send_all(run, operation, Sweep.array_packets)


def send_all(run: Run, operation: Operation, packets: Callable[[Sweep], Iterator[Packet]]) -> None:
    try:
        sweep = run.shared(Sweep, operation)
        for packet in packets(sweep):
            if not sweep.is_over:
                sweep.send(packet)
    except (Unavailable, NoBounds):
        return


def early_packets(operation: Operation) -> int:
    """Return the number of packets of foreign values that are sent early: each tests all list fields."""
    lists = sum(bool(listed_values(rules)) for rules in operation.rules.values())
    return lists ** 2 // FOREIGN_SHARE


def edge_packets(run: Run, operation: Operation) -> Iterator[Packet]:
    return Sweep(run, operation).packets()


def wrong_values(run: Run, operation: Operation, fields: Iterable[str]) -> dict[str, Any]:
    """Return by field a value that is rejected with any rows of the target."""
    fixtures, asking = run.fixtures, run.contract.asking(operation)
    rejected = {field: rejected_values(fixtures, operation, field) for field in fields
                if field in fixtures.fields(operation) and field not in asking}
    return {field: values[0] for field, values in rejected.items() if values and not is_placeholder(values[0])}


def share(run: Run, operation: Operation, field: str) -> list[Edge]:
    """Return the values of a field that this operation sends: the distinctive ones, and its share of the rest.

    Operations in which the field has the same rules divide the rest among them. Values that other checks send are left
    out. Rejected and accepted values alternate; every second field begins with accepted ones.
    """
    fixtures, values = run.fixtures, edge_values(run.fixtures, operation, field)
    alike = [other.id for other in run.contract.operations
             if other.rules.get(field) == operation.rules[field]
             and (other == operation or (other.table and other.table == operation.table))
             and edge_values(fixtures, other, field) == values and not is_silent(run, other)]
    turn, of = (alike.index(operation.id), len(alike)) if operation.id in alike else (0, 1)
    listed = len(values[1]) if fixtures.bounds(operation, field).foreign else 0
    right = share_of_values(values[1], listed if listed <= MOST_LISTED else 1, turn, of)
    others = values_without(values[0], covering_values(fixtures, operation, field))
    wrong = share_of_values(others, DISTINCTIVE, turn, of)
    rejected = [*values_of_other_versions(run, operation, field), *wrong]
    is_key = operation.table is not None and operation.method == "PUT" and operation.table.key == field
    is_fresh = is_key or field in recipe("fresh", operation.id)
    has_sent = not is_fresh and has_accepted_value(fixtures, operation, field)
    sent = [distinctive_value(fixtures, operation, field)] if has_sent else []
    rows = [(value, False) for value in rejected], [(value, True) for value in values_without(right, sent)]
    ordered = rows if list(operation.rules).index(field) % 2 else rows[::-1]
    return [edge for pair in zip_longest(*ordered) for edge in pair if edge is not None]


def share_of_values(values: Sequence[Any], first: int, turn: int, of: int) -> list[Any]:
    """Return None, the first values, and every `of`-th of the rest; of a short list all, as that adds no request."""
    texts = [value for value in values if value is not None]
    first = len(texts) if len(values) <= FEW_VALUES else max(1, first)
    return [*[None] * (len(texts) < len(values)), *texts[:first], *texts[first:][turn::of]]


def values_without(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Return the values that are not in ``others``. 1 and true are different."""
    excluded = [(type(value), value) for value in others]
    return [value for value in values if (type(value), value) not in excluded]


def values_of_other_versions(run: Run, operation: Operation, field: str) -> list[Any]:
    """Return values that this field rejects and accepts in other versions of the API."""
    theirs: list[Any] = []
    for other in other_profiles(run.options.profile):
        rules = other.by_id[operation.id].rules.get(field) if operation.id in other.by_id else None
        theirs += accepted_value(rules) if rules else ()
    return [value for value in run.fixtures.bounds(operation, field).foreign if value in theirs]


def foreign_values(run: Run, operation: Operation, field: str) -> list[Any]:
    """Return the values of other lists that a list field rejects, the most common first."""
    by_text = {str(value): value for value in run.fixtures.bounds(operation, field).foreign}
    return [by_text[text] for text in run.contract.listed if text in by_text]


def rare_values(run: Run, operation: Operation, field: str) -> list[Any]:
    """Return values that a list field rejects and no list has."""
    return values_without(run.fixtures.bounds(operation, field).foreign, foreign_values(run, operation, field))


def edge_values(fixtures: Fixtures, operation: Operation, field: str) -> tuple[list[Any], list[Any]]:
    """Return what a field rejects and what it accepts, the most distinctive first."""
    right = accepted_values(fixtures, operation, field)
    wrong = rejected_values(fixtures, operation, field)
    if fixtures.bounds(operation, field).foreign:  # the check `boundaries` tests misspellings of every listed value
        wrong = [*wrong[:NEIGHBOURS], *(value for value in wrong[NEIGHBOURS:] if value in NOTHING)]
    return values_without(wrong, EMPTIED), values_without(right, EMPTIED)

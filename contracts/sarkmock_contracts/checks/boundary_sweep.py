"""Boundary values, accepted ones beside rejected ones of other fields, so that no row is created.

Fields with the same rules, of operations on the same rows, divide the values among them. Laravel judges each field
alone and names those that it refuses, so those that it does not name are accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from math import ceil
from typing import Any

from sarkmock.suite_api import Operation

from ..errors import NoBounds, Unavailable
from ..fixtures import Fixtures
from ..judge.oracle import messages_of
from ..run import Run
from ..safety.restorable import SURELY
from ..spec.boundary_values import NOTHING, is_placeholder
from ..spec.operation_data import recipe
from .boundaries import Packet, accepted_values, depends_on_rows, distinctive_value, refused_values, surely_refused
from .minimal_rules import accept_once, covering_packets, covering_values, passing_value, refuse_first, send_packet
from .undocumented import accepted_value, other_profiles

NOT_THERE = {404, 405}
NEIGHBOURS = 3  # misspellings of listed values
SILENCE = 2  # consecutive answers that it does not exist
DISTINCTIVE = 2  # rejected values that distinguish rules, which no operation leaves to another
FEW_VALUES = 6  # values of a field
MOST_LISTED = 20  # values of a list, each of which every operation must accept; days are more
EMPTIED = "", "  "  # which the framework makes None in any field
ELSEWHERE = 17  # values by which operations begin apart
MANY_LISTS = 20  # fields of an operation that may hold listed values alone
CERTAIN = SURELY + 1  # rejected values with which no guard has to ask the target, as versions differ by a rule or so
RULE_PARTS = 3  # one request that is accepted, one that is rejected, the other rejected ones
SWEEP_PARTS = 10  # in which the packets of an operation are sent, in turns with those of all others
Edge = tuple[Any, bool]  # a value, and whether the rules accept it


class Sweep:
    """The packets of one operation: a few in each part of the run."""

    def __init__(self, run: Run, operation: Operation) -> None:
        self.run, self.operation = run, operation
        shares = {field: share(run, operation, field) for field in operation.rules}
        self.planned = max(map(len, shares.values()), default=0)
        self.rows = {field: shares[field] for field in sorted(shares, key=lambda field: -len(shares[field]))}
        self.foreign = {field: foreign_values(run, operation, field) for field in shares}
        for field, row in self.rows.items():
            row += [self.foreign[field].pop(0) for _ in range(min(self.planned - len(row), len(self.foreign[field])))]
        self.wrong = wrong_values(run, operation, reversed(self.rows))
        self.free: dict[str, Any] = {}  # values of keys, which no packet takes
        self.turn = self.silent = 0

    @property
    def turns(self) -> int:
        """As many as the field with most values has; turns that a list has left are used for strangers."""
        return max(map(len, self.rows.values()), default=0)

    def packets(self) -> Iterator[Packet]:
        """All of them."""
        turn = 0
        while turn < self.turns:
            yield self.packet(turn)
            turn += 1

    def packet(self, turn: int) -> Packet:
        """One value of each field, some of them rejected, so that the request makes nothing."""
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
        """The packet with one value of each field."""
        wrong = frozenset(field for field, (_, passes) in picked.items() if not passes)
        body = {field: self.filled(field, *edge) for field, edge in picked.items()}
        return surely_refused(self.run.fixtures, self.operation, Packet(body, wrong))

    def beside(self, packet: Packet) -> Packet:
        """A packet that is rejected, with the first values of the fields that it says nothing of."""
        picked = {field: row.pop(0) for field, row in self.rows.items() if row and field not in packet.refused}
        more = self.packed(picked)
        return Packet({**packet.body, **more.body}, packet.refused | more.refused)

    def foreign_packets(self) -> Iterator[Packet]:
        """The values of other lists that no packet had, one of each field in a packet."""
        for turn in range(max(map(len, self.foreign.values()), default=0)):
            yield self.packed({field: values[turn] for field, values in self.foreign.items() if turn < len(values)})

    def filled(self, field: str, value: Any, passes: bool) -> Any:
        """The value, or one that is free if it is a key that is taken."""
        fixtures, table = self.run.fixtures, self.operation.table
        result = fixtures.value(self.operation, field, value)
        if passes and self.operation.method == "POST" and table is not None and table.key == field \
                and str(result).strip() in fixtures.live.keys(table.name, field):
            if field not in self.free:
                self.free[field] = passing_value(fixtures, self.operation, field)
            return self.free[field]
        return result

    def until(self, part: int) -> None:
        """Send what is due; an unexpected row is removed by the next."""
        while self.turn < ceil(self.turns * (part + 1) / SWEEP_PARTS) and not self.is_over:
            self.turn += 1
            self.send(self.packet(self.turn - 1))
        if part == SWEEP_PARTS - 1 and not self.is_over:
            for array in check_array_for_text(self.run, self.operation):
                self.send(array)

    @property
    def is_over(self) -> bool:
        """Whether answers say nothing of values."""
        return self.silent == SILENCE or is_silent(self.run, self.operation)

    def send(self, packet: Packet) -> None:
        exchange = send_packet(self.run, self.operation, packet)
        self.silent = self.silent + 1 if exchange.response.status in NOT_THERE else 0
        if exchange.response.ok:
            self.run.fixtures.sweep()


class Sweeps(dict[str, Sweep]):
    """Those of all operations of a run."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def of(self, operation: Operation) -> Sweep:
        if operation.id not in self:
            self[operation.id] = Sweep(self.run, operation)
        return self[operation.id]


def check_rules(run: Run, operation: Operation, part: int | None = None) -> None:
    """One request that is accepted, then as few as possible that are refused. Parts: the first, the second, the rest.

    Operations take turns in each part, so that a small budget leaves none of them unjudged.
    """
    for number, step in enumerate((accept_once, refuse_first, refuse_more)):
        try:
            if part in (None, number):
                step(run, operation)
        except (Unavailable, NoBounds):
            continue


def refuse_more(run: Run, operation: Operation) -> None:
    """What draws the other messages, beside the first boundaries of the other fields."""
    for packet in covering_packets(run, operation, slice(1, None)):
        send_packet(run, operation, run.shared(Sweeps).of(operation).beside(packet))


def check_edges(run: Run, operation: Operation, part: int = SWEEP_PARTS - 1) -> None:
    """Send the packets up to a part, so that a budget cut anywhere leaves all operations judged about equally deep."""
    try:
        run.shared(Sweeps).of(operation).until(part)
    except (Unavailable, NoBounds):
        return


def check_foreign_values(run: Run, operation: Operation) -> None:
    """The values of other lists that the sweep has left, to all fields at once that may hold listed values alone."""
    try:
        sweep = run.shared(Sweeps).of(operation)
        for packet in sweep.foreign_packets():
            if not sweep.is_over:
                sweep.send(packet)
    except (Unavailable, NoBounds):
        return


def has_many_lists(run: Run, operation: Operation) -> bool:
    """Whether a request can carry values of other lists to many fields at once."""
    rules = "|".join(str(rules) for rules in operation.rules.values())
    return rules.count("in:") >= MANY_LISTS


def check_array_for_text(run: Run, operation: Operation) -> Iterator[Packet]:
    """An array in place of one text that no rule refuses; the check of arrays tries every field."""
    arrays = (["a"], []) if run.contract.crashes_are_refused else ()
    for array in arrays:
        names = [name for name in run.fixtures.fields(operation)
                 if not run.contract.takes(operation, name, array) and not messages_of(operation, name, array)]
        required = [name for name in names if name in run.contract.required(operation)]
        for name in (required or names)[-1:]:
            body = {**run.fixtures.minimal(operation), name: array}
            yield Packet(body, frozenset({name}), hidden=True)
            return


def is_silent(run: Run, operation: Operation) -> bool:
    """Whether answers say nothing of values: the target has no such operation or row, or crashes for any input."""
    given = {status: count for (name, status), count in run.coverage.statuses.items() if name == operation.id}
    crashes = given.get(500, 0) > SILENCE or any(one.operation == operation.id for one in run.judge.crashing)
    return bool(given) and given.keys() <= (NOT_THERE | {500} if crashes else NOT_THERE)


def edge_packets(run: Run, operation: Operation) -> Iterator[Packet]:
    return Sweep(run, operation).packets()


def wrong_values(run: Run, operation: Operation, fields: Iterable[str]) -> dict[str, Any]:
    """By field a value that it rejects independently of the target's tables."""
    fixtures = run.fixtures
    found = {field: refused_values(fixtures, operation, field, strangers=False) for field in fields
             if field in fixtures.fields(operation) and not depends_on_rows(operation, field)}
    return {field: values[0] for field, values in found.items() if values and not is_placeholder(values[0])}


def share(run: Run, operation: Operation, field: str) -> list[Edge]:
    """The part of a field's values that this operation sends: the distinctive ones, and its share of the rest, which
    fields with the same rules divide among them; without those that other checks send. Rejected values alternate
    with accepted ones, and every second field begins with these."""
    fixtures, known = run.fixtures, edge_values(run.fixtures, operation, field)
    alike = [(other.id, name) for other in run.contract.operations if shares_rows(operation, other)
             for name in other.rules if other.rules[name] == operation.rules[field]
             and edge_values(fixtures, other, name) == known and not is_silent(run, other)]
    turn, of = (alike.index((operation.id, field)), len(alike)) if (operation.id, field) in alike else (0, 1)
    listed = len(known[1]) if fixtures.bounds(operation, field).strangers else 0
    right = share_of_values(known[1], listed if listed <= MOST_LISTED else 1, turn, of)
    others = values_without(known[0], covering_values(fixtures, operation, field))
    wrong = share_of_values(others, DISTINCTIVE, turn, of)
    rejected = [*values_of_other_versions(run, operation, field), *wrong]
    is_key = operation.table is not None and operation.method == "PUT" and operation.table.key == field
    sent = [] if is_key or field in recipe("fresh", operation.id) else [distinctive_value(fixtures, operation, field)]
    rows = [(value, False) for value in rejected], [(value, True) for value in values_without(right, sent)]
    ordered = rows if list(operation.rules).index(field) % 2 else rows[::-1]
    return [edge for pair in zip_longest(*ordered) for edge in pair if edge is not None]


def shares_rows(operation: Operation, other: Operation) -> bool:
    return other == operation or bool(other.table and other.table == operation.table)


def share_of_values(values: Sequence[Any], first: int, turn: int, of: int) -> list[Any]:
    """None, the first values, and every `of`-th of the rest; all if there are few, which takes no further request."""
    if len(values) <= FEW_VALUES:
        return [*values]
    texts = [value for value in values if value is not None]
    first = max(1, first)
    lead = [*texts[:1], *[None] * (len(texts) < len(values)), *texts[1:first]]
    return [*lead, *texts[first:][turn::of]]


def values_without(values: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """The values that are not among others; 1 and true are two."""
    known = [(type(value), value) for value in others]
    return [value for value in values if (type(value), value) not in known]


def values_of_other_versions(run: Run, operation: Operation, field: str) -> list[Any]:
    """Strangers that other versions of the API take for this field."""
    theirs: list[Any] = []
    for other in other_profiles(run.options.profile):
        rules = other.by_id[operation.id].rules.get(field) if operation.id in other.by_id else None
        theirs += accepted_value(rules) if rules else ()
    return [value for value in run.fixtures.bounds(operation, field).strangers if value in theirs]


def foreign_values(run: Run, operation: Operation, field: str) -> list[Edge]:
    """Values that a list refuses, and others hold: every operation begins elsewhere."""
    known = run.fixtures.bounds(operation, field).strangers
    likely = [value for value in known if value in run.contract.listed] or known
    first = run.contract.operations.index(operation) * ELSEWHERE % max(1, len(likely))
    return [(value, False) for value in [*likely[first:], *likely[:first]]]


def edge_values(fixtures: Fixtures, operation: Operation, field: str) -> tuple[list[Any], list[Any]]:
    """What a field rejects and what it accepts, the most distinctive first; not for unknown fields."""
    right = accepted_values(fixtures, operation, field)
    wrong = refused_values(fixtures, operation, field, strangers=False)
    if fixtures.bounds(operation, field).strangers:  # the check `boundaries` tries the neighbours of every listed value
        wrong = [*wrong[:NEIGHBOURS], *(value for value in wrong[NEIGHBOURS:] if value in NOTHING)]
    return values_without(wrong, EMPTIED), values_without(right, EMPTIED)

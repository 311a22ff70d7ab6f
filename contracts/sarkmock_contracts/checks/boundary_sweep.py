"""Boundary values, accepted ones beside rejected ones of other fields, so that no row is created.

Operations on the same rows that ask the same of a field divide its values among them. Laravel judges each field alone
and names those that it refuses, so those that it does not name are accepted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from sarkmock.suite_api import Operation

from ..errors import NoBounds, Unavailable
from ..fixtures.rows import Fixtures
from ..judge.oracle import messages_of
from ..run import Run
from ..spec.operation_data import recipe
from .boundaries import Packet, accepted_values, refused, surely_refused
from .minimal_rules import covering, passing, send_packet
from .undocumented import accepted_by, others

NOT_THERE = {404, 405}
NEIGHBOURS = 3  # misspellings of listed values
SILENCE = 2  # consecutive answers that it does not exist
SWEEP_PARTS = 10  # in which the packets of an operation are sent, in turns with those of all others
Edge = tuple[Any, bool]  # a value, and whether the rules accept it


class Sweep:
    """The packets of one operation: a few in each part of the run."""

    def __init__(self, run: Run, operation: Operation) -> None:
        self.run, self.operation = run, operation
        shares = {field: share(run, operation, field) for field in operation.rules}
        self.turns = max(map(len, shares.values()), default=0)
        self.rows = {field: [*strangers(run, operation, field, self.turns - len(shares[field])), *shares[field]]
                     for field in sorted(shares, key=lambda field: -len(shares[field]))}
        self.turn = self.silent = 0

    def packets(self) -> Iterator[Packet]:
        """As many as the field with most values has; turns that a list has left are used for strangers."""
        return (packet_of(self.run, self.operation, self.rows, turn) for turn in range(self.turns))

    def until(self, part: int) -> None:
        """Send what is due; an unexpected row is removed by the next."""
        while self.turn < ceil(self.turns * (part + 1) / SWEEP_PARTS) and not self.is_over:
            self.turn += 1
            self.send(packet_of(self.run, self.operation, self.rows, self.turn - 1))
        if part == SWEEP_PARTS - 1 and not self.is_over:
            for array in a_text_is_wanted(self.run, self.operation):
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


def check_edges(run: Run, operation: Operation, part: int = SWEEP_PARTS - 1) -> None:
    """Send the packets up to a part, so that a budget cut anywhere leaves all operations judged about equally deep."""
    try:
        run.shared(Sweeps).of(operation).until(part)
    except (Unavailable, NoBounds):
        return


def a_text_is_wanted(run: Run, operation: Operation) -> Iterator[Packet]:
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
    """All packets of an operation."""
    return Sweep(run, operation).packets()


def packet_of(run: Run, operation: Operation, rows: Mapping[str, Sequence[Edge]], turn: int) -> Packet:
    """One value of each field: the first field begins with rejected ones, the others with accepted ones."""
    ordered = list(rows)
    picked = {field: at(rows[field], turn, backwards=field != ordered[0]) for field in ordered if rows[field]}
    if len(rows) > 1 and all(passes for _, passes in picked.values()):
        picked |= spoiled(rows, ordered)
    body = {field: filled(run.fixtures, operation, field, edge) for field, edge in picked.items()}
    wrong = frozenset(field for field, (_, passes) in picked.items() if not passes)
    return surely_refused(run.fixtures, operation, Packet(body, wrong))


def share(run: Run, operation: Operation, field: str) -> list[Edge]:
    """The part of a field's values that is this operation's: those that ask the same of it divide them."""
    row = edges(run.fixtures, operation, field)
    alike = [other.id for other in run.contract.operations
             if other.table and other.table == operation.table and other.rules.get(field) == operation.rules[field]
             and edges(run.fixtures, other, field) == row and not is_silent(run, other)]
    own = row[alike.index(operation.id)::len(alike)] if operation.id in alike else row
    return [*((value, False) for value in kin(run, operation, field)), *own]


def kin(run: Run, operation: Operation, field: str) -> list[Any]:
    """Strangers that other versions of the API take for this field."""
    theirs: list[Any] = []
    for other in others(run.options.profile):
        rules = other.by_id[operation.id].rules.get(field) if operation.id in other.by_id else None
        theirs += accepted_by(rules) if rules else ()
    return [value for value in run.fixtures.bounds(operation, field).strangers if value in theirs]


def strangers(run: Run, operation: Operation, field: str, number: int) -> list[Edge]:
    """Values that a list refuses, and others hold: every operation begins elsewhere."""
    known = run.fixtures.bounds(operation, field).strangers
    first = run.contract.operations.index(operation) * number
    return [(known[(first + turn) % len(known)], False) for turn in range(min(number, len(known)))]


def edges(stock: Fixtures, operation: Operation, field: str) -> list[Edge]:
    """What a field rejects, then what it accepts, except what minimal_rules sends; not for unknown fields."""
    sent = [(type(value), value) for value in covering(stock, operation, field)]
    wrong = [value for value in refused(stock, operation, field, strangers=False) if (type(value), value) not in sent]
    if stock.bounds(operation, field).strangers:
        wrong = wrong[:NEIGHBOURS]  # the boundaries' own check tries those of every listed value
    right = accepted_values(stock, operation, field)[0 if field in recipe("fresh", operation.id) else 1:]
    return [*((value, False) for value in wrong), *((value, True) for value in right)]


def at(row: Sequence[Edge], turn: int, backwards: bool) -> Edge:
    """The value of a turn; a row that is through begins again."""
    return row[-1 - turn % len(row)] if backwards else row[turn % len(row)]


def spoiled(rows: Mapping[str, Sequence[Edge]], ordered: Sequence[str]) -> dict[str, Edge]:
    """A refused value for the field that is through most often, so that the request makes nothing."""
    return next(({field: rows[field][0]} for field in reversed(ordered) if rows[field] and not rows[field][0][1]), {})


def filled(stock: Fixtures, operation: Operation, field: str, edge: Edge) -> Any:
    """The value, or one that is free if it is a key that is taken."""
    value = stock.value(operation, field, edge[0])
    table = operation.table
    if edge[1] and operation.method == "POST" and table is not None and table.key == field:
        taken = str(value).strip() in stock.live.keys(table.name, field)
        return passing(stock, operation, field) if taken else value
    return value

"""The fewest requests in which every rule of an operation accepts and rejects once.

A request sends a value of every field. For each field a few rejected values are chosen that together give every message
of its rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sarkmock.suite_api import Operation

from ..client.http import Exchange
from ..fixtures import Body, Fixtures
from ..judge.agreement import is_crash
from ..judge.oracle import messages_of, rule_messages
from ..run import Run
from ..spec.boundary_values import NOTHING, is_placeholder, placeholder
from ..spec.operation_data import boundaries_beside_rules, recipe
from .boundaries import (
    Packet,
    check_stored,
    crashing_packets,
    distinctive_value,
    has_new_crash,
    packet_problems,
    rejected_values,
    rule_names,
    surely_rejected,
)
from .undocumented import foreign_fields, report_stored

LEFT_OUT = object()  # marks a required field that is rejected by omitting it


def accept_once(run: Run, operation: Operation) -> None:
    """Send an accepted value of every field, and fields that must be ignored. Keep the new row for later tests."""
    if run.fixtures.unrestorable(operation).intersection(run.contract.required(operation)):
        return  # a required field could not be restored
    body = full_body(run.fixtures, operation)
    undocumented = foreign_fields(run, operation) if operation.method == "POST" else {}
    exchange = send_packet(run, operation, Packet({**body, **undocumented}))
    crashed = exchange.response.status >= 500
    if undocumented and (crashed or not undocumented.keys().isdisjoint(exchange.response.rejected)):
        exchange = send_packet(run, operation, Packet(body))
        if crashed and exchange.response.status >= 500:  # it crashes with any body
            run.coverage.strange.update((operation.id, name) for name in undocumented)
    elif exchange.response.ok:
        report_stored(run, operation, undocumented, exchange)
    if exchange.response.ok:
        if operation.method == "POST" or not operation.key:  # a later GET of the row shows what an update stores
            check_stored(run, operation, exchange, body)
        run.fixtures.keep(operation, exchange)


def reject_first(run: Run, operation: Operation) -> None:
    for packet in covering_packets(run, operation, slice(1)):
        send_packet(run, operation, packet)


def full_body(fixtures: Fixtures, operation: Operation) -> Body:
    """Return a distinctive value of each field, and free keys. An update does not change the key."""
    fresh = fixtures.fresh_fields(operation)
    kept = {*fresh, *([operation.table.key] if operation.table and operation.method == "PUT" else [])}
    names = [name for name in fixtures.fields(operation)
             if name not in kept and has_accepted_value(fixtures, operation, name)]
    values = {name: distinctive_value(fixtures, operation, name) for name in names}
    return {**{name: fixtures.value(operation, name, value) for name, value in values.items()}, **fresh}


def has_accepted_value(fixtures: Fixtures, operation: Operation, field: str) -> bool:
    """Whether a field has an accepted value: some rules crash PHP for any input."""
    return bool(fixtures.bounds(operation, field).accept)


def covering_packets(run: Run, operation: Operation, which: slice = slice(None)) -> Iterator[Packet]:
    """Yield packets of rejected values: the first of each field, then the second, and so on."""
    chosen = {field: covering_values(run.fixtures, operation, field) for field in operation.rules}
    required = run.contract.required(operation)
    for turn in range(max(map(len, chosen.values()), default=0))[which]:
        wrong = {field: values[turn] for field, values in chosen.items() if turn < len(values)}
        body = {field: passing_value(run.fixtures, operation, field) for field in required
                if field not in wrong and has_accepted_value(run.fixtures, operation, field)}
        body |= {field: run.fixtures.value(operation, field, value) for field, value in wrong.items()
                 if value is not LEFT_OUT}
        yield surely_rejected(run.fixtures, operation, Packet(body, frozenset(wrong)))


def passing_value(fixtures: Fixtures, operation: Operation, field: str) -> Any:
    """Return an accepted value without creating a row for it."""
    pattern = recipe("fresh", operation.id).get(field)
    if pattern:
        return fixtures.fresh(pattern)
    return fixtures.value(operation, field, fixtures.bounds(operation, field).accept[0])


def covering_values(fixtures: Fixtures, operation: Operation, field: str) -> list[Any]:
    """Return rejected values that together give every message of a field's rules, and one that only a check rejects."""
    required = "required" in rule_names(operation, field)
    values = [value for value in rejected_values(fixtures, operation, field) if value not in NOTHING or not required]
    checked = [placeholder(value) for value in boundaries_beside_rules(operation, field).get("reject", ())[:1]]
    chosen = greedy_cover(operation, field, values) or values[: 0 if checked else 1]
    return [*chosen, *checked, *([LEFT_OUT] if required else [])]


def greedy_cover(operation: Operation, field: str, values: Sequence[Any]) -> list[Any]:
    """Choose values greedily: each adds the most messages that are still missing."""
    wanted = set(rule_messages(operation, field))
    messages = [(value, messages_of(operation, field, value)) for value in values if not is_placeholder(value)]
    chosen: list[Any] = []
    while wanted and messages:
        value, best = max(messages, key=lambda pair: len(pair[1] & wanted))
        if not best & wanted:
            break
        chosen.append(value)
        wanted -= best
    return chosen


def send_packet(run: Run, operation: Operation, packet: Packet) -> Exchange:
    """Send a packet and report verdicts that differ from the boundary tables.

    A value that is known to crash the target's version hides the verdicts on all others. Its field is sent separately
    once, and left out if the target crashes.
    """
    dying = run.shared(known_crashes)
    for name, single in crashing_packets(run, operation, packet).items():
        key = operation.id, name
        if key not in dying:
            dying[key] = is_crash(post(run, operation, single).response)
        if dying[key]:
            packet = packet.without(name)
    return post(run, operation, packet)


def known_crashes(_: Run) -> dict[tuple[str, str], bool]:
    """Return whether a field of an operation crashes the target, as known for its version."""
    return {}


def post(run: Run, operation: Operation, packet: Packet) -> Exchange:
    exchange = run.send(run.fixtures.request(operation, packet.body))
    for problem in packet_problems(run, operation, packet, exchange):
        run.report(operation.id, problem, exchange)
    if has_new_crash(operation, exchange) and run.judge.is_first_crash(operation, exchange.response.status):
        find_crashing_value(run, operation, packet)
    return exchange


def find_crashing_value(run: Run, operation: Operation, packet: Packet) -> None:
    """Halve the values until a single one crashes the target: its field may identify a known crash."""
    minimal = run.fixtures.minimal(operation)
    left = [name for name, value in packet.body.items() if minimal.get(name) != value]
    while len(left) > 1:
        half = left[: len(left) // 2]
        body = {**minimal, **{name: packet.body[name] for name in half}}
        exchange = run.send(run.fixtures.request(operation, body))
        left = half if has_new_crash(operation, exchange) else left[len(left) // 2 :]
    if left:
        run.send(run.fixtures.request(operation, {**minimal, left[0]: packet.body[left[0]]}))

"""Boundary values in combined requests: each sends one value of every field, and gives a verdict for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sarkmock.suite_api import Operation, is_rule_message

from ..client.http import Exchange, Request, request_for
from ..errors import Withheld
from ..fixtures import Body, Fixtures, linked_path
from ..judge.agreement import is_crash
from ..judge.findings import Identity
from ..judge.oracle import Problem, messages_of, verdict
from ..judge.row_model import stored_problems
from ..run import Run
from ..safety.restorable import SURELY
from ..spec.boundary_values import ARRAYS, NOTHING, as_received, is_placeholder
from ..spec.contract import Contract
from ..spec.operation_data import boundaries_beside_rules, bounds_in, open_fields

NOT_THERE = {404, 405}
SILENCE = 2  # consecutive responses that the operation does not exist


@dataclass(frozen=True)
class Packet:
    """A body and the fields that a 422 must name; without such fields the body must be accepted.

    ``hidden``: these fields are rejected only when they are stored, unless another field is rejected first.
    """

    body: Body
    rejected: frozenset[str] = frozenset()
    hidden: bool = False

    def without(self, field: str) -> Packet:
        body = {name: value for name, value in self.body.items() if name != field}
        return Packet(body, self.rejected - {field}, self.hidden)


def check_bounds(run: Run, operation: Operation, others: Mapping[str, Sequence[Any]]) -> None:
    """Test every rule of an operation with accepted and rejected boundary values, and other values to reject."""
    if is_silent(run, operation):
        return
    for packet in accepted_packets(run, operation):
        compare_packet(run, operation, packet)
    for packet in rejected_packets(run, operation, others):
        compare_packet(run, operation, packet)
    for field in run.fixtures.fields(operation):
        for value in run.fixtures.bounds(operation, field).fatal:  # the oracle decides what the response must be
            run.send(run.fixtures.request(operation, {**run.fixtures.minimal(operation), field: value}))


def accepted_packets(run: Run, operation: Operation) -> Iterator[Packet]:
    """Yield packets of accepted values."""
    fixtures = run.fixtures
    rows = {field: values for field in fixtures.fields(operation)
            if (values := accepted_values(fixtures, operation, field))}
    if operation.table and operation.method == "PUT":
        rows.pop(operation.table.key, None)  # a profile that lets the key change would lose the row
    for turn in range(max(map(len, rows.values()), default=0)):
        body = {field: fixtures.value(operation, field, values[turn % len(values)]) for field, values in rows.items()}
        yield Packet({**body, **with_fresh_keys(fixtures, operation, body)})


def rejected_packets(run: Run, operation: Operation, others: Mapping[str, Sequence[Any]]) -> Iterator[Packet]:
    """Yield packets of rejected values: one for every field that has any left; required fields get accepted values."""
    fixtures = run.fixtures
    rows = {field: [*rejected_values(fixtures, operation, field), *others.get(field, ())]
            for field in fixtures.fields(operation)}
    for turn in range(max(map(len, rows.values()), default=0)):
        body = fixtures.minimal(operation)
        left = {field: values[turn] for field, values in rows.items() if turn < len(values)}
        wrong = {field: fixtures.value(operation, field, value) for field, value in left.items()}
        yield Packet({**body, **wrong}, frozenset(wrong))
    required = run.contract.required(operation)
    if required:
        yield Packet({}, frozenset(required))


def surely_rejected(fixtures: Fixtures, operation: Operation, packet: Packet) -> Packet:
    """Return the packet. If a value of it could not be restored, add the rejected values that the gate requires."""
    left_out = fixtures.unrestorable(operation)
    if not left_out.intersection(packet.body):
        return packet
    rows = {field: rejected_values(fixtures, operation, field) for field in fixtures.fields(operation)
            if field not in packet.rejected}
    more = [field for field, values in rows.items() if values][: max(0, SURELY - len(packet.rejected))]
    wrong = {field: fixtures.value(operation, field, rows[field][0]) for field in more}
    return Packet({**packet.body, **wrong}, packet.rejected.union(more))


def accepted_values(fixtures: Fixtures, operation: Operation, field: str) -> list[Any]:
    """Return the values that a field accepts. Empty values are added if the field is nullable."""
    empty = NOTHING if "nullable" in rule_names(operation, field) else ()
    return [*fixtures.bounds(operation, field).accept, *values_of_version(fixtures, operation, field, True), *empty]


def rejected_values(fixtures: Fixtures, operation: Operation, field: str) -> list[Any]:
    """Return the values that a field rejects, and empty values unless the field is nullable or they crash PHP."""
    bounds = fixtures.bounds(operation, field)
    rejects_null = not bounds.fatal or bool(messages_of(operation, field, None))
    empty = NOTHING if rejects_null and "nullable" not in rule_names(operation, field) else ()
    theirs = values_of_version(fixtures, operation, field, False)
    return [*bounds.reject, *theirs, *empty]


def values_of_version(fixtures: Fixtures, operation: Operation, field: str, passes: bool) -> list[Any]:
    """Return boundary values of the target's version that the judging document accepts, or those that it rejects.

    A target whose rules are a little different from those of its version may differ in these values only.
    """
    theirs = bounds_in(fixtures.version(), operation, field)
    values = [value for value in (*theirs.accept, *theirs.reject) if not is_placeholder(value)]
    narrowed = passes and "accept" in boundaries_beside_rules(operation, field)
    if not values or narrowed or field in fixtures.contract.asking(operation):
        return []
    ours = fixtures.bounds(operation, field)
    sent = {repr(value) for value in (*ours.accept, *ours.reject, *ours.fatal, *ours.foreign)}
    return [value for value in values if repr(value) not in sent
            and bool(messages_of(operation, field, as_received(value))) is not passes]


def distinctive_value(fixtures: Fixtures, operation: Operation, field: str) -> Any:
    """Return an accepted value that shows whether it is stored; None if there is none.

    For a new row it differs from the default, and for an update from the value of a new row; values with letters are
    preferred. For a required field or a disruptive operation it is the first accepted value.
    """
    accepted = fixtures.bounds(operation, field).accept
    values = [value for value in accepted if not isinstance(value, (list, dict))]
    if "required" in rule_names(operation, field) or operation.hazard == "disruptive" or not values:
        return next(iter(accepted), None)
    others = [value for value in values[1:] if str(value) != str(operation.defaults.get(field))] or values
    others.sort(key=lambda value: str(value).swapcase() == str(value))
    if operation.method == "PUT" and operation.key and is_set_on_creation(fixtures, operation, field):
        others = [value for value in others[1:] + values if str(value).strip() != str(others[0]).strip()] or others
    return others[0]


def is_set_on_creation(fixtures: Fixtures, operation: Operation, field: str) -> bool:
    return any(create.method == "POST" and create.table == operation.table and field in create.rules
               for create in fixtures.contract.operations)


def rule_names(operation: Operation, field: str) -> set[str]:
    rules = operation.rules[field]
    return {rule.partition(":")[0] for rule in (rules.split("|") if isinstance(rules, str) else rules)}


def with_fresh_keys(fixtures: Fixtures, operation: Operation, body: Mapping[str, Any]) -> Body:
    """Return fresh values for the fields that need them. A key of the body that is still free is kept."""
    fresh = fixtures.fresh_fields(operation)
    table = operation.table
    if table is None or table.key not in fresh or table.key not in body:
        return fresh
    taken = str(body[table.key]).strip() in fixtures.live.keys(table.name, table.key)
    return fresh if taken else {name: value for name, value in fresh.items() if name != table.key}


def compare_packet(run: Run, operation: Operation, packet: Packet) -> None:
    """Send a packet and report every field whose verdict differs from the boundary tables.

    Values that are known to crash the target's version are sent separately.
    """
    try:
        for name, single in crashing_packets(run, operation, packet).items():
            run.send(run.fixtures.request(operation, single.body))
            packet = packet.without(name)
        exchange = run.send(run.fixtures.request(operation, packet.body))
    except Withheld:
        return
    reported = {problem[:3] for problem in exchange.problems}
    for problem in packet_problems(run, operation, packet, exchange):
        shorter = field_alone(run, operation, packet, problem)
        if shorter is not None or problem[:3] not in reported:
            run.report(operation.id, problem, shorter or exchange)
    required = required_part(run, operation, packet)
    if has_new_crash(operation, exchange) and not is_crash_predicted(run, operation, exchange.request.path, required):
        rest = without_crashing_values(run, operation, packet)
        if rest is not None:
            compare_packet(run, operation, rest)
    if exchange.response.ok:
        check_stored(run, operation, exchange, packet.body)
        run.fixtures.sweep()


def packet_problems(run: Run, operation: Operation, packet: Packet, exchange: Exchange) -> Iterator[Problem]:
    """Yield fields with the wrong verdict, unless rows of the target decide it."""
    for problem in contradictions(run, operation, packet, exchange):
        if problem.field in run.contract.asking(operation):
            expected = verdict(run.contract, operation, exchange.request, run.live)
            if (problem.field in expected.errors) != (problem.field in packet.rejected):
                continue  # rows contradict what the packet assumes, for example because one is gone
        yield problem


def contradictions(run: Run, operation: Operation, packet: Packet, exchange: Exchange) -> Iterator[Problem]:
    if exchange.response.status != 422 and not exchange.response.ok:
        return  # judged as a response: an undocumented status is one finding, not one for every field
    answer = exchange.response.rejected
    named, unknown = set(answer), open_fields(operation) | run.contract.unlisted(operation)
    missed = frozenset() if packet.hidden and named else packet.rejected - named
    for field in sorted(missed - unknown):
        value = packet.body.get(field, "(absent)")
        yield Problem("rules", field, "accepted", f"{field} breaks its rules but is not rejected: {value!r}")
    for field in sorted(named - packet.rejected - unknown):
        if not named_by_a_check(run, operation, field, exchange):
            text = f"{field} is rejected though its rules accept {packet.body.get(field)!r}: {answer[field]}"
            yield Problem("rules", field, "rejected", text)


def named_by_a_check(run: Run, operation: Operation, field: str, exchange: Exchange) -> bool:
    """Whether a check beyond the rules may have rejected a field, as the mock of the judging document does.

    A check may depend on rows that the mock does not know. Its message is then not one of a rule.
    """
    if field not in run.contract.may_name(operation):
        return False
    if field not in operation.rules or not any(is_rule_message(field, str(message))
                                               for message in exchange.response.rejected[field]):
        return True
    return field in run.judge.attribution.expected(exchange).rejected


def shown_alone(_: Run) -> set[Identity]:
    """Return the set of differences that were already tried with the field alone in the body."""
    return set()


def field_alone(run: Run, operation: Operation, packet: Packet, problem: Problem) -> Exchange | None:
    """Repeat a difference with the field alone in the body, as a shorter reproduction; a known difference only once."""
    identity = Identity(operation.id, *problem[:3])
    shown, new = run.shared(shown_alone), any(map(run.judge.is_new, run.findings.of(identity)))
    if problem.field not in packet.body or (identity in shown and not new):
        return None
    shown.add(identity)
    body = {**run.fixtures.minimal(operation), problem.field: packet.body[problem.field]}
    exchange = run.send(run.fixtures.request(operation, body))
    single = Packet(body, packet.rejected & {problem.field})
    same = any(other[1:3] == problem[1:3] for other in packet_problems(run, operation, single, exchange))
    return exchange if same else None


def crashing_packets(run: Run, operation: Operation, packet: Packet) -> dict[str, Packet]:
    """Return by field the packets that crash the target's version, as predicted by its mock. Nothing is sent."""
    if not run.judge.attribution.may_crash:
        return {}
    path, required = run.fixtures.request(operation, packet.body).path, required_part(run, operation, packet)
    if not is_crash_predicted(run, operation, path, packet.body) or is_crash_predicted(run, operation, path, required):
        return {}
    singles = {name: {**required, name: value} for name, value in packet.body.items() if name not in required}
    return {name: Packet(body, packet.rejected & body.keys()) for name, body in singles.items()
            if is_crash_predicted(run, operation, path, body)}


def required_part(run: Run, operation: Operation, packet: Packet) -> Body:
    return {name: packet.body[name] for name in run.contract.required(operation) if name in packet.body}


def is_crash_predicted(run: Run, operation: Operation, path: str, body: Body) -> bool:
    if not run.judge.attribution.may_crash:
        return False
    return is_crash(run.judge.attribution.predict(request_for(operation.method, path, body)).response)


def has_new_crash(operation: Operation, exchange: Exchange) -> bool:
    """Whether the target crashed with an undocumented status. One such value hides the verdicts on all others."""
    return exchange.response.status >= 500 and str(exchange.response.status) not in operation.spec["responses"]


def without_crashing_values(run: Run, operation: Operation, packet: Packet) -> Packet | None:
    """Return the packet without the values that crash the target by themselves; None if nothing is left to send."""
    minimal = run.fixtures.minimal(operation)
    deadly = set()
    for field in sorted(name for name, value in packet.body.items() if minimal.get(name) != value):
        exchange = run.send(run.fixtures.request(operation, {**minimal, field: packet.body[field]}))
        if has_new_crash(operation, exchange):
            deadly.add(field)
        if exchange.response.ok:
            run.fixtures.sweep()
    if not deadly or deadly & minimal.keys():
        return None
    body = {name: value for name, value in packet.body.items() if name not in deadly}
    return Packet({**body, **with_fresh_keys(run.fixtures, operation, body)}, packet.rejected - deadly)


def check_arrays(run: Run, operation: Operation) -> None:
    """Send a value that is not text, one field at a time: PHP may crash on it and then judges nothing else.

    Only for documents that reject what crashes: where it is a 500, the oracle decides which of several arrays it was.
    """
    for field in () if is_silent(run, operation) else run.fixtures.fields(operation):
        takes_arrays = run.contract.takes(operation, field, ["a"])
        for value in ARRAYS[:1] if takes_arrays else ARRAYS:
            body = {**run.fixtures.minimal(operation), field: value}
            if not (takes_arrays and value):
                compare_packet(run, operation, Packet(body, frozenset({field}), hidden=True))


def is_silent(run: Run, operation: Operation) -> bool:
    """Whether responses do not depend on values: the operation or its row is missing, or crashes for any input."""
    statuses = {status: count for (name, status), count in run.coverage.statuses.items() if name == operation.id}
    crashes = statuses.get(500, 0) > SILENCE or any(crash.operation == operation.id for crash in run.judge.crashing)
    return bool(statuses) and statuses.keys() <= (NOT_THERE | {500} if crashes else NOT_THERE)


# stored values


def check_stored(run: Run, operation: Operation, exchange: Exchange, sent: Mapping[str, Any]) -> None:
    """Compare the values of a successful write with what a GET shows."""
    if not exchange.response.ok or not isinstance(exchange.response.json, dict):
        return
    path = shown_at(run.contract, operation, exchange)
    if path is None:
        return
    after = run.send(Request("GET", path))
    if isinstance(after.response.json, dict):
        for problem in stored_problems(operation, sent, after.response.json):
            run.report(operation.id, problem, exchange, after)


def shown_at(contract: Contract, operation: Operation, exchange: Exchange) -> str | None:
    """Return the path of the GET that shows what an operation wrote: its own path, or that of its link."""
    item = contract.document["paths"][operation.path]
    if operation.method == "PUT" and "get" in item:
        return exchange.request.path
    for link in contract.links_from(operation).values():
        target = contract.by_id[link.target]
        if target.method == "GET" and target.table is not None:
            return linked_path(contract, link, exchange.response.json)
    return None

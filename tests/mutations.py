"""Random mutations of a profile as overlay actions, with the differences that a comparison must report."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sarkmock_contracts.baselines.catalogue import catalogue
from sarkmock_contracts.baselines.facts import NOT_SENT, Facts
from sarkmock_contracts.baselines.observer import DEPTHS, is_new_key, values_for
from sarkmock_contracts.baselines.recording import BoxRecorder
from sarkmock_contracts.client.target import Target
from sarkmock_contracts.client.transports import InProcess
from sarkmock_contracts.spec.boundary_values import is_placeholder
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, State
from sarkmock.laravel.validation import Validator
from sarkmock.pbx.seed import Seed
from sarkmock.spec import overlay
from sarkmock.suite_api import Operation, api_application, load

GENERIC = ("create", "update")
DEPTH = DEPTHS["usual"]
HAZARDS = frozenset({"read", "write", "operational"})
NOW = 1_717_236_000
Action = Mapping[str, Any]
Expected = frozenset[tuple[str, str, str]]  # category, operation, field or status

LOOKED_AT = {"technology"}  # in checks of another variable

CRASH = {"description": "The product crashes.", "content": {"application/json": {
    "schema": {"type": "object"},
    "example": {"message": "boom", "exception": "ErrorException", "file": "/x.php", "line": 1, "trace": []}}}}


@dataclass(frozen=True)
class Mutation:
    """One change of a profile: its actions, the differences that it must cause, and the operations that it hides."""

    name: str
    actions: tuple[Action, ...]
    expected: Expected
    hides: frozenset[str] = field(default_factory=frozenset)  # operations that can be tested less


factory = cache(Seed.factory)


def record(document: Any, section: str) -> Facts:
    """The recording of a mock of a document with a frozen clock."""
    target = Target(InProcess(api_application(Engine(document, State(factory(), now=NOW)))))
    return BoxRecorder(target, DEPTH, HAZARDS, section).run()


@cache
def plain(profile: str, section: str) -> Facts:
    """The recording of a profile without a mutation."""
    return record(load(profile), section)


def mutated(profile: str, mutations: list[Mutation]) -> Any:
    """The profile's document with the mutations."""
    return overlay.apply(load(profile), [action for mutation in mutations for action in mutation.actions])


def members(profile: str, section: str) -> list[Operation]:
    return [operation for operation in contract_of(profile).operations if operation.section == section]


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def place(operation: Operation) -> str:
    return f"$.paths['{operation.path}'].{operation.method.lower()}"


def jsonpath(pointer: str) -> str:
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return "$" + "".join(f"['{step}']" for step in steps)


def makers(operations: list[Operation]) -> list[Operation]:
    return [operation for operation in operations if operation.method == "POST"]


def dependents(operation: Operation, operations: list[Operation]) -> frozenset[str]:
    """The operations that need rows of an operation and cannot be tested fully if it fails."""
    if operation.method == "POST" or (operation.method == "GET" and not operation.parameters):
        return frozenset(name_of(operation) for operation in operations)
    return frozenset({name_of(operation)})


# the kinds of mutations


def gone(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """An operation is removed."""
    operation = rng.choice(operations)
    if operation.method == "GET":
        return None  # a GET of an existing path is a 404 of another route, or a HEAD
    return Mutation(f"gone {name_of(operation)}", ({"target": place(operation), "remove": True},),
                    frozenset({("place", name_of(operation), "")}), dependents(operation, operations))


def status(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """An operation succeeds with another status."""
    operation = rng.choice(operations)
    statuses = [fact.is_ for fact in plain(profile, operation.section).of(name_of(operation), "status")]
    if operation.status >= 500 or operation.status not in statuses:
        return None
    new = rng.choice([code for code in (200, 201, 202, 203) if code != operation.status])
    response = operation.spec["responses"][str(operation.status)]
    actions = ({"target": f"{place(operation)}.responses['{operation.status}']", "remove": True},
               {"target": f"{place(operation)}.responses", "update": {str(new): copy.deepcopy(response)}})
    return Mutation(f"status {name_of(operation)} {new}", actions, frozenset({("status", name_of(operation), "")}))


def crash(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """An operation always crashes."""
    operation = rng.choice(operations)
    statuses = [fact.is_ for fact in plain(profile, operation.section).of(name_of(operation), "status")]
    if operation.action == "crash" or operation.status not in statuses:
        return None
    name, target = name_of(operation), place(operation)
    actions = [{"target": target, "update": {"x-action": "crash", "responses": {"500": CRASH}}}]
    checks = [{"target": f"{target}['x-after']", "remove": True}] if operation.checks and operation.key else []
    return Mutation(f"crash {name}", (*actions, *checks), frozenset({("status", name, "")}),
                    dependents(operation, operations))


def field_gone(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """Responses lack a field."""
    contract = contract_of(profile)
    operation = rng.choice(operations)
    row = contract.row_place(operation)
    schema = contract.resolve(row)[1] if row else {}
    seen = plain(profile, operation.section)
    key = operation.table.key if operation.table else None
    names = [name for name, described in schema.get("properties", {}).items()
             if name != key and "default" not in described]
    if not names:
        return None
    name = rng.choice(names)
    alike = [other for other in members(profile, operation.section) if contract.row_place(other) == row]
    shown = frozenset(("field", name_of(other), name) for other in alike
                      if any(fact.of in (name, f"[].{name}") for fact in seen.of(name_of(other), "field")))
    return Mutation(f"field {row} {name}", ({"target": f"{jsonpath(row or '')}.properties['{name}']", "remove": True},),
                    shown)


@cache
def rule_lists() -> list[Any]:
    """All rule lists of the documents that need neither tables nor files."""
    every = [rules for known in catalogue().values() for version in known.versions.values()
             for rules in version.rules.values()]
    texts = {str(rules): rules for rules in every
             if not any(word in str(rules) for word in ("exists", "file", "mime", "operator"))}
    return [texts[text] for text in sorted(texts)]


class NoTables:
    def columns(self, table: str) -> list[str]:
        return []

    def rows(self, table: str) -> list[Any]:
        return []

    def count(self, table: str, column: str, value: Any) -> int:
        return 0


def verdicts(name: str, field_name: str, rules: Any) -> list[Any] | None:
    """The verdict of a rule list on each tested value; None if it crashes for one."""
    results = []
    for value in (*values_for(catalogue()[name], field_name, DEPTH), NOT_SENT):
        if is_placeholder(value):
            return None
        data = {} if value is NOT_SENT else {field_name: laravel(value)}
        try:
            results.append(Validator({field_name: rules}).errors(data, NoTables()).get(field_name))
        except Exception:
            return None
    return results


def laravel(value: Any) -> Any:
    """A value after the middleware: trimmed, and null instead of an empty text."""
    return (value.strip() or None) if isinstance(value, str) else value


def servable(operation: Operation, field_name: str, judged: list[Any]) -> bool:
    """Whether the mock's action can handle all values that the rules accept: it may rely on texts."""
    values = [*values_for(catalogue()[name_of(operation)], field_name, DEPTH), ""]
    return operation.action in GENERIC or all(isinstance(value, str) for value, messages in
                                              zip(values, judged, strict=True) if not messages)


def rule(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """A variable has other rules."""
    contract = contract_of(profile)
    chosen = rng.choice([other for other in operations if other.rules] or [None])
    if chosen is None:
        return None
    name = rng.choice(list(chosen.rules))
    if "exists" in str(chosen.rules[name]) or is_new_key(catalogue()[name_of(chosen)], name):
        return None
    if name in contract.may_name(chosen) or name in LOOKED_AT:
        return None  # checks also decide about it
    new = rng.choice(rule_lists())
    if chosen.action not in GENERIC and ("required" in str(chosen.rules[name])) != ("required" in str(new)):
        return None  # the action needs the variable
    body = contract.resolve(contract.body_place(chosen) or "")[0]
    alike = [other for other in contract.operations if contract.body_place(other)
             and contract.resolve(contract.body_place(other) or "")[0] == body and other.section == chosen.section]
    judged = {name_of(other): (verdicts(name_of(other), name, other.rules[name]), verdicts(name_of(other), name, new))
              for other in alike}
    if any(None in pair for pair in judged.values()) or not servable(chosen, name, judged[name_of(chosen)][1] or []):
        return None
    target = f"{jsonpath(body)}.properties['{name}']"
    actions = ({"target": f"{target}['x-rules']", "remove": True}, {"target": target, "update": {"x-rules": new}})
    hides = [dependents(other, operations) for other in alike if all(judged[name_of(other)][1])]
    seen = plain(profile, chosen.section)
    expected = frozenset(("rule", op, name) for op, (before, after) in judged.items() if before != after
                         and any(fact.of == name for fact in seen.of(op, "rule")))
    return Mutation(f"rule {name_of(chosen)} {name} {new}", actions, expected, frozenset().union(*hides))


KINDS = (gone, status, crash, field_gone, rule, rule, rule)


def draw(profile: str, section: str, rng: random.Random, count: int) -> list[Mutation]:
    """Draw mutations that neither interfere with nor hide one another."""
    operations = members(profile, section)
    mutations: list[Mutation] = []
    for _ in range(30 * count):
        if len(mutations) == count:
            break
        new = rng.choice(KINDS)(profile, operations, rng)
        if new is not None and not any(meet(new, other) for other in mutations):
            mutations.append(new)
    return mutations


def meet(first: Mutation, second: Mutation) -> bool:
    """Whether one mutation hides the differences of the other, or both change the same."""
    touched = [{op for _, op, _ in mutation.expected} | mutation.hides for mutation in (first, second)]
    return bool(first.hides & touched[1] or second.hides & touched[0] or first.expected & second.expected
                or first.actions[0]["target"] == second.actions[0]["target"])


def expected(before: list[Mutation], after: list[Mutation]) -> set[tuple[str, str, str]]:
    """The expected differences of two profiles: the mutations of only one of them."""
    sides = [frozenset().union(*(mutation.expected for mutation in side)) for side in (before, after)]
    return set(sides[0] ^ sides[1])


def sections(profile: str) -> Iterator[str]:
    """Sections with rows, whose operations write."""
    for section in contract_of(profile).sections:
        operations = members(profile, section)
        if any(operation.table and operation.method == "POST" for operation in operations):
            yield section

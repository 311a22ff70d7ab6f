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
    return [one for one in contract_of(profile).operations if one.section == section]


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def place(operation: Operation) -> str:
    return f"$.paths['{operation.path}'].{operation.method.lower()}"


def jsonpath(pointer: str) -> str:
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return "$" + "".join(f"['{step}']" for step in steps)


def makers(operations: list[Operation]) -> list[Operation]:
    return [one for one in operations if one.method == "POST"]


def dependents(operation: Operation, operations: list[Operation]) -> frozenset[str]:
    """The operations that need rows of an operation and cannot be tested fully if it fails."""
    if operation.method == "POST" or (operation.method == "GET" and not operation.parameters):
        return frozenset(name_of(one) for one in operations)
    return frozenset({name_of(operation)})


# the kinds of mutations


def gone(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """An operation is removed."""
    one = rng.choice(operations)
    if one.method == "GET":
        return None  # a GET of an existing path is a 404 of another route, or a HEAD
    return Mutation(f"gone {name_of(one)}", ({"target": place(one), "remove": True},),
                    frozenset({("place", name_of(one), "")}), dependents(one, operations))


def status(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """An operation succeeds with another status."""
    one = rng.choice(operations)
    seen = plain(profile, one.section)
    if one.status >= 500 or not any(fact.is_ == one.status for fact in seen.of(name_of(one), "status")):
        return None
    new = rng.choice([code for code in (200, 201, 202, 203) if code != one.status])
    response = one.spec["responses"][str(one.status)]
    actions = ({"target": f"{place(one)}.responses['{one.status}']", "remove": True},
               {"target": f"{place(one)}.responses", "update": {str(new): copy.deepcopy(response)}})
    return Mutation(f"status {name_of(one)} {new}", actions, frozenset({("status", name_of(one), "")}))


def crash(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """An operation always crashes."""
    one = rng.choice(operations)
    seen = plain(profile, one.section)
    if one.action == "crash" or not any(fact.is_ == one.status for fact in seen.of(name_of(one), "status")):
        return None
    actions = [{"target": place(one), "update": {"x-action": "crash", "responses": {"500": CRASH}}}]
    checks = [{"target": f"{place(one)}['x-after']", "remove": True}] if one.checks and one.key else []
    return Mutation(f"crash {name_of(one)}", (*actions, *checks), frozenset({("status", name_of(one), "")}),
                    dependents(one, operations))


def field_gone(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """Responses lack a field."""
    contract = contract_of(profile)
    one = rng.choice(operations)
    row = contract.row_place(one)
    schema = contract.resolve(row)[1] if row else {}
    seen = plain(profile, one.section)
    key = one.table.key if one.table else None
    names = [name for name, described in schema.get("properties", {}).items()
             if name != key and "default" not in described]
    if not names:
        return None
    name = rng.choice(names)
    alike = [other for other in members(profile, one.section) if contract.row_place(other) == row]
    shown = frozenset(("field", name_of(other), name) for other in alike
                      if any(fact.of in (name, f"[].{name}") for fact in seen.of(name_of(other), "field")))
    return Mutation(f"field {row} {name}", ({"target": f"{jsonpath(row or '')}.properties['{name}']", "remove": True},),
                    shown)


@cache
def rule_lists() -> list[Any]:
    """All rule lists of the documents that need neither tables nor files."""
    every = [rules for known in catalogue().values() for one in known.versions.values() for rules in one.rules.values()]
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
    found = []
    for value in (*values_for(catalogue()[name], field_name, DEPTH), NOT_SENT):
        if is_placeholder(value):
            return None
        data = {} if value is NOT_SENT else {field_name: laravel(value)}
        try:
            found.append(Validator({field_name: rules}).errors(data, NoTables()).get(field_name))
        except Exception:
            return None
    return found


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


def meet(one: Mutation, other: Mutation) -> bool:
    """Whether one mutation hides the differences of the other, or both change the same."""
    touched = [{op for _, op, _ in mutation.expected} | mutation.hides for mutation in (one, other)]
    return bool(one.hides & touched[1] or other.hides & touched[0] or one.expected & other.expected
                or one.actions[0]["target"] == other.actions[0]["target"])


def expected(before: list[Mutation], after: list[Mutation]) -> set[tuple[str, str, str]]:
    """The expected differences of two profiles: the mutations of only one of them."""
    sides = [frozenset().union(*(mutation.expected for mutation in side)) for side in (before, after)]
    return set(sides[0] ^ sides[1])


def sections(profile: str) -> Iterator[str]:
    """Sections with rows, whose operations write."""
    for section in contract_of(profile).sections:
        found = members(profile, section)
        if any(one.table and one.method == "POST" for one in found):
            yield section

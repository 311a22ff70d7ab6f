"""Random mutations of a profile, as overlay actions, and what a comparison must say of each. Compares nothing."""

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
Expected = frozenset[tuple[str, str, str]]  # category, operation, what of it

LOOKED_AT = {"technology"}  # by the checks of another variable

CRASH = {"description": "The product crashes.", "content": {"application/json": {
    "schema": {"type": "object"},
    "example": {"message": "boom", "exception": "ErrorException", "file": "/x.php", "line": 1, "trace": []}}}}


@dataclass(frozen=True)
class Mutation:
    """One change of a profile: what it does to the document, what must be told of it, what it hides."""

    name: str
    actions: tuple[Action, ...]
    expected: Expected
    hides: frozenset[str] = field(default_factory=frozenset)  # operations of which less can be seen


factory = cache(Seed.factory)


def record(document: Any, section: str) -> Facts:
    """The recording of a mock of a document, in this process; its clock stands still."""
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
    """What can no longer be seen in full once an operation fails: where its rows are needed."""
    if operation.method == "POST" or (operation.method == "GET" and not operation.parameters):
        return frozenset(name_of(one) for one in operations)
    return frozenset({name_of(operation)})


# the kinds of mutations


def gone(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """An operation is not there any more."""
    one = rng.choice(operations)
    if one.method == "GET":
        return None  # any GET of a path that is there answers 404 by another route, or is a HEAD
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
    """Answers lack a field."""
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
    """Every rule list of the documents that needs neither tables nor files."""
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
    """What a rule list says of every value that is tried; None if it dies of one."""
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
    """What the middleware makes of a value: trimmed, nothing for an empty text."""
    return (value.strip() or None) if isinstance(value, str) else value


def servable(operation: Operation, field_name: str, judged: list[Any]) -> bool:
    """Whether the mock can do with what the rules take: its own action may count on texts."""
    values = [*values_for(catalogue()[name_of(operation)], field_name, DEPTH), ""]
    return operation.action in GENERIC or all(isinstance(value, str) for value, messages in
                                              zip(values, judged, strict=True) if not messages)


def rule(profile: str, operations: list[Operation], rng: random.Random) -> Mutation | None:
    """A variable is judged by other rules."""
    contract = contract_of(profile)
    one = rng.choice([other for other in operations if other.rules] or [None])
    if one is None:
        return None
    name = rng.choice(list(one.rules))
    if "exists" in str(one.rules[name]) or is_new_key(catalogue()[name_of(one)], name):
        return None
    if name in contract.may_name(one) or name in LOOKED_AT:
        return None  # checks beside the rules have their say
    new = rng.choice(rule_lists())
    if one.action not in GENERIC and ("required" in str(one.rules[name])) != ("required" in str(new)):
        return None  # what such an action cannot do without stays required
    body = contract.resolve(contract.body_place(one) or "")[0]
    alike = [other for other in contract.operations if contract.body_place(other)
             and contract.resolve(contract.body_place(other) or "")[0] == body and other.section == one.section]
    judged = {name_of(other): (verdicts(name_of(other), name, other.rules[name]), verdicts(name_of(other), name, new))
              for other in alike}
    if any(None in pair for pair in judged.values()) or not servable(one, name, judged[name_of(one)][1] or []):
        return None
    target = f"{jsonpath(body)}.properties['{name}']"
    actions = ({"target": f"{target}['x-rules']", "remove": True}, {"target": target, "update": {"x-rules": new}})
    hides = [dependents(other, operations) for other in alike if all(judged[name_of(other)][1])]
    seen = plain(profile, one.section)
    told = frozenset(("rule", op, name) for op, (before, after) in judged.items() if before != after
                     and any(fact.of == name for fact in seen.of(op, "rule")))
    return Mutation(f"rule {name_of(one)} {name} {new}", actions, told, frozenset().union(*hides))


KINDS = (gone, status, crash, field_gone, rule, rule, rule)


def draw(profile: str, section: str, rng: random.Random, count: int) -> list[Mutation]:
    """Some mutations that neither meet nor hide one another."""
    operations = members(profile, section)
    found: list[Mutation] = []
    for _ in range(30 * count):
        if len(found) == count:
            break
        new = rng.choice(KINDS)(profile, operations, rng)
        if new is not None and not any(meet(new, other) for other in found):
            found.append(new)
    return found


def meet(one: Mutation, other: Mutation) -> bool:
    """Whether one hides what must be told of the other, or both change the same."""
    touched = [{op for _, op, _ in mutation.expected} | mutation.hides for mutation in (one, other)]
    return bool(one.hides & touched[1] or other.hides & touched[0] or one.expected & other.expected
                or one.actions[0]["target"] == other.actions[0]["target"])


def expected(before: list[Mutation], after: list[Mutation]) -> set[tuple[str, str, str]]:
    """What must be told of two profiles: what is mutated in one of them alone."""
    sides = [frozenset().union(*(mutation.expected for mutation in side)) for side in (before, after)]
    return set(sides[0] ^ sides[1])


def sections(profile: str) -> Iterator[str]:
    """Sections with rows, whose operations write."""
    for section in contract_of(profile).sections:
        found = members(profile, section)
        if any(one.table and one.method == "POST" for one in found):
            yield section

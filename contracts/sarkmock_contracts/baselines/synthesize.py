"""Overlay actions for differences that no known deviation explains: paths, statuses, fields and rules.

The rules of a variable are inferred from the recorded verdicts.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sarkmock.suite_api import (
    METHODS,
    Document,
    Operation,
    OverlayError,
    PhpError,
    Validator,
    apply_overlay,
    laravel_messages,
)

from ..judge.oracle import NoRows
from ..spec.boundary_values import as_received, split
from ..spec.contract import Contract
from .catalogue import catalogue, missing_parts
from .facts import Baseline, Fact
from .observer import WAS_ACCEPTED, WAS_REJECTED
from .severity import Difference

OverlayAction = Mapping[str, Any]
JSON_TYPES = {"text": "string", "list": "array"}  # the other types have the same name
CRASH = {
    "description": "It fails with a server error.",
    "content": {"application/json": {
        "schema": {"type": "object"},
        "example": {"message": "", "exception": "ErrorException", "file": "", "line": 0, "trace": []}}}}


@dataclass
class Synthesis:
    """Overlay actions, the differences that they express by deviation, and those that cannot be expressed."""

    actions: list[OverlayAction] = field(default_factory=list)
    deviations: dict[str, list[Difference]] = field(default_factory=dict)
    beyond: list[Difference] = field(default_factory=list)

    def add(self, name: str, differences: Iterable[Difference], actions: Iterable[Mapping[str, Any]]) -> None:
        self.deviations.setdefault(name, []).extend(differences)
        self.actions += [{**action, "x-deviation": name} for action in actions]


def synthesize(document: Document, box: Baseline, differences: Iterable[Difference]) -> Synthesis:
    """Build actions that make a document behave as the box. Statuses come last, because they move whole responses."""
    result = Synthesis()
    by_op: dict[str, list[Difference]] = {}
    for difference in differences:
        by_op.setdefault(difference.op, []).append(difference)
    contract = Contract(document)
    for op, members in by_op.items():
        result.beyond += [member for member in members if not express_place(result, document, member)]
        operation = contract.by_name.get(op)
        if operation is not None:
            express_fields(result, contract, operation, take_differences(result, "field"))
            express_rules(result, contract, operation, box, take_differences(result, ("rule", "message", "variable")))
    try:
        changed = Contract(apply_overlay(document, result.actions))
    except OverlayError:
        return result  # two actions conflict; the caller tries the deviations one by one
    result.beyond = [difference for difference in result.beyond if not express_status(result, changed, difference)]
    return result


def take_differences(synthesis: Synthesis, kinds: str | tuple[str, ...]) -> list[Difference]:
    """Remove and return the differences of some kinds that no action expresses yet."""
    taken = [difference for difference in synthesis.beyond if difference.kind.startswith(kinds)]
    synthesis.beyond = [difference for difference in synthesis.beyond if difference not in taken]
    return taken


def operation_place(operation: Operation) -> str:
    return f"$.paths['{operation.path}'].{operation.method.lower()}"


def deviation_id(op: str, *words: str) -> str:
    """Return the id of a deviation that is specific to the box."""
    text = " ".join((op, *words)).lower()
    return "box-" + "-".join("".join(char if char.isalnum() else " " for char in text).split())


# paths


def express_place(synthesis: Synthesis, document: Document, difference: Difference) -> bool:
    """Express an operation that is gone, moved or new; return whether the difference is of such a kind."""
    if difference.kind not in ("operation removed", "operation moved", "operation added"):
        return False
    actions = list(removal_actions(document, difference.op)) if difference.kind != "operation added" else []
    arrived = difference.op if difference.kind == "operation added" else difference.after
    actions += adoption_actions(document, arrived) if arrived else []
    synthesis.add(deviation_id(difference.op, difference.kind.rpartition(" ")[2]), [difference], actions)
    return True


def removal_actions(document: Document, op: str) -> Iterator[OverlayAction]:
    """Yield actions that remove an operation and the links to it."""
    method, path = op.split(" ", 1)
    name = document["paths"][path][method.lower()]["operationId"]
    yield {"target": f"$.paths['{path}'].{method.lower()}", "remove": True}
    for source, item in document["paths"].items():
        for verb in METHODS:
            for status, response in item.get(verb, {}).get("responses", {}).items():
                for link, described in response.get("links", {}).items():
                    if described.get("operationId") == name and (source, verb) != (path, method.lower()):
                        target = f"$.paths['{source}'].{verb}.responses['{status}'].links['{link}']"
                        yield {"target": target, "remove": True}


def adoption_actions(document: Document, op: str) -> Iterator[OverlayAction]:
    """Yield actions that add an operation from a profile that has it, with the components it needs."""
    entry = catalogue()[op]
    components, item = missing_parts(document, entry)
    if components:
        yield {"target": "$.components", "update": components}
    yield {"target": "$.paths", "update": {entry.path: item}}


# statuses


def express_status(synthesis: Synthesis, contract: Contract, difference: Difference) -> bool:
    """Express another success status, or a crash instead of success; return whether that was possible."""
    operation = contract.by_name.get(difference.op)
    if operation is None or str(operation.status) not in str(difference.before).split(", "):
        return False
    responses = f"{operation_place(operation)}.responses"
    if difference.kind == "success status changed":
        response = copy.deepcopy(operation.spec["responses"][str(operation.status)])
        synthesis.add(deviation_id(difference.op, "status"), [difference], [
            {"target": f"{responses}['{operation.status}']", "remove": True},
            {"target": responses, "update": {str(difference.after): response}}])
        return True
    if difference.kind == "now crashes":
        actions = [{"target": f"{responses}['{status}']", "remove": True} for status in operation.spec["responses"]]
        crash = {"x-action": "crash", "responses": {"500": CRASH}}
        actions.append({"target": operation_place(operation), "update": crash})
        if operation.checks and operation.key:
            actions.append({"target": f"{operation_place(operation)}['x-after']", "remove": True})
        synthesis.add(deviation_id(difference.op, "crashes"), [difference], actions)
        return True
    return False


# answers


def express_fields(synthesis: Synthesis, contract: Contract, operation: Operation,
                   differences: list[Difference]) -> None:
    """Express fields that appeared, are gone or changed type, by a schema of the operation's own."""
    row = contract.row_place(operation)
    if not differences:
        return
    if row is None or "properties" not in contract.resolve(row)[1]:
        synthesis.beyond += differences
        return
    schema = copy.deepcopy(contract.resolve(row)[1])
    for difference in differences:
        if "." in difference.of or "[]" in difference.of:
            synthesis.beyond.append(difference)
        elif difference.kind == "field removed":
            schema["properties"].pop(difference.of, None)
            schema["required"] = [name for name in schema.get("required", ()) if name != difference.of]
        else:
            described = {key: value for key, value in schema["properties"].get(difference.of, {}).items()
                         if key in ("default", "description")}
            schema["properties"][difference.of] = {**described, "type": [
                JSON_TYPES.get(kind, kind) for kind in difference.after]}
    done = [difference for difference in differences if difference not in synthesis.beyond]
    if done:
        name = f"Box.{operation.id}.answer"
        synthesis.add(deviation_id(operation.name, "fields"), done,
                      [{"target": "$.components.schemas", "update": {name: schema}},
                       *replaced_row_schema(contract, operation, name)])


def replaced_row_schema(contract: Contract, operation: Operation, name: str) -> Iterator[OverlayAction]:
    """Yield actions that replace the row schema of the successful response by a component."""
    place = f"{operation_place(operation)}.responses['{operation.status}']"
    response = contract.response(operation, operation.status)
    assert response is not None  # it has a row
    if "$ref" in operation.spec["responses"][str(operation.status)]:  # copy a shared response into the operation
        yield {"target": f"{place}['$ref']", "remove": True}
        yield {"target": place, "update": copy.deepcopy(response[1])}
    schema: Any = {"$ref": f"#/components/schemas/{name}"}
    if contract.resolve(response[0] + "/content/application~1json/schema")[1].get("type") == "array":
        described = response[1]["content"]["application/json"]["schema"]
        least = {"minItems": described["minItems"]} if "minItems" in described else {}
        schema = {"type": "array", "items": schema, **least}
    content = f"{place}.content['application/json']"
    yield {"target": f"{content}.schema", "remove": True}
    yield {"target": content, "update": {"schema": schema}}


# bodies


def express_rules(synthesis: Synthesis, contract: Contract, operation: Operation, box: Baseline,
                  differences: list[Difference]) -> None:
    """Express variables that are validated differently, by a body schema of the operation's own."""
    body = contract.body_place(operation)
    if not differences:
        return
    if body is None:
        synthesis.beyond += differences
        return
    schema = copy.deepcopy(contract.resolve(body)[1])
    op, wording = operation.name, contract.document["x-laravel"]["messages"]
    for difference in differences:
        name = difference.of
        facts = [fact for fact in box.facts.of(op, "rule") if fact.of == name]
        rules = None if difference.kind == "variable ignored" else infer_rules(name, facts, wording)
        if difference.kind == "variable ignored":
            schema["properties"].pop(name, None)
        elif rules is None:
            synthesis.beyond.append(difference)
            continue
        else:
            schema["properties"][name] = rule_schema(contract, schema["properties"].get(name, {}), rules)
        required = set(schema.get("required", ())) - {name} | ({name} if rules and "required" in rules else set())
        schema["required"] = sorted(required)
    if not schema.get("required"):
        schema.pop("required", None)
    done = [difference for difference in differences if difference not in synthesis.beyond]
    if done:
        component = f"Box.{operation.id}.body"
        synthesis.add(deviation_id(op, "variables"), done, [
            {"target": "$.components.schemas", "update": {component: schema}},
            *({"target": f"{operation_place(operation)}.requestBody.content['{kind}'].schema['$ref']",
               "update": f"#/components/schemas/{component}"} for kind in operation.spec["requestBody"]["content"])])


def rule_schema(contract: Contract, before: Mapping[str, Any], rules: list[str]) -> dict[str, Any]:
    """Return the schema of a variable with these rules, keeping its description and source.

    It is that of any variable with the same rules, or else one for any scalar or null.
    """
    described = {key: value for key, value in before.items() if key in ("description", "x-source", "x-errata")}
    written: Any = rules if any("|" in rule for rule in rules) else "|".join(rules)
    alike = (contract.resolve(contract.property_place(operation, name))[1]
             for operation in contract.operations for name, own in operation.rules.items()
             if {*split(own), "required"} == {*rules, "required"})
    schema = next(alike, {"type": ["string", "number", "boolean", "null"]})
    plain = {key: value for key, value in schema.items() if not key.startswith("x-") and key != "description"}
    return {**described, **plain, "x-rules": written}


RuleList = list[str]
EXISTING_KEY = "an existing key"
# Rules whose messages do not name their parameters, or that are inferred in another way.
UNNAMED = {"required", "exists", "in", "unique", "regex", "file", "mimes", "mimetypes", "uploaded"}


class _Rows(NoRows):
    """Stand-in tables in which only `EXISTING_KEY` exists."""

    def count(self, table: str, column: str, value: Any) -> int:
        return int(value == EXISTING_KEY)


def infer_rules(field: str, seen: Sequence[Fact], wording: str) -> RuleList | None:
    """Return a rule list that yields every recorded verdict and message in this wording; None if none does."""
    return next((rules for rules in candidate_rules(seen, wording) if explains(field, rules, seen, wording)), None)


def explains(field: str, rules: Sequence[str], seen: Sequence[Fact], wording: str) -> bool:
    try:
        validator = Validator({field: list(rules)}, wording)
        for fact in filter(is_constant, seen):
            sent = EXISTING_KEY if isinstance(fact.sent, Mapping) else as_received(fact.sent)
            messages = tuple(validator.errors({} if is_absent(fact) else {field: sent}, _Rows()).get(field, ()))
            if (fact.is_, fact.says) != (WAS_REJECTED if messages else WAS_ACCEPTED, messages):
                return False
    except (PhpError, ValueError):
        return False
    return True


def is_absent(fact: Fact) -> bool:
    return isinstance(fact.sent, Mapping) and "absent" in fact.sent


def is_constant(fact: Fact) -> bool:
    """Whether a value can be judged without the box: not a file, a misspelled key or an array."""
    if isinstance(fact.sent, Mapping):
        return is_absent(fact) or (fact.sent.get("live") or [0, 0, 1])[2] == 0
    return not isinstance(fact.sent, list)


def candidate_rules(seen: Sequence[Fact], wording: str) -> Iterator[RuleList]:
    """Yield rule lists that the messages suggest, then every rule list of any document."""
    messages = [message for fact in seen for message in fact.says]
    required = ["required"] if any("field is required" in message for message in messages) else []
    nullable = [] if required else ["nullable"]
    suggested = list(dict.fromkeys(rule.format(*match.groups()) for message in messages
                                   for pattern, rule in message_patterns(wording)
                                   if (match := pattern.fullmatch(message))))
    patterns = dict.fromkeys(rule for rules in known_lists() for rule in rules if rule.startswith("regex:"))
    for middle in (suggested, *([*suggested, rule] for rule in (*in_rules(seen), *patterns))):
        for order in (middle, middle[::-1]):
            yield [*required, *order, *nullable]
            yield [*required, *order]
    yield from known_lists()
    yield from ([*required, *rules] for rules in known_lists())


@cache
def message_patterns(wording: str) -> list[tuple[re.Pattern[str], str]]:
    """Return a pattern for each of Laravel's messages, with its rule. Size rules have a message per type of value."""
    texts = ((name, text) for name, entry in laravel_messages(wording).items() if name not in UNNAMED
             for text in ([entry] if isinstance(entry, str) else entry.values()))
    return [(re.compile(re.escape(text).replace(":attribute", ".+").replace(f":{name}", r"([\d.]+)")),
             f"{name}:{{}}" if f":{name}" in text else name) for name, text in texts]


def in_rules(seen: Sequence[Fact]) -> Iterator[str]:
    """Yield an `in` rule with the accepted values, if a message says that a selected value is invalid."""
    if any(re.search("selected .* is invalid", message) for fact in seen for message in fact.says):
        taken = [str(as_received(fact.sent)) for fact in seen if fact.is_ == WAS_ACCEPTED and fact.sent is not None
                 and not isinstance(fact.sent, (Mapping, list, bool))]
        if taken:
            yield "in:" + ",".join(dict.fromkeys(taken))


@cache
def known_lists() -> tuple[RuleList, ...]:
    """Return every rule list of every document, except those with placeholders."""
    every = [split(rules) for entry in catalogue().values() for version in entry.versions.values()
             for rules in version.rules.values() if "{" not in str(rules)]
    return tuple({"|".join(rules): list(rules) for rules in every}.values())

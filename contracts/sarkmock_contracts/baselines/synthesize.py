"""Overlay actions for differences that no known deviation explains: paths, statuses, fields and rules."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sarkmock.suite_api import METHODS, Document, Operation, OverlayError, apply_overlay

from ..spec.boundary_values import split
from ..spec.contract import Contract, operation_name
from .catalogue import catalogue, missing_parts
from .facts import Baseline
from .inferring import infer_rules
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
        operation = find_operation(contract, op)
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


def find_operation(contract: Contract, op: str) -> Operation | None:
    return next((operation for operation in contract.operations if operation_name(operation) == op), None)


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
    for other, item in document["paths"].items():
        for verb in METHODS:
            for status, response in item.get(verb, {}).get("responses", {}).items():
                for link, described in response.get("links", {}).items():
                    if described.get("operationId") == name and (other, verb) != (path, method.lower()):
                        place_ = f"$.paths['{other}'].{verb}.responses['{status}'].links['{link}']"
                        yield {"target": place_, "remove": True}


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
    operation = find_operation(contract, difference.op)
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
        synthesis.add(deviation_id(operation_name(operation), "fields"), done,
                  [{"target": "$.components.schemas", "update": {name: schema}},
                   *replaced_row_schema(contract, operation, name)])


def replaced_row_schema(contract: Contract, operation: Operation, name: str) -> Iterator[OverlayAction]:
    """Yield actions that replace the row schema of the successful response by a component."""
    content = f"{operation_place(operation)}.responses['{operation.status}'].content['application/json']"
    response = contract.response(operation, operation.status)
    described = response[1]["content"]["application/json"]["schema"] if response else {}
    reference = {"$ref": f"#/components/schemas/{name}"}
    inside = "$ref" in operation.spec["responses"][str(operation.status)]
    if inside:  # copy a shared response into the operation
        whole = copy.deepcopy(response[1]) if response else {}
        yield {"target": f"{operation_place(operation)}.responses['{operation.status}']['$ref']", "remove": True}
        yield {"target": f"{operation_place(operation)}.responses['{operation.status}']", "update": whole}
    is_list = contract.resolve(response[0] + "/content/application~1json/schema")[1].get("type") == "array" \
        if response else False
    yield {"target": f"{content}.schema", "remove": True}
    schema: Any = {"type": "array", "items": reference} if is_list else reference
    if is_list and "minItems" in described:
        schema["minItems"] = described["minItems"]
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
    op, wording = operation_name(operation), contract.document["x-laravel"]["messages"]
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
    """Return the schema of a variable with these rules, keeping its description and source."""
    described = {key: value for key, value in before.items() if key in ("description", "x-source", "x-errata")}
    written: Any = rules if any("|" in rule for rule in rules) else "|".join(rules)
    return {**described, **schema_with_rules(contract, rules), "x-rules": written}


def schema_with_rules(contract: Contract, rules: list[str]) -> dict[str, Any]:
    """Return the schema of any variable with the same rules; one for any scalar or null if there is none."""
    wanted = frozenset(rules) - {"required"}
    for operation in contract.operations:
        for name, own in operation.rules.items():
            if frozenset(split(own)) - {"required"} == wanted:
                resolved = contract.resolve(contract.property_place(operation, name))
                return {key: value for key, value in resolved[1].items()
                        if not key.startswith("x-") and key != "description"}
    return {"type": ["string", "number", "boolean", "null"]}

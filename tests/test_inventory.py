"""The document covers the documentation completely: operations, rules, errata, behaviours, silences."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sarkmock.spec import loading, yaml12

HERE = Path(__file__).parent
COUNTS = {"operations": 139, "rules": 306, "errata": 76, "behaviours": 60, "silences": 34}


@cache
def inventory(name: str) -> list[dict[str, Any]]:
    return json.loads((HERE / "inventory" / f"{name}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@cache
def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """operationId -> method, path and the operation."""
    paths = loading.load()["paths"]
    return {item[method]["operationId"]: (method.upper(), path, item[method])
            for path, item in paths.items() for method in loading.METHODS if method in item}


def body(operation: str) -> dict[str, Any]:
    """The schema of an operation's request body."""
    content = operations()[operation][2].get("requestBody", {}).get("content", {"none": {}})
    return loading.resolve(loading.load(), next(iter(content.values())).get("schema", {}))  # type: ignore[no-any-return]


def field(rule: dict[str, Any]) -> dict[str, Any]:
    """The property that a rule of the documentation belongs to, or an empty mapping."""
    if rule["operation"] not in operations():
        return {}
    return body(rule["operation"]).get("properties", {}).get(rule["field"], {})  # type: ignore[no-any-return]


def rules_of(schema: dict[str, Any]) -> list[str]:
    rules = schema.get("x-rules", [])
    return rules.split("|") if isinstance(rules, str) else list(rules)


def sources(place: dict[str, Any]) -> set[int]:
    source = place.get("x-source", [])
    return {source} if isinstance(source, int) else set(source)


def errata_in(value: Any) -> Iterator[str]:
    """Every erratum in a part of the document."""
    for _, key, errata in loading.extensions(value):
        if key == "x-errata":
            yield from errata
        elif key == "x-documented":
            yield from errata["errata"]


def errata_of(operation: str) -> set[str]:
    """The errata of an operation, of its path's parameters and of its body."""
    if operation not in operations():
        return set()
    _, path, operation_object = operations()[operation]
    parameters = loading.load()["paths"][path].get("parameters", [])
    return set(errata_in([operation_object, parameters, body(operation)]))


def describe_rule(rule: dict[str, Any]) -> str:
    return f"{rule['operation']}.{rule['field']} (line {rule['line']})"


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_inventory_is_complete(name: str, count: int) -> None:
    assert len(inventory(name)) == count


def test_every_operation_is_in_the_document() -> None:
    documented = {(item["id"], item["method"], item["path"]) for item in inventory("operations")}
    assert documented - described() == set()


def test_document_has_no_additional_operations() -> None:
    """Except the one for unknown AMI functions: the documentation states which names are rejected (line 134)."""
    documented = {item["id"] for item in inventory("operations")}
    assert {name for name, _, _ in described()} - documented == {"astamis.function"}


def described() -> set[tuple[str, str, str]]:
    return {(name, method, path) for name, (method, path, _) in operations().items()}


def test_every_operation_names_its_source_lines() -> None:
    missing = [f"{item['id']}: one of {item['lines']}" for item in inventory("operations")
               if item["id"] in operations() and not sources(operations()[item["id"]][2]) & set(item["lines"])]
    assert missing == []


def test_every_rule_is_enforced() -> None:
    wrong = [f"{describe_rule(rule)}: {rules_of(field(rule))}, not {rule['rules']}" for rule in inventory("rules")
             if rules_of(field(rule)) != rule["rules"]]
    assert wrong == []


def test_every_rule_names_its_source_line() -> None:
    assert [describe_rule(rule) for rule in inventory("rules") if rule["line"] not in sources(field(rule))] == []


def test_required_rules_match_schema_required() -> None:
    required = {(rule["operation"], rule["field"]) for rule in inventory("rules") if "required" in rule["rules"]}
    assert {(name, key) for name in operations() for key in body(name).get("required", [])} == required


def test_corrected_rules_quote_the_documentation() -> None:
    corrected = [rule for rule in inventory("rules") if "documented" in rule]
    assert [describe_rule(rule) for rule in corrected if not quotes_source(field(rule), rule["documented"])] == []


def quotes_source(schema: dict[str, Any], lines: list[str]) -> bool:
    """Whether x-documented is the documentation's text, ignoring whitespace."""
    text = schema.get("x-documented", {}).get("text", "")
    return text != "" and without_whitespace(text) in without_whitespace("".join(lines))


def without_whitespace(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_every_rule_lists_its_errata() -> None:
    missing = [f"{describe_rule(rule)}: {sorted(lacking)}" for rule in inventory("rules")
               if (lacking := set(rule["errata"]) - set(errata_in(field(rule))))]
    assert missing == []


def test_every_operation_lists_its_errata() -> None:
    missing = [f"{item['id']}: {sorted(lacking)}" for item in inventory("operations")
               if (lacking := set(item["errata"]) - errata_of(item["id"]))]
    assert missing == []


def test_every_erratum_is_in_the_document() -> None:
    errata = {item["id"] for item in inventory("errata")}
    assert set(errata_in(loading.load())) == errata


def test_create_accepts_variables_of_update() -> None:
    """sark-v6-api.txt line 110: a POST accepts the variables of the PUT, with the same rules by default."""
    documented = {(rule["operation"], rule["field"]) for rule in inventory("rules")}
    wrong = [f"{name}.{key}" for name in operations() for update in updates_of(name)
             for key, schema in body(update).get("properties", {}).items()
             if (name, key) not in documented and rules_of(body(name)["properties"].get(key, {})) != rules_of(schema)]
    assert wrong == []


def updates_of(operation: str) -> list[str]:
    """The update that belongs to a create."""
    resource, _, verb = operation.partition(".")
    update = f"{resource}.update"
    return [update] if verb.split(".")[0] == "create" and update in operations() else []


@pytest.mark.parametrize("name", ["behaviours", "silences"])
def test_every_statement_has_a_case(name: str) -> None:
    cases = yaml12.read(HERE / "cases" / f"{name}.yaml")
    assert [case["id"] for case in cases] == [item["id"] for item in inventory(name)]

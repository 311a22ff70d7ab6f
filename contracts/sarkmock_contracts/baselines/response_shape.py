"""What a response holds, as names and types: never a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sarkmock.suite_api import Operation, pointer

from ..spec.contract import Contract

TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "text", list: "list", dict: "object",
         type(None): "null"}
ANY_NAME = "*"  # stands for names that are data
Shape = dict[str, list[str]]


def shape(value: Any, names: frozenset[str] | None = None) -> Shape:
    """Field -> the types that it was seen with, sorted; rows of a list are one.

    ``names`` are those that are fields: any other is data and counts as ``*``; None takes all for fields.
    """
    found: dict[str, set[str]] = {}
    for name, kind in _walk(value, names, ""):
        found.setdefault(name, set()).add(kind)
    return {name: sorted(kinds) for name, kinds in found.items()}


def _walk(value: Any, names: frozenset[str] | None, place: str) -> Iterator[tuple[str, str]]:
    yield place or "(body)", TYPE_NAMES[type(value)]
    if isinstance(value, Mapping):
        for name, item in value.items():
            known = names is None or name in names
            yield from _walk(item, names if known else None, _join(place, name if known else ANY_NAME))
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, names, f"{place}[]")


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def response_fields(contract: Contract, operation: Operation) -> frozenset[str] | None:
    """The names that are fields in the answers of an operation; None where every name is one.

    Where a schema says that further names may come with their own form, those are data.
    """
    found = contract.response(operation, operation.status)
    if found is None or "application/json" not in found[1].get("content", {}):
        return None
    _, schema = contract.resolve(found[0] + pointer("content", "application/json", "schema"))
    known: set[str] = set()
    return frozenset(known) if _collect(contract, schema, known, 0) else None


def _collect(contract: Contract, schema: Any, known: set[str], depth: int) -> bool:
    """Collect the names of fields; whether any part holds names that are data."""
    if not isinstance(schema, dict) or depth > 8:
        return False
    if "$ref" in schema:
        return _collect(contract, contract.resolve(schema["$ref"][1:])[1], known, depth + 1)
    known |= set(schema.get("properties", ()))
    parts = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items", {})]
    inner = [_collect(contract, part, known, depth + 1) for part in parts]
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        _collect(contract, extra, known, depth + 1)
    return isinstance(extra, dict) or any(inner)

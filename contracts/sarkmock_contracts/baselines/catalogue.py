"""The operations of all profiles, the fields of their responses, and the document that fits a given box."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sarkmock.suite_api import (
    METHODS,
    Document,
    Operation,
    keys_of,
    load,
    pointer,
    profile_names,
    reach,
    with_references,
)

from ..spec.contract import Contract, contract_of, in_section

TABLE_FILES = Path(__file__).parent.parent / "spec" / "boundary_values"


@dataclass
class CatalogueEntry:
    """One operation of the catalogue: a method on a path, as the profiles that have it describe it."""

    method: str
    path: str
    versions: dict[str, Operation] = field(default_factory=dict)  # by profile

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def first(self) -> Operation:
        return next(iter(self.versions.values()))

    @property
    def hazard(self) -> str:
        return self.first.hazard

    @property
    def ids(self) -> set[str]:
        return {operation.id for operation in self.versions.values()}

    def is_in(self, section: str | None) -> bool:
        """Whether a name is the section's title or the first path segment; always true for None."""
        return section is None or in_section(self.first, section)

    @property
    def fields(self) -> list[str]:
        """The variables that any version has rules for."""
        return list(dict.fromkeys(name for operation in self.versions.values() for name in operation.rules))


@cache
def catalogue() -> dict[str, CatalogueEntry]:
    """Return every operation of the packaged profiles, by name, in document order."""
    result: dict[str, CatalogueEntry] = {}
    for profile in profile_names():
        for operation in contract_of(profile).operations:
            entry = result.setdefault(operation.name, CatalogueEntry(operation.method, operation.path))
            entry.versions[profile] = operation
    return result


def same_operation_elsewhere(name: str) -> list[str]:
    """Return the other names (method and path) under which a profile has the same operation."""
    entry = catalogue()[name]
    return [moved.name for moved in catalogue().values() if moved is not entry and moved.ids & entry.ids]


def request_digest() -> str:
    """Return a digest of all that determines the requests of a recording. Other digests cannot be compared."""
    facts = [[entry.name, entry.hazard, {profile: version.rules for profile, version in entry.versions.items()}]
             for entry in catalogue().values()]
    tables = [file.read_text(encoding="utf-8") for file in sorted(TABLE_FILES.glob("*.yaml"))]
    return hashlib.sha256(json.dumps([facts, tables]).encode()).hexdigest()[:12]


# the working document


def nearest_profile(there: Mapping[str, bool]) -> str:
    """Return the profile whose operations fit best to those that a box has and lacks."""
    def mismatches(profile: str) -> int:
        return sum(has != (profile in catalogue()[name].versions) for name, has in there.items())
    return min(profile_names(), key=mismatches)


def working_contract(there: Mapping[str, bool]) -> Contract:
    """Return the nearest profile's contract, extended by operations of other profiles that the box has.

    ``there`` says by operation name whether the box has it; other operations are unknown.
    """
    return _working(frozenset(there.items()))


@cache
def _working(facts: frozenset[tuple[str, bool]]) -> Contract:
    there = dict(facts)
    base = nearest_profile(there)
    document = copy.deepcopy(load(base))
    for entry in catalogue().values():
        if base not in entry.versions and there.get(entry.name):
            _make_room(document, entry, there)
            _adopt(document, entry)
    return Contract(document)


def _make_room(document: Document, entry: CatalogueEntry, there: Mapping[str, bool]) -> None:
    """Remove an operation from other paths, unless the box is known to have it there as well."""
    for path, item in list(document["paths"].items()):
        for method in METHODS:
            if item.get(method, {}).get("operationId") in entry.ids and not there.get(f"{method.upper()} {path}"):
                del item[method]


def _adopt(document: Document, entry: CatalogueEntry) -> None:
    if entry.ids & {item[method]["operationId"] for item in document["paths"].values() for method in METHODS
                    if method in item}:
        return  # the operation is already there at another path
    components, item = missing_parts(document, entry)
    for kind, members in components.items():
        document["components"].setdefault(kind, {}).update(members)
    document["paths"].setdefault(entry.path, {}).update(item)


def missing_parts(document: Document, entry: CatalogueEntry) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the components and path item members that a document needs to adopt an operation of another profile."""
    profile = next(iter(entry.versions))
    other = load(profile)
    item, present = other["paths"][entry.path], document["paths"].get(entry.path, {})
    components: dict[str, dict[str, Any]] = {}

    def renamed(ref: str) -> str:
        head, _, component = ref.rpartition("/")
        return f"{head}/{profile}.{component}"

    for place in sorted(reach(other, pointer("paths", entry.path))):
        if place.startswith("/components/"):
            _, kind, name = keys_of(place)
            if f"{profile}.{name}" not in document["components"].get(kind, {}):
                component = with_references(other["components"][kind][name], renamed)
                components.setdefault(kind, {})[f"{profile}.{name}"] = component
    members = {key: with_references(value, renamed) for key, value in item.items()
               if key == entry.method.lower() or (key not in METHODS and key not in present)}
    operation, schemes = members[entry.method.lower()], document["components"].get("securitySchemes", {})
    if not all(name in schemes for requirement in operation.get("security", ()) for name in requirement):
        del operation["security"]  # a box without tokens asks for none
    return components, members


TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "text", list: "list", dict: "object",
              type(None): "null"}
WHOLE_BODY = "(body)"
ANY_NAME = "*"  # stands for property names that are data
Shape = dict[str, list[str]]


def field_types(value: Any, names: frozenset[str] | None = None) -> Shape:
    """Return the sorted types of each field in a JSON value; the rows of a list are merged.

    Property names outside ``names`` are data and become ``*``; None takes all names as fields.
    """
    types: dict[str, set[str]] = {}
    for name, kind in _walk(value, names, ""):
        types.setdefault(name, set()).add(kind)
    return {name: sorted(kinds) for name, kinds in types.items()}


def _walk(value: Any, names: frozenset[str] | None, place: str) -> Iterator[tuple[str, str]]:
    yield place or WHOLE_BODY, TYPE_NAMES[type(value)]
    if isinstance(value, Mapping):
        for name, item in value.items():
            inner = name if names is None or name in names else ANY_NAME
            yield from _walk(item, None if inner == ANY_NAME else names, f"{place}.{inner}" if place else inner)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, names, f"{place}[]")


@cache
def fields_of_answers(name: str) -> frozenset[str] | None:
    """Return the field names in responses of an operation over all profiles; None if every name is a field."""
    fields = [response_fields(contract_of(profile), operation)
              for profile, operation in catalogue()[name].versions.items()]
    return None if None in fields else frozenset[str]().union(*filter(None, fields))


def response_fields(contract: Contract, operation: Operation) -> frozenset[str] | None:
    """Return the field names in responses of an operation; None if every name is a field.

    Names that match a schema under `additionalProperties` are data.
    """
    response = contract.response(operation, operation.status)
    if response is None or "application/json" not in response[1].get("content", {}):
        return None
    _, schema = contract.resolve(response[0] + pointer("content", "application/json", "schema"))
    names: set[str] = set()
    return frozenset(names) if _collect(contract, schema, names, 0) else None


def _collect(contract: Contract, schema: Any, names: set[str], depth: int) -> bool:
    """Collect field names into ``names``; return whether any part has property names that are data."""
    if not isinstance(schema, dict) or depth > 8:
        return False
    if "$ref" in schema:
        return _collect(contract, contract.resolve(schema["$ref"][1:])[1], names, depth + 1)
    names |= set(schema.get("properties", ()))
    parts = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items", {})]
    inner = [_collect(contract, part, names, depth + 1) for part in parts]
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        _collect(contract, extra, names, depth + 1)
    return isinstance(extra, dict) or any(inner)

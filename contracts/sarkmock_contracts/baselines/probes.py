"""The values that every recording tries on a variable: from the rules of all profiles, and some that fit none.

Which they are depends on the tables alone, so that two recordings have asked the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sarkmock.suite_api import Operation

from ..checks.minimal_rules import greedy
from ..errors import NoBounds
from ..spec.boundary_values import FileOf, Live, bounds_of, is_placeholder, placeholder
from ..spec.operation_data import narrowed, recipe
from .catalogue import Known, catalogue
from .facts import canonical_json

# Values that other kinds of rules would accept or reject.
GENERAL: tuple[Any, ...] = (None, "zz", "two words", 7, "1.5", True, "x" * 100)


@dataclass(frozen=True)
class Depth:
    """How many values of a kind are tried on a variable."""

    name: str
    accepted: int
    refused: int
    general: tuple[Any, ...]


DEPTHS = {depth.name: depth for depth in (Depth("quick", 1, 0, ()), Depth("usual", 4, 4, GENERAL),
                                          Depth("full", 99, 99, GENERAL))}


def values_for(known: Known, field: str, depth: Depth) -> list[Any]:
    """The values that are tried on a variable, the plainest first; placeholders as bounds have them."""
    return list(_values_for(known.name, field, depth.name))


@cache
def _values_for(name: str, field: str, depth_name: str) -> tuple[Any, ...]:
    known, depth = catalogue()[name], DEPTHS[depth_name]
    found: dict[str, Any] = {}
    for operation in known.versions.values():
        if field in operation.rules:
            for value in _of_version(operation, field, depth):
                found.setdefault(canonical_json(recorded_value(value)), value)
    for value in () if are_files(found.values()) else depth.general[: 1 if is_new_key(known, field) else None]:
        found.setdefault(canonical_json(recorded_value(value)), value)
    return tuple(value for value in found.values() if not _names_a_key(known, field, value))


def are_files(values: Iterable[Any]) -> bool:
    """Whether a variable takes files: nothing else is tried there."""
    return any(isinstance(value, FileOf) for value in values)


def _of_version(operation: Operation, field: str, depth: Depth) -> Iterator[Any]:
    accepted, refused = boundary_lists(operation, field)
    yield from accepted[: depth.accepted]
    covering = greedy(operation, field, [value for value in refused if not is_placeholder(value)])
    yield from covering
    rest = [value for value in refused if value not in covering]
    yield from rest[: max(depth.refused - len(covering), 0 if covering else 1)]


def boundary_lists(operation: Operation, field: str) -> tuple[list[Any], list[Any]]:
    """What a version of an operation takes and refuses at its boundaries, its checks heeded; nothing if unknown."""
    try:
        table = bounds_of(operation.rules[field])
    except NoBounds:
        return [], []
    own = narrowed(operation, field)
    accepted = [placeholder(value) for value in own["accept"]] if "accept" in own else list(table.accept)
    refused = [*table.reject, *table.fatal, *map(placeholder, own.get("reject", ()))]
    return accepted, refused


def _names_a_key(known: Known, field: str, value: Any) -> bool:
    """Whether it could be taken for the key of a row, in an update: the row would be renamed."""
    table = known.first.table
    if known.method != "PUT" or table is None or table.key != field:
        return False
    return all(value in boundary_lists(operation, field)[0] for operation in known.versions.values()
               if field in operation.rules)


@cache
def refused_by_every_version(name: str, field: str, text: str) -> bool:
    """Whether every version that has the variable refuses a value by its tables."""
    versions = [one for one in catalogue()[name].versions.values() if field in one.rules]
    return bool(versions) and all(
        text in {canonical_json(recorded_value(value)) for value in boundary_lists(one, field)[1]} for one in versions)


def recorded_value(value: Any) -> Any:
    """A value as a recording writes it: a live key or a file is written by its name."""
    if isinstance(value, Live):
        return {"live": [value.table, value.column, value.variant]}
    if isinstance(value, FileOf):
        return {"file": value.kind, **({"name": value.name} if value.name else {})}
    return value


# packets


def probe_packets(known: Known, fields: Iterable[str], depth: Depth) -> Iterator[dict[str, Any]]:
    """One value of every variable at a time, accepted ones beside refused ones of others, so that little is made.

    Keys that must be new are tried apart: whose row it would be must be known before.
    """
    rows = {field: values_for(known, field, depth) for field in fields}
    keys = {field: rows.pop(field) for field in list(rows) if is_new_key(known, field)}
    rows = {field: row[turn % len(row):] + row[: turn % len(row)]
            for turn, (field, row) in enumerate(rows.items()) if row}
    for turn in range(max(map(len, rows.values()), default=0)):
        packet = {field: row[turn] for field, row in rows.items() if turn < len(row)}
        yield {**packet, **_anchor(known, rows, packet)}
    for field, row in keys.items():
        yield from ({field: value} for value in row)


def _anchor(known: Known, rows: Mapping[str, list[Any]], packet: Mapping[str, Any]) -> dict[str, Any]:
    """A refused value of a variable that is through, where else all could be accepted and a row made or changed."""
    if any(refused_by_every_version(known.name, field, canonical_json(recorded_value(value)))
           for field, value in packet.items()):
        return {}
    return next(({field: value} for field, row in rows.items() if field not in packet for value in row
                 if refused_by_every_version(known.name, field, canonical_json(recorded_value(value)))), {})


def is_new_key(known: Known, field: str) -> bool:
    """Whether a create operation takes a key there that must be new in every request."""
    return any(field in {**recipe("fresh", operation.id), **recipe("made", operation.id)}
               for operation in known.versions.values())

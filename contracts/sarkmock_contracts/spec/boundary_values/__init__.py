"""The hand-written tables of boundary values, and the look-up of a field's rule list in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sarkmock.suite_api import PhpError, State, Validator, read_yaml

from ...errors import NoBounds

_HERE = Path(__file__).parent
KINDS = ("accept", "reject", "fatal")
_ASIDE = {"required", "nullable"}  # tested separately, on every field
NOT_DERIVED = {"exists", "unique", "file", "mimes", "mimetypes"}
MOST_DERIVED = 12
# Empty values, tried on every field.
NOTHING: tuple[Any, ...] = (None, "", "  ")
ARRAYS: tuple[Any, ...] = ([], ["a"], {"a": 1})


@dataclass(frozen=True)
class Live:
    """Stands for the key of an existing row; ``variant`` 1, 2, ... are misspellings that no row has."""

    table: str
    column: str
    variant: int = 0


@dataclass(frozen=True)
class FileOf:
    """Stands for a file of a kind, with a given or a suitable name."""

    kind: str
    name: str | None = None


def is_placeholder(value: Any) -> bool:
    """Whether a value must be replaced before it can be sent."""
    return isinstance(value, (Live, FileOf))


@dataclass(frozen=True)
class Bounds:
    """Values that a rule list accepts and rejects at its boundaries; `foreign` are rejected values of other lists."""

    accept: Sequence[Any]
    reject: Sequence[Any]
    fatal: Sequence[Any] = ()  # crash Laravel with any values of the other fields
    foreign: Sequence[Any] = ()


def split(rules: str | Sequence[str]) -> list[str]:
    """Return Laravel rules, string or list, as a list."""
    return rules.split("|") if isinstance(rules, str) else list(rules)


def bounds_of(rules: str | Sequence[str]) -> Bounds:
    """Return the boundary values of a rule list, from the tables or derived for the rules of a user's overlay.

    Raise NoBounds if there are none: for `exists` without a column, and for file rules that are in no table.
    """
    try:
        return listed_bounds(rules)
    except NoBounds:
        return _derived(tuple(rule for rule in split(rules) if rule not in _ASIDE))


def number_of_values(rules: str | Sequence[str]) -> int:
    """Return the number of boundary values of a rule list, empty values included; 0 if it has none."""
    try:
        bounds = bounds_of(rules)
    except NoBounds:
        return 0
    return len(bounds.accept) + len(bounds.reject) + len(bounds.foreign) + len(NOTHING)


def listed_values(rules: str | Sequence[str]) -> list[str]:
    """Return the values of the `in` rule; empty without one."""
    return [value for rule in split(rules) if rule.startswith("in:") for value in rule[3:].split(",")]


def listed_bounds(rules: str | Sequence[str]) -> Bounds:
    """Return the hand-written boundary values of a rule list; raise NoBounds if there are none."""
    rest = [rule for rule in split(rules) if rule not in _ASIDE]
    if len(rest) == 1 and rest[0].startswith("in:"):
        return _of_list(tuple(listed_values(rest)))
    if len(rest) == 1 and rest[0].startswith("exists:") and "{" not in rest[0]:
        return _of_reference(rest[0][7:])
    try:
        return _bounds_by_rules()[frozenset(rest)]
    except KeyError:
        raise NoBounds("|".join(rest)) from None


@cache
def table_rows() -> list[dict[str, Any]]:
    """Return the rows of the hand-written table of rule lists."""
    return read_yaml(_HERE / "rules.yaml")  # type: ignore[no-any-return]


@cache
def _bounds_by_rules() -> dict[frozenset[str], Bounds]:
    return {frozenset(row["rules"]): Bounds(*(_values(row.get(kind, ())) for kind in KINDS)) for row in table_rows()}


@cache
def _derived(rules: tuple[str, ...]) -> Bounds:
    """Derive boundary values with the mock's validator from the values of all tables. Hand-written values test more."""
    if any(rule.partition(":")[0] in NOT_DERIVED for rule in rules):
        raise NoBounds("|".join(rules))
    try:
        validator, tables = Validator({"field": list(rules)}), State().tables
    except ValueError:  # unknown rule
        raise NoBounds("|".join(rules)) from None
    values: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for value in _plain_values():
        try:
            errors = validator.errors({"field": as_received(value)}, tables)
        except PhpError:
            values["fatal"].append(value)
        else:
            values["reject" if errors else "accept"].append(value)
    return Bounds(*(values[kind][:MOST_DERIVED] for kind in KINDS))


def as_received(value: Any) -> Any:
    """Return a value as Laravel's middleware passes it to the rules: text is trimmed, and None if empty."""
    return (value.strip() or None) if isinstance(value, str) else value


@cache
def _plain_values() -> list[Any]:
    """Return the distinct values of all tables, and texts of several lengths."""
    values = [value for row in table_rows() for kind in KINDS for value in _values(row.get(kind, ()))]
    values += ["x" * length for length in (1, 2, 5, 20, 21, 255, 256)]
    return list({repr(value): value for value in values if not is_placeholder(value)}.values())


def _values(row: Iterable[Any]) -> list[Any]:
    return [placeholder(value) for value in row]


def placeholder(value: Any) -> Any:
    """Return a value of the tables, with a mapping converted to a file or live key placeholder."""
    if isinstance(value, dict):
        return FileOf(value["file"], value.get("name")) if "file" in value else Live(*value["live"])
    return value


@cache
def _foreign() -> list[Any]:
    return list(read_yaml(_HERE / "lists.yaml")["foreign"])


@cache
def _of_list(listed: tuple[str, ...]) -> Bounds:
    """Return the values for `in`: listed ones pass, similar ones and those of other lists do not."""
    numbers = [int(value) for value in listed if value.isdigit()]
    accept = [*listed, *dict.fromkeys((*numbers[:1], *numbers[-1:])), f" {listed[0]} "]
    members = set(map(loosely, listed))
    reject, foreign = ([value for value in others if loosely(value) not in members]
                       for others in (dict.fromkeys(_neighbours(listed)), _foreign()))
    return Bounds(accept, reject, foreign=foreign)


def _neighbours(listed: Sequence[str]) -> Iterator[Any]:
    """Yield values similar to listed ones. A number comes first, because many other rules would reject it as well."""
    yield 1.5
    for change in str.lower, str.upper, str.title:
        yield from map(change, listed)
    yield from (value[:-1] or "x" for value in listed)
    yield from (f"{value}x" for value in listed)


def loosely(value: Any) -> float | str:
    """Return what PHP's ``==`` compares of a value and a text: numeric strings compare as numbers."""
    if isinstance(value, bool):
        value = "1" if value else ""
    try:
        return float(str(value))
    except ValueError:
        return str(value)


def _of_reference(arguments: str) -> Bounds:
    """Return the values for `exists`: the key of a row passes, misspellings and unknown keys do not."""
    table, _, column = arguments.partition(",")
    if not column:
        raise NoBounds(f"exists:{arguments}")
    spellings = [Live(table, column, variant) for variant in (1, 2, 3)]
    return Bounds([Live(table, column)], ["no such key", -1, *spellings, "%", 1.5])


def respelled_key(key: str, variant: int) -> str:
    """Return a key (variant 0) or a misspelling: other case, one character more, one less."""
    return [key, key.swapcase(), key + "x", key[:-1] or "x"][variant]

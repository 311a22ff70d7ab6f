"""Whether a column holds what was sent, as PHP stores it. Knows no target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sarkmock.suite_api import Operation, to_text

from ..spec.operation_data import columns_derived, listed
from .conformance import Problem


def differences(operation: Operation, sent: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[Problem]:
    """Columns that do not hold what was sent; fields that no rule knows must not appear."""
    derived = columns_derived(operation.id, sent)
    for name, value in sent.items():
        if name in derived or isinstance(value, (list, dict)):
            continue
        if name not in operation.rules:
            if name in row and name not in operation.visible:
                yield Problem("stored", name, "unknown field", f"{name} is not a variable of the operation but appears")
        elif name in row and not same(operation, value, row[name]):
            yield Problem("stored", name, "changed", f"{name} was sent as {value!r} and is {row[name]!r}")


def same(operation: Operation, sent: Any, got: Any) -> bool:
    """Whether a column holds what was sent, as text; a number may be spelled differently in a numeric column."""
    text = stored_text(sent)
    if text == "" and got is None:
        return listed("as_sent", operation.id)
    return got == text or (isinstance(got, (int, float)) and number(text) == got)


def stored_text(value: Any) -> str:
    """What PHP makes of a value before it stores it: trimmed text, nothing for null."""
    return to_text(value).strip(" \t\n\r\0\x0b")


def number(text: str) -> int | float | None:
    """The number that a text spells, exactly where it is an integer."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None

"""JSON Pointers: made, compared, and followed through references."""

from __future__ import annotations

from typing import Any


def pointer(*steps: str) -> str:
    """A JSON Pointer of these steps."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def covers(outer: str, inner: str) -> bool:
    """Whether a pointer stands at or above another; the root alone stands for what has no place."""
    return inner == outer or (outer != "" and inner.startswith(outer + "/"))


def follow(document: Any, place: str) -> tuple[str, Any]:
    """The value at a pointer and where it really stands, references followed; KeyError if it is nowhere."""
    where, value = "", document
    for step in place.split("/")[1:]:
        where, value = _referred(document, where, value)
        name = step.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
        where = f"{where}/{step}"
    return _referred(document, where, value)


def _referred(document: Any, where: str, value: Any) -> tuple[str, Any]:
    while isinstance(value, dict) and isinstance(value.get("$ref"), str) and value["$ref"].startswith("#/"):
        where, value = follow(document, value["$ref"][1:])
    return where, value

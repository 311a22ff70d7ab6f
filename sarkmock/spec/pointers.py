"""JSON Pointers: build, compare, and follow through references."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any


@lru_cache(4096)
def pointer(*steps: str) -> str:
    """Build a JSON Pointer from unescaped keys."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def keys_of(place: str) -> list[str]:
    """Return the unescaped keys of a JSON Pointer."""
    return [step.replace("~1", "/").replace("~0", "~") for step in place.split("/")[1:]]


def dotted(path: Iterable[str | int], root: str = "") -> str:
    """Return a path of keys for people, such as ``tables.cluster.0``; ``root`` is the name of the whole."""
    return ".".join(str(step) or "''" for step in path) or root


def covers(outer: str, inner: str) -> bool:
    """Whether a pointer is equal to or above another. The root covers only itself: it marks values without a place."""
    return inner == outer or (outer != "" and inner.startswith(outer + "/"))


def follow(document: Any, place: str) -> tuple[str, Any]:
    """Return the final pointer and the value at a pointer, following references. KeyError if it does not exist."""
    where, value = "", document
    for key in keys_of(place):
        where, value = _referred(document, where, value)
        value = value[int(key)] if isinstance(value, list) else value[key]
        where += pointer(key)
    return _referred(document, where, value)


def _referred(document: Any, where: str, value: Any) -> tuple[str, Any]:
    while isinstance(value, dict) and isinstance(value.get("$ref"), str) and value["$ref"].startswith("#/"):
        where, value = follow(document, value["$ref"][1:])
    return where, value


def references(value: Any) -> Iterator[str]:
    """Yield the JSON Pointers of all references in a value."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"].removeprefix("#")
            pending += part.values()
        elif isinstance(part, list):
            pending += part


def with_references(value: Any, new: Callable[[str], str]) -> Any:
    """Return a copy of a value with other references."""
    if isinstance(value, list):
        return [with_references(item, new) for item in value]
    if isinstance(value, dict):
        return {key: new(item) if key == "$ref" and isinstance(item, str) else with_references(item, new)
                for key, item in value.items()}
    return value


def reach(document: Any, place: str) -> set[str]:
    """Return the pointer and every pointer it refers to, directly or indirectly."""
    result: set[str] = set()
    pending = [place]
    while pending:
        here = pending.pop()
        if here not in result:
            result.add(here)
            pending += references(follow(document, here)[1])
    return result

"""Where a place of the bundled document stands in the files: for reports that point at a line. Applies no overlay."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from sarkmock.spec import yaml12
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.pointers import keys_of


def source_of(pointer: str) -> tuple[Path, int]:
    """File below the directory of openapi.yaml, and line, of a place or of the nearest one above it that is there."""
    steps = keys_of(pointer)
    root = openapi_dir() / "openapi.yaml"
    file, steps = _where(root, steps)
    return file.relative_to(openapi_dir()), _line(_tree(file), steps)


def _where(root: Path, steps: list[str]) -> tuple[Path, list[str]]:
    """The file of a place and the steps to it there."""
    if steps[:1] == ["paths"] and len(steps) > 1:
        item = _child(_child(_tree(root), "paths"), steps[1])
        ref = _child(item, "$ref")
        if ref is not None:
            name, _, key = ref.value.partition("#/")
            return root.parent / name, [key, *steps[2:]]
    if steps[:2] == ["components", "schemas"] and len(steps) > 2:
        for file in sorted((root.parent / "resources").glob("*.yaml")):
            if _child(_child(_tree(file), "schemas"), steps[2]) is not None:
                return file, steps[1:]
    return root, steps


@cache
def _tree(file: Path) -> Any:
    return yaml12.tree(file)


def _line(node: Any, steps: list[str]) -> int:
    line = 1
    for step in steps:
        key = _key(node, step)
        if key is None:
            break
        line = key.start_mark.line + 1
        node = _child(node, step)
    return line


def _key(node: Any, step: str) -> Any:
    """The node of a key or item, also where a merge key brings it."""
    if getattr(node, "id", None) == "mapping":
        own = next((key for key, _ in node.value if key.value == step), None)
        return own or next(filter(None, (_key(value, step) for key, value in node.value if key.value == "<<")), None)
    if getattr(node, "id", None) == "sequence" and step.isdigit() and int(step) < len(node.value):
        return node.value[int(step)]
    return None


def _child(node: Any, step: str) -> Any:
    if getattr(node, "id", None) == "mapping":
        own = next((value for key, value in node.value if key.value == step), None)
        merged = (_child(value, step) for key, value in node.value if key.value == "<<")
        return own or next(filter(None, merged), None)
    return _key(node, step)

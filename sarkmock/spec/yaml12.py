"""YAML 1.2 as OpenAPI uses it (YES, NO, ON and OFF are strings), and lookup of source lines of the document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sarkmock.atomic import read_whole
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.pointers import keys_of
from sarkmock.spec.yaml_values import (
    FLOAT_FORM,
    INTEGER_FORM,
    MOST_YAML_LEVELS,
    NUMBER_START,
    TAG,
    document_value,
    plain_scalar,
    too_deep,
)
from sarkmock.suggest import shortened

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # pragma: no cover - PyYAML without libyaml
    from yaml import SafeLoader as _Base  # type: ignore[assignment]


LONGEST_LINE = 1000  # characters of a problem


class FileError(Exception):
    """An error in a user's file, with its path, line and problem."""

    def __init__(self, file: Path | str, line: int | None, problem: str) -> None:
        place = f"{file}:{line}" if line else str(file)
        problem = "\n".join(shortened(text, LONGEST_LINE) for text in problem.split("\n"))
        super().__init__(f"{place}: {problem}" if place else problem)
        self.file, self.line, self.problem = str(file), line, problem


class Loader(_Base):
    """PyYAML's loader for nodes with positions, with a limit of their depth."""

    level = 0

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:
        """Called at the start of each node: composing recurses, and libyaml before 0.2.6 would overflow the C stack."""
        self.level += 1
        if parent is not None and self.level > MOST_YAML_LEVELS:
            raise too_deep(parent)
        super().descend_resolver(parent, index)

    def ascend_resolver(self) -> None:
        self.level -= 1
        super().ascend_resolver()


def read(file: Path) -> Any:
    """Return the content of a YAML file. FileError with file and line if it cannot be read."""
    return parse(text_of(file), file)


def text_of(file: Path) -> str:
    """Return the text of a file. FileError if it cannot be read."""
    try:
        return read_whole(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(file, error.object.count(b"\n", 0, error.start) + 1, "not a text file in UTF-8") from None
    except OSError as error:
        raise FileError(file, None, error.strerror or str(error)) from None


def parse(text: str, file: Path | str) -> Any:
    """Parse YAML text; ``file`` is its source for error messages. FileError as for `read`."""
    with _mistakes(file, text):
        return document_value(yaml.parse(text, _Base))


def tree(file: Path) -> Any:
    """Return the root node of a YAML file, with positions; None for an empty file. FileError as for `read`."""
    text = text_of(file)
    with _mistakes(file, text):
        return yaml.compose(text, Loader)


@contextmanager
def _mistakes(file: Path | str, text: str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FileError(file, mark.line + 1 if mark else None, error.problem or str(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1  # libyaml counts bytes
        raise FileError(file, line, f"the character {chr(error.character)!r} is not allowed in YAML") from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise FileError(file, None, " ".join(str(error).split())) from None


def scalar(text: str) -> Any:
    """Parse a plain scalar: a number, true or false, null, or else the text itself."""
    try:
        return plain_scalar(text)
    except ValueError:  # more digits than Python converts to a number
        return text


def line_of(file: Path, path: tuple[str | int, ...]) -> int | None:
    """Return the line of a key or item, or of its nearest parent in the file, for error messages."""
    return line_in(text_of(file), path)


def line_in(text: str, path: Iterable[str | int]) -> int | None:
    """Return the line in a text as `line_of` does; None if the text is not YAML (some JSON is not)."""
    return lines_in(text, [path])[0]


def lines_in(text: str, paths: Iterable[Iterable[str | int]]) -> list[int | None]:
    """Return the same for several paths."""
    try:
        node = yaml.compose(text, Loader)
    except yaml.YAMLError:
        node = None
    return [None if node is None else _line_number(node, path) for path in paths]


def _line_number(node: yaml.Node, path: Iterable[str | int]) -> int:
    """Return the line of a key or item below a node, or of its nearest existing parent."""
    line = node.start_mark.line + 1
    for step in path:
        entry = _mapping_entry(node, step)
        if entry is None:
            break
        place, node = entry
        line = place.start_mark.line + 1
    return line


def _mapping_entry(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the key and value nodes of a step (for an item, the item twice), including keys from merge keys."""
    if isinstance(node, yaml.MappingNode):
        own = next(((key, value) for key, value in node.value if key.value == str(step)), None)
        merged = (_mapping_entry(value, step) for key, value in node.value if key.value == "<<")
        return own or next(filter(None, merged), None)
    if isinstance(node, yaml.SequenceNode) and str(step).isdigit() and int(step) < len(node.value):
        return node.value[int(step)], node.value[int(step)]
    return None


def dump(value: Any) -> str:
    """Dump YAML text that YAML 1.1 and 1.2 readers parse alike, without anchors."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Represent multi-line text as a literal block; quote Unicode breaks and BOMs, which parsers change."""
    style = '"' if _BREAKS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
_Dumper.add_representer(str, _text_node)
for _name, _form in (("int", INTEGER_FORM), ("float", FLOAT_FORM)):
    # also quote strings that only YAML 1.2 reads as numbers, such as 01924 and 1e3
    _Dumper.add_implicit_resolver(TAG + _name, re.compile(f"(?:{_form})\\Z"), sorted(NUMBER_START))


def source_of(pointer: str) -> tuple[Path, int]:
    """Return the file (relative to openapi.yaml) and line of a pointer, or of its nearest existing parent."""
    file, steps = _file_of(openapi_dir() / "openapi.yaml", keys_of(pointer))
    return file.relative_to(openapi_dir()), _line_number(_tree(file), steps)


def _file_of(root: Path, steps: list[str]) -> tuple[Path, list[str]]:
    """Return the file of a place in the bundled document, and the keys that lead to it in that file."""
    if steps[:1] == ["paths"] and len(steps) > 1:
        ref = _node_at(_tree(root), *steps[:2], "$ref")
        if ref is not None:
            name, _, key = ref.value.partition("#/")
            return root.parent / name, [key, *steps[2:]]
    if steps[:2] == ["components", "schemas"] and len(steps) > 2:
        for file in sorted((root.parent / "resources").glob("*.yaml")):
            if _node_at(_tree(file), "schemas", steps[2]) is not None:
                return file, steps[1:]
    return root, steps


def _node_at(node: yaml.Node, *steps: str) -> yaml.Node | None:
    for step in steps:
        entry = _mapping_entry(node, step)
        if entry is None:
            return None
        node = entry[1]
    return node


_tree = cache(tree)

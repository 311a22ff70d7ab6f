"""YAML 1.2 as OpenAPI means it: YES, NO, ON and OFF are strings. Knows nothing of what the files say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as _Base  # type: ignore[assignment]


class FileError(Exception):
    """A file a person wrote is not what it should be: which file, which line, what is wrong."""

    def __init__(self, file: Path | str, line: int | None, problem: str) -> None:
        place = f"{file}:{line}" if line else str(file)
        super().__init__(f"{place}: {problem}")
        self.file, self.line, self.problem = str(file), line, problem


class Loader(_Base):
    """PyYAML's safe loader with YAML 1.2's core booleans, and neither dates nor base-60 numbers.

    A key that stands twice in a mapping is an error, as YAML wants it: the other entry would be lost without a word.
    """

    def construct_document(self, node: yaml.Node) -> Any:
        for key in _repeated(node):
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value!r}", key.start_mark)
        return super().construct_document(node)


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers
            if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int")]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}
_BOOL = re.compile("^(?:true|false)$")
_INT = re.compile("^[-+]?[0-9]+$")
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tf"))
Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))  # 012 is twelve


def _repeated(root: yaml.Node) -> Iterator[yaml.Node]:
    """The keys that stand in their mapping already."""
    waiting, met = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in met:
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                    yield key
                seen.add((key.tag, str(key.value)))
                waiting.append(value)


def read(file: Path) -> Any:
    """The content of a YAML file; FileError names file and line if it cannot be read."""
    try:
        return parse(file.read_text(encoding="utf-8"), file)
    except (UnicodeDecodeError, OSError) as error:
        raise FileError(file, None, getattr(error, "strerror", None) or str(error)) from None


def parse(text: str, file: Path | str) -> Any:
    """The content of YAML text that came from a file or from elsewhere; FileError as `read`."""
    try:
        return yaml.load(text, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FileError(file, mark.line + 1 if mark else None, error.problem or str(error)) from None
    except yaml.YAMLError as error:
        raise FileError(file, None, str(error)) from None


def scalar(text: str) -> Any:
    """What a plain word means: a number, a truth value, null or else the text itself."""
    loader: Any = Loader("")
    return loader.construct_object(yaml.ScalarNode(loader.resolve(yaml.ScalarNode, text, (True, False)), text))


def tree(file: Path) -> Any:
    """The nodes of a file, each with its place in the text."""
    return yaml.compose(file.read_text(encoding="utf-8"), Loader)


def line_of(file: Path, path: tuple[str | int, ...]) -> int | None:
    """The line of a key or item (or of its nearest parent that the file holds), for error messages."""
    return line_in(file.read_text(encoding="utf-8"), path)


def line_in(text: str, path: tuple[str | int, ...]) -> int | None:
    """The same of a text."""
    node = yaml.compose(text, Loader)
    line = None if node is None else node.start_mark.line + 1
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        place, node = found
        line = place.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Where a step stands (its key, or the item itself), and its value."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def dump(value: Any) -> str:
    """YAML text that YAML 1.1 and 1.2 readers understand alike; no anchors."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Lines as lines; breaks of Unicode and byte order marks are escaped, or a reader would take them for others."""
    style = '"' if _BREAKS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
_Dumper.add_representer(str, _text)
# Strings that only YAML 1.2 takes for numbers, such as 01924 and 1e3, are quoted too.
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))

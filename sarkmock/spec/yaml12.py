"""YAML 1.2 as OpenAPI uses it (YES, NO, ON and OFF are strings), and lookup of source lines of the document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sarkmock.atomic import read_whole
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.pointers import keys_of

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # pragma: no cover - PyYAML without libyaml
    from yaml import SafeLoader as _Base  # type: ignore[assignment]


class FileError(Exception):
    """An error in a user's file, with its path, line and problem."""

    def __init__(self, file: Path | str, line: int | None, problem: str) -> None:
        place = f"{file}:{line}" if line else str(file)
        super().__init__(f"{place}: {problem}" if place else problem)
        self.file, self.line, self.problem = str(file), line, problem


MOST_YAML_LEVELS = 200  # nesting depth of values; the validators recurse a few levels more
MOST_REPETITIONS = 100_000  # nodes that aliases can add; a few hundred bytes can expand to billions


class Loader(_Base):
    """PyYAML's safe loader with YAML 1.2's core schema: no dates, base-60 numbers or binary data, but merge keys.

    A duplicate key in a mapping is an error, as YAML requires: PyYAML would silently drop the first entry.
    """

    level = 0

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:
        """Called at the start of each node: composing recurses, and libyaml before 0.2.6 would overflow the C stack."""
        self.level += 1
        if parent is not None and self.level > MOST_YAML_LEVELS:
            raise _too_deep(parent)
        super().descend_resolver(parent, index)

    def ascend_resolver(self) -> None:
        self.level -= 1
        super().ascend_resolver()

    def construct_document(self, node: yaml.Node) -> Any:
        if _check_keys(node):
            _check_size(node)
        return super().construct_document(node)


def _wrong(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _too_deep(node: yaml.Node) -> yaml.constructor.ConstructorError:
    return _wrong(node, f"it is nested deeper than {MOST_YAML_LEVELS} levels")


def _scalar(construct: Callable[[Any, yaml.Node], Any]) -> Callable[[Any, yaml.Node], Any]:
    """Wrap a constructor so that a value that does not fit its tag is reported with its position."""
    def constructed(loader: Any, node: yaml.Node) -> Any:
        try:
            return construct(loader, node)
        except (ValueError, LookupError, TypeError, AttributeError):
            kind = node.tag.rpartition(":")[2]
            raise _wrong(node, f"{str(node.value)[:40]!r} cannot be read as {kind}") from None
    return constructed


def _number(loader: Any, node: yaml.Node) -> int:
    base = {"0o": 8, "0x": 16}.get(node.value[:2])
    return int(node.value[2:], base) if base else int(node.value)  # 012 is decimal 12


# The core schema: the form of plain scalars by tag, and the characters with which they begin.
_TAG = "tag:yaml.org,2002:"
_CORE = {
    "null": (r"~|null|Null|NULL|", [*"~nN", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
              [*"-+.0123456789"]),
    "merge": (r"<<", [*"<"]),  # of YAML 1.1, but common
}
Loader.yaml_implicit_resolvers = {}
for _name, (_form, _first) in _CORE.items():
    Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_form})\\Z"), _first)
Loader.yaml_constructors = {
    tag: construct if tag in (None, f"{_TAG}seq", f"{_TAG}map") else _scalar(construct)
    for tag, construct in _Base.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in ("null", "bool", "float", "str", "seq", "map")}
Loader.add_constructor(f"{_TAG}int", _scalar(_number))


def _check_keys(root: yaml.Node) -> bool:
    """Raise ConstructorError for a key that occurs twice in its mapping. Return whether aliases repeat a collection."""
    waiting, met, repeats = [root], set(), False
    while waiting:
        node = waiting.pop()
        if id(node) in met:
            repeats = True
            continue
        met.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                    raise _wrong(key, f"duplicate key {key.value!r}")
                seen.add((key.tag, str(key.value) if isinstance(key, yaml.ScalarNode) else id(key)))
        waiting += [child for child in _children(node) if not isinstance(child, yaml.ScalarNode)]
    return repeats


def _check_size(root: yaml.Node) -> None:
    """Raise ConstructorError for values nested too deeply or in themselves, or repeated too often by aliases."""
    sizes: dict[int, int] = {}
    levels: dict[int, int] = {}
    entered: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting[-1]
        if id(node) in sizes:
            waiting.pop()
        elif id(node) not in entered:
            entered.add(id(node))
            waiting += (child for child in _children(node) if id(child) not in entered)
        else:
            waiting.pop()
            if any(id(child) not in sizes for child in _children(node)):
                raise _wrong(node, "an alias in it refers to the value that contains it")
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in _children(node))
            levels[id(node)] = 1 + max((levels[id(child)] for child in _children(node)), default=0)
            if levels[id(node)] > MOST_YAML_LEVELS:
                raise _too_deep(root)
            if sizes[id(node)] > len(entered) + MOST_REPETITIONS:
                raise _wrong(node, "its aliases expand to too many values")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def read(file: Path) -> Any:
    """Return the content of a YAML file. FileError with file and line if it cannot be read."""
    return parse(text_of(file), file)


def text_of(file: Path) -> str:
    """Return the text of a file. FileError if it cannot be read."""
    try:
        return read_whole(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileError(file, None, "not a text file in UTF-8") from None
    except OSError as error:
        raise FileError(file, None, error.strerror or str(error)) from None


def parse(text: str, file: Path | str) -> Any:
    """Parse YAML text; ``file`` is its source for error messages. FileError as for `read`."""
    with _mistakes(file):
        return yaml.load(text, Loader)


def tree(file: Path) -> Any:
    """Return the root node of a YAML file, with positions; None for an empty file. FileError as for `read`."""
    text = text_of(file)
    with _mistakes(file):
        return yaml.compose(text, Loader)


@contextmanager
def _mistakes(file: Path | str) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FileError(file, mark.line + 1 if mark else None, error.problem or str(error)) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise FileError(file, None, " ".join(str(error).split())) from None


def scalar(text: str) -> Any:
    """Parse a plain scalar: a number, true or false, null, or else the text itself."""
    loader: Any = Loader("")
    try:
        return loader.construct_object(yaml.ScalarNode(loader.resolve(yaml.ScalarNode, text, (True, False)), text))
    except yaml.constructor.ConstructorError:
        return text  # more digits than Python converts to a number


def line_of(file: Path, path: tuple[str | int, ...]) -> int | None:
    """Return the line of a key or item, or of its nearest parent in the file, for error messages."""
    return line_in(text_of(file), path)


def line_in(text: str, path: Iterable[str | int]) -> int | None:
    """Return the line in a text as `line_of` does; None if the text is not YAML (some JSON is not)."""
    try:
        node = yaml.compose(text, Loader)
    except yaml.YAMLError:
        return None
    return None if node is None else _line_number(node, path)


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
for _name in ("int", "float"):  # also quote strings that only YAML 1.2 reads as numbers, such as 01924 and 1e3
    _Dumper.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_CORE[_name][0]})\\Z"), _CORE[_name][1])


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

"""Values of YAML 1.2's core schema from the events of PyYAML's parser, in a third of the time of its constructor.

No dates, base-60 numbers or binary data, but the merge keys of YAML 1.1. A duplicate key in a mapping is an error, as
YAML requires: PyYAML would silently drop the first entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

MOST_YAML_LEVELS = 200  # nesting depth of values; the validators recurse a few levels more
MOST_REPETITIONS = 100_000  # values that aliases may repeat; a few hundred bytes can expand to billions
MOST_KEY_BITS = 64  # of an integer; larger ones can be chosen so that all have the same hash
TAG = "tag:yaml.org,2002:"
MERGE_KEY = object()
Part = tuple[Any, int, int]  # a value, the number of values in it, and their depth


def wrong(place: Any, problem: str) -> yaml.MarkedYAMLError:
    """Return the error at the place of an event or node."""
    return yaml.MarkedYAMLError(None, None, problem, place.start_mark)


def too_deep(place: Any) -> yaml.MarkedYAMLError:
    return wrong(place, f"it is nested deeper than {MOST_YAML_LEVELS} levels")


def unknown_tag(event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> yaml.MarkedYAMLError:
    return wrong(event, f"the tag {event.tag!r} is not supported here")


def integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2])
    return int(text[2:], base) if base else int(text)  # 012 is decimal 12


def floating(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


PLAIN_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]), **dict.fromkeys(["true", "True", "TRUE"], True),
    **dict.fromkeys(["false", "False", "FALSE"], False)}
NUMBER_START = frozenset("-+.0123456789")
INTEGER_FORM = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
FLOAT_FORM = (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
              r"|\.(?:nan|NaN|NAN)")
NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(INTEGER_FORM), integer), (re.compile(FLOAT_FORM), floating))
TYPES = {"null": type(None), "bool": bool, "int": int, "float": float}


def plain_scalar(text: str) -> Any:
    """Return the value of a plain scalar. ValueError for an integer of more digits than Python converts."""
    if text in PLAIN_WORDS:
        return PLAIN_WORDS[text]
    if text[0] in NUMBER_START:
        for form, convert in NUMBERS:
            if form.fullmatch(text):
                return convert(text)
    return text


def scalar_value(event: yaml.ScalarEvent) -> Any:
    text, kind = event.value, (event.tag or "!").removeprefix(TAG)
    if kind == "str" or (kind == "!" and not event.implicit[0]):
        return text
    try:
        value = plain_scalar(text)
    except ValueError:
        kind, value = "int", text
    if kind == "!" or type(value) is TYPES.get(kind):
        return value
    if kind == "float" and type(value) is int:
        return float(value)
    raise wrong(event, f"{text[:40]!r} cannot be read as {kind}") if kind in TYPES else unknown_tag(event)


class Collection:
    """A list or mapping whose end has not been read, or (without an event) a list of documents."""

    def __init__(self, event: yaml.CollectionStartEvent | None) -> None:
        self.event, self.items = event, list[Any]()
        self.is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._entries: dict[Any, Any] = {}
        self._merged: list[dict[Any, Any]] = []
        self._key: Any = None
        self._has_key = False
        self._size = self._height = 1
        if event is not None and event.tag not in (None, "!", TAG + ("map" if self.is_mapping else "seq")):
            raise unknown_tag(event)

    def whole(self) -> Part:
        value = self._entries if self.is_mapping else self.items
        if self._merged:
            merged: dict[Any, Any] = {}
            for entries in reversed(self._merged):
                merged |= entries
            value = merged | self._entries
        return value, self._size, self._height

    def add(self, part: Part, event: yaml.NodeEvent) -> None:
        """Add an item, a key, or the value of the last key."""
        value, size, height = part
        self._size += size
        self._height = max(self._height, height + 1)
        if not self.is_mapping:
            self.items.append(value)
        elif not self._has_key:
            self._key, self._has_key = self._checked_key(value, event), True
        elif self._key is MERGE_KEY:
            self._has_key = False
            self._merged = value if isinstance(value, list) else [value]
            if not all(isinstance(entries, dict) for entries in self._merged):
                raise wrong(event, "expected a mapping or list of mappings for merging")
        else:
            self._has_key = False
            self._entries[self._key] = value

    def _checked_key(self, key: Any, event: yaml.NodeEvent) -> Any:
        if isinstance(key, (dict, list)):
            raise wrong(event, "a key is a mapping or a list")
        if isinstance(key, int) and key.bit_length() > MOST_KEY_BITS:
            raise wrong(event, f"a key is an integer of more than {MOST_KEY_BITS} bits")
        is_merge = key == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]
        if self._merged if is_merge else key in self._entries:
            raise wrong(event, f"duplicate key {key!r}")
        return MERGE_KEY if is_merge else key


def document_value(events: Iterable[yaml.Event]) -> Any:
    """Build the value of a document. Nothing is nested too deep, contains itself, or is repeated too often."""
    top, repeated = Collection(None), 0
    opened = [top]
    anchors: dict[str, Part] = {}
    for event in events:
        node: Any = event
        if isinstance(event, yaml.CollectionStartEvent):
            if len(opened) > MOST_YAML_LEVELS:
                raise too_deep(event)
            opened.append(Collection(event))
            continue
        if isinstance(event, yaml.ScalarEvent):
            part: Part = scalar_value(event), 1, 0
        elif isinstance(event, yaml.AliasEvent):
            part = aliased(event, anchors, opened)
            repeated += part[1]
            if repeated > MOST_REPETITIONS:
                raise wrong(event, "its aliases expand to too many values")
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = opened.pop()
            part, node = ended.whole(), ended.event
        else:
            if isinstance(event, yaml.DocumentStartEvent) and top.items:
                raise wrong(event, "expected a single document")
            continue
        if node.anchor is not None:
            anchors[node.anchor] = part
        opened[-1].add(part, node)
    return top.items[0] if top.items else None


def aliased(event: yaml.AliasEvent, anchors: Mapping[str, Part], opened: list[Collection]) -> Part:
    if any(holder.event is not None and holder.event.anchor == event.anchor for holder in opened):
        raise wrong(event, "an alias in it refers to the value that contains it")
    part = anchors.get(str(event.anchor))
    if part is None:
        raise wrong(event, f"found undefined alias {event.anchor!r}")
    if len(opened) - 1 + part[2] > MOST_YAML_LEVELS:
        raise too_deep(event)
    return part

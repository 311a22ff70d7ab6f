"""JSON and CSV as libmagic recognizes them, which is more lenient than their definitions."""

from __future__ import annotations

import re

JSON_SPACE = re.compile(rb"[ \t\r\n]*")
STRING = re.compile(rb'"[^"\\\0]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\0]*)*"')
JSON_NUMBER = re.compile(rb"-?(?=\.?[0-9])[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+|(?![eE]))")
SCALARS = (STRING, JSON_NUMBER, re.compile(rb"(?:tru|fals|nul).", re.DOTALL))  # their last letter is not compared
DEEPEST = 10  # containers around a value
CSV_LINES = 10
CSV_QUOTED = re.compile(rb'"[^"]*(?:""[^"]*)*(?:"|\Z)')


def is_json(content: bytes) -> bool:
    """An object or an array; what follows it does not count."""
    start = _after_space(content, 0)
    return content[start:start + 1] in (b"{", b"[") and _value(content, start, 0) is not None


def _after_space(content: bytes, at: int) -> int:
    return JSON_SPACE.match(content, at).end()  # type: ignore[union-attr]


def _value(content: bytes, at: int, depth: int) -> int | None:
    """Where a value and the space after it end; None if there is none."""
    at = _after_space(content, at)
    if depth > DEEPEST or at == len(content):
        return None
    opening = content[at:at + 1]
    if opening in (b"{", b"["):
        end = _container(content, at + 1, opening == b"{", depth)
    else:
        end = next((found.end() for scalar in SCALARS if (found := scalar.match(content, at))), None)
    return None if end is None else _after_space(content, end)


def _container(content: bytes, at: int, is_object: bool, depth: int) -> int | None:
    """Where the members end; the last may have a comma after it."""
    closing = b"}" if is_object else b"]"
    while (at := _after_space(content, at)) < len(content):
        if content[at:at + 1] == closing:
            return at + 1
        if is_object:
            name = STRING.match(content, at)
            colon = name and _after_space(content, name.end())
            if colon is None or content[colon:colon + 1] != b":":
                return None
            at = colon + 1
        end = _value(content, at, depth + 1)
        if end is None or content[end:end + 1] not in (b",", closing):
            return None
        at = end + (content[end:end + 1] == b",")
    return None


def is_csv(text: bytes) -> bool:
    """At least three whole lines of as many fields, two or more; quoted fields may have commas and line breaks."""
    if b"," not in text or b"\0" in text:
        return False
    counts = [line.count(b",") for line in CSV_QUOTED.sub(b"", text).split(b"\n")[:-1]]
    first_lines = counts[:CSV_LINES]
    return len(first_lines) > 2 and first_lines[0] > 0 and len(set(first_lines)) == 1

"""json.loads of a large text in many small calls: during one of megabytes no other thread of Python runs.

The results are the same, and so is what is no JSON: ValueError, or RecursionError for too many levels.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ONE_CALL = 2**16  # characters that are decoded in one call
WINDOWS = (2**10, 2**13, ONE_CALL)  # in which an array or object may end
LONGEST_RUN = 2**20  # characters that are decoded value by value after some could not be decoded together
BLANKS = re.compile(r"[ \t\n\r]*")
# A part of a string that does not end within an escape, or between the two that stand for one character.
STRING_PART = re.compile(r'(?:[^"\\]{1,1024}|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}'
                         r"|\\u[0-9A-Fa-f]{4}|\\[^u]){0,1024}")
ENDS = ("},", "],", '",', ",")  # behind which an array or object may be cut
NOT_WHOLE = object()


class LargeJson:
    """One text while it is decoded."""

    def __init__(self, text: str, parse_int: Callable[[str], Any] | None,
                 parse_constant: Callable[[str], Any]) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(parse_int=parse_int, parse_constant=parse_constant)
        self._too_small = dict.fromkeys(WINDOWS, 0)  # up to where an array or object is not sought in such a window
        self._singly, self._run = 0, ONE_CALL  # up to where values are decoded one by one, and for how long

    def decode(self) -> Any:
        """The value of the whole text."""
        top: list[Any] = []
        holders: list[Any] = [top]  # that are not complete
        at = self._value(holders, None, self._skip(0))
        while len(holders) > 1:
            at = self._member(holders, self._skip(at))
        if self._skip(at) != len(self._text):
            raise ValueError("there is something behind the value")
        return top[0]

    def _skip(self, at: int) -> int:
        return BLANKS.match(self._text, at).end()  # type: ignore[union-attr]

    def _member(self, holders: list[Any], at: int) -> int:
        """Go on in the innermost array or object: its end, or a comma and what follows it."""
        holder = holders[-1]
        is_first, sign = not holder, self._text[at:at + 1]
        if sign == ("]" if isinstance(holder, list) else "}"):
            holders.pop()
            return at + 1
        if not is_first:
            if sign != ",":
                raise ValueError("a comma is missing")
            at = self._skip(at + 1)
        end = self._several(holder, at) if at >= self._singly else None
        if end is not None:
            return end
        if isinstance(holder, list):
            return self._value(holders, None, at)
        name, at = self._string(at)
        at = self._skip(at)
        if self._text[at:at + 1] != ":":
            raise ValueError("a colon is missing")
        return self._value(holders, name, self._skip(at + 1))

    def _several(self, holder: Any, at: int) -> int | None:
        """Decode as many members as there are in a piece, if its last commas tell where one ends."""
        window = self._text[at:at + ONE_CALL]
        opening, closing = "[]" if isinstance(holder, list) else "{}"
        for end in ENDS:
            cut = window.rfind(end) + len(end) - 1
            if cut < len(end):
                continue
            try:
                found = self._decoder.decode(f"{opening}{window[:cut]}{closing}")
            except ValueError:
                continue
            if found:
                holder.extend(found) if isinstance(holder, list) else holder.update(found)
                self._run = ONE_CALL
                return at + cut
        self._singly, self._run = at + self._run, min(2 * self._run, LONGEST_RUN)
        return None

    def _value(self, holders: list[Any], name: str | None, at: int) -> int:
        """Decode a value and add it to the innermost holder; one that is large becomes the innermost itself."""
        sign = self._text[at:at + 1]
        value: Any
        if sign == '"':
            value, end = self._string(at)
        elif sign in ("[", "{"):
            value, end = self._container(at)
        else:
            value, end = self._decoder.raw_decode(self._text, at)
        opened = value is NOT_WHOLE
        if opened:
            value, end = [] if sign == "[" else {}, at + 1
        if name is None:
            holders[-1].append(value)
        else:
            holders[-1][name] = value
        if opened:
            holders.append(value)
        return end

    def _container(self, at: int) -> tuple[Any, int]:
        """An array or object that ends within a piece, and its end; else NOT_WHOLE."""
        for size in WINDOWS:
            if at < self._too_small[size]:
                continue
            try:
                value, length = self._decoder.raw_decode(self._text[at:at + size])
            except ValueError:
                self._too_small[size] = at + size // 16  # what begins soon after, and may be within, is opened
                continue
            return value, at + length
        return NOT_WHOLE, at

    def _string(self, at: int) -> tuple[str, int]:
        text, parts = self._text, []
        if text[at:at + 1] != '"':
            raise ValueError("a string is missing")
        near = text.find('"', at + 1, at + ONE_CALL)
        if near > 0 and text.find("\\", at + 1, near) < 0:
            return self._decoder.raw_decode(text, at)
        at += 1
        while text[at:at + 1] != '"':
            part = STRING_PART.match(text, at)
            if part is None or part.end() == at:
                raise ValueError("a string does not end, or has an invalid escape")
            parts.append(self._decoder.decode(f'"{part[0]}"'))
            at = part.end()
        return "".join(parts), at + 1


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """No garbage collection: one that looks through the content of megabytes holds up the API."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

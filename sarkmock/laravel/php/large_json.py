"""json.loads for large texts, in many small calls: a single call of megabytes would block all other Python threads.

Results and errors are the same: ValueError for invalid JSON, RecursionError for too many levels.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ONE_CALL = 2**16  # characters decoded in one call
WINDOWS = (2**10, 2**13, ONE_CALL)  # sizes in which to look for the end of an array or object
FIRST_RUN = 2**10  # the same at the start, where an object often holds one long list
LONGEST_RUN = 2**20  # most characters to decode value by value after decoding several at once failed
BLANKS = re.compile(r"[ \t\n\r]*")
# A part of a string that does not split an escape or a surrogate pair.
STRING_PART = re.compile(r'(?:[^"\\]{1,1024}|\\[^u]|\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}'
                         r"|\\u[0-9A-Fa-f]{4}){0,1024}")
# An escape that is half a surrogate pair, if there are no escaped backslashes.
HALF_PAIR = re.compile(rb"\\u[dD](?:[89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u[dD])[c-fC-F])", re.DOTALL)
SURROGATE_PAIR = len(rb"\ud83d\ude00")
ENDS = ("},", "],", '",', ",")  # after these, an array or object can be cut
NOT_WHOLE = object()


class LargeJson:
    """The decoder of one text."""

    def __init__(self, text: str, parse_int: Callable[[str], Any] | None,
                 parse_constant: Callable[[str], Any]) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(parse_int=parse_int, parse_constant=parse_constant)
        self._too_small = dict.fromkeys(WINDOWS, 0)  # per window: none is tried before this position
        self._singly, self._run = 0, FIRST_RUN  # decode values singly up to this position, and for this length

    def decode(self) -> Any:
        """Return the value of the whole text."""
        top: list[Any] = []
        holders: list[Any] = [top]  # the incomplete arrays and objects, innermost last
        at = self._value(holders, None, self._skip(0))
        while len(holders) > 1:
            at = self._member(holders, self._skip(at))
        if self._skip(at) != len(self._text):
            raise ValueError("text after the value")
        return top[0]

    def _skip(self, at: int) -> int:
        return BLANKS.match(self._text, at).end()  # type: ignore[union-attr]

    def _member(self, holders: list[Any], at: int) -> int:
        """Decode the next member or the end of the innermost array or object. Return the position after it."""
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
        """Decode all complete members in the next piece and return their end; None if no comma gives a valid cut."""
        window = self._text[at:at + ONE_CALL]
        opening, closing = "[]" if isinstance(holder, list) else "{}"
        for end in ENDS:
            cut = window.rfind(end) + len(end) - 1
            if cut < len(end):
                continue
            try:
                elements = self._decoder.decode(f"{opening}{window[:cut]}{closing}")
            except ValueError:
                continue
            if elements:
                holder.extend(elements) if isinstance(holder, list) else holder.update(elements)
                self._run = ONE_CALL
                return at + cut
        self._singly, self._run = at + self._run, min(2 * self._run, LONGEST_RUN)
        return None

    def _value(self, holders: list[Any], name: str | None, at: int) -> int:
        """Decode a value into the innermost holder and return its end. A large container becomes the innermost."""
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
        """Return an array or object that ends within a window, and its end; else NOT_WHOLE and its start."""
        for size in WINDOWS:
            if at < self._too_small[size]:
                continue
            try:
                value, length = self._decoder.raw_decode(self._text[at:at + size])
            except ValueError:
                self._too_small[size] = at + size // 16  # enter containers that start soon after, too
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
                raise ValueError("a string is unterminated or has an invalid escape")
            parts.append(self._decoder.decode(f'"{part[0]}"'))
            at = part.end()
        return "".join(parts), at + 1


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection: scanning the content of megabytes would block the API."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def has_half_pair(body: bytes) -> bool:
    """Whether a JSON text escapes half a surrogate pair, which PHP rejects even if a later key replaces the value."""
    text = body.replace(rb"\\", b"--")
    halves = ((end, HALF_PAIR.search(text, end - ONE_CALL, end + SURROGATE_PAIR))
              for end in range(ONE_CALL, len(text) + ONE_CALL, ONE_CALL))
    return any(half is not None and half.start() < end for end, half in halves)

"""PHP's scalars: conversion to text and numbers, loose equality of strings, and filter_var().

PHP strings are bytes. Here they are ``str``, with bytes that are not UTF-8 as PEP 383 surrogates.
"""

from __future__ import annotations

import math
import re
from codecs import getincrementaldecoder
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sarkmock.http.replies import PhpError

TRIMMED = " \t\n\r\0\x0b"  # what trim() removes; not form feed, not Unicode's blanks
# PCRE's Unicode \s, the zero width space and the byte order mark: what Laravel 9 and later remove.
_UNICODE = "".join(map(chr, (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x200C), 0x2028, 0x2029,
                             0x202F, 0x205F, 0x3000, 0xFEFF)))
BLANKS_OF_TRIM = {"ascii": TRIMMED, "unicode": _UNICODE, "unicode-marks": _UNICODE + "\u200e\0"}
ARRAY_TYPES = frozenset((list, dict))
WORTH_JOINING = 16  # members of a list whose strings are trimmed faster together than one by one
IN_ONE_CALL = 2**20  # bytes or characters; no other Python thread runs during a call
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
MEMORY_EXHAUSTED = "Allowed memory size of 134217728 bytes exhausted (tried to allocate 67108872 bytes)"
TEMPORARY_FILE = "/tmp/phpUpload"  # PHP's name for an uploaded file; nothing is stored there
LEAD_BYTES = bytes(4 if 0xF0 <= byte < 0xF8 else 3 if 0xE0 <= byte < 0xF0 else 2 if 0xC2 <= byte < 0xE0 else 1
                   for byte in range(256))

_NUMERIC = re.compile(
    r"[ \t\n\r\v\f]*+([+-]?(?:[0-9]++(\.[0-9]*+)?|(\.[0-9]++))([eE][+-]?[0-9]++)?)[ \t\n\r\v\f]*+\Z")
# A thousand characters as mb_strlen() counts them.
_THOUSAND = re.compile(rb"(?:[\xf0-\xf7].{0,3}|[\xe0-\xef].{0,2}|[\xc2-\xdf].?|.){1000}+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file of a multipart body."""

    name: str
    content_type: str
    content: bytes
    failed: bool = False  # the body ended before the file did, or it is larger than the form allows


def to_text(value: Any, field: str | None = None) -> str:
    """``(string) $value``; PhpError (with the field's name) for an array."""
    if isinstance(value, str):
        return value
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, int) and INT_MIN <= value <= INT_MAX:
        return str(value)
    if isinstance(value, (int, float)):
        return _float_lines([to_float(value)])[:-1]
    if isinstance(value, UploadedFile):
        return TEMPORARY_FILE
    raise PhpError("Array to string conversion", field=field)


def text_argument(value: Any, function: str, field: str, *, parameter: str = "string") -> str:
    """Return the text that a PHP function gets as its first argument; PhpError (with the field's name) for an array."""
    if isinstance(value, (list, dict)):
        message = f"{function}(): Argument #1 (${parameter}) must be of type string, array given"
        raise PhpError(message, "TypeError", field)
    return to_text(value)


def to_float(value: float) -> float:
    """Convert a number to a float, or infinity: PHP has no integers beyond 64 bits."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def to_lines(values: Collection[Any]) -> str:
    """``to_text`` of each value, each with a line feed. Formats numbers in one call, which is several times faster."""
    kinds = set(map(type, values))
    if kinds == {float}:
        return _float_lines(values)
    if float in kinds:
        texts = iter(_float_lines([value for value in values if type(value) is float]).split("\n"))
        values = [next(texts) if type(value) is float else value for value in values]
    if not kinds <= {int, str, float}:
        values = ["" if value is None else to_text(value) for value in values]
    return "%s\n" * len(values) % tuple(values)


def _float_lines(values: Collection[float]) -> str:
    """Format with 14 significant digits, php.ini's ``precision``: 1.0 is "1", 1e20 is "1.0E+20"."""
    text = "\n" + "%.14G\n" * len(values) % tuple(values)
    if "E" in text:
        text = text.replace("E-0", "E-")
        for digit in "123456789":
            text = text.replace(f"\n{digit}E", f"\n{digit}.0E").replace(f"\n-{digit}E", f"\n-{digit}.0E")
    return text[1:]


def flattened(value: Any) -> Iterator[Any]:
    """Arr::flatten(): yield the scalars in nested arrays."""
    pending = [value]
    while pending:
        member = pending.pop()
        if isinstance(member, (list, dict)):
            pending += reversed(members_of(member))
        else:
            yield member


def array_as_list(value: Any) -> Any:
    """Convert every array whose keys are 0, 1, 2... to a list. Iterative: JSON has up to 511 levels."""
    top = [value]
    holders: list[Any] = [top]
    for holder in holders:
        for key, member in holder.items() if type(holder) is dict else enumerate(holder):
            if isinstance(member, dict) and any(name != str(index) for index, name in enumerate(member)):
                copy: Any = dict(member)
            elif isinstance(member, (dict, list)):
                copy = list(members_of(member))
            else:
                continue
            holder[key] = copy
            holders.append(copy)
    return top[0]


def trim(text: str) -> str:
    return text.strip(TRIMMED)


def trim_strings(text: str, blanks: str) -> str:
    """Laravel's TrimStrings; text that is not UTF-8 is trimmed as PHP's trim() does."""
    signs = BLANKS_OF_TRIM[blanks] if is_utf8(text) else TRIMMED
    start, end = 0, len(text)
    while end - start > IN_ONE_CALL and not text[start:start + IN_ONE_CALL].strip(signs):
        start += IN_ONE_CALL
    while end - start > IN_ONE_CALL and not text[end - IN_ONE_CALL:end].strip(signs):
        end -= IN_ONE_CALL
    return text[start:end].strip(signs)


def trim_array(array: Any, blanks: str) -> None:
    """Trim the strings of an array in place; None replaces empty ones."""
    if type(array) is list and len(array) >= WORTH_JOINING and _trim_list(array, blanks):
        return
    for key, member in array.items() if isinstance(array, dict) else enumerate(array):
        if type(member) is str and not (member.isascii() and member[:1] > " " and member[-1:] > " "):
            array[key] = (trim_strings(member, blanks) or None) if member else None


def _trim_list(values: list[Any], blanks: str) -> bool:
    """The same for a list, faster than one by one; False if the strings are long or not UTF-8."""
    text = text_in(values)
    if len(text) > IN_ONE_CALL or not is_utf8(text):
        return False
    signs = BLANKS_OF_TRIM[blanks]
    values[:] = [value.strip(signs) or None if type(value) is str else value for value in values]
    return True


def is_truthy(text: str) -> bool:
    return text not in ("", "0")


def to_number(text: str) -> int | float | None:
    """Return the number in a numeric string (surrounding blanks allowed); None for any other string."""
    match = _NUMERIC.match(text)
    if match is None:
        return None
    digits, fraction, bare_fraction, exponent = match.groups()
    if fraction is None and bare_fraction is None and exponent is None and len(digits) < 400:
        number = int(digits)
        return number if INT_MIN <= number <= INT_MAX else float(digits)
    return float(digits)


def is_numeric(value: Any) -> bool:
    if isinstance(value, str):
        return _NUMERIC.match(value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def equals_one(text: str, numbers: Iterable[tuple[str, int | float]]) -> bool:
    """PHP's ``==`` of a text with numeric strings, as (text, number) pairs: "01" equals "1", and "1e1" "10"."""
    number = to_number(text)
    return number is not None and any(_same_number(text, number, *other) for other in numbers)


def _same_number(left: str, left_number: float, right: str, right_number: float) -> bool:
    if left == right:
        return True
    if isinstance(left_number, int) and isinstance(right_number, int):
        return left_number == right_number
    if float(left_number) != float(right_number) or math.isinf(left_number):
        return False
    # zendi_smart_streq: an integer beyond 64 bits equals no number in another notation; infinities are never equal.
    beyond = _overflows(left, left_number) + _overflows(right, right_number)
    return not (beyond == 2 or (beyond and int in (type(left_number), type(right_number))))


def _overflows(text: str, number: float) -> bool:
    return isinstance(number, float) and text.strip(" \t\n\r\v\f").lstrip("+-").isdecimal()


def is_utf8(text: str) -> bool:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def is_readable(value: Any) -> bool:
    """Whether all text in a value is UTF-8, apart from keys."""
    level: Collection[Any] = members_of(value) if type(value) in ARRAY_TYPES else [value]
    while level:
        kinds = set(map(type, level))
        if str in kinds and not is_utf8(text_in(level)):
            return False
        if kinds.isdisjoint(ARRAY_TYPES):
            break
        arrays = [member for member in level if type(member) in ARRAY_TYPES and member]
        level = list(chain.from_iterable(map(members_of, arrays)))
    return True


def members_of(array: Any) -> Any:
    """Return the values of a PHP array."""
    return array if type(array) is list else array.values()


def text_in(values: Iterable[Any]) -> str:
    """Return all strings among the values as one."""
    return "".join([value for value in values if type(value) is str])


def mb_strlen(text: str) -> int:
    """``mb_strlen``: the number of code points; if text is not UTF-8, lead bytes determine the lengths."""
    return len(text) if is_utf8(text) else _length_by_lead_bytes(to_bytes(text))


def _length_by_lead_bytes(octets: bytes) -> int:
    position = count = 0
    while thousand := _THOUSAND.match(octets, position):
        position, count = thousand.end(), count + 1000
    while position < len(octets):
        position += LEAD_BYTES[octets[position]]
        count += 1
    return count


def to_bytes(text: str) -> bytes:
    """Return the bytes that PHP has for a text."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate that represents no byte; requests never contain one
        return text.encode("utf-8", "surrogatepass")


def from_bytes(octets: bytes) -> str:
    if len(octets) <= IN_ONE_CALL:
        return octets.decode("utf-8", "surrogateescape")
    decoder = getincrementaldecoder("utf-8")("surrogateescape")
    last = max(len(octets) - 1, 0) // IN_ONE_CALL * IN_ONE_CALL
    return "".join([decoder.decode(octets[at:at + IN_ONE_CALL], at == last) for at in range(0, last + 1, IN_ONE_CALL)])


_INT = re.compile(r"[ \t\r\v\n]*+([+-]?(?:0|[1-9][0-9]{0,18}+))[ \t\r\v\n]*+\Z")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}\Z")
_ENCLOSED = re.compile(r'[ \t]*+"((?:[^"]++|"")*)"?')
_LONGEST_IP = 45
_BLOCK = re.compile(r"[0-9a-fA-F]{1,4}\Z")


def is_int(text: str) -> bool:
    """FILTER_VALIDATE_INT: optional sign, no leading zeros, 64 bits; surrounding blanks allowed."""
    match = _INT.match(text)
    return match is not None and INT_MIN <= int(match[1]) <= INT_MAX


def is_ip(text: str) -> bool:
    """FILTER_VALIDATE_IP: IPv4 without leading zeros, or IPv6 without a zone."""
    if len(text) > _LONGEST_IP:
        return False
    return _is_ipv6(text) if ":" in text else _IPV4.match(text) is not None


def _is_ipv6(text: str) -> bool:
    """Whether a text is IPv6: blocks of up to four hex digits, at most one ``::``, optionally ending in IPv4."""
    head, bundled, tail = text.rpartition(":")
    room = 8
    if "." in text:
        if not _IPV4.match(tail):
            return False
        room, text = 6, head + bundled if head.endswith(":") else head
    halves = text.split("::")
    if len(halves) > 2 or text.startswith(":::") or not text:
        return False
    blocks = [block for half in halves if half for block in half.split(":")]
    if not all(_BLOCK.match(block) for block in blocks):
        return False
    return len(blocks) < room if len(halves) == 2 else len(blocks) == room


def str_getcsv(text: str) -> list[str]:
    """str_getcsv(): comma separated; double quotes enclose, a doubled one is a literal quote, a last one NUL."""
    if '"' not in text:
        return text.split(",")
    fields, position = [], 0
    while position <= len(text):
        field, position = _csv_field(text, position)
        fields.append(field)
        position += 1
    return fields


def _csv_field(text: str, start: int) -> tuple[str, int]:
    """Return one field and the position of the comma after it (or the end)."""
    enclosed = _ENCLOSED.match(text, start)
    end = text.find(",", start if enclosed is None else enclosed.end())
    end = len(text) if end < 0 else end
    if text[start:] == '"':
        return "\0", end
    if enclosed is None:
        return text[start:end], end
    return enclosed[1].replace('""', '"') + text[enclosed.end():end], end

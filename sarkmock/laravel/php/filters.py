"""PHP's filter_var() for the two filters that Laravel's rules use, and the CSV of rule parameters."""

from __future__ import annotations

import re

from sarkmock.laravel.php.values import INT_MAX, INT_MIN

_INT = re.compile(r"[ \t\r\v\n]*+([+-]?(?:0|[1-9][0-9]{0,18}+))[ \t\r\v\n]*+\Z")
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}\Z")
_ENCLOSED = re.compile(r'[ \t]*+"((?:[^"]++|"")*+)"?')
_LONGEST_IP = 45
_BLOCK = re.compile(r"[0-9a-fA-F]{1,4}\Z")


def is_int(text: str) -> bool:
    """FILTER_VALIDATE_INT: a sign, no leading zeros, 64 bits; blanks around it allowed."""
    found = _INT.match(text)
    return found is not None and INT_MIN <= int(found[1]) <= INT_MAX


def is_ip(text: str) -> bool:
    """FILTER_VALIDATE_IP: either version; no leading zeros in version 4, no zone in version 6."""
    if len(text) > _LONGEST_IP:
        return False
    return _is_ipv6(text) if ":" in text else _IPV4.match(text) is not None


def _is_ipv6(text: str) -> bool:
    """Blocks of up to four hex digits, once ``::`` for one block or more, and IPv4 in place of the last two."""
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


def csv(text: str) -> list[str]:
    """str_getcsv(): comma separated; a double quote encloses, a doubled one stands for itself."""
    if '"' not in text:
        return text.split(",")
    fields, position = [], 0
    while position <= len(text):
        field, position = _csv_field(text, position)
        fields.append(field)
        position += 1
    return fields


def _csv_field(text: str, start: int) -> tuple[str, int]:
    """One field and the position of the comma after it (or the end)."""
    enclosed = _ENCLOSED.match(text, start)
    end = text.find(",", start if enclosed is None else enclosed.end())
    end = len(text) if end < 0 else end
    if enclosed is None:
        return text[start:end], end
    return enclosed[1].replace('""', '"') + text[enclosed.end():end], end

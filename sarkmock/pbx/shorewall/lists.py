"""Columns and lists as Shorewall splits them: with parentheses, brackets and exclusions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

compiled = partial(re.compile, flags=re.ASCII | re.DOTALL)

SPACE = " \t\n\r\f\v"
GUNK = re.compile(r"[^\t-\r -~]")
BROKEN_LIST = re.compile(r"^,|,$|,,|!,|,!$")
C_NUMBER = compiled(r"0x[a-f0-9]+|0[0-7]*|[1-9]\d*")
ENORMOUS = 10**20
PAIR = compiled(r"(\w+)(?:=>?|:)(.+)")


class Wrong(Exception):
    """A mistake, in Shorewall's words."""


class Undecided(Exception):
    """Depends on what only the box itself knows: its scripts, its name server. Such a line is accepted."""


def fields(text: str, separator: str) -> list[str]:
    """The parts of a text; empty ones at its end do not count."""
    parts = text.split(separator)
    while parts and not parts[-1]:
        parts.pop()
    return parts


def comma_list(text: str, kind: str) -> list[str]:
    if BROKEN_LIST.search(text):
        raise Wrong(f"Invalid {kind} list ({text})")
    return fields(text, ",")


def in_parentheses(parts: list[str], joint: str, problem: str) -> list[str]:
    """Joins the parts again that one pair of parentheses holds together."""
    if not any("(" in part or ")" in part for part in parts):
        return parts
    found: list[str] = []
    held: list[str] = []
    depth = 0
    for part in parts:
        opening, closing = part.count("("), part.count(")")
        depth += opening - closing
        if depth < 0:
            raise Wrong(problem)
        if opening or closing or held:
            held.append(part)
        else:
            found.append(part)
        if held and not depth:
            found.append(joint.join(held))
            held = []
    if depth:
        raise Wrong(problem)
    return found


def action_parts(text: str, kind: str = "ACTION") -> list[str]:
    """An action, its log level and its tag, which colons separate."""
    problem = f"Invalid {kind} ({text})"
    parts = in_parentheses(fields(text, ":"), ":", problem)
    if text.startswith(":") or not all(parts):
        raise Wrong(problem)
    return parts


def arguments(text: str, kind: str) -> list[str]:
    """A list whose elements may hold commas within parentheses; `-` stands for those left out."""
    text = re.sub(r"^,", "-,", text)
    text = re.sub(r",$", ",-", text).replace(",,", ",-,")
    return in_parentheses(fields(text, ","), ",", f"Invalid {kind} ({text})")


def unparenthesized(text: str, kind: str) -> list[str]:
    """A list; one level of parentheses holds elements together and is taken away."""
    problem = f"Invalid {kind} list ({text})"
    parts = comma_list(text, kind)
    if any(part.count(sign) > 1 for part in parts for sign in "()"):
        raise Wrong(problem)
    return [part.replace("(", "").replace(")", "") for part in in_parentheses(parts, ",", problem)]


def bracketed(text: str, opening: str, closing: str, parts: Sequence[str]) -> list[str]:
    """Joins the parts again that brackets hold together."""
    if opening not in text:
        return list(parts)
    found: list[str] = []
    held: list[str] = []
    depth = 0
    for part in parts:
        depth += part.count(opening) - part.count(closing)
        held.append(part)
        if depth <= 0:
            element = ",".join(held)
            if depth and opening in element:
                raise Wrong(f"Mismatched {opening}...{closing} ({element})")
            found.append(element)
            held, depth = [], 0
    if held:
        raise Wrong(f"Missing '{closing}' ({','.join(held)})")
    return found


def parse_number(text: str) -> int | None:
    """A number as Shorewall reads it: decimal, 0x and octal; a negative one with its sign."""
    negative = text.startswith("-")
    digits = text.lower().removeprefix("-")
    if not C_NUMBER.fullmatch(digits):
        return None
    if len(digits) > 20:
        value = ENORMOUS
    elif digits.startswith("0x"):
        value = int(digits, 16)
    else:
        value = int(digits, 8 if digits.startswith("0") else 10)
    return -value if negative else value


def decimal(digits: str) -> int:
    """Digits as a number; what is longer than any limit is just large."""
    return int(digits) if len(digits) <= 20 else ENORMOUS

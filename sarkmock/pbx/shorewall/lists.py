"""Splitting of columns and lists as in Shorewall, its words (macros, actions, protocols, services), and log levels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from sarkmock.spec import yaml12

WORDS_FILE = Path(str(files("sarkmock.pbx.shorewall").joinpath("words.yaml")))


@dataclass(frozen=True, slots=True)
class StandardAction:
    """One of Shorewall's standard actions: the defaults of its parameters, and its rules."""

    inline: bool
    parameters: tuple[str, ...]
    rules: tuple[str, ...]
    proto: int = 0
    audit: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one IP version."""

    version: int
    targets: frozenset[str]
    macros: dict[str, tuple[str, ...]]
    actions: dict[str, StandardAction]
    icmp: frozenset[str]
    protocols: dict[str, int]
    services: dict[str, dict[str, int]]
    jumps: frozenset[str]
    other_jumps: frozenset[str]
    capabilities: frozenset[str]
    options: frozenset[str]


@cache
def words(version: int) -> Words:
    data = _data()
    rules = data["macros"][4] | data["macros"][version]
    return Words(
        version, frozenset(data["targets"][version].split()), {name: tuple(lines) for name, lines in rules.items()},
        {name: _action(described) for name, described in data["actions"][version].items()},
        frozenset(data["icmp"][version].split()), data["protocols"],
        {protocol: dict(_service(word) for word in names.split()) for protocol, names in data["services"].items()},
        frozenset(data["jumps"]["filter"].split()), frozenset(data["jumps"]["other"].split()),
        frozenset(data["capabilities"].split()), frozenset(data["options"].split()))


def _service(word: str) -> tuple[str, int]:
    name, _, port = word.partition("=")
    return name, int(port)


def _action(described: dict[str, Any]) -> StandardAction:
    return StandardAction(described["inline"], tuple(map(str, described["parameters"])), tuple(described["rules"]),
                          described.get("proto", 0), described.get("audit", ""))


@cache
def _data() -> dict[str, Any]:
    read: dict[str, Any] = yaml12.read(WORDS_FILE)
    return read


compiled = partial(re.compile, flags=re.ASCII | re.DOTALL)

SPACE = " \t\n\r\f\v"
GUNK = re.compile(r"[^\t-\r -~]")
BROKEN_LIST = re.compile(r"^,|,$|,,|!,|,!$")
C_NUMBER = compiled(r"0x[a-f0-9]+|0[0-7]*|[1-9]\d*")
ENORMOUS = 10**20
PAIR = compiled(r"(\w+)(?:=>?|:)(.+)")


class BadRule(Exception):
    """A mistake; the message is Shorewall's."""


class Undecided(Exception):
    """The result depends on data of the box, such as its scripts or name server. The line is accepted."""


def fields(text: str, separator: str) -> list[str]:
    """Split a text as Perl does: empty parts at the end are dropped."""
    parts = text.split(separator)
    while parts and not parts[-1]:
        parts.pop()
    return parts


def comma_list(text: str, kind: str) -> list[str]:
    if BROKEN_LIST.search(text):
        raise BadRule(f"Invalid {kind} list ({text})")
    return fields(text, ",")


def in_parentheses(parts: list[str], joint: str, problem: str) -> list[str]:
    """Join parts that were split inside a pair of parentheses."""
    if not any("(" in part or ")" in part for part in parts):
        return parts
    result: list[str] = []
    held: list[str] = []
    depth = 0
    for part in parts:
        opening, closing = part.count("("), part.count(")")
        depth += opening - closing
        if depth < 0:
            raise BadRule(problem)
        if opening or closing or held:
            held.append(part)
        else:
            result.append(part)
        if held and not depth:
            result.append(joint.join(held))
            held = []
    if depth:
        raise BadRule(problem)
    return result


def action_parts(text: str, kind: str = "ACTION") -> list[str]:
    """Split an action, its log level and its tag at colons."""
    problem = f"Invalid {kind} ({text})"
    parts = in_parentheses(fields(text, ":"), ":", problem)
    if text.startswith(":") or not all(parts):
        raise BadRule(problem)
    return parts


def arguments(text: str, kind: str) -> list[str]:
    """Split a list whose elements may contain commas in parentheses; empty elements become `-`."""
    text = re.sub(r"^,", "-,", text)
    text = re.sub(r",$", ",-", text).replace(",,", ",-,")
    return in_parentheses(fields(text, ","), ",", f"Invalid {kind} ({text})")


def unparenthesized(text: str, kind: str) -> list[str]:
    """Split a list; one level of parentheses groups elements and is removed."""
    problem = f"Invalid {kind} list ({text})"
    parts = comma_list(text, kind)
    if any(part.count(sign) > 1 for part in parts for sign in "()"):
        raise BadRule(problem)
    return [part.replace("(", "").replace(")", "") for part in in_parentheses(parts, ",", problem)]


def bracketed(text: str, opening: str, closing: str, parts: Sequence[str]) -> list[str]:
    """Join parts that were split inside brackets."""
    if opening not in text:
        return list(parts)
    result: list[str] = []
    held: list[str] = []
    depth = 0
    for part in parts:
        depth += part.count(opening) - part.count(closing)
        held.append(part)
        if depth <= 0:
            element = ",".join(held)
            if depth and opening in element:
                raise BadRule(f"Mismatched {opening}...{closing} ({element})")
            result.append(element)
            held, depth = [], 0
    if held:
        raise BadRule(f"Missing '{closing}' ({','.join(held)})")
    return result


def parse_number(text: str) -> int | None:
    """Parse a number as Shorewall does: decimal, hexadecimal with 0x, or octal, with an optional minus sign."""
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
    """Return digits as a number; ENORMOUS if there are more than 20."""
    return int(digits) if len(digits) <= 20 else ENORMOUS


SYSLOG_LEVELS = frozenset([
    "DEBUG", "INFO", "NOTICE", "WARNING", "WARN", "ERR", "ERROR", "CRIT", "ALERT", "EMERG", "PANIC"])
LOG_OPTIONS = frozenset([
    "tcp_sequence", "ip_options", "tcp_options", "uid", "macdecode", "--log-tcp-sequence", "--log-ip-options",
    "--log-tcp-options", "--log-uid", "--log-macdecode"])


def level(text: str, version: int) -> None:
    """Check a log level: a syslog level with options, or NFLOG, ULOG or LOGMARK with parameters."""
    problem = f"Invalid log level ({text})"
    name = text.upper().removesuffix("!")
    match = re.match(r"([0-7])(.*)|([A-Z0-7]+)(.*)", name, re.DOTALL)
    if match is None:
        if name:
            raise BadRule(f"Invalid log level ({text})")
        return
    word, qualifier = match[1] or match[3], match[2] if match[1] else match[4]
    if word == "NONE":
        return
    if match[1] or word in SYSLOG_LEVELS:
        if qualifier:
            check_log_options(qualifier, problem)
    elif word == "NFLOG" or (word == "ULOG" and version == 4):
        check_log_parameters(qualifier, problem)
    elif word == "LOGMARK":
        inner = re.search(r"[\[(](.+)\)$", qualifier) if len(qualifier) < 20 else None
        if qualifier and not (inner and (inner[1] in SYSLOG_LEVELS or re.fullmatch("[0-7]", inner[1]))):
            raise BadRule(problem)
    else:
        raise BadRule(f"Invalid log level ({name})")


def check_log_options(text: str, problem: str) -> None:
    if not (text.startswith("(") and text.endswith(")")):
        raise BadRule(problem)
    for option in comma_list(text[1:-1].lower(), "log options"):
        if option not in LOG_OPTIONS:
            raise BadRule(f"Unknown LOG option ({option})")


def check_log_parameters(text: str, problem: str) -> None:
    if text.startswith("(") and text.endswith(")"):
        given = text[1:-1].rstrip(",").split(",")
        if len(given) > 3 or any(part and not re.match(r"[0-9]", part) for part in given):
            raise BadRule(problem)
    elif text and not text.startswith(" --"):
        raise BadRule(problem)

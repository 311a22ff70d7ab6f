"""A line of the rules file as a row of columns."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from sarkmock.pbx.shorewall.lists import GUNK, PAIR, SPACE, BadRule, fields, in_parentheses

UNQUOTED = re.compile(r'["`\\]')
IPTABLES = re.compile(rf"[{SPACE}]*IP6?TABLES\(.*\)")
COLUMN_GAP = re.compile(f"[{SPACE}]+")


# Options in text for iptables: those that it may begin with, and those that a rule may have once.
LONG_OPTIONS = {
    "protocol": "p", "source": "s", "destination": "d", "jump": "j", "goto": "g", "in-interface": "i",
    "out-interface": "o", **{name: name for name in ("dport", "sport", "icmp-type", "icmpv6-type")}}
RAW_OPTION = re.compile(rf"(?:!\s+)?(?:-([psdjgiomt])|--({'|'.join(LONG_OPTIONS)}))(?=\s)")
UNIQUE_OPTIONS = ("p", "s", "d", "i", "o", "dport", "sport", "icmp-type", "icmpv6-type")


class RuleRow(NamedTuple):
    """The columns of a rule, named as in its man page; `-` for an omitted one."""

    action: str = "-"
    source: str = "-"
    dest: str = "-"
    proto: str = "-"
    dport: str = "-"
    sport: str = "-"
    origdest: str = "-"
    rate: str = "-"
    user: str = "-"
    mark: str = "-"
    connlimit: str = "-"
    time: str = "-"
    headers: str = "-"
    switch: str = "-"
    helper: str = "-"

    @property
    def length(self) -> int:
        return sum(map(len, self))

    @property
    def is_plain(self) -> bool:
        """Whether the rule has no restriction besides its zones."""
        return set(self[3:]) == {"-"}

    def merged(self, body: RuleRow, action: str) -> RuleRow:
        """Merge a rule of a macro or action with the columns of the rule that invokes it (this one)."""
        columns = (own if own != "-" else other for own, other in zip(self[3:], body[3:], strict=True))
        return RuleRow(action, self.exchanged(body.source, "SOURCE", self.source),
                       self.exchanged(body.dest, "DEST", self.dest), *columns)

    def exchanged(self, body: str, own: str, value: str) -> str:
        """Replace SOURCE and DEST in a macro by the columns of the rule that invokes it."""
        other, other_value = ("DEST", self.dest) if own == "SOURCE" else ("SOURCE", self.source)
        if body == "-":
            return value
        if body.startswith(other):
            return joined(body.removeprefix(other).removeprefix(":"), other_value)
        return joined(body.replace(f"{own}:", "", 1).replace(own, "", 1), value)


def joined(body: str, invocation: str) -> str:
    if not body or not invocation:
        return body or invocation
    if invocation == "-":
        return body
    return f"{body}:{invocation}" if re.search(r"\..*\.|^\+|^!+|^~|~<|~\[", invocation) else f"{invocation}:{body}"


@lru_cache(1024)
def rule_row(line: str) -> RuleRow:
    """Parse a rule of the word lists."""
    return split_columns(line)[0]


def split_columns(line: str) -> tuple[RuleRow, str]:
    """Return a line's columns, and the iptables text after `;;`."""
    parts = line.split(";;")
    if len(parts) > 2:
        raise BadRule("Only one set of double semicolons (';;') allowed on a line")
    raw = parts[1] if len(parts) > 1 else ""
    text = parts[0].rstrip(SPACE) if len(parts) > 1 else line
    head, pairs = head_and_pairs(text)
    if UNQUOTED.search(head) and not IPTABLES.match(text):
        raise BadRule("Shorewall Configuration file entries may not contain double quotes, single back quotes or"
                      " backslashes")
    if GUNK.search(head):
        raise BadRule("Non-ASCII gunk in file")
    values = in_parentheses([part for part in COLUMN_GAP.split(head) if part], " ", f"Mismatched parentheses ({head})")
    if "'" in text:
        raise BadRule("Shorewall Configuration file entries may not contain single quotes")
    if len(values) > len(RuleRow._fields):
        raise BadRule("Invalid rules file entry (too many columns)")
    row = RuleRow(*values)
    return (row._replace(**named_columns(pairs.strip(SPACE))) if pairs else row), raw


def check_raw(raw: str, *, is_first: bool, taken: Collection[str]) -> None:
    """Check the iptables text after `;;`: repeated options, and its beginning if it is first in the rule.

    ``taken`` are the options that the rule's columns use.
    """
    text = f"{raw.removeprefix('+').lstrip()} "
    if (is_first or raw.startswith("+")) and text.strip() not in ("", "!") and not RAW_OPTION.match(text):
        raise BadRule(f"Unrecognized iptables option string ({text.strip()})")
    options = [short or LONG_OPTIONS[long] for short, long in re.findall(rf"(?<!\S){RAW_OPTION.pattern}", text)]
    for name in UNIQUE_OPTIONS:
        if options.count(name) + (name in taken and name in options) > 1:
            raise BadRule(f"Multiple {name} settings in one rule is prohibited")


def head_and_pairs(text: str) -> tuple[str, str]:
    parts = text.split(";")
    if len(parts) > 1 and parts[1]:
        if len(parts) > 2:
            raise BadRule("Only one semicolon (';') allowed on a line")
        return parts[0], parts[1]
    begin = len(text) - len(text.lstrip(SPACE))
    brace = text.rfind("{") if text.endswith("}") else -1
    while brace >= 0:
        if brace <= begin or text[brace - 1] not in "&@%":
            return text[:brace], text[brace + 1:-1]
        brace = text.rfind("{", 0, brace)
    return parts[0], ""


def named_columns(text: str) -> dict[str, str]:
    """Parse column=value pairs; values with blanks are quoted."""
    result = {}
    for pair in pairs_of(text):
        match = PAIR.fullmatch(pair)
        if match is None:
            raise BadRule(f"Invalid column/value pair ({pair})")
        name, value = match[1].lower(), match[2]
        if value.endswith('"'):
            if len(value) < 2 or not value.startswith('"'):
                raise BadRule(f"Invalid value ( {value} )")
            value = value[1:-1]
        if name == "comment":
            continue
        if name not in RuleRow._fields:
            raise BadRule(f"Unknown column ({name})")
        if GUNK.search(value):
            raise BadRule(f"Non-ASCII gunk in the value of the {name} column")
        result[name] = value.replace('\\"', '"')
    return result


def pairs_of(text: str) -> list[str]:
    parts = re.split(rf"(,?[{SPACE}]+)", text)
    if '"' not in text:
        return fields("\n".join(parts[::2]), "\n") if text else []
    result: list[str] = []
    held: list[str] = []
    for position in range(0, len(parts), 2):
        part, gap = parts[position], parts[position - 1] if position else ""
        quotes = len(re.findall(r'[^\\]"', part))
        if held:
            held += [gap, part]
        if quotes and held:
            if not part.endswith('"'):
                raise BadRule(f"Quoting Error ({''.join(held)})")
            result.append("".join(held))
            held = []
        elif quotes == 1:
            held = [part]
        elif not held:
            result.append(part)
    if held:
        raise BadRule(f"Mismatched_quotes ({text})")
    return result

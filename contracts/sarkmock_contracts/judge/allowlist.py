"""The deviations of one box that a person accepted: a YAML list with reasons and the day each one expires.

Knows identities, not findings. Errors name line and field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from sarkmock.suite_api import FileError, write_whole, yaml12

from ..errors import CannotRun

ENTRY_FIELDS = {"id": True, "reason": True, "expires": False}  # and whether an entry must have it
DAYS = 90  # what --update-accepted enters is looked at again after a quarter of a year
ALLOWLIST_HEAD = """\
# Accepted deviations of one box, for `sarkmock check --accept`: the id of a finding, why it is accepted, until when.
# `--update-accepted` adds what is missing and renews what has expired; it changes nothing else.
"""
NO_REASON = "not explained yet"


@dataclass(frozen=True)
class Acceptance:
    """One entry of the list."""

    id: str
    reason: str
    expires: date | None = None
    line: int = 0

    def expired(self, today: date) -> bool:
        return self.expires is not None and today > self.expires


@dataclass(frozen=True)
class Accepted:
    """The list of one box."""

    entries: tuple[Acceptance, ...] = ()

    def of(self, identity: str) -> Acceptance | None:
        return next((entry for entry in self.entries if entry.id == identity), None)


def read_accepted(file: Path, missing_is_empty: bool = False) -> Accepted:
    """The list in a file; CannotRun says what is wrong with it and where."""
    if missing_is_empty and not file.exists():
        return Accepted()
    entries: list[Acceptance] = []
    for node in _items(file):
        entry = _entry(file, node)
        if any(entry.id == other.id for other in entries):
            raise CannotRun(f"{file}:{entry.line}: id: {entry.id} is listed twice")
        entries.append(entry)
    return Accepted(tuple(entries))


def update_accepted(file: Path, found: Iterable[str], today: date) -> int:
    """Enter what is found and not yet in the list, renew what has expired; the number of changes. Other text stays."""
    accepted = read_accepted(file, missing_is_empty=True)
    identities = list(dict.fromkeys(found))
    until = today + timedelta(days=DAYS)
    lines = (file.read_text(encoding="utf-8") if file.exists() else ALLOWLIST_HEAD).splitlines()
    expired = [entry for entry in accepted.entries if entry.id in identities and entry.expired(today)]
    if expired:
        _renew(file, lines, {entry.id for entry in expired}, until)
    new = [identity for identity in identities if accepted.of(identity) is None]
    for identity in new:
        fields = {"id": identity, "reason": NO_REASON, "expires": until}
        lines += yaml.safe_dump([fields], sort_keys=False, allow_unicode=True, width=10_000).splitlines()
    if new or expired:
        write_whole(file, ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
    return len(new) + len(expired)


def _renew(file: Path, lines: list[str], identities: set[str], until: date) -> None:
    for node in _items(file):
        fields = {key.value: value for key, value in node.value}
        if fields["id"].value in identities:
            start, end = fields["expires"].start_mark, fields["expires"].end_mark
            text = lines[start.line]
            lines[start.line] = text[: start.column] + until.isoformat() + text[end.column:]


def _items(file: Path) -> list[Any]:
    """The nodes of the list, their marks kept."""
    try:
        node = yaml12.tree(file)
    except FileError as error:
        raise CannotRun(str(error)) from None
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise CannotRun(f"{file}:{node.start_mark.line + 1}: expected a list of accepted deviations")
    found: list[Any] = node.value
    return found


def _entry(file: Path, node: Any) -> Acceptance:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise CannotRun(f"{file}:{line}: an entry has the fields {', '.join(ENTRY_FIELDS)}")
    values: dict[str, str] = {}
    for key, value in node.value:
        place = f"{file}:{key.start_mark.line + 1}: {key.value}"
        if key.value not in ENTRY_FIELDS:
            raise CannotRun(f"{place}: no such field; there is {', '.join(ENTRY_FIELDS)}")
        if not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            raise CannotRun(f"{place}: expected a text")
        values[key.value] = value.value
        if key.value == "expires":
            _day(place, value.value)
    for name, required in ENTRY_FIELDS.items():
        if required and name not in values:
            raise CannotRun(f"{file}:{line}: {name}: is missing")
    expires = values.get("expires")
    return Acceptance(values["id"], values["reason"], date.fromisoformat(expires) if expires else None, line)


def _day(place: str, text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise CannotRun(f"{place}: {text!r} is not a date such as 2027-01-31") from None

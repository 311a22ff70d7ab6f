"""Classify the findings of a run: new, known, accepted, expired; and the deviations: known, fixed, untested.

Sends and prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from sarkmock.suite_api import Deviation, FileError, keys_of, shortened, unknown_name, write_whole, yaml12

from ..errors import CannotRun
from ..spec.contract import Contract
from .causes import Cause, causes_of
from .coverage import Coverage, why_not_exercised
from .findings import BREAKS, FINDING_TYPES, SEVERITIES, Finding, Findings, judging

ENTRY_FIELDS = {"id": True, "reason": True, "expires": False}  # field name: whether it is required
DAYS = 90  # entries of --update-accepted expire after a quarter of a year
ALLOWLIST_HEAD = """\
# Accepted findings of one box, for `sarkmock check --accept`: the id of a finding, why it is accepted, until when.
# `--update-accepted` adds what is missing and renews what has expired; it changes nothing else.
"""
NO_REASON = "no reason given"


@dataclass(frozen=True)
class Acceptance:
    """One entry of the allowlist."""

    id: str
    reason: str
    expires: date | None = None
    line: int = 0

    def expired(self, today: date) -> bool:
        return self.expires is not None and today > self.expires


@dataclass(frozen=True)
class Accepted:
    """The allowlist of one box."""

    entries: tuple[Acceptance, ...] = ()

    def of(self, identity: str) -> Acceptance | None:
        return next((entry for entry in self.entries if entry.id == identity), None)


def read_accepted(file: Path, missing_is_empty: bool = False) -> Accepted:
    """Read an allowlist. Raise CannotRun with file, line and reason if it is invalid."""
    if missing_is_empty and not file.exists():
        return Accepted()
    entries: list[Acceptance] = []
    for node in _items(file):
        entry = _entry(file, node)
        if any(entry.id == other.id for other in entries):
            raise CannotRun(f"{file}:{entry.line}: id: {shortened(entry.id)} is listed twice")
        entries.append(entry)
    return Accepted(tuple(entries))


def update_accepted(file: Path, ids: Iterable[str], today: date) -> int:
    """Add findings that are not listed and renew expired entries. Keep all other text. Return the number of changes."""
    accepted = read_accepted(file, missing_is_empty=True)
    identities = list(dict.fromkeys(ids))
    until = today + timedelta(days=DAYS)
    lines = (file.read_text(encoding="utf-8") if file.exists() else ALLOWLIST_HEAD).splitlines()
    expired = [entry for entry in accepted.entries if entry.id in identities and entry.expired(today)]
    if expired:
        _renew(file, lines, {entry.id for entry in expired}, until)
    new = [identity for identity in identities if accepted.of(identity) is None]
    for identity in new:
        fields = {"id": identity, "reason": NO_REASON, "expires": until}
        lines += yaml.safe_dump([fields], sort_keys=False, allow_unicode=True, width=10_000).splitlines()
    if new or expired or not file.exists():
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
    """Return the YAML nodes of the list with their positions."""
    try:
        node = yaml12.tree(file)
    except FileError as error:
        raise CannotRun(str(error)) from None
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        raise CannotRun(f"{file}:{node.start_mark.line + 1}: expected a list of accepted findings")
    result: list[Any] = node.value
    return result


def _entry(file: Path, node: Any) -> Acceptance:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        raise CannotRun(f"{file}:{line}: an entry has the fields {', '.join(ENTRY_FIELDS)}")
    values: dict[str, str] = {}
    for key, value in node.value:
        place = f"{file}:{key.start_mark.line + 1}: {key.value}"
        if not isinstance(key, yaml.ScalarNode):
            raise CannotRun(f"{file}:{key.start_mark.line + 1}: an entry has the fields {', '.join(ENTRY_FIELDS)}")
        if key.value not in ENTRY_FIELDS:
            raise CannotRun(f"{file}:{key.start_mark.line + 1}: {unknown_name('key', key.value, ENTRY_FIELDS)}")
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
        raise CannotRun(f"{place}: {shortened(repr(text))} is not a date such as 2027-01-31") from None


@dataclass(frozen=True)
class Classified:
    """A finding and its status: new, known, accepted or expired."""

    finding: Finding
    status: str
    severity: str
    deviations: tuple[str, ...] = ()
    acceptance: Acceptance | None = None

    @property
    def id(self) -> str:
        return self.finding.identity.id


@dataclass(frozen=True)
class Listed:
    """A listed deviation and its status.

    known: found; fixed: expected and not found; absent: neither expected nor found; untested or unseen: no request of
    the run could show it, for the given reason.
    """

    deviation: Deviation
    status: str
    reason: str = ""


@dataclass
class Outcome:
    """The result of a run."""

    findings: list[Classified]
    listed: list[Listed] = field(default_factory=list)
    strict: bool = False
    unused: list[Acceptance] = field(default_factory=list)
    keys: Mapping[str, str] = field(default_factory=dict)  # the key columns by the id of an operation

    def of(self, *statuses: str) -> list[Classified]:
        return [judged for judged in self.findings if judged.status in statuses]

    def deviations(self, status: str) -> list[Listed]:
        return [listed for listed in self.listed if listed.status == status]

    @property
    def failures(self) -> list[Classified]:
        """Findings that fail the run: new and expired ones; with --strict, known ones too."""
        return self.of("new", "expired", *(["known"] if self.strict else []))


def causes(outcome: Outcome) -> list[tuple[Cause, list[Classified]]]:
    """Return the findings that fail the run, grouped by cause, the worst for a client first."""
    classified = {id(failure.finding): failure for failure in outcome.failures}
    found = causes_of([failure.finding for failure in outcome.failures], outcome.keys)
    failures = [(cause, [classified[id(finding)] for finding in cause.findings]) for cause in found]
    return sorted(failures, key=lambda pair: (SEVERITIES.index(worst_severity(pair[1])), -len(pair[1])))


def worst_severity(members: Iterable[Classified]) -> str:
    return min((member.severity for member in members), key=SEVERITIES.index)


@dataclass(frozen=True)
class Lists:
    """What is known before a run: the deviations of the overlays and the user's allowlist."""

    known: tuple[Deviation, ...] = ()
    accepted: Accepted = field(default_factory=Accepted)
    strict: bool = False

    def tolerates(self, finding: Finding) -> bool:
        """Whether a run can still succeed with this finding."""
        return classify(finding, self, today()).status in ("accepted", *(() if self.strict else ("known",)))


def today() -> date:
    """Return the date in the local time zone."""
    return datetime.now().astimezone().date()


def conclude_run(contract: Contract, findings: Findings, coverage: Coverage, lists: Lists,
                 day: date | None = None) -> Outcome:
    """Return the result of a run so far."""
    verdicts = [classify(finding, lists, day or today()) for finding in findings]
    used = {verdict.acceptance.id for verdict in verdicts if verdict.acceptance}
    unused = [entry for entry in lists.accepted.entries if entry.id not in used]
    listed = [status_of(contract, findings, coverage, deviation) for deviation in lists.known]
    keys = {operation.id: operation.table.key for operation in contract.operations if operation.table}
    return Outcome(verdicts, listed, lists.strict, unused, keys)


def classify(finding: Finding, lists: Lists, day: date) -> Classified:
    """Classify a finding. The user's allowlist takes precedence over listed deviations."""
    severity = severity_of(finding, [deviation for deviation in lists.known if deviation.id in finding.deviations])
    entry = lists.accepted.of(finding.identity.id)
    if entry is not None and entry.expired(day):
        return Classified(finding, "expired", severity, finding.deviations, entry)
    if entry is not None:
        return Classified(finding, "accepted", severity, finding.deviations, entry)
    return Classified(finding, "known" if finding.deviations else "new", severity, finding.deviations)


def severity_of(finding: Finding, deviations: Iterable[Deviation]) -> str:
    """Return the worst severity of the deviations that explain a finding, or else that of its check."""
    listed = {deviation.severity for deviation in deviations}
    if listed:
        return min(listed, key=SEVERITIES.index)
    check, kind = finding.identity.check, finding.identity.kind
    rejected = (check, kind) == ("rules", "rejected")  # a client cannot send what the documentation allows
    return BREAKS if rejected else FINDING_TYPES[check].severity


def status_of(contract: Contract, findings: Findings, coverage: Coverage, deviation: Deviation) -> Listed:
    """Return the status of a listed deviation. It is fixed only if every place that it changes was tested."""
    if any(deviation.id in finding.deviations for finding in findings):
        return Listed(deviation, "known")
    if deviation.unseen:
        return Listed(deviation, "unseen", deviation.unseen)
    if not deviation.observable:
        return Listed(deviation, "unseen", "it changes only texts for people")
    reason = why_not_exercised(contract, coverage, deviation)
    return Listed(deviation, "untested", reason) if reason else Listed(deviation, "fixed")


def documentation_lines(contract: Contract, finding: Finding) -> tuple[int, ...]:
    """Return the lines of the documentation for a finding: those of its variable, or else of its operation."""
    contract = judging(contract, finding)
    operation = contract.by_id.get(finding.identity.operation)
    if operation is None:
        return ()
    if finding.identity.field in operation.rules:
        place = contract.property_place(operation, finding.identity.field)
        source: Any = _raw(contract, place).get("x-source")
        if source:
            return (source,) if isinstance(source, int) else tuple(source)
    return operation.source


def _raw(contract: Contract, place: str) -> dict[str, Any]:
    """Return the object at a pointer without following a $ref that has sibling keys."""
    value = contract.resolve(place.rpartition("/")[0])[1][keys_of(place)[-1]]
    return value if isinstance(value, dict) else {}

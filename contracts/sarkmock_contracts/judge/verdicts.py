"""What a run says of a box: every finding known, accepted or NEW, every listed deviation met, FIXED or not looked at.

Sends nothing and prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sarkmock import Deviation

from ..spec.contract import Contract
from .allowlist import Acceptance, Accepted
from .attribution import explain
from .coverage import Tally
from .deviation_coverage import missed
from .findings import Finding, Findings

SEVERITIES = ("breaks", "surprises", "cosmetic")
# What a finding that no list explains means to a client, by its check; anything else surprises.
BREAKING = {"answer", "status", "crash", "link", "presence", "schema", "unknown-key", "behaviour", "run-state",
            "dependency", "content-type", "body"}
COSMETIC = {"messages", "opinion", "header", "head", "options", "unknown-path"}


@dataclass(frozen=True)
class Judged:
    """A finding and what is to be said of it: new, known, accepted or expired."""

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
    """A listed deviation and whether it was met: known, fixed, untested or unseen, with the reason for the last two."""

    deviation: Deviation
    status: str
    reason: str = ""


@dataclass
class Outcome:
    """The whole verdict."""

    findings: list[Judged]
    listed: list[Listed] = field(default_factory=list)
    strict: bool = False
    unused: list[Acceptance] = field(default_factory=list)

    def of(self, *statuses: str) -> list[Judged]:
        return [judged for judged in self.findings if judged.status in statuses]

    def deviations(self, status: str) -> list[Listed]:
        return [one for one in self.listed if one.status == status]

    @property
    def failures(self) -> list[Judged]:
        """Findings for which the run fails: new and expired ones, and with --strict the known ones too."""
        return self.of("new", "expired", *(["known"] if self.strict else []))


@dataclass(frozen=True)
class Lists:
    """What is known beforehand: deviations of the overlays, and what a person accepted for this box."""

    known: tuple[Deviation, ...] = ()
    accepted: Accepted = field(default_factory=Accepted)
    strict: bool = False

    def tolerates(self, finding: Finding) -> bool:
        """Whether a run goes on to succeed with this finding."""
        return judged(finding, self, today()).status in ("accepted", *(() if self.strict else ("known",)))


def today() -> date:
    """The day where the judge is."""
    return datetime.now().astimezone().date()


def judge(contract: Contract, findings: Findings, tally: Tally, lists: Lists, day: date | None = None) -> Outcome:
    """The verdict of a run as it stands."""
    for finding in findings:
        finding.deviations = explain(contract, lists.known, finding)
    verdicts = [judged(finding, lists, day or today()) for finding in findings]
    used = {one.acceptance.id for one in verdicts if one.acceptance}
    unused = [entry for entry in lists.accepted.entries if entry.id not in used]
    listed = [status_of(contract, findings, tally, deviation) for deviation in lists.known]
    return Outcome(verdicts, listed, lists.strict, unused)


def judged(finding: Finding, lists: Lists, day: date) -> Judged:
    """A finding's status: what a person accepted comes before what the package lists."""
    severity = severity_of(finding, [one for one in lists.known if one.id in finding.deviations])
    entry = lists.accepted.of(finding.identity.id)
    if entry is not None and entry.expired(day):
        return Judged(finding, "expired", severity, finding.deviations, entry)
    if entry is not None:
        return Judged(finding, "accepted", severity, finding.deviations, entry)
    return Judged(finding, "known" if finding.deviations else "new", severity, finding.deviations)


def severity_of(finding: Finding, deviations: Iterable[Deviation]) -> str:
    """The worst of the deviations that explain it; else by its check."""
    listed = {deviation.severity for deviation in deviations}
    if listed:
        return min(listed, key=SEVERITIES.index)
    check, kind = finding.identity.check, finding.identity.kind
    if check in BREAKING or (check, kind) == ("rules", "refused"):
        return "breaks"
    return "cosmetic" if check in COSMETIC else "surprises"


def status_of(contract: Contract, findings: Findings, tally: Tally, deviation: Deviation) -> Listed:
    """Whether a listed deviation was met; fixed is only what was looked at everywhere and not found."""
    if any(deviation.id in finding.deviations for finding in findings):
        return Listed(deviation, "known")
    if deviation.unseen:
        return Listed(deviation, "unseen", deviation.unseen)
    if not deviation.telling:
        return Listed(deviation, "unseen", "it changes words for people only")
    reason = missed(contract, tally, deviation)
    return Listed(deviation, "untested", reason) if reason else Listed(deviation, "fixed")


def page_lines(contract: Contract, finding: Finding) -> tuple[int, ...]:
    """The lines of the page that a finding speaks of: the variable's where there is one, else the operation's."""
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
    """The value at a pointer, a $ref beside other keys not followed."""
    parent, _, last = place.rpartition("/")
    found = contract.resolve(parent)[1][last.replace("~1", "/").replace("~0", "~")]
    return found if isinstance(found, dict) else {}

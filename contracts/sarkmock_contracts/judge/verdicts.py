"""What a run says of a box: every finding known, accepted or NEW, every listed deviation met, FIXED or not looked at.

It neither sends nor prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sarkmock.suite_api import Deviation, keys_of

from ..spec.contract import Contract
from .allowlist import Acceptance, Accepted
from .causes import Cause, causes_of
from .coverage import Coverage
from .deviation_coverage import missed
from .finding_types import BREAKS, FINDING_TYPES, SEVERITIES
from .findings import Finding, Findings


@dataclass(frozen=True)
class Classified:
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
    """A listed deviation and whether it was met.

    known: it was; fixed: it was expected and not met; absent: neither expected nor met; untested or unseen: no request
    can say, for a reason.
    """

    deviation: Deviation
    status: str
    reason: str = ""


@dataclass
class Outcome:
    """The whole verdict."""

    findings: list[Classified]
    listed: list[Listed] = field(default_factory=list)
    strict: bool = False
    unused: list[Acceptance] = field(default_factory=list)

    def of(self, *statuses: str) -> list[Classified]:
        return [judged for judged in self.findings if judged.status in statuses]

    def deviations(self, status: str) -> list[Listed]:
        return [one for one in self.listed if one.status == status]

    @property
    def failures(self) -> list[Classified]:
        """Findings for which the run fails: new and expired ones, and with --strict the known ones too."""
        return self.of("new", "expired", *(["known"] if self.strict else []))


def causes(outcome: Outcome) -> list[tuple[Cause, list[Classified]]]:
    """The findings for which the run fails by their causes, what is worst for a client first."""
    classified = {id(one.finding): one for one in outcome.failures}
    found = [(cause, [classified[id(finding)] for finding in cause.findings])
             for cause in causes_of([one.finding for one in outcome.failures])]
    return sorted(found, key=lambda pair: (min(SEVERITIES.index(one.severity) for one in pair[1]), -len(pair[1])))


@dataclass(frozen=True)
class Lists:
    """What is known beforehand: deviations of the overlays, and what a person accepted for this box."""

    known: tuple[Deviation, ...] = ()
    accepted: Accepted = field(default_factory=Accepted)
    strict: bool = False

    def tolerates(self, finding: Finding) -> bool:
        """Whether a run goes on to succeed with this finding."""
        return classify(finding, self, today()).status in ("accepted", *(() if self.strict else ("known",)))


def today() -> date:
    """The day where the judge is."""
    return datetime.now().astimezone().date()


def conclude(contract: Contract, findings: Findings, tally: Coverage, lists: Lists, day: date | None = None) -> Outcome:
    """The verdict of a run as it stands."""
    verdicts = [classify(finding, lists, day or today()) for finding in findings]
    used = {one.acceptance.id for one in verdicts if one.acceptance}
    unused = [entry for entry in lists.accepted.entries if entry.id not in used]
    listed = [status_of(contract, findings, tally, deviation) for deviation in lists.known]
    return Outcome(verdicts, listed, lists.strict, unused)


def classify(finding: Finding, lists: Lists, day: date) -> Classified:
    """A finding's status: what a person accepted comes before what the package lists."""
    severity = severity_of(finding, [one for one in lists.known if one.id in finding.deviations])
    entry = lists.accepted.of(finding.identity.id)
    if entry is not None and entry.expired(day):
        return Classified(finding, "expired", severity, finding.deviations, entry)
    if entry is not None:
        return Classified(finding, "accepted", severity, finding.deviations, entry)
    return Classified(finding, "known" if finding.deviations else "new", severity, finding.deviations)


def severity_of(finding: Finding, deviations: Iterable[Deviation]) -> str:
    """The worst of the deviations that explain it; else by its check."""
    listed = {deviation.severity for deviation in deviations}
    if listed:
        return min(listed, key=SEVERITIES.index)
    check, kind = finding.identity.check, finding.identity.kind
    refused = (check, kind) == ("rules", "refused")  # a client cannot do what it may do
    return BREAKS if refused else FINDING_TYPES[check].severity


def status_of(contract: Contract, findings: Findings, tally: Coverage, deviation: Deviation) -> Listed:
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
    found = contract.resolve(place.rpartition("/")[0])[1][keys_of(place)[-1]]
    return found if isinstance(found, dict) else {}

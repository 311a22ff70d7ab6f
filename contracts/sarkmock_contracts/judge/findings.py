"""Findings and their types: the identity, the severity and the sentence of each.

The places say which parts of the document a finding of the type speaks of: the variable of a body (``input``), the
column of a row (``column``), the operation's responses (``response``), what it does beside them (``behaviour``), or
the methods of its path (``path``). A known deviation that changes one of these places explains the finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from sarkmock.suite_api import BASE, Deviation, Operation, covers, deviations_of, pointer, product

from ..client.http import Exchange
from ..spec.contract import Contract

ABSENT = "Not on this target"  # of deviations that the judging profile has
BREAKS, SURPRISES, COSMETIC = SEVERITIES = ("breaks", "surprises", "cosmetic")


@dataclass(frozen=True)
class FindingType:
    """One type: its name in identities and reports, its severity for a client, a sentence, and its places."""

    name: str
    severity: str
    text: str
    places: frozenset[str] = frozenset()


def _types(*rows: tuple[str, str, str, str]) -> dict[str, FindingType]:
    return {name: FindingType(name, severity, text, frozenset(places.split())) for name, severity, places, text in rows}


FINDING_TYPES = _types(
    # every exchange, by its request
    ("rules", SURPRISES, "input", "A variable is accepted or refused, and its rules say the opposite."),
    ("messages", COSMETIC, "input", "A validation message has another text."),
    ("crash", BREAKS, "input", "A value that PHP cannot handle is not answered as documented."),
    # every exchange, by its response
    ("status", BREAKS, "response", "The status is not documented."),
    ("content-type", BREAKS, "response", "The content type is not documented."),
    ("header", COSMETIC, "response", "A header is missing or different."),
    ("body", BREAKS, "response", "The body is not of the documented kind."),
    ("schema", BREAKS, "response column", "The body does not match its schema."),
    # single checks
    ("answer", BREAKS, "behaviour", "A valid request does not succeed."),
    ("link", BREAKS, "behaviour", "A link of the document does not lead to the row that was made."),
    ("presence", BREAKS, "behaviour", "A row is missing, or is still there after DELETE."),
    ("stored", SURPRISES, "input column behaviour", "A value is not stored as it was sent."),
    ("default", SURPRISES, "input column behaviour", "A new row does not have its documented default."),
    ("unrequested", SURPRISES, "column behaviour", "A column changed although no request named it."),
    ("duplicate", SURPRISES, "behaviour", "A key that is in use is accepted again."),
    ("dependency", BREAKS, "behaviour", "A row can be deleted although others depend on it, or cannot without reason."),
    ("list", SURPRISES, "behaviour", "A list does not show the rows as they are."),
    ("behaviour", BREAKS, "behaviour", "What the documentation says in prose does not happen."),
    ("run-state", BREAKS, "behaviour", "Stopping or starting the PBX does not do what it says."),
    ("unknown-path", COSMETIC, "path", "A path that is not documented is there."),
    ("unknown-key", BREAKS, "behaviour", "The key of no row is not answered with 404."),
    ("unknown-field", SURPRISES, "input behaviour", "A field that is not documented is not ignored."),
    ("form", SURPRISES, "input", "A form body is not read like a JSON body."),
    ("query", SURPRISES, "input", "A variable of the query string is stored."),
    ("head", COSMETIC, "response", "HEAD does not answer as GET does."),
    ("options", COSMETIC, "path", "OPTIONS does not name the methods of the path."),
    ("method", SURPRISES, "path", "A method that the path does not support is not answered with 405."),
    ("authentication", BREAKS, "response behaviour", "A request without a valid token is not refused as documented."),
    ("schemathesis", SURPRISES, "response", "One of Schemathesis' own checks failed."),
    ("openapi-core", COSMETIC, "response", "openapi-core rejects a response that matches its schema."),
)


class Identity(NamedTuple):
    """What makes two findings one: operation, check, field (or column, header, parameter), kind."""

    operation: str
    check: str
    field: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in self if part)

    @property
    def id(self) -> str:
        """One word that names it in files."""
        return ":".join(self)

    def matches(self, pattern: Identity) -> bool:
        """Whether every part fits the pattern's part, which may hold ``*``."""
        return all(fnmatchcase(part, wanted) for part, wanted in zip(self, pattern, strict=True))


@dataclass
class Finding:
    """A difference between target and document, with the shortest exchanges that showed it.

    ``steps`` are the exchanges that show it at a fresh target: writes that prepare it, then the evidence.
    """

    identity: Identity
    message: str
    evidence: tuple[Exchange, ...]
    count: int = 1
    deviations: tuple[str, ...] = field(default=())
    request: int = 0  # how many requests had been sent when it was first met
    steps: tuple[Exchange, ...] = ()

    def __str__(self) -> str:
        return f"{self.identity}: {self.message}"


def _weight(evidence: Sequence[Exchange]) -> tuple[int, int]:
    return len(evidence), sum(exchange.size for exchange in evidence)


class Findings:
    """All findings of a run, in the order they were first met; what is known and what is new of one identity apart."""

    def __init__(self) -> None:
        self.findings: dict[tuple[Identity, bool], Finding] = {}
        self._of_operation = defaultdict[str, dict[tuple[Identity, bool], None]](dict)
        self._named: frozenset[str] | None = None

    def add(self, found: Finding) -> Finding:
        """Record a finding; one that is there is counted, and its evidence replaced by a shorter one."""
        self._named = None
        kept = self.findings.setdefault((found.identity, bool(found.deviations)), found)
        if kept is found:
            self._of_operation[found.identity.operation][found.identity, bool(found.deviations)] = None
            return kept
        kept.count += found.count
        kept.deviations = tuple(dict.fromkeys((*kept.deviations, *found.deviations)))
        if _weight(found.evidence) < _weight(kept.evidence):
            kept.message, kept.evidence, kept.steps = found.message, found.evidence, found.steps
        return kept

    def of(self, identity: Identity) -> list[Finding]:
        """What was found under an identity: what is new, then what is known."""
        return [self.findings[key] for key in ((identity, False), (identity, True)) if key in self.findings]

    def forget(self, identity: Identity) -> None:
        """Take back what was found under an identity."""
        self._named = None
        for known in (False, True):
            self.findings.pop((identity, known), None)

    @property
    def named(self) -> frozenset[str]:
        """The deviations that findings name."""
        if self._named is None:
            self._named = frozenset(name for finding in self for name in finding.deviations)
        return self._named

    def known_of(self, operation: str, checks: Collection[str]) -> list[Finding]:
        """The known findings of an operation, of some types."""
        return [finding for key in self._of_operation[operation] if key[1] and key[0].check in checks
                if (finding := self.findings.get(key)) is not None]

    def is_explained_by(self, identity: Identity, deviations: Collection[str]) -> bool:
        """Whether what was found under an identity has these explanations, which no answer has refuted."""
        known = self.findings.get((identity, True))
        return known is not None and set(known.deviations).issuperset(deviations)

    def attribute(self, finding: Finding, deviations: tuple[str, ...]) -> None:
        """Explain a finding by other deviations; without any it is new."""
        del self.findings[finding.identity, bool(finding.deviations)]
        self.add(replace(finding, deviations=deviations))

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings.values())

    def __len__(self) -> int:
        return len(self.findings)

    @contextmanager
    def fresh(self) -> Iterator[list[Finding]]:
        """The findings that are first met inside the block."""
        before = set(self.findings)
        found: list[Finding] = []
        yield found
        found += [finding for key, finding in self.findings.items() if key not in before]


# the places of a document that a finding, and a deviation, concern


def known_deviations(judge: str, version: str | None = None) -> tuple[Deviation, ...]:
    """By what the version that answers differs from the judging document: the deviations that only one of them has.

    The documentation itself is judged by what the published product is known for.
    """
    if judge == BASE:
        return deviations_of(product() if version in (None, BASE) else str(version))
    ours, theirs = deviations_of(judge), deviations_of(version or judge)
    names = {deviation.id for deviation in ours}, {deviation.id for deviation in theirs}
    lacking = (replace(deviation, summary=f"{ABSENT}: {deviation.summary}") for deviation in ours
               if deviation.id not in names[1])
    return (*(deviation for deviation in theirs if deviation.id not in names[0]), *lacking)


def deviation_touches(deviation: Deviation, found: set[str]) -> bool:
    return any(covers(changed, place) or covers(place, changed) for changed in deviation.observable for place in found)


def places(contract: Contract, finding: Finding) -> Iterator[str]:
    """The places of the judging document that a finding speaks of, the nearest first."""
    identity = finding.identity
    operation = contract.by_id.get(identity.operation)
    if operation is None:
        if identity.field:  # the path that the document does not have
            yield pointer("paths", identity.field, identity.kind.lower())
        return
    own, kinds = contract.place(operation), FINDING_TYPES[identity.check].places
    if "input" in kinds and identity.field:
        yield from field_places(contract, operation, identity.field)
    if identity.check == "crash":
        yield pointer("x-crashes")
    if "column" in kinds and identity.field:
        yield from column_places(contract, operation, identity.field)
    if "response" in kinds:
        yield from (own + pointer("responses"), own + pointer("x-action"))
        yield from suspected_places(contract, operation, finding)
    if "behaviour" in kinds or identity.field in contract.may_name(operation):
        yield from (own + pointer("x-action"), own + pointer("x-after"))
    if "path" in kinds:
        yield from (pointer("paths", operation.path, method) for method in ("get", "post", "put", "delete"))


def field_places(contract: Contract, operation: Operation, field: str) -> Iterator[str]:
    """Where a variable of the body stands, and that it is required."""
    place = contract.body_place(operation)
    if place is not None:
        body = contract.resolve(place)[0]
        yield from (body + pointer("properties", field), body + pointer("required"))


def column_places(contract: Contract, operation: Operation, column: str) -> Iterator[str]:
    """Where a column of the answer stands."""
    row = contract.row_place(operation)
    if row is not None:
        yield row + pointer("properties", column.partition(".")[0])


def suspected_places(contract: Contract, operation: Operation, finding: Finding) -> Iterator[str]:
    """After an undocumented status: the variable that is to blame, or those of the shortest body that brings it about,
    required ones only if there are no others."""
    if finding.identity.field:
        yield from field_places(contract, operation, finding.identity.field)
        return
    if finding.identity.check != "status" or not operation.rules or not finding.evidence:
        return
    request = finding.evidence[-1].request
    post = request.post
    others = [name for name in post if name not in contract.required(operation)]
    for name in others or post:
        yield from field_places(contract, operation, name)


def operations_changed_by(contract: Contract, deviation: Deviation) -> list[Operation]:
    """The operations of which a deviation changes something."""
    return [operation for operation in contract.operations
            if deviation_touches(deviation, set(operation_places(contract, operation)))]


def operation_places(contract: Contract, operation: Operation) -> Iterator[str]:
    """Where an operation and its body stand."""
    yield contract.place(operation)
    body = contract.body_place(operation)
    if body is not None:
        yield contract.resolve(body)[0]

"""Findings and their types: identity, severity and description.

The places of a type are the parts of the document that its findings concern: the variable of a request body
(``input``), the column of a row (``column``), the operation's responses (``response``), its other behaviour
(``behaviour``), or the methods of its path (``path``). A known deviation that changes one of them may explain the
finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from sarkmock.suite_api import BASE, Deviation, Operation, deviations_of, pointer, product

from ..client.http import Exchange
from ..spec.contract import Contract, contract_of

ABSENT = "Not on this target"  # prefix for deviations that the judging profile has and the target lacks
EVIDENCE_BYTES = 64 << 20  # of the exchanges of all findings; further findings have none
OF_WRITTEN = {"stored", "default", "unrequested"}  # findings about the values that a write should leave
MOST_FINDINGS, OTHERS = 5_000, "others"  # further findings than the most are summarised under this kind
BREAKS, SURPRISES, COSMETIC = SEVERITIES = ("breaks", "surprises", "cosmetic")


@dataclass(frozen=True)
class FindingType:
    """One type: its name in identities and reports, its severity for a client, a description, and its places."""

    name: str
    severity: str
    text: str
    places: frozenset[str] = frozenset()


FINDING_TYPES = {name: FindingType(name, severity, text, frozenset(where.split())) for name, severity, where, text in (
    # every exchange, by its request
    ("rules", SURPRISES, "input", "A variable is accepted or rejected, contrary to its rules."),
    ("messages", COSMETIC, "input", "A validation message differs."),
    ("crash", BREAKS, "input", "The response to a value that PHP cannot handle is not as documented."),
    # every exchange, by its response
    ("status", BREAKS, "response", "The status is not documented."),
    ("content-type", BREAKS, "response", "The content type is not documented."),
    ("header", COSMETIC, "response", "A header is missing or different."),
    ("body", BREAKS, "response", "The body is not of the documented kind."),
    ("schema", BREAKS, "response column", "The body does not match its schema."),
    # single checks
    ("answer", BREAKS, "behaviour", "A valid request does not succeed."),
    ("link", BREAKS, "behaviour", "A link of the document does not lead to the created row."),
    ("presence", BREAKS, "behaviour", "A row is missing, or still exists after DELETE."),
    ("stored", SURPRISES, "input column behaviour", "A value is not stored as it was sent."),
    ("default", SURPRISES, "input column behaviour", "A new row does not have its documented default."),
    ("unrequested", SURPRISES, "column behaviour", "A column changed although no request named it."),
    ("duplicate", SURPRISES, "behaviour", "A key that is in use is accepted."),
    ("dependency", BREAKS, "behaviour", "A row can be deleted although others depend on it, or the reverse."),
    ("list", SURPRISES, "behaviour", "A list does not match the rows."),
    ("behaviour", BREAKS, "behaviour", "Behaviour that the documentation describes in prose is missing."),
    ("run-state", BREAKS, "behaviour", "Stopping or starting the PBX has no effect."),
    ("unknown-path", COSMETIC, "path", "An undocumented path exists."),
    ("unknown-key", BREAKS, "behaviour", "An unknown key does not return 404."),
    ("unknown-field", SURPRISES, "input behaviour", "An undocumented field is not ignored."),
    ("form", SURPRISES, "input", "A form body is not read like a JSON body."),
    ("query", SURPRISES, "input", "A variable of the query string is stored."),
    ("head", COSMETIC, "response", "HEAD does not respond as GET does."),
    ("options", COSMETIC, "path", "OPTIONS does not name the methods of the path."),
    ("method", SURPRISES, "path", "An unsupported method does not return 405."),
    ("authentication", BREAKS, "response behaviour", "A request without a valid token is not rejected as documented."),
    ("schemathesis", SURPRISES, "response", "One of Schemathesis' own checks failed."),
    ("openapi-core", COSMETIC, "response", "openapi-core rejects a response that matches its schema."),
)}


class Identity(NamedTuple):
    """The key of a finding: operation, check, field (or column, header, parameter), kind."""

    operation: str
    check: str
    field: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in self if part)

    @property
    def id(self) -> str:
        """The identity as one word, for files."""
        return ":".join(self)

    def matches(self, pattern: Identity) -> bool:
        """Whether every part matches the pattern's part, which may contain ``*``."""
        return all(fnmatchcase(part, wanted) for part, wanted in zip(self, pattern, strict=True))


@dataclass
class Finding:
    """A difference between target and document, with the smallest exchanges that showed it.

    ``steps`` are the exchanges that reproduce it at a fresh target: the writes that it needs, then the evidence.
    """

    identity: Identity
    message: str
    evidence: tuple[Exchange, ...]
    count: int = 1
    deviations: tuple[str, ...] = field(default=())
    request: int = 0  # the number of requests sent when it was first found
    steps: tuple[Exchange, ...] = ()
    profile: str = ""  # whose document judged it, if not the run's

    @property
    def weight(self) -> int:
        return sum(exchange.weight for exchange in self.steps)

    def __str__(self) -> str:
        return f"{self.identity}: {self.message}"


def evidence_weight(evidence: Sequence[Exchange]) -> tuple[int, int]:
    """Return the number of exchanges and the bytes of their requests."""
    return len(evidence), sum(exchange.size for exchange in evidence)


class Findings:
    """All findings of a run in the order found. An identity can have a known and a new finding."""

    def __init__(self, most: int = MOST_FINDINGS, max_bytes: int = EVIDENCE_BYTES) -> None:
        self._most, self._max_bytes = most, max_bytes
        self._held = 0  # at least the weight of all findings
        self.findings: dict[tuple[Identity, bool], Finding] = {}
        self._of_operation = defaultdict[str, dict[tuple[Identity, bool], None]](dict)
        self._named: frozenset[str] | None = None

    def add(self, finding: Finding) -> Finding:
        """Add a finding. If it exists, count it, and keep the smaller evidence.

        If there are too many, further ones of an operation and check are one finding.
        """
        if len(self.findings) >= self._most and not self.of(finding.identity):
            finding = replace(finding, identity=finding.identity._replace(field="", kind=OTHERS))
        kept = self.findings.setdefault((finding.identity, bool(finding.deviations)), finding)
        if kept is finding:
            self._named = None
            self._of_operation[finding.identity.operation][finding.identity, bool(finding.deviations)] = None
            return kept
        kept.count += finding.count
        if not set(finding.deviations).issubset(kept.deviations):
            self._named = None
            kept.deviations = tuple(dict.fromkeys((*kept.deviations, *finding.deviations)))
        if evidence_weight(finding.evidence) < evidence_weight(kept.evidence):
            kept.message, kept.evidence, kept.steps = finding.message, finding.evidence, finding.steps
        return kept

    def keep(self, finding: Finding, steps: tuple[Exchange, ...]) -> None:
        """Store the exchanges that reproduce a finding, or no exchange if those of all findings are too large."""
        finding.steps = steps
        self._held += finding.weight
        if self._held > self._max_bytes:
            self._held = sum(kept.weight for kept in self)
        if self._held > self._max_bytes:
            self._held -= finding.weight
            finding.evidence = finding.steps = ()
            finding.message += "; its exchanges are too large to be kept"

    def of(self, identity: Identity) -> list[Finding]:
        """Return the findings of an identity, the new one first."""
        return [self.findings[key] for key in ((identity, False), (identity, True)) if key in self.findings]

    def forget(self, identity: Identity) -> None:
        """Remove the findings of an identity."""
        self._named = None
        for known in (False, True):
            self.findings.pop((identity, known), None)

    def withdraw(self, column: str, read: Exchange) -> None:
        """Remove findings that blame writes for a wrong value in a read, after another read has shown the right one."""
        for finding in [*self]:
            wrong = finding.identity.check in OF_WRITTEN and finding.identity.field == column
            if wrong and finding.evidence[-1:] == (read,):
                self._remove(finding)

    @property
    def named(self) -> frozenset[str]:
        """The deviations that explain findings."""
        if self._named is None:
            self._named = frozenset(name for finding in self for name in finding.deviations)
        return self._named

    def known_of(self, operation: str, checks: Collection[str]) -> list[Finding]:
        """Return the known findings of an operation for these checks."""
        return [finding for key in self._of_operation[operation] if key[1] and key[0].check in checks
                if (finding := self.findings.get(key)) is not None]

    def is_explained_by(self, identity: Identity, deviations: Collection[str]) -> bool:
        """Whether the known finding of an identity has all these deviations."""
        known = self.findings.get((identity, True))
        return known is not None and set(known.deviations).issuperset(deviations)

    def attribute(self, finding: Finding, deviations: tuple[str, ...]) -> None:
        """Replace the deviations of a finding. Without any it is new."""
        self._remove(finding)
        self.add(replace(finding, deviations=deviations))

    def _remove(self, finding: Finding) -> None:
        self._named = None
        del self.findings[finding.identity, bool(finding.deviations)]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings.values())

    def __len__(self) -> int:
        return len(self.findings)

    @contextmanager
    def fresh(self) -> Iterator[list[Finding]]:
        """Collect the findings that are first found inside the block. The list is filled when the block ends."""
        before = set(self.findings)
        fresh: list[Finding] = []
        yield fresh
        fresh += [finding for key, finding in self.findings.items() if key not in before]


# the places of a document that a finding or a deviation concerns


def known_deviations(judge: str, version: str | None = None) -> tuple[Deviation, ...]:
    """Return the deviations that only one of the target's version and the judging document has.

    If the documentation judges, these are the deviations of the version, or of the product.
    """
    if judge == BASE:
        return deviations_of(product() if version in (None, BASE) else str(version))
    ours, theirs = deviations_of(judge), deviations_of(version or judge)
    names = {deviation.id for deviation in ours}, {deviation.id for deviation in theirs}
    lacking = (replace(deviation, summary=f"{ABSENT}: {deviation.summary}") for deviation in ours
               if deviation.id not in names[1])
    return (*(deviation for deviation in theirs if deviation.id not in names[0]), *lacking)


def judging(contract: Contract, finding: Finding) -> Contract:
    """Return the contract that judged a finding, in a run with this contract."""
    return contract_of(finding.profile) if finding.profile else contract


def places(contract: Contract, finding: Finding) -> Iterator[str]:
    """Yield the places of the judging document that a finding concerns, the nearest first."""
    identity, contract = finding.identity, judging(contract, finding)
    operation = contract.by_id.get(identity.operation)
    if operation is None:
        if identity.field:  # a path that the document does not have
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
    """Yield the places of a variable of the request body: its schema and the list of required variables."""
    place = contract.body_place(operation)
    if place is not None:
        body = contract.resolve(place)[0]
        yield from (body + pointer("properties", field), body + pointer("required"))


def column_places(contract: Contract, operation: Operation, column: str) -> Iterator[str]:
    """Yield the place of a column of the response."""
    row = contract.row_place(operation)
    if row is not None:
        yield row + pointer("properties", column.partition(".")[0])


def suspected_places(contract: Contract, operation: Operation, finding: Finding) -> Iterator[str]:
    """Yield the places of the variables that may cause an undocumented status.

    These are the finding's variable, or else those of the last request: required ones only if it has no others.
    """
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
    """Return the operations that a deviation changes."""
    return [operation for operation in contract.operations
            if deviation.touches({*operation_places(contract, operation)})]


def operation_places(contract: Contract, operation: Operation) -> Iterator[str]:
    """Yield the places of an operation and its request body."""
    yield contract.place(operation)
    body = contract.body_place(operation)
    if body is not None:
        yield contract.resolve(body)[0]

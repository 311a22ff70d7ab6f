"""Findings and their identity: one cause is one finding, however often and by whichever check it was met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..client.http import Exchange


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

    def add(self, found: Finding) -> Finding:
        """Record a finding; one that is there is counted, and its evidence replaced by a shorter one."""
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
        for known in (False, True):
            self.findings.pop((identity, known), None)

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

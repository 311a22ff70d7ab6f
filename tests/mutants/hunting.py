"""The suite against mutants: judges a mutated mock by the intact document and says what became of each mutation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from sarkmock_contracts.checks import Case, cases
from sarkmock_contracts.checks.scenarios import Scenario
from sarkmock_contracts.client.transports import SignedIn
from sarkmock_contracts.errors import NewFindings
from sarkmock_contracts.judge.findings import Finding
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import Contract, contract_of

from tests.mutants.generated import RULE_KINDS, Mutated, Mutation

BY_CHANCE = {"fuzz", "openapi-core"}  # what they find depends on chance, or was found before
OF_LIST = {"list", "order", "filter"}
OF_COLUMN = {*RULE_KINDS, "field", "type", "hidden column", "default", "stored", "unasked", "value"}


@dataclass
class Fate:
    """What became of a mutation: the finding that names it, and at which request it was met."""

    mutation: Mutation
    status: str = "missed"  # found, masked or missed
    request: int | None = None
    findings: list[Finding] = field(default_factory=list)


def hunt(judge: str, profile: str, mutations: Sequence[Mutation], *, limit: int | None = None,
         whole: bool = False) -> tuple[Run, list[Fate]]:
    """Judge a mock of a profile that has these mutations by the document of another, or of the same one.

    Only what concerns the sections of the mutations is sent, unless the ``whole`` run is wanted. If one profile is
    both, the run ends when all are found. With a ``limit`` it ends after so many requests of a whole run, those that
    are left out counted as they were needed by the intact mock.
    """
    box = Mutated(profile, *mutations)
    run = Run(contract_of(judge), SignedIn(box, box.engine.state), options(judge, profile))
    counted = costs(judge, profile, limit) if limit else {}
    for case in cases(run):
        if limit and run.judge.requests >= limit:
            break
        if case.check.name in BY_CHANCE or not (whole or meant(run, case, mutations)):
            run.judge.requests += counted.get(str(case), 0)
            continue
        with suppress(NewFindings), run.watch():
            case.run(run)
        if judge == profile and all(one.status == "found" for one in fates(run, mutations)):
            break
    return run, fates(run, mutations)


def options(judge: str, profile: str) -> RunOptions:
    return RunOptions(judge, profile if profile != judge else "a box")


@cache
def costs(judge: str, profile: str, limit: int) -> dict[str, int]:
    """The requests of each case at the intact mock, as far as so many go."""
    box = Mutated(profile)
    run = Run(contract_of(judge), SignedIn(box, box.engine.state), options(judge, profile))
    found = {}
    for case in cases(run):
        before = run.judge.requests
        with suppress(NewFindings), run.watch():
            case.run(run)
        found[str(case)] = run.judge.requests - before
        if run.judge.requests >= limit:
            break
    return found


def meant(run: Run, case: Case, mutations: Sequence[Mutation]) -> bool:
    """Whether a case has to do with the section of a mutation."""
    by_id = run.contract.by_id
    sections = {by_id[name].section for one in mutations for name in one.operations if name in by_id}
    restores = case.operation is not None and case.operation.hazard == "disruptive"
    if case.check.name in ("rules", "rows") and not restores and any(one.kind in OF_LIST for one in mutations):
        return True  # rows that are made for other sections are listed, too
    if case.check.name in ("rules", "rows", "smoke") and any(by_id[name].table is None for one in mutations
                                                             for name in one.operations if name in by_id):
        return True  # it may show rows of any section
    if case.check.name == "rules" and case.operation is not None and case.operation.section == "Tenants":
        return True  # rows of other sections name the tenant that they keep
    if case.subject is None or isinstance(case.subject, Scenario):
        return case.check.name != "sequences-together"
    return case.subject.section in sections


def fates(run: Run, mutations: Sequence[Mutation]) -> list[Fate]:
    new = [finding for finding in run.findings if not finding.deviations]
    known = [finding for finding in run.findings if finding.deviations]
    return [fate(mutation, new, known) for mutation in mutations]


def fate(mutation: Mutation, new: Sequence[Finding], known: Sequence[Finding]) -> Fate:
    hits = [finding for finding in new if names(finding, mutation)]
    if hits:
        return Fate(mutation, "found", min(finding.request for finding in hits), hits)
    excused = [finding for finding in known if names(finding, mutation)]
    return Fate(mutation, "masked" if excused else "missed", None, excused)


def names(finding: Finding, mutation: Mutation) -> bool:
    """Whether a finding speaks of the operation and of the variable that is changed."""
    identity = finding.identity
    if identity.operation not in mutation.operations:
        return identity.check == "unknown-path" and mutation.kind in ("path", "method", "framework")
    if mutation.kind not in OF_COLUMN or identity.check == "link":
        return True  # a link that leads nowhere speaks of the fields that it needs
    spoken_of = identity.field.partition(".")[0]
    return spoken_of in (mutation.variable, f"{mutation.variable}2")


def groups(mutations: Iterable[Mutation], contract: Contract) -> list[list[Mutation]]:
    """Mutations that do not meet: one for an operation, or a section of the documentation where rows are lost."""
    found: list[tuple[set[str], list[Mutation]]] = []
    for mutation in mutations:
        touched = {*mutation.operations}
        sections = {contract.by_id[name].section for name in mutation.operations}
        if mutation.kind in ALONE:
            touched |= {one.id for one in contract.operations if one.section in sections}
        group = next((group for others, group in found if not touched & others and len(group) < LARGEST), None)
        if group is None:
            found.append((touched, [mutation]))
        else:
            group.append(mutation)
            next(others for others, other in found if other is group).update(touched)
    return [group for _, group in found]


LARGEST = 25
ALONE = {"lost", "path", "method", "status", "link", "error body", "list", "check", "required gained", "header"}

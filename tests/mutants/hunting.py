"""Runs the suite against mutants, and reports which mutations were found."""

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

BY_CHANCE = {"fuzz", "openapi-core"}  # their findings depend on chance, or are found earlier
OF_LIST = {"list", "order", "filter"}
OF_COLUMN = {*RULE_KINDS, "field", "type", "hidden column", "default", "stored", "unrequested", "value"}


@dataclass
class Fate:
    """The result for a mutation: the findings that name it, and the number of the request that found it."""

    mutation: Mutation
    status: str = "missed"  # found, masked or missed
    request: int | None = None
    findings: list[Finding] = field(default_factory=list)


def hunt(judge: str, profile: str, mutations: Sequence[Mutation], *, limit: int | None = None,
         whole: bool = False) -> tuple[Run, list[Fate]]:
    """Judge a mock of a profile with these mutations by the document of another profile, or of the same one.

    Only cases of the sections of the mutations are run, unless ``whole`` is set. If both profiles are the same, the
    run ends when all mutations are found. With a ``limit``, it ends after that many requests of a whole run; skipped
    cases count with the requests that they need at the intact mock.
    """
    box = Mutated(profile, *mutations)
    run = Run(contract_of(judge), SignedIn(box, box.engine.state), options(judge, profile))
    counted = costs(judge, profile, limit) if limit else {}
    for case in cases(run):
        if limit and run.judge.requests >= limit:
            break
        if case.check.name in BY_CHANCE or not (whole or is_relevant(run, case, mutations)):
            run.judge.requests += counted.get(str(case), 0)
            continue
        with suppress(NewFindings), run.watch():
            case.run(run)
        if judge == profile and all(fate.status == "found" for fate in fates(run, mutations)):
            break
    return run, fates(run, mutations)


def options(judge: str, profile: str) -> RunOptions:
    return RunOptions(judge, profile if profile != judge else "a box")


@cache
def costs(judge: str, profile: str, limit: int) -> dict[str, int]:
    """The number of requests of each case at the intact mock, up to the limit."""
    box = Mutated(profile)
    run = Run(contract_of(judge), SignedIn(box, box.engine.state), options(judge, profile))
    counts = {}
    for case in cases(run):
        before = run.judge.requests
        with suppress(NewFindings), run.watch():
            case.run(run)
        counts[str(case)] = run.judge.requests - before
        if run.judge.requests >= limit:
            break
    return counts


def is_relevant(run: Run, case: Case, mutations: Sequence[Mutation]) -> bool:
    """Whether a case can find a mutation in one of the sections."""
    by_id = {**contract_of(run.version()).by_id, **run.contract.by_id}
    sections = {by_id[name].section for mutation in mutations for name in mutation.operations if name in by_id}
    restores = case.operation is not None and case.operation.hazard == "disruptive"
    of_list = any(mutation.kind in OF_LIST for mutation in mutations)
    if case.check.name in ("rules", "rows") and not restores and of_list:
        return True  # rows of other sections are listed, too
    if case.check.name in ("rules", "rows", "smoke") and any(by_id[name].table is None for mutation in mutations
                                                             for name in mutation.operations if name in by_id):
        return True  # it may list rows of any section
    if case.check.name == "rules" and case.operation is not None and case.operation.section == "Tenants":
        return True  # rows of other sections refer to the tenant
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
    """Whether a finding names the changed operation and variable."""
    identity = finding.identity
    if identity.operation not in mutation.operations:
        return identity.check == "unknown-path" and mutation.kind in ("path", "method", "framework")
    if mutation.kind not in OF_COLUMN or identity.check == "link":
        return True  # a broken link names the fields that it needs
    field_name = identity.field.partition(".")[0]
    return field_name in (mutation.variable, f"{mutation.variable}2")


def groups(mutations: Iterable[Mutation], contract: Contract) -> list[list[Mutation]]:
    """Group mutations that do not interfere: one per operation, or per section if the mutation can remove rows."""
    result: list[tuple[set[str], list[Mutation]]] = []
    for mutation in mutations:
        operations = {*mutation.operations}
        sections = {contract.by_id[name].section for name in mutation.operations}
        if mutation.kind in ALONE:
            operations |= {operation.id for operation in contract.operations if operation.section in sections}
        group = next((group for others, group in result if not operations & others and len(group) < LARGEST), None)
        if group is None:
            result.append((operations, [mutation]))
        else:
            group.append(mutation)
            next(others for others, other in result if other is group).update(operations)
    return [group for _, group in result]


LARGEST = 25
ALONE = {"lost write", "path", "method", "status", "link", "error body", "list", "check", "required gained", "header"}

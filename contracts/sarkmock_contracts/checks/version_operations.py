"""Operations and variables that only the target's version has, tested by the document of that version.

The judging document says of them only that they do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from sarkmock.suite_api import Operation

from ..client.rate_limit import Timer
from ..client.target import Target
from ..client.transports import Transport
from ..errors import NewFindings
from ..fixtures.keys import Keys
from ..judge.findings import Finding
from ..run import Run
from ..safety import Safety
from ..spec.contract import contract_of, in_section

OF_EXISTENCE = {"missing", "stale", "still there", "repeated"}  # kinds of findings about which rows exist


class VersionRun(Run):
    """A run inside another: the same target and safety, judged by the document of the target's version."""

    def __init__(self, outer: Run) -> None:
        self._outer = outer
        version = outer.version()
        options = replace(outer.options, profile=version, target_profile=version, shard=None, report=None,
                          example_database=())
        super().__init__(contract_of(version), outer.target.transport, options, accepted=outer.judge.lists.accepted)

    def keys(self) -> Keys:
        return self._outer.fixtures.texts

    def open_safety(self, url: str) -> Safety | None:
        return self._outer.safety

    def open_target(self, transport: Transport, clock: Timer | None) -> Target:
        outer = self._outer
        self.budget, self.gate = outer.budget, outer.gate
        self.rate_limit, self.admission = outer.rate_limit, outer.admission
        return outer.target


def variables_beyond(run: Run, operation: Operation) -> frozenset[str] | None:
    """Return the variables of an operation that only the version's document has; None if only it has the operation."""
    own = run.contract.by_name.get(operation.name)
    return None if own is None else frozenset(operation.rules.keys() - own.rules.keys())


def version_operations(run: Run) -> list[Operation]:
    """Return the permitted operations that only the target's version has, or of which only it has some variables."""
    only = run.options.only
    if run.version() == run.options.profile:
        return []
    return [operation for operation in contract_of(run.version()).operations
            if variables_beyond(run, operation) != frozenset() and run.permits(operation)
            and (only is None or in_section(operation, only))]


def check_version_operation(run: Run, operation: Operation, cases: Iterable[Callable[[Run], None]]) -> None:
    """Run these cases in the inner run. Its findings about what only the version has become findings of the run."""
    inner, sent = run.shared(VersionRun), run.judge.requests
    before = {*map(id, inner.findings)}
    try:
        for case in cases:
            with suppress(NewFindings), inner.watch():
                case(inner)
            if inner.gaps.stopped:
                break
    finally:
        with inner.budget.removing():
            inner.fixtures.sweep(keep_fixtures=False)
        for finding in inner.findings:
            if id(finding) not in before and is_of_version(run, inner, finding):
                run.findings.add(replace(finding, profile=inner.options.profile, request=sent + finding.request))
        run.gaps.add(inner.gaps)


def is_of_version(run: Run, inner: Run, finding: Finding) -> bool:
    """Whether only the document of the version can judge this: the other judges the rest, where it may be right.

    Rows that exist are listed by any document, but only the version's may be able to create them. A variable is on the
    target if a known finding shows the deviation that adds it.
    """
    operation = inner.contract.by_id.get(finding.identity.operation)
    names = variables_beyond(run, operation) if operation is not None else None
    if operation is None or names is None or finding.identity.kind in OF_EXISTENCE:
        return True
    return finding.identity.field in names and any(
        deviation.id in run.findings.named
        and deviation.touches({inner.contract.property_place(operation, finding.identity.field)})
        for deviation in run.judge.lists.known)

"""Operations that only the target's version has, tested by the document of that version.

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
from ..run import Run
from ..safety import Safety
from ..spec.contract import contract_of, in_section


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


def version_operations(run: Run) -> list[Operation]:
    """Return the permitted operations that only the document of the target's version has."""
    ours, only = {(operation.method, operation.path) for operation in run.contract.operations}, run.options.only
    return [operation for operation in contract_of(run.version()).operations
            if (operation.method, operation.path) not in ours and run.permits(operation)
            and (only is None or in_section(operation, only))]


def check_version_operation(run: Run, cases: Iterable[Callable[[Run], None]]) -> None:
    """Run these cases in the inner run. Its findings become findings of the run."""
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
            if id(finding) not in before:
                run.findings.add(replace(finding, profile=inner.options.profile, request=sent + finding.request))
        run.gaps.add(inner.gaps)

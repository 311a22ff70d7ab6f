"""The begin and the end of a run against a box: the ledger before the first case, the clean-up after the last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from sarkmock.suite_api import counted

from ..checks import CHECKS
from ..client.transports import LOGIN_TOKEN
from ..errors import CannotRun
from ..run import Run
from ..run_options import ALLOWED


class Failure(Protocol):
    """Who wants to know why a run could not begin."""

    error: str


class SafetyPlugin:
    """Begins before the first case and ends after the last, in any event."""

    def __init__(self, run: Run, given: Failure | None = None) -> None:
        self.run, self.given = run, given

    def pytest_runtestloop(self) -> None:
        """Before the first case: what is there, and where it is written down."""
        if self.run.safety is not None and not self.run.options.plan:
            with self.run.budget.removing():
                try:
                    self.run.safety.begin()
                except CannotRun as error:
                    if self.given is not None:
                        self.given.error = str(error)
                    pytest.exit(str(error), returncode=2)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the last case, or after Ctrl-C: nothing of the run stays."""
        safety = self.run.safety
        if safety is None:
            return
        if safety.begun:
            self.run.watcher.tell(f"cleaning up: {counted(len(safety.ledger.alive()), 'thing')} to take back")
        with self.run.budget.removing():
            left = safety.end()
            self.run.fixtures.reset()
        if left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.given is None:
            for line in safety_lines(self.run):
                terminalreporter.write_line(line)


def safety_lines(run: Run) -> Iterator[str]:
    """Prints what was allowed and withheld, and what remains on the target."""
    if run.safety is None or run.gate is None:
        return
    yield f"allowed: {run.gate.permissions}"
    for hazard, option in ALLOWED.items():
        left_out = [check.title for check in CHECKS if check.needs == hazard and check.lacks_permission(run)]
        if left_out:
            yield f"not tested without --{option.replace('_', '-')}: {', '.join(left_out)}"
    yield from run.gate.summary()
    for trouble in run.safety.troubles:
        yield f"NOT AS BEFORE: {trouble}"
    if run.safety.troubles and run.safety.begun:
        again = " --login USER" if run.options.caution.access.token_env == LOGIN_TOKEN else ""
        yield f"sarkmock cleanup {run.safety.ledger.file}{again} tries again"

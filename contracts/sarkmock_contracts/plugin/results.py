"""Which cases of a run have a result, and why others have none: a run that lacks some does not conform."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from ..client import interrupts
from ..errors import NewFindings
from ..run import Run
from .plan import INTERRUPTED, case_name

FOUND = ("sarkmock", "findings")  # marks the report of a case that failed by what it found
PHASES = ("setup", "call", "teardown")
INTERNAL_ERROR = "an internal error of the suite"
NOT_COLLECTED = "the cases of the suite could not be collected"


def is_error(report: pytest.TestReport) -> bool:
    """Whether a case failed by something else than what it found."""
    return report.failed and FOUND not in map(tuple, report.user_properties)


class Results:
    """Follows the cases of a run to its end. Where others run them, a case has a result once they hand theirs over."""

    def __init__(self, run: Run, gathered: bool) -> None:
        self.run, self.gathered = run, gathered
        self.planned: list[str] = []
        self.finished: set[str] = set()
        self.broken: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.planned = self.planned or [case_name(item.nodeid) for item in session.items]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        self.planned = [case_name(nodeid) for nodeid in ids]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.stop(NOT_COLLECTED)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Generator[
            None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.excinfo is not None and isinstance(call.excinfo.value, NewFindings):
            report.user_properties.append(FOUND)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if is_error(report) and report.when in PHASES:  # pytest-xdist reports a case whose process is gone in another
            self.broken.add(case_name(report.nodeid))
        if report.when == "teardown" and not self.gathered:
            self.finished.add(case_name(report.nodeid))

    def pytest_internalerror(self) -> None:
        self.stop(INTERNAL_ERROR)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C and SIGTERM; pytest ends in the same way by --maxfail, and where a run may not begin."""
        reason = str(excinfo.value)
        signalled = not reason or "keyboard-interrupt" in reason  # as pytest-xdist names a process that got a signal
        self.stop(INTERRUPTED if signalled else reason)

    def stop(self, reason: str) -> None:
        """The first reason is the one that counts."""
        self.run.gaps.stopped = self.run.gaps.stopped or reason

    def settle(self, session: pytest.Session) -> None:
        """Once all is over: cases that have no result."""
        gaps = self.run.gaps
        if self.gathered and interrupts.came():  # perhaps before any process had cases
            self.stop(INTERRUPTED)
        elif session.exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self.stop(INTERNAL_ERROR)
        if session.shouldfail or session.shouldstop:
            self.stop(str(session.shouldfail or session.shouldstop))
        missing = [name for name in self.planned if name not in self.finished or name in self.broken]
        gaps.broken += [name for name in missing if name in self.broken or not gaps.stopped]
        gaps.untested += [name for name in missing if name not in gaps.untested]

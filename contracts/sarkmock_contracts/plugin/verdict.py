"""The verdict at the end of a run: exit code, accepted findings, the files of --report, and cases without a result."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ..client import interrupts
from ..errors import CannotRun, NewFindings
from ..judge.allowlist import Accepted, read_accepted, update_accepted
from ..judge.verdicts import Outcome, today
from ..reports import write_files
from ..reports.data import EXIT_CODES, result_of
from ..run import Run
from ..run_options import RunOptions
from .plan import INTERRUPTED, case_name


def read_accepted_of(options: RunOptions) -> Accepted:
    """What is accepted at this target; CannotRun if the list is not right."""
    if options.update_accepted and options.accept is None:
        raise CannotRun("--update-accepted: which file? --accept FILE names it")
    if options.accept is None:
        return Accepted()
    return read_accepted(Path(options.accept), missing_is_empty=options.update_accepted)


class VerdictPlugin:
    """Turns what was found into the exit code and the reports."""

    def __init__(self, run: Run, results: Results) -> None:
        self.run, self.results = run, results
        self._outcome: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome, by the list of accepted deviations as it is after the run."""
        return self._outcome or self.run.outcome()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the clean-up of others and before the report on the terminal."""
        self.results.settle(session)
        options, outcome = self.run.options, self.run.outcome()
        if options.update_accepted and options.accept:
            update_accepted(Path(options.accept), [found.id for found in outcome.failures], today())
            outcome = self.run.outcome(read_accepted_of(options))
        self._outcome = outcome
        result = result_of(self.run, outcome)
        if result != "passed":
            session.exitstatus = EXIT_CODES[result]
        elif session.exitstatus == pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.OK
        if options.report and not options.plan:
            write_files(self.run, outcome, Path(options.report))


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

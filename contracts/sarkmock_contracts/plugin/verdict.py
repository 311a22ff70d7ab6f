"""The verdict and the exit code of a run; for a box also the clean-up and its check."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sarkmock.suite_api import counted

from ..checks import CHECKS
from ..client.transports import LOGIN_TOKEN
from ..errors import CannotRun, NewFindings
from ..judge.verdicts import Accepted, Outcome, read_accepted, today, update_accepted
from ..reports import write_files
from ..reports.data import EXIT_CODES, result_of
from ..run import Run
from ..run_options import ALLOWED, RunOptions
from .plan import INTERRUPTED, case_name

if TYPE_CHECKING:
    from .console import Display


def read_accepted_of(options: RunOptions) -> Accepted:
    """Read the allowlist of --accept. Raise CannotRun if it is invalid."""
    if options.update_accepted and options.accept is None:
        raise CannotRun("--update-accepted needs --accept FILE")
    if options.accept is None:
        return Accepted()
    return read_accepted(Path(options.accept), missing_is_empty=options.update_accepted)


class VerdictPlugin:
    """Turns the findings into the exit code and the reports."""

    def __init__(self, run: Run, results: Results) -> None:
        self.run, self.results = run, results
        self._outcome: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome, by the allowlist as it is after the run."""
        return self._outcome or self.run.outcome()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Decide the exit code and write the reports, after the clean-up and before the terminal report."""
        self.results.settle(session)
        options, outcome = self.run.options, self.run.outcome()
        if options.update_accepted and options.accept:
            update_accepted(Path(options.accept), [failure.id for failure in outcome.failures], today())
            outcome = self.run.outcome(read_accepted_of(options))
        self._outcome = outcome
        result = result_of(self.run, outcome)
        if result != "passed":
            session.exitstatus = EXIT_CODES[result]
        elif session.exitstatus == pytest.ExitCode.TESTS_FAILED:
            session.exitstatus = pytest.ExitCode.OK
        if options.report and not options.plan:
            try:
                write_files(self.run, outcome, Path(options.report))
            except OSError as error:
                self.run.report_problem = str(error.strerror)
                session.exitstatus = pytest.ExitCode.USAGE_ERROR


FOUND = ("sarkmock", "findings")  # marks the report of a case that failed because of findings
INTERNAL_ERROR = "an internal error of the suite"
NOT_COLLECTED = "the cases of the suite could not be collected"


def is_suite_error(report: pytest.TestReport) -> bool:
    """Whether a case failed for another reason than its findings."""
    return report.failed and FOUND not in map(tuple, report.user_properties)


class Results:
    """Tracks the results of cases. With several processes, a case has a result once its process has sent it."""

    def __init__(self, run: Run, gathered: bool) -> None:
        self.run, self.gathered = run, gathered
        self.planned: list[str] = []
        self.finished: set[str] = set()
        self.broken: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.planned = [case_name(item.nodeid) for item in session.items]

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
        if is_suite_error(report):
            self.broken.add(case_name(report.nodeid))
        if report.when == "teardown" and not self.gathered:
            self.finished.add(case_name(report.nodeid))

    def pytest_internalerror(self) -> None:
        self.stop(INTERNAL_ERROR)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Record why pytest was interrupted: Ctrl-C, SIGTERM, or pytest's own reason such as --maxfail."""
        reason = str(excinfo.value)
        self.stop(reason or INTERRUPTED)

    def stop(self, reason: str) -> None:
        """Record why the run stopped. The first reason is kept."""
        self.run.gaps.stopped = self.run.gaps.stopped or reason

    def settle(self, session: pytest.Session) -> None:
        """Record cases without a result at the end of the session."""
        gaps = self.run.gaps
        if session.exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self.stop(INTERNAL_ERROR)
        if session.shouldfail or session.shouldstop:
            self.stop(str(session.shouldfail or session.shouldstop))
        missing = [name for name in self.planned if name not in self.finished or name in self.broken]
        gaps.broken += [name for name in missing if name in self.broken or not gaps.stopped]
        gaps.untested += [name for name in missing if name not in gaps.untested]


class OpenedRun:
    """A run that `sarkmock check` has opened, with its display. ``error`` is why it could not begin."""

    def __init__(self, run: Run, display: Display) -> None:
        self.run, self.display, self.error = run, display, ""


class SafetyPlugin:
    """Begins the safety measures before the first case and ends them after the last, in any event."""

    def __init__(self, run: Run, opened: OpenedRun | None = None) -> None:
        self.run, self.opened = run, opened

    def pytest_runtestloop(self) -> None:
        """Take the target snapshot and open the ledger before the first case."""
        if self.run.safety is not None and not self.run.options.plan:
            with self.run.budget.removing():
                try:
                    self.run.safety.begin()
                except CannotRun as error:
                    if self.opened is not None:
                        self.opened.error = str(error)
                    pytest.exit(str(error), returncode=2)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Clean up after the last case or an interrupt, so that nothing of the run remains."""
        safety = self.run.safety
        if safety is None:
            return
        if safety.begun:
            self.run.watcher.announce(f"cleaning up: {counted(len(safety.ledger.alive()), 'change')} to undo")
        with self.run.budget.removing():
            left = safety.end()
            self.run.fixtures.reset()
        if left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.opened is None:
            for line in safety_lines(self.run):
                terminalreporter.write_line(line)


def safety_lines(run: Run) -> Iterator[str]:
    """Yield lines about what was allowed and withheld, and about residue on the target."""
    if run.safety is None or run.gate is None:
        return
    yield f"allowed: {run.gate.permissions}"
    for hazard, option in ALLOWED.items():
        left_out = [check.title for check in CHECKS if check.needs == hazard and check.lacks_permission(run)]
        if left_out:
            yield f"not tested without --{option.replace('_', '-')}: {', '.join(left_out)}"
    yield from run.gate.summary()
    for trouble in run.safety.troubles:
        yield f"NOT RESTORED: {trouble}"
    if run.safety.troubles and run.safety.begun:
        again = " --login USER" if run.options.caution.access.token_env == LOGIN_TOKEN else ""
        yield f"sarkmock cleanup {run.safety.ledger.file}{again} to try again"

"""The verdict, the exit code and the output of a run; for a box also the clean-up and its check."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, TextIO, cast

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sarkmock.suite_api import PatientOutput, counted, printable

from ..checks import BY_NAME, CHECKS
from ..client.interrupts import duration_text
from ..client.rate_limit import NOTICED
from ..client.transports import LOGIN_TOKEN
from ..errors import CannotRun, NewFindings
from ..judge.verdicts import Accepted, Outcome, read_accepted, today, update_accepted
from ..reports import write_files
from ..reports.console import write_report
from ..reports.data import EXIT_CODES, result_of
from ..run import Run, Watcher
from ..run_options import ALLOWED, RunOptions
from .plan import INTERRUPTED, Planning, case_name


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


class Display(Watcher):
    """A progress bar on a terminal, plain lines elsewhere. It also shows the messages of the run."""

    def __init__(self) -> None:
        self.output = PatientOutput(sys.stdout)
        self.screen = Console(file=cast(TextIO, self.output))
        # Refreshed explicitly: a thread would write into the output that pytest captures.
        self.progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                                 TimeElapsedColumn(), TimeRemainingColumn(), console=self.screen, auto_refresh=False,
                                 transient=True, disable=not self.screen.is_terminal)
        self.task = self.progress.add_task("starting", total=None)
        self.doing = ""

    def line(self, text: str) -> None:
        self.progress.console.print(printable(text, keep="\n"), highlight=False, markup=False, soft_wrap=True)

    def show(self, doing: str) -> None:
        """Show the current activity."""
        self.doing = doing
        self.progress.update(self.task, description=doing, refresh=True)

    def announce(self, text: str) -> None:
        """Show and print an activity after the last case."""
        self.show(text)
        self.line(text)

    def waiting(self, seconds: float) -> None:
        """Show in the progress bar that the run waits for the target."""
        if seconds > NOTICED:
            text = f"{self.doing}, waiting {duration_text(seconds)} for the target"
            self.progress.update(self.task, description=text, refresh=True)


class ConsolePlugin:
    """Prints a run: a line for each finished check, then the report."""

    def __init__(self, opened: OpenedRun, run: Run, planning: Planning, verdict: VerdictPlugin, spread: bool) -> None:
        self.opened, self.display = opened, opened.display
        self.run, self.planning, self.verdict = run, planning, verdict
        self.spread = spread  # checks overlap in several processes
        self.check = ""
        self.since: tuple[float, int, int] = (0, 0, 0)
        self.errors: list[str] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for line in self.planning.lines():
            self.display.line(line)
        self.display.progress.update(self.display.task, total=len(session.items))
        self.display.progress.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        case = case_name(nodeid)
        check = case.partition(":")[0]
        if check != self.check:
            self.end_check()
            self.check = check
            self.since = (time.monotonic(), self.run.target.requests, len(self.run.findings))
        eta = self.planning.eta(case)
        self.display.show(BY_NAME[check].title + (f", {duration_text(eta)} left" if eta is not None else ""))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.display.progress.advance(self.display.task)
        if is_suite_error(report):
            self.errors.append(f"{report.nodeid}\n{report.longreprtext}")

    def end_check(self) -> None:
        """Print one line for a finished check."""
        if not self.check or self.spread:
            return
        began, requests, findings = self.since
        sent, new = self.run.target.requests - requests, len(self.run.findings) - findings
        if not (self.run.gaps.stopped and not sent):
            took = time.monotonic() - began
            self.display.line(f"{BY_NAME[self.check].title:38} {sent:6} requests {new:4} findings {took:6.1f} s")

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Write the report after the clean-up and the verdict."""
        self.end_check()
        yield
        self.display.progress.stop()
        for line in self.errors:
            self.display.line(line)
        if self.run.options.plan or self.opened.error:
            return
        for line in (*self.planning.untested(), *safety_lines(self.run)):
            self.display.line(line)
        write_report(self.run, self.verdict.outcome, self.display.screen)

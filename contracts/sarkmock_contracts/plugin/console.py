"""What `sarkmock check` prints: progress while the cases run, and the report after them."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sarkmock.suite_api import printable

from ..checks import BY_NAME
from ..client.interrupts import duration_text
from ..reports.console import write_report
from ..run import Run, Watcher
from .plan import Planning, case_name
from .verdict import OpenedRun, VerdictPlugin, is_suite_error, safety_lines

NOTICED = 2.0  # seconds of waiting that a person wonders about


class Display(Watcher):
    """A bar on a terminal, plain lines elsewhere; it also hears what happens between and after the cases."""

    def __init__(self) -> None:
        self.screen = Console(file=sys.stdout)
        # Refreshed by hand: a thread would write into what pytest captures.
        self.progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                                 TimeElapsedColumn(), TimeRemainingColumn(), console=self.screen, auto_refresh=False,
                                 transient=True, disable=not self.screen.is_terminal)
        self.task = self.progress.add_task("starting", total=None)
        self.doing = ""

    def line(self, text: str) -> None:
        self.progress.console.print(printable(text, keep="\n"), highlight=False, markup=False, soft_wrap=True)

    def show(self, doing: str) -> None:
        """What is being done now."""
        self.doing = doing
        self.progress.update(self.task, description=doing, refresh=True)

    def tell(self, text: str) -> None:
        """What goes on once all cases are over."""
        self.show(text)
        self.line(text)

    def waiting(self, seconds: float) -> None:
        """A bar that stands still says why."""
        if seconds > NOTICED:
            text = f"{self.doing}, waiting {duration_text(seconds)} for the target"
            self.progress.update(self.task, description=text, refresh=True)


class ConsolePlugin:
    """Shows a run: a line for each check that is over, and the report."""

    def __init__(self, given: OpenedRun, run: Run, planning: Planning, verdict: VerdictPlugin, spread: bool) -> None:
        self.given, self.display = given, given.display
        self.run, self.planning, self.verdict = run, planning, verdict
        self.spread = spread  # then checks overlap
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
        """One line for a check that is over."""
        if not self.check or self.spread:
            return
        began, requests, findings = self.since
        sent, found = self.run.target.requests - requests, len(self.run.findings) - findings
        if not (self.run.gaps.stopped and not sent):
            took = time.monotonic() - began
            self.display.line(f"{BY_NAME[self.check].title:38} {sent:6} requests {found:4} findings {took:6.1f} s")

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """The report comes after the clean-up and the verdict."""
        self.end_check()
        yield
        self.display.progress.stop()
        for line in self.errors:
            self.display.line(line)
        if self.run.options.plan or self.given.error:
            return
        for line in (*self.planning.untested(), *safety_lines(self.run)):
            self.display.line(line)
        write_report(self.run, self.verdict.outcome, self.display.screen)

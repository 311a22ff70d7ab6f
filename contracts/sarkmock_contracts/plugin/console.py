"""The output of `sarkmock check`: progress while the cases run, then the report."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from typing import Any, TextIO, cast

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sarkmock.suite_api import OutputError, printable

from ..checks import BY_NAME
from ..client.interrupts import duration_text
from ..reports.console import write_report
from ..run import Run, Watcher
from .plan import Planning, case_name
from .verdict import OpenedRun, VerdictPlugin, is_suite_error, safety_lines

NOTICED = 2.0  # seconds of waiting after which the reason is shown


class PatientOutput:
    """Standard output that does not end a run: after its first error, which it keeps, nothing more is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OutputError | None = None

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, call: Callable[[], object]) -> None:
        try:
            if self.error is None:
                call()
        except OutputError as error:
            self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


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

"""`--compact`: what is going on while the tests run, and the report after them, in place of pytest's own output."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..reports.console import write_report
from ..run import Suite
from .budget import Planning
from .phases import PARTS
from .plan import minutes
from .safety import Guarding
from .xdist import is_spread

NOTICED = 2.0  # seconds of waiting that a person wonders about


class Compact:
    """A pytest plugin: one bar on a terminal, one line a part elsewhere."""

    def __init__(self, config: pytest.Config, suite: Suite, planning: Planning) -> None:
        self.suite = suite
        self.planning = planning
        self.spread = is_spread(config)  # then parts overlap
        self.console = Console(file=sys.stdout)
        # Refreshed by hand: a thread would write into what pytest captures.
        self.progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                                 TimeElapsedColumn(), TimeRemainingColumn(), console=self.console, auto_refresh=False,
                                 transient=True, disable=not self.console.is_terminal)
        self.task = self.progress.add_task("starting", total=None)
        self.part = self.doing = ""
        self.since: tuple[float, int, int] = (0, 0, 0)
        self.errors: list[str] = []
        suite.tell = self.tell
        if suite.paced is not None:
            suite.paced.tell = self.tell_wait
        hush(config)

    def pytest_report_teststatus(self, report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
        return (report.outcome, "", "") if isinstance(report, pytest.TestReport) else None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for line in self.planning.lines():
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.progress.update(self.task, total=len(session.items))
        self.progress.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        part = nodeid.partition("::")[0].rpartition("/")[2].removesuffix(".py")
        if part != self.part:
            self.end_part()
            self.part = part
            self.since = (time.monotonic(), self.suite.target.requests, len(self.suite.ledger))
        eta = self.planning.eta(f"{self.part}::{nodeid.partition('::')[2]}")
        self.doing = PARTS.get(self.part, self.part) + (f", {minutes(eta)} left" if eta is not None else "")
        self.progress.update(self.task, description=self.doing, refresh=True)

    def tell(self, text: str) -> None:
        """What goes on once all cases are over."""
        self.end_part()
        self.part = ""
        self.doing = text
        self.progress.update(self.task, description=text, refresh=True)
        self.progress.console.print(text, highlight=False, markup=False)

    def tell_wait(self, seconds: float) -> None:
        """A bar that stands still says why."""
        if seconds > NOTICED:
            text = f"{self.doing}, waiting {minutes(seconds)} for the box"
            self.progress.update(self.task, description=text, refresh=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.progress.advance(self.task)
        if report.failed and "FoundSomething" not in report.longreprtext:
            self.errors.append(f"{report.nodeid}\n{report.longreprtext}")

    def end_part(self) -> None:
        """One line for a part that is over."""
        if not self.part or self.spread:
            return
        began, requests, findings = self.since
        sent, found = self.suite.target.requests - requests, len(self.suite.ledger) - findings
        took = time.monotonic() - began
        if self.suite.stopped and not sent:
            return
        text = f"{PARTS.get(self.part, self.part):32} {sent:6} requests {found:4} findings {took:6.1f} s"
        self.progress.console.print(text, highlight=False)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.end_part()
        self.progress.stop()
        for error in self.errors:
            self.console.print(error, markup=False, highlight=False)
        if self.suite.settings.plan:
            return
        for line in self.planning.untested():
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
        write_report(self.suite, self.console)
        for line in Guarding(self.suite).lines():
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
        if self.errors and not len(self.suite.ledger):
            session.exitstatus = 2  # the suite broke: nothing is said of the target


def hush(config: pytest.Config) -> None:
    """Pytest says nothing itself."""
    option: Any = config.option
    option.verbose, option.no_header, option.no_summary, option.tbstyle = -2, True, True, "short"

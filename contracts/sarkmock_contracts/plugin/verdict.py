"""The verdict at the end of a run: exit code, the list of accepted deviations, the files of --report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ..client.transports import CannotRun
from ..judge.allowlist import read_accepted, update_accepted
from ..judge.verdicts import today
from ..reports import write_files
from ..run import Suite


class Judging:
    """A pytest plugin that turns what was found into what is said of the box."""

    def __init__(self, suite: Suite, accept: str | None, update: bool, directory: str | None) -> None:
        self.suite = suite
        self.directory = Path(directory) if directory else None
        self.file = Path(accept) if accept else None
        self.updates = update
        self.broken = False
        if update and self.file is None:
            raise CannotRun("--update-accepted: which file? --accept FILE names it")
        self.read()

    def read(self) -> None:
        """The list of what is accepted at this box."""
        if self.file:
            accepted = read_accepted(self.file, missing_is_empty=self.updates)
            self.suite.lists = replace(self.suite.lists, accepted=accepted)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.broken |= report.failed and "FoundSomething" not in report.longreprtext

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the clean-up of others and before the report on the terminal."""
        outcome = self.suite.outcome()
        if self.updates and self.file:
            update_accepted(self.file, [judged.id for judged in outcome.failures], today())
            self.read()
            outcome = self.suite.outcome()
        if outcome.failures or self.suite.residue:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif session.exitstatus == pytest.ExitCode.TESTS_FAILED and not self.broken:
            session.exitstatus = pytest.ExitCode.OK
        if self.directory:
            write_files(self.suite, outcome, self.directory)

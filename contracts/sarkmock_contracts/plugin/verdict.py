"""The verdict at the end of a run: exit code, the list of accepted deviations, the files of --report."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..errors import CannotRun
from ..judge.allowlist import Accepted, read_accepted, update_accepted
from ..judge.verdicts import Outcome, today
from ..reports import write_files
from ..reports.data import EXIT_CODES, result_of
from ..run import Run
from ..run_options import RunOptions
from .results import Results


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

"""A pytest plugin: options that allow something, the ledger's begin and end, what was withheld or left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..client.transports import Access, CannotRun
from ..run import Suite
from ..safety.gate import Permissions
from ..safety.guards import Caution
from ..safety.routing import HAZARDS

# Tests without parameters that are about what must be allowed first.
NEEDS = {"test_sequences_together": "write", "test_run_state": "disruptive"}


def add_safety_options(group: Any) -> None:
    """What a box may suffer, and how it is reached. The embedded mock may suffer everything."""
    for name, what in (("--allow-writes", "make, change and delete rows of the run's own"),
                       ("--allow-operational", "commit, take backups, upload, replace rules and settings (put back)"),
                       ("--allow-disruptive", "reboot, stop, restore, originate calls; needs --yes-i-mean HOST"),
                       ("--hostile-input", "send shell metacharacters and the like in path values"),
                       ("--insecure", "trust any certificate; allow plain http")):
        group.addoption(name, action="store_true", help=what)
    for name, metavar, what in (("--yes-i-mean", "HOST", "the host that --allow-disruptive is meant for"),
                                ("--ledger", "FILE", "where to write down what the run makes"),
                                ("--ca", "FILE", "certificates to trust"), ("--cert", "FILE", "client certificate"),
                                ("--key", "FILE", "its key"),
                                ("--token-env", "NAME", "variable that holds a bearer token")):
        group.addoption(name, metavar=metavar, help=what)
    group.addoption("--header", action="append", default=[], metavar="'Name: value'", help="send this header too")


def caution_of(option: Callable[[str], Any]) -> Caution:
    """What a user has allowed."""
    allowed = {"write": "--allow-writes", "operational": "--allow-operational", "disruptive": "--allow-disruptive"}
    hazards = frozenset({"read", *(hazard for hazard, name in allowed.items() if option(name))})
    access = Access(option("--insecure"), option("--ca"), option("--cert"), option("--key"), tuple(option("--header")),
                    option("--token-env"))
    return Caution(Permissions(hazards, option("--hostile-input")), access, option("--ledger"), option("--yes-i-mean"))


def need_of(item: pytest.Item) -> str:
    """The hazard that must be allowed for a test."""
    return NEEDS.get(getattr(item, "originalname", item.name), HAZARDS[0])


class Guarding:
    """Begins before the first test, ends after the last, whatever happened in between."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.safety = suite.safety

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.safety is not None:
            allowed = self.safety.gate.permissions.hazards
            items[:] = [item for item in items if need_of(item) in allowed]

    def pytest_runtestloop(self) -> None:
        """Before the first test: what is there, and where it is written down."""
        if self.safety is not None and not self.suite.settings.plan:
            with self.suite.budget.removing():
                try:
                    self.safety.begin(self.suite.stock, self.suite.settings.profile)
                except CannotRun as error:
                    pytest.exit(str(error), returncode=2)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the last, or after Ctrl-C: nothing of the run stays."""
        if self.safety is None:
            return
        if self.safety.journal is not None:
            self.suite.tell(f"cleaning up: {len(self.safety.journal.alive())} things to take back")
        with self.suite.budget.removing():
            left = self.safety.end()
            self.suite.stock.reset()
        if left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def lines(self) -> Iterator[str]:
        """What was withheld, and what is left, for people."""
        if self.safety is None:
            return
        yield f"allowed: {self.safety.gate.permissions}"
        yield from self.safety.gate.summary()
        for trouble in self.safety.troubles:
            yield f"NOT AS BEFORE: {trouble}"
        if self.safety.troubles and self.safety.journal:
            yield f"sarkmock cleanup {self.safety.journal.file} tries again"

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        for line in self.lines() if not config.getoption("--compact") else ():
            terminalreporter.write_line(line)

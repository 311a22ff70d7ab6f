"""`-n`: cases spread over processes, each with a mock of its own; what they saw comes back into one suite.

All cases of an operation go to the same process, for they build on one another.
"""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from sarkmock import Operation

from ..client.transports import CannotRun
from ..judge.coverage import Tally
from ..judge.findings import Findings
from ..run import Settings, Suite

OUTPUT = "sarkmock"


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs a share of the cases."""
    return hasattr(config, "workerinput")


def is_spread(config: pytest.Config) -> bool:
    """Whether this process gives shares to others."""
    return bool(config.getoption("numprocesses", None)) and not is_worker(config)


def check_spread(config: pytest.Config, settings: Settings) -> None:
    """Only mocks can be many: a box is one, and what it is asked must be counted in one place."""
    counted = settings.budget or settings.max_time or settings.plan or settings.rate != "auto"
    if is_spread(config) and (settings.url or counted):
        what = "a box at a URL is judged by one process" if settings.url else "requests are counted in one process"
        raise CannotRun(f"-n spreads cases over embedded mocks; {what}: leave -n away")


class Spreading:
    """In a worker: what was seen is handed over. In the main process: it is gathered."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            operation = operation_of(item)
            if operation is not None:
                item.add_marker(pytest.mark.xdist_group(operation.id))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if is_worker(session.config):
            output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
            output[OUTPUT] = pickle.dumps(seen(self.suite))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})
        if OUTPUT in output:
            gather(self.suite, pickle.loads(output[OUTPUT]))


def operation_of(item: pytest.Item) -> Operation | None:
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return next((value for value in parameters if isinstance(value, Operation)), None)


def seen(suite: Suite) -> dict[str, Any]:
    """What a worker knows at its end, as values that can be sent."""
    tally = {name: value for name, value in vars(suite.tally).items() if name != "operations"}
    return {"findings": list(suite.ledger), "tally": tally, "requests": suite.target.requests,
            "samples": suite.samples, "problems": suite.problems}


def gather(suite: Suite, theirs: dict[str, Any]) -> None:
    """Add what a worker knows."""
    gather_findings(suite.ledger, theirs["findings"])
    gather_tally(suite.tally, theirs["tally"])
    suite.target.requests += theirs["requests"]
    suite.samples = {**theirs["samples"], **suite.samples}
    suite.problems += theirs["problems"]


def gather_findings(findings: Findings, theirs: list[Any]) -> None:
    for finding in theirs:
        known = findings.add(finding.identity, finding.message, *finding.evidence)
        known.count += finding.count - 1
        known.deviations = finding.deviations


def gather_tally(tally: Tally, theirs: dict[str, Any]) -> None:
    """Counters and sets add up; a flag is true if one is."""
    for name, value in theirs.items():
        ours = getattr(tally, name)
        if isinstance(value, bool):
            setattr(tally, name, ours or value)
        elif isinstance(value, set | dict):
            ours.update(value)

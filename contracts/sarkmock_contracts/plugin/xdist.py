"""A run distributed over processes, each with its own mock; their results are joined into one run.

All cases of an operation run in the same process, because they build on one another.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ..client import interrupts
from ..errors import CannotRun
from ..reports.merging import add_seen
from ..run import Run
from ..run_options import RunOptions
from .plan import case_of
from .verdict import Results

WORKER_KEY = "sarkmock"
MOST_PROCESSES = 4  # default maximum: more processes do not end sooner
STOP_KEY = "sarkmock-stop"  # key of the path of the file that stops the run


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs a part of the cases for another."""
    return hasattr(config, "workerinput")


def is_spread(config: pytest.Config) -> bool:
    """Whether this process distributes cases to others."""
    return bool(config.getoption("numprocesses", None)) and not is_worker(config)


def options_of_worker(config: pytest.Config) -> RunOptions:
    """Return the options of the run in a worker."""
    options: RunOptions = pickle.loads(config.workerinput[WORKER_KEY])  # type: ignore[attr-defined]
    return options


def check_spreadable(options: RunOptions) -> None:
    """Raise CannotRun for a run that needs a single process: with a URL, budget, time limit, rate or plan."""
    if not is_spreadable(options):
        what = "a box at a URL is judged by one process" if options.url else "requests are counted in one process"
        raise CannotRun(f"-n spreads cases over embedded mocks; {what}: omit -n")


def is_spreadable(options: RunOptions) -> bool:
    return not (options.url or options.budget or options.max_time or options.plan or options.rate != "auto")


def processes_for(options: RunOptions, wanted: str | None) -> int:
    """Return the number of processes. Default: up to four for the embedded mock, one for a single section or a box."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if wanted is None:
        spreads = is_spreadable(options) and options.only is None and find_spec("xdist") is not None
        return min(cores, MOST_PROCESSES) if spreads else 1
    if wanted != "auto" and not (wanted.isdigit() and int(wanted)):
        raise CannotRun("-n takes a number of processes, or auto")
    if find_spec("xdist") is None:
        raise CannotRun("-n needs pytest-xdist: pip install 'sarkmock[check]'")
    number = cores if wanted == "auto" else int(wanted)
    if number > 1:
        check_spreadable(options)
    return number


class Spread:
    """Sends the results from the workers to the main process and joins them there."""

    def __init__(self, run: Run, results: Results) -> None:
        self.run, self.results = run, results
        self._stop: Path | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        config = session.config
        if is_spread(config):
            directory = tempfile.mkdtemp(prefix="sarkmock-")
            config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
            self._stop = Path(directory) / "stop"
            interrupts.forward_signal(self._stop.touch)
        elif is_worker(config):
            interrupts.follow_file(Path(config.workerinput[STOP_KEY]))  # type: ignore[attr-defined]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            case = case_of(item)
            if case.operation is not None:
                item.add_marker(pytest.mark.xdist_group(case.group))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[WORKER_KEY] = pickle.dumps(self.run.options)
        node.workerinput[STOP_KEY] = str(self._stop)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if is_worker(session.config):
            output: dict[str, Any] = session.config.workeroutput  # type: ignore[attr-defined]
            output[WORKER_KEY] = pickle.dumps((worker_seen(self.run), self.results.finished))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})
        if WORKER_KEY in output:
            seen, finished = pickle.loads(output[WORKER_KEY])
            add_seen(self.run, seen)
            self.results.finished |= finished


def worker_seen(run: Run) -> dict[str, Any]:
    """Return the results of a worker as values that can be pickled."""
    run.judge.conclude()
    return {"findings": list(run.findings), "coverage": run.coverage.seen, "requests": run.target.requests,
            "unavailable": run.gaps.unavailable, "untested": run.gaps.untested, "stopped": run.gaps.stopped}

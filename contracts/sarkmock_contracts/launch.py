"""Runs the checks under pytest in this process, isolated from the project and plugins around it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from sarkmock.suite_api import Program

from .errors import CannotRun
from .plugin import Given
from .plugin.console import Display
from .plugin.verdict import read_accepted_of
from .plugin.xdist import can_spread, refuse_to_spread
from .pytest_entry import HOME
from .run import open_run
from .run_options import RunOptions
from .safety.fingerprint import AUTO

COULD_NOT_RUN = 2
PYTEST_CODES = {int(pytest.ExitCode.OK): 0, int(pytest.ExitCode.TESTS_FAILED): 1}
NO_REPLACEMENT = ("--max-worker-restart", "0")  # for a process that died: what it had found is lost
MOST_PROCESSES = 4  # processes by default: more do not end sooner


def processes_for(options: RunOptions, wanted: str | None) -> int:
    """How many processes a run is spread over: all cores for the embedded mock, unless one section is tested."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if wanted is None:
        spreads = can_spread(options) and options.only is None and find_spec("xdist") is not None
        return min(cores, MOST_PROCESSES) if spreads else 1
    if wanted != "auto" and not (wanted.isdigit() and int(wanted)):
        raise CannotRun("-n takes a number of processes, or auto")
    if find_spec("xdist") is None:
        raise CannotRun("-n needs pytest-xdist: pip install 'sarkmock[check]'")
    number = cores if wanted == "auto" else int(wanted)
    if number > 1:
        refuse_to_spread(options)
    return number


def run_checks(options: RunOptions, processes: int = 1) -> int:
    """Exit code of a run."""
    for name in {options.profile, options.target_profile} - {None, AUTO}:
        Program.of(str(name))  # a mistake in its name or its file
    accepted, display = read_accepted_of(options), Display()
    given = Given(open_run(options, accepted, display), display)
    spread = ["-p", "xdist.plugin", "-n", str(processes), "--dist", "loadgroup", *NO_REPLACEMENT]
    with isolated():
        code = pytest.main([
            "-c", os.devnull, f"--rootdir={HOME.parent}", "--import-mode=importlib", "-p", "no:cacheprovider",
            "-p", "no:terminal", "-p", "no:unraisableexception", "-p", "sarkmock_contracts.plugin",
            *(spread if processes > 1 else ()), str(HOME / "test_contract.py")], plugins=[given])
    if given.error:
        raise CannotRun(given.error)
    return PYTEST_CODES.get(int(code), COULD_NOT_RUN)


@contextmanager
def isolated() -> Iterator[None]:
    """A block in which pytest and Hypothesis heed neither settings nor plugins of the place where they run."""
    changed = {"PYTEST_ADDOPTS": None, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": None}
    before = {name: os.environ.pop(name, None) for name in changed}
    os.environ.update({name: value for name, value in changed.items() if value is not None})
    try:
        with tempfile.TemporaryDirectory(prefix="sarkmock-") as scratch:
            os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

"""The pytest side of a run: options, an item for each case, and plugins for console, plan, processes and verdict.

`sarkmock check` calls `run_checks`, which passes an open run to pytest; `pytest --pyargs sarkmock_contracts` opens one
from pytest's options.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sarkmock.suite_api import FileError, Program, cache_directory

from ..checks import cases
from ..client import interrupts
from ..errors import CannotRun
from ..options import OPTIONS
from ..pytest_entry import HOME
from ..reports.console import write_report
from ..run import Run, open_run
from ..run_options import RunOptions, options_signed_in
from ..safety.fingerprint import AUTO
from .plan import INTERRUPTED, Planning
from .processes import Gathering, Processes, Share, Worker
from .verdict import ConsolePlugin, Display, OpenedRun, Results, SafetyPlugin, VerdictPlugin, read_accepted_of

RUN: pytest.StashKey[Run] = pytest.StashKey()
OPTION_PREFIX = "--sark-"
Plugin = TypeVar("Plugin")


def given_to(config: pytest.Config, kind: type[Plugin]) -> Plugin | None:
    """Return the plugin of this class that was passed to pytest."""
    return next((plugin for plugin in config.pluginmanager.get_plugins() if isinstance(plugin, kind)), None)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sarkmock", "the contract suite")
    for option in OPTIONS:
        group.addoption(f"{OPTION_PREFIX}{option.name}", dest=f"sark_{option.dest}", **option.for_pytest())


def pytest_configure(config: pytest.Config) -> None:
    interrupts.install()
    opened, share = given_to(config, OpenedRun), given_to(config, Share)
    if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
        pytest.exit("the suite does not run under pytest-xdist; use `sarkmock check -n N`", returncode=2)
    run = config.stash[RUN] = share.run if share else opened.run if opened else open_for_pytest(config)
    register = config.pluginmanager.register
    planning, processes = Planning(run), given_to(config, Processes)
    results = Results(run, gathered=processes is not None)
    register(planning, "sarkmock-planning")
    register(results, "sarkmock-results")
    if share is not None:
        register(Worker(share, config, results), "sarkmock-worker")
        return  # the main process judges and reports
    if processes is not None:
        register(Gathering(run, results, processes), "sarkmock-gathering")
    register(SafetyPlugin(run, opened), "sarkmock-safety")
    verdict = VerdictPlugin(run, results)
    register(verdict, "sarkmock-verdict")
    if opened is not None:
        register(ConsolePlugin(opened, run, planning, verdict, processes is not None), "sarkmock-console")


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    interrupts.raise_if_stopped()


def open_for_pytest(config: pytest.Config) -> Run:
    try:
        values = {option.dest: config.getoption(f"sark_{option.dest}") for option in OPTIONS}
        stack = ExitStack()
        config.add_cleanup(stack.close)
        options = RunOptions.of(stack.enter_context(options_signed_in(values["url"], values)))
        return open_run(options, read_accepted_of(options))
    except (CannotRun, FileError) as error:
        pytest.exit(str(error), returncode=2)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames and RUN in metafunc.config.stash:
        chosen = cases(metafunc.config.stash[RUN])
        metafunc.parametrize("case", chosen, ids=map(str, chosen))


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """The run that all cases share."""
    return request.config.stash[RUN]


def pytest_sessionfinish(session: pytest.Session) -> None:
    run = session.config.stash.get(RUN, None)
    if run is not None:
        try:
            with run.budget.removing():
                run.fixtures.sweep(keep_fixtures=False)
        except KeyboardInterrupt:
            run.gaps.stopped = run.gaps.stopped or INTERRUPTED
        run.close()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    verdict: VerdictPlugin | None = config.pluginmanager.get_plugin("sarkmock-verdict")
    if verdict is not None and given_to(config, OpenedRun) is None:
        write_report(config.stash[RUN], verdict.outcome)
        terminalreporter.write(config.stash[RUN].report_problem)


# sarkmock check

COULD_NOT_RUN = 2
PYTEST_CODES = {int(pytest.ExitCode.OK): 0, int(pytest.ExitCode.TESTS_FAILED): 1}
MANY_OBJECTS = 50_000  # new objects until a garbage collection: with Python's 700 they take a sixth of the time
STORAGE = "HYPOTHESIS_STORAGE_DIRECTORY"  # of Hypothesis' tables, which take a second to compute


def run_checks(options: RunOptions, processes: int = 1) -> int:
    """Run the checks under pytest in this process, without other configuration and plugins. Return the exit code."""
    for name in {options.profile, options.target_profile} - {None, AUTO}:
        Program.of(str(name))  # fail early if the profile's name or file is invalid
    accepted, display = read_accepted_of(options), Display()
    opened = OpenedRun(open_run(options, accepted, display), display)
    arguments = ["-c", os.devnull, f"--rootdir={HOME.parent}", "--import-mode=importlib", "-p", "no:cacheprovider",
                 "-p", "no:terminal", "-p", "no:tmpdir", "-p", "no:unraisableexception",
                 "-p", "sarkmock_contracts.plugin", str(HOME / "test_contract.py")]
    gc.set_threshold(MANY_OBJECTS)
    with isolated_pytest():
        if processes > 1:
            with Processes(options, processes, arguments) as others:
                code = pytest.main(arguments, plugins=[opened, others])
        else:
            code = pytest.main(arguments, plugins=[opened])
    if opened.error:
        raise CannotRun(opened.error)
    if opened.run.report_problem:
        raise CannotRun(f"--report {options.report}: {opened.run.report_problem}")
    if display.output.error is not None and not display.output.error.is_unread:
        raise display.output.error
    return PYTEST_CODES.get(int(code), COULD_NOT_RUN)


@contextmanager
def isolated_pytest() -> Iterator[None]:
    """Run pytest and Hypothesis in the block without the settings and plugins of the environment."""
    changed = {"PYTEST_ADDOPTS": None, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": None,
               STORAGE: os.environ.get(STORAGE)}
    before = {name: os.environ.pop(name, None) for name in changed}
    os.environ.update({name: value for name, value in changed.items() if value is not None})
    try:
        with tempfile.TemporaryDirectory(prefix="sarkmock-") as scratch:
            os.environ.setdefault(STORAGE, str((cache_directory() or Path(scratch)) / "hypothesis"))
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

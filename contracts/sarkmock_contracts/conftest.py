"""Runs the suite under pytest: options, the tests' parameters, their order, exit codes. Judges nothing itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from sarkmock import FileError, Operation
from sarkmock_contracts.checks.fuzz import Fuzzer
from sarkmock_contracts.checks.scenarios import STORIES, stories
from sarkmock_contracts.client import interrupts
from sarkmock_contracts.client.transports import CannotRun
from sarkmock_contracts.plugin.budget import Planning
from sarkmock_contracts.plugin.console import Compact
from sarkmock_contracts.plugin.phases import PARTS
from sarkmock_contracts.plugin.safety import Guarding, add_safety_options, caution_of
from sarkmock_contracts.plugin.verdict import Judging
from sarkmock_contracts.plugin.xdist import Spreading, check_spread, is_spread, is_worker
from sarkmock_contracts.reports.console import write_report
from sarkmock_contracts.run import Settings, Suite, open_suite
from sarkmock_contracts.spec.resources import resources

SUITE: pytest.StashKey[Suite] = pytest.StashKey()
ORDER = tuple(PARTS)
HAZARDS = ("read", "write", "operational", "disruptive")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sarkmock", "judging a SARK V6 API")
    group.addoption("--sark-url", metavar="URL", help="base URL of the API; without it the embedded mock is judged")
    group.addoption("--profile", default="documented", metavar="NAME", help="the document that judges (documented)")
    group.addoption("--target-profile", metavar="NAME", help="what the embedded mock runs (the same)")
    group.addoption("--seed", type=int, default=1, metavar="N", help="the same seed sends the same requests (1)")
    group.addoption("--max-examples", type=int, metavar="N", help="random examples per operation and resource")
    group.addoption("--only", metavar="SECTION", help="only one section: its title, or its first path segment")
    group.addoption("--quick", action="store_true", help="fewer random examples: under a minute")
    group.addoption("--rate", default="auto", metavar="RATE", help="auto (as the target allows) or like 60/m")
    group.addoption("--budget", type=int, metavar="N", help="send at most N requests, what tells most first")
    group.addoption("--max-time", metavar="TIME", help="take at most so long: 90s, 5m, 1h")
    group.addoption("--example-database", action="append", default=[], metavar="PLACE",
                    help="keep requests that find something: a directory, redis://HOST, github:OWNER/REPOSITORY")
    group.addoption("--plan", action="store_true", help="only say what would be sent, and how long it would take")
    group.addoption("--strict-known", action="store_true", help="fail on known deviations too")
    group.addoption("--accept", metavar="FILE", help="a list of deviations that are accepted at this box")
    group.addoption("--update-accepted", action="store_true", help="enter what is found into the list of --accept")
    group.addoption("--report", metavar="DIR", help="write reports there: JSON, JUnit, HTML, Markdown, HAR, SARIF")
    add_safety_options(group)
    group.addoption("--compact", action="store_true", help="a progress bar and a report instead of pytest's output")


def pytest_configure(config: pytest.Config) -> None:
    option = config.getoption
    settings = Settings(option("--profile"), option("--target-profile"), option("--sark-url"), option("--seed"),
                        option("--max-examples"), option("--quick"), option("--only"),
                        option("--rate"), option("--budget"), option("--max-time"), option("--plan"), traffic(config),
                        option("--strict-known"), caution_of(option), tuple(option("--example-database")))
    interrupts.install(at_once=is_spread(config))
    try:
        check_spread(config, settings)
        config.stash[SUITE] = open_suite(settings)
        config.pluginmanager.register(Guarding(config.stash[SUITE]), "sarkmock-guarding")
        judging = Judging(config.stash[SUITE], option("--accept"), option("--update-accepted"), option("--report"))
    except (CannotRun, FileError) as error:
        pytest.exit(str(error), returncode=2)
    config.pluginmanager.register(Spreading(config.stash[SUITE]), "sarkmock-spreading")
    if is_worker(config):
        return  # the main process plans, judges and reports
    config.pluginmanager.register(judging, "sarkmock-judging")
    planning = Planning(config.stash[SUITE])
    config.pluginmanager.register(planning, "sarkmock-planning")
    if option("--compact"):
        config.pluginmanager.register(Compact(config, config.stash[SUITE], planning), "sarkmock-compact")


def traffic(config: pytest.Config) -> Path | None:
    """Where --report puts all traffic."""
    directory = config.getoption("--report")
    return Path(directory) / "traffic.har" if directory and not config.getoption("--plan") else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suite = metafunc.config.stash[SUITE]
    operations = [operation for operation in suite.chosen() if suite.permits(operation)]
    found: dict[str, list[Operation]] = {
        "operation": operations,
        "judged": [operation for operation in operations if operation.rules],
        "readable": [operation for operation in operations if operation.hazard == "read"],
        "first_of_path": [operation for operation in operations if suite.first_of_path(operation)],
        "linked": [operation for operation in operations if suite.contract.links_from(operation)],
    }
    for name, values in found.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values, ids=[operation.id for operation in values])
    if "story" in metafunc.fixturenames:
        told = [story for story in stories(suite)
                if suite.permits(*(suite.contract.by_id[name] for name in STORIES[story]))]
        metafunc.parametrize("story", told, ids=[story.__name__ for story in told])
    if "resource" in metafunc.fixturenames:
        rows = [resource for resource in resources(suite.contract) if resource.creates[0] in operations]
        metafunc.parametrize("resource", rows, ids=[resource.name for resource in rows])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[int, int, bool]:
    module = item.path.stem
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec else ()
    operation = next((value for value in values if isinstance(value, Operation)), None)
    lists_first = bool(operation and operation.parameters and operation.hazard == "read")
    return ORDER.index(module), HAZARDS.index(operation.hazard) if operation else 0, lists_first


def pytest_sessionfinish(session: pytest.Session) -> None:
    suite = session.config.stash.get(SUITE, None)
    if suite is not None:
        with suite.budget.removing():
            suite.stock.sweep(keep_fixtures=False)
        suite.close()


def pytest_terminal_summary(config: pytest.Config) -> None:
    if SUITE in config.stash and not config.getoption("--compact"):
        write_report(config.stash[SUITE])


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> Suite:
    """The run that all tests share."""
    return request.config.stash[SUITE]


@pytest.fixture(scope="session")
def fuzzer(suite: Suite) -> Fuzzer:
    return Fuzzer(suite)

"""Runs the suite under pytest: options, the tests' parameters, their order, exit codes. Judges nothing itself."""

from __future__ import annotations

import pytest

from contracts.behaviours import stories
from contracts.fuzz import Fuzzer
from contracts.progress import Compact
from contracts.report import write_report
from contracts.resources import resources
from contracts.suite import Settings, Suite, open_suite
from contracts.transports import CannotRun
from sarkmock import FileError, Operation

SUITE: pytest.StashKey[Suite] = pytest.StashKey()
# What is cheap and tells most comes first; what stops the PBX comes late, and the judge of what all left behind last.
ORDER = ("test_document", "test_answers", "test_bounds", "test_links", "test_protocol", "test_sequences",
         "test_behaviours", "test_fuzz", "test_run_state", "test_opinion")
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
    group.addoption("--compact", action="store_true", help="a progress bar and a report instead of pytest's output")


def pytest_configure(config: pytest.Config) -> None:
    option = config.getoption
    settings = Settings(option("--profile"), option("--target-profile"), option("--sark-url"), option("--seed"),
                        option("--max-examples"), option("--quick"), option("--only"))
    try:
        config.stash[SUITE] = open_suite(settings)
    except (CannotRun, FileError) as error:
        pytest.exit(str(error), returncode=2)
    if option("--compact"):
        config.pluginmanager.register(Compact(config, config.stash[SUITE]), "sarkmock-compact")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suite = metafunc.config.stash[SUITE]
    operations = suite.chosen()
    found: dict[str, list[Operation]] = {
        "operation": operations,
        "judged": [operation for operation in operations if operation.rules],
        "linked": [operation for operation in operations if suite.contract.links_from(operation)],
    }
    for name, values in found.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values, ids=[operation.id for operation in values])
    if "story" in metafunc.fixturenames:
        metafunc.parametrize("story", stories(suite), ids=[story.__name__ for story in stories(suite)])
    if "resource" in metafunc.fixturenames:
        rows = [resource for resource in resources(suite.contract) if resource.creates[0] in operations]
        metafunc.parametrize("resource", rows, ids=[resource.name for resource in rows])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[int, int]:
    module = item.path.stem
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec else ()
    operation = next((value for value in values if isinstance(value, Operation)), None)
    return ORDER.index(module), HAZARDS.index(operation.hazard) if operation else 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    suite = session.config.stash.get(SUITE, None)
    if suite is not None:
        suite.stock.sweep(keep_fixtures=False)


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

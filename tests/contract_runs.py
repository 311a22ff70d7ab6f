"""The suite's parts run on a mock in this process, without pytest between: what the tests of the suite share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from sarkmock_contracts.checks import boundaries, fuzz, links, openapi_core_check, protocol, scenarios, smoke
from sarkmock_contracts.checks import stateful as machine
from sarkmock_contracts.checks import undocumented as strangers
from sarkmock_contracts.client.target import Target
from sarkmock_contracts.client.transports import InProcess
from sarkmock_contracts.run import FoundSomething, Settings, Suite
from sarkmock_contracts.spec.contract import Contract
from sarkmock_contracts.spec.resources import resources

from sarkmock import Engine, State, create_app, load

NOW = 1717236000


def suite_of(judge: str, target: str, state: State | None = None, **settings: Any) -> Suite:
    """The suite with one profile's document, on a mock of another; its clock stands still."""
    engine = Engine(load(target), state or State(now=NOW))
    return Suite(Contract(load(judge)), Target(InProcess(create_app(engine))), Settings(judge, target, **settings))


def run(suite: Suite, random_examples: int = 0) -> Suite:
    """Every part; chance in small doses."""
    operations = suite.chosen()
    rows = [resource for resource in resources(suite.contract) if resource.creates[0] in operations]
    each(suite, smoke.check_answers, operations)
    each(suite, boundaries.check_bounds, [operation for operation in operations if operation.rules])
    each(suite, boundaries.check_arrays, [operation for operation in operations if operation.rules])
    each(suite, links.check_links, [operation for operation in operations if suite.contract.links_from(operation)])
    each(suite, protocol.check_options, filter(suite.first_of_path, operations))
    each(suite, protocol.check_protocol, operations)
    each(suite, lambda suite, resource: machine.run_sequences(suite, [resource], 6, 20), rows)
    each(suite, lambda suite, story: (story(suite), smoke.settle(suite)), scenarios.stories(suite))
    if random_examples:
        fuzzer = fuzz.Fuzzer(suite)
        each(suite, lambda suite, operation: fuzz.check_fuzzed(suite, fuzzer, operation, random_examples), operations)
    if suite.settings.only is None:
        each(suite, machine_of_all, [rows])
        each(suite, lambda suite, check: check(suite), [strangers.check_strange_paths])
    core = openapi_core_check.openapi_core_of(suite.contract)
    each(suite, lambda suite, operation: openapi_core_check.check_opinion(suite, core, operation), operations)
    return suite


def machine_of_all(suite: Suite, rows: Any) -> None:
    machine.run_sequences(suite, rows, 6, 40)


def each(suite: Suite, check: Callable[[Suite, Any], object], items: Iterable[Any]) -> None:
    """The check on every item; findings stay in the ledger."""
    for item in items:
        with suppress(FoundSomething), suite.watch():
            check(suite, item)

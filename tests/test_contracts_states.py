"""A box that holds less or more than a factory gives no finding: random states, made by the mock's own operations."""

from __future__ import annotations

import gc
import json
import random
import weakref
from dataclasses import replace
from typing import Any

import pytest
from sarkmock_contracts.checks import CHECKS
from sarkmock_contracts.client.http import Request, Response, with_json
from sarkmock_contracts.client.transports import Layer, embedded_mock
from sarkmock_contracts.errors import Unavailable
from sarkmock_contracts.fixtures.keys import Keys
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.contract import contract_of
from sarkmock_contracts.spec.operation_data import patterns

from sarkmock import Engine, State, load_seed, profiles
from sarkmock.suite_api import Operation, PbxFile, load, pbx_files
from tests.contract_runs import NOW, TOKEN, checked, run, run_cases, suite_of

FAST = ("reads", "rules", "unknown-rows", "links", "smoke", "framework", "scenarios")
SEEDS = ("factory", "empty", "demo", "examples")
NEEDED = {"globals", "cluster", "users"}  # what no box is without


def box(profile: str, number: int) -> State:
    """A state that a box of a profile may have come to; the same for the same number."""
    rng = random.Random(f"{profile} {number}")
    state = State(load_seed(rng.choice(SEEDS), load(profile)), now=NOW, token=TOKEN)
    suite = suite_of(profile, profile, state)
    suite.fixtures.texts = Keys("box", patterns(), 500)
    writing = [operation for operation in suite.contract.operations
               if operation.table and operation.hazard == "write" and operation.method in ("POST", "PUT")]
    for operation in rng.choices(writing, k=40):
        write(suite, operation, rng)
    for table in rng.sample(sorted(set(state.tables.tables()) - NEEDED), k=rng.randrange(6)):
        rows = state.tables.rows(table)
        if rng.random() < 0.5 or table in suite.contract.hidden_tables:
            state.tables.remove(table, {})
            for row in rng.sample(rows, k=rng.randrange(len(rows) + 1)):
                state.tables.insert(table, row)
    assert [str(finding) for finding in suite.findings] == []
    return state


def write(suite: Run, operation: Operation, rng: random.Random) -> None:
    """Some variables, each with a value that it accepts."""
    fields = rng.sample(suite.fixtures.fields(operation), k=rng.randrange(1 + len(operation.rules)))
    try:
        values = {field: suite.fixtures.bounds(operation, field).accept for field in fields}
        body: dict[str, Any] = {field: suite.fixtures.value(operation, field, rng.choice(accepted))
                                for field, accepted in values.items() if accepted}
        if operation.table and operation.method == "PUT":
            body.pop(operation.table.key, None)
        suite.send(suite.fixtures.request(operation, {**body, **suite.fixtures.minimal(operation)}))
    except Unavailable:
        pass  # the box lacks what a value names


@pytest.mark.parametrize("profile", profiles())
def test_no_finding_comes_from_what_a_box_holds(profile: str) -> None:
    suite = checked(suite_of(profile, profile, box(profile, 0)), *FAST)
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.parametrize("profile", profiles())
def test_no_finding_comes_from_a_box_with_the_least_in_it(profile: str) -> None:
    state = State(load_seed("empty", load(profile)), now=NOW, token=TOKEN)
    suite = checked(suite_of(profile, profile, state), *FAST)
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("profile", profiles())
def test_no_check_finds_anything_in_what_a_box_holds(profile: str, number: int) -> None:
    suite = run(suite_of(profile, profile, box(profile, number)))
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.parametrize("judge", ["documented", "L10"])
def test_a_box_without_vendors_of_phones_is_what_it_is(judge: str) -> None:
    """Later versions look them up in a file that may be missing; then no phone can be provisioned."""
    state = State(load_seed("factory", load("L10")), now=NOW, token=TOKEN)
    state.files[pbx_files.MAC_VENDORS] = PbxFile(b"", NOW)
    suite = checked(suite_of(judge, "L10", state, only="Extensions"), "rules")
    new = [str(judged.finding) for judged in suite.outcome().of("new")]
    assert [finding for finding in new if "provisioned" in finding] == []


def test_a_generated_password_in_the_text_of_a_crash_is_no_finding() -> None:
    """The text has the values of the SQL statement, and every box draws another password."""
    state = State(load_seed("factory", load("L10")), now=NOW, token=TOKEN, rng=7)
    suite = suite_of("documented", "L10", state)
    crash = suite.send(with_json("POST", "/extensions/mailbox", {"cluster": "default", "pkey": ["a"]}))
    assert "Array to string conversion" in crash.response.fields["Error"]
    assert [str(judged.finding) for judged in suite.outcome().of("new")] == []


@pytest.mark.parametrize("path", ["/tenants", "/templates"])
@pytest.mark.parametrize("key", [{"a": 1}, ["a"], None, 1.5])
def test_keys_that_are_no_texts_are_findings(path: str, key: Any) -> None:
    suite = suite_of("documented", "shipped", State(load_seed("factory", load("shipped")), now=NOW, token=TOKEN))
    inner = suite.target.transport.inner  # type: ignore[attr-defined]
    send = inner.send
    inner.send = lambda request: with_keys(send(request), key) if request.path == path else send(request)
    suite.send(Request("GET", path))
    suite.send(with_json("PUT", "/agents/1234", {}))  # a prediction needs the rows
    assert any(judged.finding.identity.check == "schema" for judged in suite.outcome().of("new"))


def with_keys(response: Response, key: Any) -> Response:
    rows = [{**row, "pkey": key} for row in response.rows]
    return replace(response, body=json.dumps(rows).encode())


@pytest.mark.parametrize("version", [name for name in profiles() if name != "documented"])
def test_asterisk_may_know_a_queue_only_after_a_commit(version: str) -> None:
    """Until then it answers as for a queue that there is not, and that is known as the other answers are."""
    def uncommitted(request: Request) -> Response:
        key = request.path.rpartition("/")[2] if "/astamis/Queue" in request.path else ""
        return send(replace(request, path=request.path.replace("zzsales", "nosuch")) if key else request)

    suite = suite_of("documented", version, State(load_seed("factory", load(version)), now=NOW, token=TOKEN))
    inner = suite.target.transport.inner  # type: ignore[attr-defined]
    send, inner.send = inner.send, uncommitted
    assert suite.send(with_json("POST", "/queues", {"pkey": "zzsales", "cluster": "default"})).response.status == 201
    assert suite.send(Request("GET", "/astamis/QueueSummary/zzsales")).response.fields["ListItems"] == "0"
    found = {finding.deviations for finding in suite.findings if "QueueSummary" in finding.identity.operation}
    assert found == {("ami-queue-summary-of-one",)}


def test_asterisk_may_know_a_queue_without_an_agent_that_was_made_after_the_commit() -> None:
    first: dict[str, Response] = {}

    def committed(request: Request) -> Response:
        return first.setdefault(request.path, send(request)) if "/astamis/Queue" in request.path else send(request)

    suite = suite_of("documented", "shipped")
    inner = suite.target.transport.inner  # type: ignore[attr-defined]
    send, inner.send = inner.send, committed
    summary = Request("GET", "/astamis/QueueSummary/zzsales")
    agent = {"pkey": "8001", "cluster": "default", "name": "zz", "passwd": 1001, "queue1": "zzsales"}
    assert suite.send(with_json("POST", "/queues", {"pkey": "zzsales", "cluster": "default"})).response.status == 201
    suite.send(summary)
    assert suite.send(with_json("POST", "/agents", agent)).response.status == 201
    assert suite.send(summary).response.fields["ListItems"] == "1"
    found = {finding.deviations for finding in suite.findings if "QueueSummary" in finding.identity.operation}
    assert found == {("ami-queue-summary-of-one",)}


class Patching(Layer):
    """A box where PATCH creates the tenant that its path names, though no version has that method."""

    def send(self, request: Request) -> Response:
        collection, _, key = request.path.strip("/").partition("/")
        if (request.method, collection) == ("PATCH", "tenants") and key:
            request = with_json("POST", "/tenants", {"pkey": key, "description": "made"})
        return self.inner.send(request)


def test_a_row_that_an_undocumented_method_makes_is_removed() -> None:
    engine = Engine()
    before = engine.state.tables.rows("cluster")
    suite = Run(contract_of("documented"), Patching(embedded_mock(engine)))
    made = suite.send(Request("PATCH", "/tenants/zzmade"))
    assert made.response.status == 201
    suite.fixtures.sweep()
    assert engine.state.tables.rows("cluster") == before


def test_a_run_that_is_over_is_freed() -> None:
    """Hypothesis keeps the classes of state machines for good."""
    suite = suite_of("documented", "documented")
    sequences = next(check for check in CHECKS if check.name == "sequences")
    run_cases(suite, list(sequences.cases(suite))[:1])
    over = weakref.ref(suite)
    del suite
    gc.collect()
    assert over() is None

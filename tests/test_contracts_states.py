"""No findings depend on the rows of a box: random states, created by operations of the mock."""

from __future__ import annotations

import gc
import json
import random
import weakref
from dataclasses import replace
from typing import Any

import pytest
from sarkmock_contracts.checks import CHECKS
from sarkmock_contracts.checks.protocol import blanks_are_trimmed_as_the_framework_does, check_forms
from sarkmock_contracts.client.http import Request, Response, with_json
from sarkmock_contracts.client.transports import Layer, embedded_mock
from sarkmock_contracts.errors import Unavailable
from sarkmock_contracts.fixtures.keys import Keys
from sarkmock_contracts.judge.replica import FILE_LISTS
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.contract import contract_of
from sarkmock_contracts.spec.operation_data import patterns

from sarkmock import Engine, State, load_seed, profile_names
from sarkmock.suite_api import Operation, PbxFile, load, pbx_files
from tests.contract_runs import NOW, TOKEN, checked, run, run_cases, suite_of

FAST = ("reads", "rules", "unknown-rows", "links", "smoke", "framework", "scenarios", "long-scenarios")
SEEDS = ("factory", "empty", "demo", "examples")
NEEDED = {"globals", "cluster", "users"}  # present in every box


def box(profile: str, number: int) -> State:
    """A random but reproducible state of a box."""
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
    """Sends some fields with accepted values."""
    fields = rng.sample(suite.fixtures.fields(operation), k=rng.randrange(1 + len(operation.rules)))
    try:
        values = {field: suite.fixtures.bounds(operation, field).accept for field in fields}
        body: dict[str, Any] = {field: suite.fixtures.value(operation, field, rng.choice(accepted))
                                for field, accepted in values.items() if accepted}
        if operation.table and operation.method == "PUT":
            body.pop(operation.table.key, None)
        suite.send(suite.fixtures.request(operation, {**body, **suite.fixtures.minimal(operation)}))
    except Unavailable:
        pass  # the box lacks a referenced row


@pytest.mark.parametrize("profile", profile_names())
def test_random_state_causes_no_findings(profile: str) -> None:
    suite = checked(suite_of(profile, profile, box(profile, 0)), *FAST)
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.parametrize("profile", profile_names())
def test_empty_seed_causes_no_findings(profile: str) -> None:
    state = State(load_seed("empty", load(profile)), now=NOW, token=TOKEN)
    suite = checked(suite_of(profile, profile, state), *FAST)
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("profile", profile_names())
def test_random_state_causes_no_findings_in_any_check(profile: str, number: int) -> None:
    suite = run(suite_of(profile, profile, box(profile, number)))
    assert [str(finding) for finding in suite.findings] == []


@pytest.mark.parametrize("judge", ["documented", "L10"])
def test_missing_file_of_phone_vendors_is_not_a_finding(judge: str) -> None:
    """Later versions read vendors from a file. Without it no phone can be provisioned."""
    state = State(load_seed("factory", load("L10")), now=NOW, token=TOKEN)
    state.files[pbx_files.MAC_VENDORS] = PbxFile(b"", NOW)
    suite = checked(suite_of(judge, "L10", state, only="Extensions"), "rules")
    new = [str(judged.finding) for judged in suite.outcome().of("new")]
    assert [finding for finding in new if "provisioned" in finding] == []


def test_generated_password_in_crash_text_is_not_a_finding() -> None:
    """The text contains the SQL statement, and every box generates a different password."""
    state = State(load_seed("factory", load("L10")), now=NOW, token=TOKEN, random_seed=7)
    suite = suite_of("documented", "L10", state)
    crash = suite.send(with_json("POST", "/extensions/mailbox", {"cluster": "default", "pkey": ["a"]}))
    assert "Array to string conversion" in crash.response.fields["Error"]
    assert [str(judged.finding) for judged in suite.outcome().of("new")] == []


@pytest.mark.parametrize("path", ["/tenants", "/templates"])
@pytest.mark.parametrize("key", [{"a": 1}, ["a"], None, 1.5])
def test_keys_that_are_not_strings_are_findings(path: str, key: Any) -> None:
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


@pytest.mark.parametrize("version", [name for name in profile_names() if name != "documented"])
def test_queue_unknown_to_asterisk_before_commit_is_not_a_finding(version: str) -> None:
    """Before the commit Asterisk responds as for an unknown queue."""
    def uncommitted(request: Request) -> Response:
        key = request.path.rpartition("/")[2] if "/astamis/Queue" in request.path else ""
        return send(replace(request, path=request.path.replace("zzsales", "nosuch")) if key else request)

    suite = suite_of("documented", version, State(load_seed("factory", load(version)), now=NOW, token=TOKEN))
    inner = suite.target.transport.inner  # type: ignore[attr-defined]
    send, inner.send = inner.send, uncommitted
    assert suite.send(with_json("POST", "/queues", {"pkey": "zzsales", "cluster": "default"})).response.status == 201
    assert suite.send(Request("GET", "/astamis/QueueSummary/zzsales")).response.fields["ListItems"] == "0"
    deviations = {finding.deviations for finding in suite.findings if "QueueSummary" in finding.identity.operation}
    assert deviations == {("ami-queue-summary-of-one",)}


def test_queue_without_agent_created_after_commit_is_not_a_finding() -> None:
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
    deviations = {finding.deviations for finding in suite.findings if "QueueSummary" in finding.identity.operation}
    assert deviations == {("ami-queue-summary-of-one",)}


class Patching(Layer):
    """A box where the undocumented PATCH creates the tenant in the path."""

    def send(self, request: Request) -> Response:
        collection, _, key = request.path.strip("/").partition("/")
        if (request.method, collection) == ("PATCH", "tenants") and key:
            request = with_json("POST", "/tenants", {"pkey": key, "description": "made"})
        return self.inner.send(request)


class Forgetting(Layer):
    """A box that does not store `desc`."""

    def send(self, request: Request) -> Response:
        body = {name: value for name, value in json.loads(request.body or b"{}").items() if name != "desc"}
        return self.inner.send(with_json(request.method, request.path, body) if request.body else request)


def test_text_that_is_not_stored_at_all_is_not_a_finding_about_blanks() -> None:
    suite = Run(contract_of("shipped"), Forgetting(embedded_mock(Engine(profile="shipped"))))
    blanks_are_trimmed_as_the_framework_does(suite)
    assert {finding.identity.check for finding in suite.findings} == {"stored"}


class NotFoundAfterDelete(Layer):
    """A box that deletes a row and returns 404."""

    def send(self, request: Request) -> Response:
        response = self.inner.send(request)
        return replace(response, status=404) if request.method == "DELETE" else response


def test_only_delete_is_blamed_if_it_returns_404_and_deletes() -> None:
    suite = Run(contract_of("shipped"), NotFoundAfterDelete(embedded_mock(Engine(profile="shipped"))))
    row = {"pkey": "zzapp", "cluster": "default"}
    for request in (with_json("POST", "/customapps", row), Request("DELETE", "/customapps/zzapp"),
                    Request("GET", "/customapps/zzapp"), Request("GET", "/customapps")):
        suite.send(request)
    assert {finding.identity.operation for finding in suite.findings} == {"customapps.delete"}


class Reversing(Layer):
    """A box that lists its files in the opposite order."""

    def send(self, request: Request) -> Response:
        response = self.inner.send(request)
        items = response.json.items() if isinstance(response.json, dict) else response.json
        backwards = type(response.json)(reversed(items))
        return response if request.path.endswith("/new") else replace(response, body=json.dumps(backwards).encode())


@pytest.mark.parametrize("path", FILE_LISTS)
@pytest.mark.parametrize(("layer", "found"), [(Reversing, {"list"}), (Layer, set())])
def test_order_of_files_is_compared(path: str, layer: type[Layer], found: set[str]) -> None:
    engine = Engine(profile="shipped")
    engine.state.files |= {f"{pbx_files.GREETINGS}/usergreeting000{number}.wav": PbxFile(b"", NOW) for number in (1, 2)}
    suite = Run(contract_of("shipped"), layer(embedded_mock(engine)))
    for _ in range(2):
        suite.send(Request("GET", path if path == "/greetings" else f"{path}/new"))
        for state in (engine.state, suite.judge.attribution.replica.state):
            state.clock.advance(1)
    suite.send(Request("GET", path))
    assert {finding.identity.check for finding in suite.findings} == found


class ShowingAnotherRow(Layer):
    """A box that shows its first row after it has created one."""

    def send(self, request: Request) -> Response:
        response = self.inner.send(request)
        first = self.inner.send(Request("GET", "/tenants")).json[0]
        return replace(response, body=json.dumps(first).encode()) if request.method == "POST" else response


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_creation_that_shows_another_row_is_one_finding(profile: str) -> None:
    suite = Run(contract_of(profile), ShowingAnotherRow(embedded_mock(Engine(profile=profile))))
    suite.send(with_json("POST", "/tenants", {"pkey": "zzmade", "description": "made", "chanmax": 5}))
    check_forms(suite, suite.contract.by_id["tenants.create"])
    assert [str(finding.identity) for finding in suite.findings] == ["tenants.create stored pkey changed"]


def test_row_created_by_undocumented_method_is_removed() -> None:
    engine = Engine()
    before = engine.state.tables.rows("cluster")
    suite = Run(contract_of("documented"), Patching(embedded_mock(engine)))
    made = suite.send(Request("PATCH", "/tenants/zzmade"))
    assert made.response.status == 201
    suite.fixtures.sweep()
    assert engine.state.tables.rows("cluster") == before


@pytest.mark.parametrize("again", [
    with_json("POST", "/holidaytimers", {"desc": "zzagain"}),
    Request("POST", "/holidaytimers", "", (("Content-Type", "application/x-www-form-urlencoded"),), b"desc=zzagain"),
    Request("POST", "/holidaytimers", "desc=zzagain"),
], ids=["json", "form", "query"])
def test_deleted_key_that_a_new_row_has_is_not_a_finding(again: Request) -> None:
    suite = suite_of("documented", "documented")
    for request in (with_json("POST", "/holidaytimers", {"desc": "zzfirst"}), Request("DELETE", "/holidaytimers/1"),
                    again, Request("GET", "/holidaytimers"), Request("GET", "/holidaytimers/1")):
        assert suite.send(request).response.ok
    assert [str(finding) for finding in suite.findings] == []


def test_finished_run_is_garbage_collected() -> None:
    """Hypothesis never releases the classes of state machines."""
    suite = suite_of("documented", "documented")
    sequences = next(check for check in CHECKS if check.name == "sequences")
    run_cases(suite, list(sequences.cases(suite))[:1])
    reference = weakref.ref(suite)
    del suite
    gc.collect()
    assert reference() is None

"""Recording a baseline: content, reproducibility, no residue on the box, and the file format."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from sarkmock_contracts.baselines.catalogue import (
    catalogue,
    field_types,
    nearest_profile,
    request_digest,
    same_operation_elsewhere,
    working_contract,
)
from sarkmock_contracts.baselines.comparing import compare_baselines
from sarkmock_contracts.baselines.facts import (
    BASELINE_SCHEMA,
    NOT_SENT,
    Baseline,
    Checkpoint,
    Fact,
    Facts,
    baseline_text,
    read_baseline,
    write_baseline,
)
from sarkmock_contracts.baselines.observer import DEPTHS, probe_packets, recorded_value, values_for
from sarkmock_contracts.baselines.profile import profile_baseline
from sarkmock_contracts.baselines.recording import BoxRecorder
from sarkmock_contracts.client.target import Target
from sarkmock_contracts.client.transports import embedded_transport
from sarkmock_contracts.errors import BadBaseline, Withheld
from sarkmock_contracts.safety.ledger import line_validator

from sarkmock import Seed, profile_names
from tests.guarded import Box, guarded
from tests.prefork import COMMAND, PROCESS
from tests.serving import mistake, sarkmock, serving

READS = frozenset({"read"})
WRITES = frozenset({"read", "write"})
FIRST_RELEASE = Path(__file__).parent / "cases" / "baselines" / "first-release.sark"


def recorder(target, hazards=WRITES, depth="quick", only=None):
    return BoxRecorder(target, DEPTHS[depth], hazards, only)


def recorded(profile, hazards=WRITES, depth="quick", only=None):
    return recorder(Target(embedded_transport(profile)), hazards, depth, only).run()


def baseline(facts, **other):
    metadata = {"recorded": "2026-01-01T00:00:00Z", "seconds": 1, "requests": 1, "milliseconds": {}}
    return Baseline("https://pbx/api", "quick", ("read", "write"), None, facts, recorded=metadata, **other)


# planned requests


def test_catalogue_has_every_operation_of_every_profile():
    assert same_operation_elsewhere("GET /globals") == ["GET /sysglobals"]
    assert set(catalogue()["GET /tenants"].versions) == set(profile_names())
    assert list(catalogue()["DELETE /trunks/{trunk}"].versions) == profile_names()[1:]


@pytest.mark.parametrize("profile", profile_names())
def test_working_contract_has_operations_of_box(profile):
    present = {name: profile in entry.versions for name, entry in catalogue().items()}
    assert nearest_profile(present) == profile
    operations = working_contract(present).operations
    assert {f"{operation.method} {operation.path}" for operation in operations} == {
        name for name in present if present[name]}


def test_working_contract_combines_operations_of_two_profiles():
    present = {name: "documented" in entry.versions for name, entry in catalogue().items()}
    present |= {"GET /globals": False, "GET /sysglobals": True, "DELETE /trunks/{trunk}": True}
    contract = working_contract(present)
    assert contract.by_id["globals.list"].path == "/sysglobals"
    assert contract.by_id["trunks.delete"].method == "DELETE"
    assert contract.validator(contract.row_place(contract.by_id["globals.list"])) is not None


def test_working_contract_of_catch_all_box_has_all_operations():
    operations = working_contract(dict.fromkeys(catalogue(), True)).operations
    assert {operation.id for operation in operations} == {name for entry in catalogue().values() for name in entry.ids}


@pytest.mark.parametrize("entry", [entry for entry in catalogue().values() if entry.fields],
                         ids=lambda entry: entry.name)
def test_probe_packets_contain_every_value_of_every_field(entry):
    sent = {}
    for packet in probe_packets(entry, entry.fields, DEPTHS["usual"]):
        for field, value in packet.items():
            sent.setdefault(field, set()).add(repr(recorded_value(value)))
    for field in entry.fields:
        values = values_for(entry, field, DEPTHS["usual"])
        assert {repr(recorded_value(value)) for value in values} == sent.get(field, set())


def test_field_types_contain_names_and_types_only():
    rows = [{"a": 1, "b": None}, {"a": "x", "b": {"c": True}}]
    assert field_types(rows) == {"(body)": ["list"], "[]": ["object"], "[].a": ["integer", "text"],
                                 "[].b": ["null", "object"], "[].b.c": ["boolean"]}
    assert field_types({"sarkbak.1.zip": {"size": 1}}, frozenset()) == {
        "(body)": ["object"], "*": ["object"], "*.size": ["integer"]}


# recorded facts


@pytest.fixture(scope="module")
def shipped():
    return recorded("shipped", depth="usual")


@pytest.mark.parametrize(("op", "kind", "of", "by", "is_"), [
    ("GET /globals", "reach", "", "", "absent"),
    ("GET /sysglobals", "reach", "", "", "there"),
    ("PUT /sysglobals", "reach", "", "", "there"),
    ("DELETE /trunks/{trunk}", "status", "created row", "trunks.create", 204),
    ("GET /trunks/{trunk}", "status", "deleted row", "trunks.create", 404),
    ("POST /agents", "status", "repeated create", "agents.create", 422),
    ("POST /ivrs", "status", "minimal request", "ivrs.create", 500),
    ("POST /ivrs", "part", "rules", "", "crashes for any input"),
    ("GET /agents", "sequence", "shows a new row", "agents.create", True),
    ("GET /agents/{agent}", "field", "passwd", "agents.create", ["text"]),
    ("PUT /trunks/{trunk}", "stores", "z_updater in the row", "trunks.create", "as sent"),
    ("POST /extensions/mailbox", "stores", "callerid in the row", "extensions.create.mailbox", "different"),
    ("GET /syscommands/commit", "reach", "", "", "not reached"),
    ("*", "limit", "requests a minute", "", None),
])
def test_recorded_behaviour_of_product(shipped, op, kind, of, by, is_):
    assert shipped.get(op, kind, of, by) == is_


@pytest.mark.parametrize(("op", "field", "sent", "is_", "says"), [
    ("POST /agents", "passwd", 1000, "rejected", ("The passwd must be at least 1001.",)),
    ("POST /agents", "passwd", 1001, "accepted", ()),
    ("PUT /agents/{agent}", "passwd", NOT_SENT, "rejected", ("The passwd field is required.",)),
    ("POST /agents", "cluster", "1.5", "crashed", ()),
    ("PUT /trunks/{trunk}", "transform", "0", "crashed", ()),
    ("POST /tenants", "localarea", "1.5", "accepted", ()),
])
def test_recorded_rules_of_product(shipped, op, field, sent, is_, says):
    fact = shipped.by_key[Fact(op, "rule", field, is_, "", sent).key]
    assert (fact.is_, fact.says) == (is_, says)


def test_create_is_withheld_if_its_list_cannot_be_read(tmp_path):
    """The key of a timer is made by the server, so that a row could only be found again in the list."""
    with serving("--http", "--profile", "L10") as box:
        result = sarkmock("baseline", box.url, "-o", str(tmp_path / "x.sark"), "--allow-writes",
                          "--only", "Non Recurring Timers (Holidaytimers)")
    assert result.returncode == 0
    facts = read_baseline(tmp_path / "x.sark").facts
    parts = {fact.of: fact.is_ for fact in facts if (fact.op, fact.fact) == ("POST /holidaytimers", "part")}
    assert parts == {"rules": "crashes for any input",  # as a body shows that every version rejects
                     "sequence": "withheld: /holidaytimers (status 500) cannot be read"}
    assert not [fact for fact in facts if fact.fact == "rule"]


class Withholding(Target):
    """A target that withholds every POST."""

    def send(self, request):
        if request.method == "POST":
            raise Withheld("is write; allowed: read")
        return super().send(request)


def test_rules_are_not_recorded_if_all_requests_are_withheld():
    facts = recorder(Withholding(embedded_transport("shipped")), only="Agents").run()
    assert facts.get("POST /agents", "part", "rules") == "withheld: is write; allowed: read"
    assert not facts.of("POST /agents", "rule")


def test_read_only_recording_detects_operations(shipped):
    read_only = recorded("shipped", READS)
    assert all(read_only.get(name, "reach") == shipped.get(name, "reach") for name in catalogue())
    assert not [fact for fact in read_only if fact.fact in ("rule", "stores")]
    assert read_only.get("POST /agents", "part", "hazard") == "not allowed: write"


def test_read_only_recording_changes_nothing():
    box = Box("shipped")
    before = box.contents()
    recorder(Target(box.wire), READS).run()
    assert box.contents() == before
    assert {box.hazards[name] for name in box.done} == {"read"}


@pytest.mark.parametrize("section", ["Backups", "Snapshots"])
def test_recording_does_not_create_files_without_permission(section):
    """The mock of a profile must not record more than a box, where these requests are withheld."""
    box = Box("documented")
    facts = recorder(Target(box.wire), only=section).run()
    assert {box.hazards[name] for name in box.done} <= WRITES
    assert [fact for fact in facts if fact.of.startswith("valid request")] == []


@pytest.mark.parametrize(("profile", "reach"), [("2020-06", "absent"), ("shipped", "there"), ("L10", "there")])
def test_options_detects_operation_that_may_not_be_called(profile, reach):
    """OPTIONS shows whether Hangup exists, without hanging up a call."""
    box = Box(profile)
    safety, _ = guarded(box, "documented", "", begin=False)
    facts = BoxRecorder(safety, DEPTHS["quick"], READS, "Asterisk AMI", safety.safety.keys).run()
    assert facts.get("DELETE /astamis/Hangup/{id}/{key}", "reach") == reach
    assert {box.hazards[name] for name in box.done} == {"read"}


@pytest.mark.parametrize("profile", profile_names())
def test_recording_with_writes_leaves_no_residue(profile, tmp_path):
    box = Box(profile)
    before = box.contents()
    safety, _ = guarded(box, "documented", "write", tmp_path / "ledger", begin=False)
    BoxRecorder(safety, DEPTHS["quick"], WRITES, None, safety.safety.keys, safety.safety.unrestorable,
                lambda observer: safety.safety.begin()).run()
    assert len(safety.ledger.entries) > 50
    assert safety.end() == []
    assert box.contents() == before
    assert "disruptive" not in {box.hazards[name] for name in box.done}


@pytest.mark.parametrize("depth", DEPTHS)
def test_recording_is_reproducible(depth):
    first, second = (list(baseline(recorded("shipped", depth=depth, only="Tenants")).lines()) for _ in range(2))
    assert first == second
    assert len(first) > 100


# the file


def test_baseline_round_trip(tmp_path, shipped):
    original = baseline(shipped)
    write_baseline(original, tmp_path / "a.sark")
    loaded = read_baseline(tmp_path / "a.sark")
    assert list(loaded.lines()) == list(original.lines())
    assert len(loaded.facts) > 5000


def test_baseline_contains_no_row_values(shipped):
    """Checks all strings of the factory seed, including passwords."""
    text = baseline_text(baseline(shipped))
    words = {value for rows in Seed.factory().tables.values() for row in rows for value in row.values()
             if isinstance(value, str) and len(value) > 8}
    sent_values = {str(value) for entry in catalogue().values() for field in entry.fields
                   for value in values_for(entry, field, DEPTHS["usual"])}
    assert "sarkadmin" in words
    assert {word for word in words if f'"{word}"' in text} <= sent_values


def test_every_kind_of_fact_is_defined(shipped):
    kinds = json.loads(BASELINE_SCHEMA.read_text())["$defs"]["fact"]["properties"]["fact"]["enum"]
    assert {fact.fact for fact in shipped} <= set(kinds)
    validator = line_validator(BASELINE_SCHEMA, "fact")
    assert all(validator.is_valid(fact.line()) for fact in shipped)
    assert not validator.is_valid({"op": "GET /x", "fact": "status", "of": "read", "is": "200"})


GOOD = baseline_text(baseline(Facts([Fact("GET /tenants", "reach", "", "there")])))


@pytest.mark.parametrize(("text", "problem"), [
    ("", "not a baseline"),
    ("hello\n", "the first line is not JSON"),
    ('{"openapi": "3.1.0"}\n', "not a baseline"),
    (GOOD.replace('baseline": 2', 'baseline": 3'), "a baseline of version 3; this sarkmock reads versions 1 to 2"),
    (GOOD[:-20], "truncated"),
    ("".join(GOOD.splitlines(keepends=True)[:-1]), "truncated"),
    ("".join(GOOD.splitlines(keepends=True)[:2] + GOOD.splitlines(keepends=True)[3:]), "has 0 facts instead of 1"),
    (GOOD.replace('"there"', '"somewhere"'), ":3: is: "),
    (GOOD.replace('"reach"', '"colour"'), ":3: fact: "),
])
def test_invalid_baseline_is_rejected_with_line(tmp_path, text, problem):
    file = tmp_path / "bad.sark"
    file.write_text(text)
    with pytest.raises(BadBaseline) as error:
        read_baseline(file)
    assert str(error.value).startswith(str(file))
    assert problem in str(error.value)


def test_baseline_of_older_release_is_compared_by_common_facts(tmp_path):
    facts = [Fact("GET /tenants", "reach", "", "there"), Fact("GET /retired", "reach", "", "there")]
    write_baseline(baseline(Facts(facts), tables="0" * 12), tmp_path / "old.sark")
    new = baseline(Facts([Fact("GET /tenants", "reach", "", "absent")]))
    comparison = compare_baselines(read_baseline(tmp_path / "old.sark"), new)
    assert [(difference.kind, difference.op)
            for difference in comparison.differences] == [("operation removed", "GET /tenants")]


@pytest.mark.parametrize(("profile", "kinds"), [
    ("shipped", {}), ("L10", {"message changed": 5, "error form changed": 3})])
def test_baseline_of_first_release_is_read_and_compared(profile, kinds):
    """It was recorded by that release with its tables of boundary values."""
    old = read_baseline(FIRST_RELEASE)
    assert old.tables != request_digest()
    assert len(old.facts) == 203
    comparison = compare_baselines(old, profile_baseline(profile, old))
    assert Counter(difference.kind for difference in comparison.differences) == kinds
    assert comparison.unreached == []


# the command


@pytest.fixture(scope="module")
def box():
    with serving("--http", "--profile", "shipped") as server:
        yield server


def lines_without_times(file):
    return [line for number, line in enumerate(file.read_text().splitlines()) if number != 1]


TRUNKS = ("--allow-writes", "--depth", "quick", "--only", "Trunks")


@pytest.fixture(scope="module")
def complete_recording(box, tmp_path_factory):
    """The file of an uninterrupted recording."""
    file = tmp_path_factory.mktemp("complete") / "complete.sark"
    result = sarkmock("baseline", box.url, "-o", str(file), *TRUNKS)
    assert result.returncode == 0, result
    assert "methods of each path" in result.stderr
    return file


def test_two_recordings_of_a_box_are_identical(box, complete_recording, tmp_path):
    assert sarkmock("baseline", box.url, "-o", str(tmp_path / "again"), *TRUNKS).returncode == 0
    assert lines_without_times(tmp_path / "again") == lines_without_times(complete_recording)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]
    assert json.loads(box.get("/api/trunks")) == []


@pytest.mark.parametrize("kills", [(8,), pytest.param((5, 8), marks=pytest.mark.slow)])
def test_recording_resumes_after_sigkill(box, complete_recording, tmp_path, kills):
    """The resumed recording equals an uninterrupted one and leaves no residue."""
    file = tmp_path / "killed.sark"
    command = ["baseline", box.url, "-o", str(file), *TRUNKS]
    for cases in kills:
        process = subprocess.Popen([*PROCESS, *command, "--rate", "60/s"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        partial = tmp_path / "killed.sark.partial"
        deadline = time.monotonic() + 60
        while not (partial.exists() and partial.read_bytes().count(b'"case"') >= cases) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert partial.exists()
        assert not file.exists()
    assert sarkmock(*command).returncode == 0
    assert lines_without_times(file) == lines_without_times(complete_recording)
    assert [path.name for path in tmp_path.iterdir()] == ["killed.sark"]
    assert json.loads(box.get("/api/trunks")) == []


def test_ctrl_c_cleans_up_and_explains_how_to_resume(box, tmp_path):
    file = tmp_path / "stopped.sark"
    process = subprocess.Popen([*COMMAND, "baseline", box.url, "-o", str(file), "--allow-writes", "--only", "Tenants",
                                "--rate", "30/s"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ledger = tmp_path / "stopped.sark.ledger"
    deadline = time.monotonic() + 60
    while not (ledger.exists() and '"made"' in ledger.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command resumes the recording" in stderr
    assert [row["pkey"] for row in json.loads(box.get("/api/tenants"))] == ["default"]
    assert [path.name for path in tmp_path.iterdir()] == ["stopped.sark.partial"]


def test_plan_sends_no_requests():
    result = sarkmock("baseline", "http://127.0.0.1:1/api", "--plan", "--allow-writes")
    assert result.returncode == 0
    assert "rules of variables" in result.stdout
    assert "60 requests a minute" in result.stdout.splitlines()[-1]


def test_budget_is_kept_and_untested_parts_are_reported(box, tmp_path):
    file = tmp_path / "few.sark"
    result = sarkmock("baseline", box.url, "-o", str(file), "--budget", "80")
    assert result.returncode == 0
    assert "beyond the budget" in result.stderr
    baseline_of_box = read_baseline(file)
    assert baseline_of_box.recorded["requests"] <= 80
    assert baseline_of_box.facts.get("GET /tenants", "part", "read") == "not tested"


@pytest.mark.parametrize(("options", "problem"), [
    (["http://127.0.0.1:1/api"], "refuses connections"),
    (["ftp://127.0.0.1/api"], "not an http or https URL"),
    (["http://pbx.example/api"], "is not encrypted"),
    (["http://127.0.0.1:1/api", "--only", "Tenant"], "unknown section 'Tenant'; did you mean Tenants? Known: Agents, "),
    (["http://127.0.0.1:1/api", "--max-time", "soon"], "write a time like 90s"),
    (["http://127.0.0.1:1/api", "--rate", "fast"], "write auto, or a number"),
])
def test_unusable_target_is_one_line_error(tmp_path, options, problem):
    assert problem in mistake("baseline", *options, "-o", str(tmp_path / "x.sark"))
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_replaced_only_with_force(box, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    assert "is not a baseline, so it is not replaced" in mistake("baseline", box.url, "-o", str(file), "--force")
    assert file.read_text() == "mine"
    file.write_text(GOOD)
    assert "use --force to replace it" in mistake("baseline", box.url, "-o", str(file))
    assert file.read_text() == GOOD
    assert sarkmock("baseline", box.url, "-o", str(file), "--only", "Tenants", "--force").returncode == 0
    assert file.read_text() != GOOD


def test_partial_file_of_different_recording_is_not_resumed(box, tmp_path):
    (tmp_path / "x.sark.partial").write_text(json.dumps({"sarkmock-partial": {"target": "elsewhere"}}) + "\n")
    assert "different options" in mistake("baseline", box.url, "-o", str(tmp_path / "x.sark"))
    damaged = "nonsense", '{"case": [], "facts": []}', '{"case": "a"}', '{"case": "a", "facts": [5]}', '{"ledger": 5}'
    for line in damaged:
        (tmp_path / "y.sark.partial").write_text('{"sarkmock-partial": {}}\n' + line + "\n")
        with pytest.raises(BadBaseline, match=":2: not a line of a recording"):
            Checkpoint(tmp_path / "y.sark.partial", {})
    (tmp_path / "x.sark.partial").write_text("nonsense\n")
    assert "x.sark.partial:1: " in mistake("baseline", box.url, "-o", str(tmp_path / "x.sark"))

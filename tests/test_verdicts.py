"""The results of a run: known, new, fixed, accepted and expired findings, without false positives."""

import json
import subprocess
from dataclasses import replace
from datetime import date

import pytest
from sarkmock_contracts.client.http import Exchange, Request, Response, with_json
from sarkmock_contracts.client.transports import embedded_transport
from sarkmock_contracts.errors import CannotRun
from sarkmock_contracts.judge.agreement import agrees
from sarkmock_contracts.judge.findings import Identity, known_deviations
from sarkmock_contracts.judge.oracle import Problem, Verdict
from sarkmock_contracts.judge.verdicts import (
    ALLOWLIST_HEAD,
    Acceptance,
    Accepted,
    conclude_run,
    documentation_lines,
    read_accepted,
    update_accepted,
)
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock.suite_api import deviations_of, product
from tests.prefork import COMMAND

DAY = date(2026, 6, 1)
JSON = (("Content-Type", "application/json"),)


def listed(run):
    return conclude_run(run.contract, run.findings, run.coverage, run.judge.lists).listed


ENTRY = "- id: {}\n  reason: {}\n  expires: {}\n"


def suite(target="documented", profile="documented"):
    options = RunOptions(profile, "unknown box")
    return Run(contract_of(profile), embedded_transport(target), options)


def report_problem(suite, operation, check, field="", kind="", *evidence):
    suite.report(operation, Problem(check, field, kind, "something"), *evidence)
    return conclude_run(suite.contract, suite.findings, suite.coverage, suite.judge.lists, DAY)


@pytest.mark.parametrize(("verdict", "certain"), [
    ({"crash": "name"}, True), ({"may_crash": frozenset({"name"})}, False)])
def test_only_a_certain_crash_shows_how_arrays_are_handled(verdict, certain):
    run = suite()
    exchange = Exchange(with_json("PUT", "/tenants/default", {"description": ["a"]}), Response(422))
    run.coverage.observe(run.contract.by_id["tenants.update"], exchange, Verdict(**verdict))
    assert run.coverage.arrays is certain


@pytest.mark.parametrize("shown", [
    {"message": "Disk [x] has none.", "exception": "Exception", "file": "/a.php", "line": 7, "trace": [{}]},
    {"message": "Server Error"},
])
def test_debug_pages_agree_despite_different_messages(shown):
    """Files, PHP version and debug setting of a box differ from the mock's."""
    ours = {"message": "Disk does not have a driver.", "exception": "Exception", "file": "", "line": 0, "trace": []}
    request, problem = Request("GET", "/greetings/x"), Problem("behaviour", "", "changed", "comes back changed")
    got, expected = (Response(500, JSON, json.dumps(page).encode()) for page in (shown, ours))
    assert agrees(problem, Exchange(request, got), expected)
    assert not agrees(problem, Exchange(request, Response(500, JSON, b'["ERROR: Invalid Action"]')), expected)


@pytest.mark.parametrize("field", ["file", "line", "trace"])
def test_files_of_debug_pages_may_differ(field):
    values = ("/a", 1, []), ("/b", 2, [{}])
    pages = [{"message": "x", "file": file, "line": line, "trace": trace} for file, line, trace in values]
    got, expected = (Response(404, JSON, json.dumps(page).encode()) for page in pages)
    problem = Problem("schema", field, "additionalProperties", "unexpected")
    assert agrees(problem, Exchange(Request("GET", "/agents/x"), got), expected)


def check(*arguments, cwd):
    command = [*COMMAND, "check", "--max-examples", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def shipped_by_documented(tmp_path_factory):
    """A check of the published product against the documentation."""
    directory = tmp_path_factory.mktemp("report")
    result = check("--target-profile", "shipped", "--report", str(directory), cwd=directory)
    return result, json.loads((directory / "report.json").read_text())


@pytest.mark.slow
def test_shipped_judged_by_documented_has_only_listed_deviations(shipped_by_documented):
    result, data = shipped_by_documented
    assert [finding["id"] for finding in data["findings"] if finding["status"] == "new"] == [], result.stdout
    assert result.returncode == 0
    by_status = {}
    for deviation in data["deviations"]:
        by_status.setdefault(deviation["status"], {})[deviation["id"]] = deviation["reason"]
    assert by_status.get("fixed", {}) == {}
    assert all(by_status.get("untested", {}).values())
    assert [item["id"] for item in data["deviations"]] == [deviation.id for deviation in deviations_of("shipped")]
    assert len(by_status["known"]) >= 55


@pytest.mark.slow
def test_untested_deviation_names_its_obstacle(shipped_by_documented):
    untested = {deviation["id"]: deviation["reason"] for deviation in shipped_by_documented[1]["deviations"]
                if deviation["status"] == "untested"}
    assert untested["ivr-z-updater"] == "POST /ivrs only returned 500; PUT /ivrs/{ivr} only returned 404"


@pytest.mark.slow
def test_shipped_judged_by_shipped_has_no_findings(tmp_path):
    result = check("--profile", "shipped", "--report", str(tmp_path), cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert json.loads((tmp_path / "report.json").read_text())["findings"] == []


@pytest.mark.slow
def test_known_deviations_pass_and_strict_fails(tmp_path):
    box = ("--only", "Agents", "--target-profile", "shipped")
    lenient, strict = check(*box, cwd=tmp_path), check(*box, "--strict", cwd=tmp_path)
    assert (lenient.returncode, strict.returncode) == (0, 1)
    assert "agent-passwd-from-1001" in lenient.stdout
    assert "KNOWN surprises agents." in strict.stdout


def test_finding_is_known_if_a_deviation_predicts_the_response():
    run = suite()
    body = with_json("POST", "/agents", {"passwd": "1000"})
    rejected = Exchange(body, Response(422, (), b'{"passwd": ["The passwd must be at least 1001."]}'))
    known = report_problem(run, "agents.create", "rules", "passwd", "rejected", rejected).findings[0]
    assert (known.status, known.severity, known.deviations) == ("known", "surprises", ("agent-passwd-from-1001",))
    assert known.id == "agents.create:rules:passwd:rejected"
    worded = Exchange(body, Response(422, (), b'{"passwd": ["The passwd must be at least 1002."]}'))
    near = report_problem(run, "agents.create", "rules", "passwd", "rejected", worded).findings[1]
    assert (near.id, near.status) == (known.id, "new")
    new = report_problem(run, "agents.create", "rules", "name", "rejected", Exchange(body, Response(201))).findings[2]
    assert (new.status, new.severity, new.deviations) == ("new", "breaks", ())


def test_known_deviations_of_profiles():
    assert known_deviations("shipped") == ()
    assert set(known_deviations("documented", "shipped")) == set(deviations_of("shipped"))
    assert set(known_deviations("documented")) == set(deviations_of(product()))


def test_same_problem_is_one_finding():
    run = suite()
    for size in (3, 1, 2):
        evidence = [Exchange(Request("GET", "/tenants"), Response(200))] * size
        outcome = report_problem(run, "tenants.create", "rules", "chanmax", "accepted", *evidence)
    judged, = outcome.findings
    assert (judged.finding.count, len(judged.finding.evidence)) == (3, 1)


def test_documentation_line_of_variable():
    run = suite()
    evidence = Exchange(Request("PUT", "/tenants/a"), Response(200))
    outcome = report_problem(run, "tenants.update", "rules", "chanmax", "accepted", evidence)
    assert documentation_lines(run.contract, outcome.findings[0].finding) == (673,)


def test_only_tested_deviations_are_fixed():
    """The documented mock has none of the deviations: those that were tested are fixed, the others are untested."""
    run = suite()
    before = {item.deviation.id: item for item in listed(run)}
    assert before["agent-passwd-from-1001"].status == "untested"
    assert "was not sent" in before["agent-passwd-from-1001"].reason
    for value, operation in ((1000, "agents.create"), (5, "agents.create")):
        body = {**run.fixtures.minimal(run.contract.by_id[operation]), "passwd": value}
        run.send(run.fixtures.request(run.contract.by_id[operation], body))
    made = run.fixtures.make(run.contract.by_id["agents.create"])
    for value in (1000, 5):
        run.send(with_json("PUT", f"/agents/{made.answer['pkey']}", {"passwd": value}))
    after = {item.deviation.id: item for item in listed(run)}
    assert after["agent-passwd-from-1001"].status == "fixed"
    assert after["trunk-delete"].status == "untested"


# the allowlist


def accepting(run, *entries):
    accepted = Accepted(tuple(entries))
    run.judge.lists = replace(run.judge.lists, accepted=accepted)
    return conclude_run(run.contract, run.findings, run.coverage, run.judge.lists, DAY)


def test_deviation_of_unknown_operations_is_untested():
    """L11 has no ring groups, whose tenant 2024-06 does not check."""
    run = Run(contract_of("L11"), embedded_transport("documented"), RunOptions("L11", "documented"))
    reasons = {item.deviation.id: item.reason for item in listed(run)}
    assert reasons["ring-group-cluster-unchecked"] == "the judging document lacks the operations that it changes"
    assert "no check covers it" not in reasons.values()


def test_accepted_finding_passes_and_expired_one_fails(tmp_path):
    run = suite()
    report_problem(run, "agents.create", "answer", "", "500")
    file = tmp_path / "box.yaml"
    for expires, status in (("2026-06-01", "accepted"), ("2026-05-31", "expired")):
        file.write_text(ENTRY.format("agents.create:answer::500", "ticket 7", expires))
        outcome = accepting(run, *read_accepted(file).entries)
        assert [judged.status for judged in outcome.findings] == [status]
        assert bool(outcome.failures) is (status == "expired")


def test_unused_entry_is_reported():
    run = suite()
    entry = Acceptance("a:b:c:d", "gone")
    assert accepting(run, entry).unused == [entry]


@pytest.mark.parametrize(("text", "message"), [
    ("- {id: a, reason: b, expires: soon}\n", "box.yaml:1: expires: 'soon' is not a date such as 2027-01-31"),
    ("- id: a\n  reason: b\n  until: 2027-01-01\n", "box.yaml:3: unknown key 'until'; known: id, reason, expires"),
    ("- id: a\n  '': b\n", "box.yaml:2: unknown key ''; known: id, reason, expires"),
    ("- id: a\n", "box.yaml:1: reason: is missing"),
    ("- id: a\n  reason:\n", "box.yaml:2: reason: expected a text"),
    ("- id: a\n  ? [b]\n", "box.yaml:2: an entry has the fields id, reason, expires"),
    ("- {id: a, reason: b}\n- {id: a, reason: c}\n", "box.yaml:2: id: a is listed twice"),
    ("findings: []\n", "box.yaml:1: expected a list of accepted findings"),
    ("- word\n", "box.yaml:1: an entry has the fields id, reason, expires"),
    ("- [\n", "box.yaml:2: "),
])
def test_mistake_in_allowlist_is_reported_with_line_and_field(tmp_path, text, message):
    file = tmp_path / "box.yaml"
    file.write_text(text)
    with pytest.raises(CannotRun) as caught:
        read_accepted(file)
    assert message in str(caught.value)


def test_missing_allowlist_is_reported(tmp_path):
    result = check("--accept", "nosuch.yaml", "--only", "Agents", cwd=tmp_path)
    assert result.returncode == 2
    assert "nosuch.yaml: No such file" in result.stderr
    assert "Traceback" not in result.stderr
    assert "--accept FILE" in check("--update-accepted", "--only", "Agents", cwd=tmp_path).stderr


def test_update_keeps_order_reasons_and_comments(tmp_path):
    file = tmp_path / "box.yaml"
    first, second = ("z:a::1", "ticket 7", "2026-01-01 # then"), ("b:a::1", "why", "2027-01-01")
    text = f"{ALLOWLIST_HEAD}# ours\n{ENTRY.format(*first)}{ENTRY.format(*second)}"
    file.write_text(text)
    assert update_accepted(file, ["z:a::1", "b:a::1", "new:x:y:z"], DAY) == 2
    after = file.read_text()
    assert after.startswith(text.replace("2026-01-01 # then", "2026-08-30 # then"))
    assert [entry.id for entry in read_accepted(file).entries] == ["z:a::1", "b:a::1", "new:x:y:z"]
    assert update_accepted(file, ["new:x:y:z"], DAY) == 0
    assert file.read_text() == after
    assert [path.name for path in tmp_path.iterdir()] == ["box.yaml"]


def test_failed_update_keeps_the_file(tmp_path, monkeypatch):
    file = tmp_path / "box.yaml"
    file.write_text(ENTRY.format("b:a::1", "why", "2027-01-01"))
    before = file.read_text()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        update_accepted(file, ["c:d::2"], DAY)
    assert file.read_text() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_update_accepted_without_findings_makes_a_file_for_later_runs(tmp_path):
    update_accepted(tmp_path / "accepted.yaml", [], DAY)
    assert read_accepted(tmp_path / "accepted.yaml").entries == ()


def test_update_accepted_makes_a_strict_run_pass(tmp_path):
    box = ("--only", "Agents", "--target-profile", "shipped", "--strict", "--accept", "box.yaml")
    assert check(*box, "--update-accepted", cwd=tmp_path).returncode == 0
    assert "agents.create:rules:passwd:rejected" in (tmp_path / "box.yaml").read_text()
    again = check(*box, cwd=tmp_path)
    assert again.returncode == 0, again.stdout
    assert "Accepted at this box" in again.stdout


def test_identity_is_written_as_text():
    assert Identity("globals.list", "status", "", "404").id == "globals.list:status::404"

"""After every end of a run the box is as before: normal end, signals, SIGKILL followed by `sarkmock cleanup`."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from sarkmock_contracts.client.http import Request, with_json
from sarkmock_contracts.errors import BadLedger, Unavailable, Withheld
from sarkmock_contracts.judge.replica import REMEMBERED_EXCHANGES
from sarkmock_contracts.safety import CleanUpTarget, ownership
from sarkmock_contracts.safety.fingerprint import Fingerprint
from sarkmock_contracts.safety.ledger import read_ledger, reopen_ledger

from sarkmock import profile_names
from sarkmock.server.https_server import Server
from tests.contract_runs import checked, run
from tests.guarded import Box, ended, guarded, guarded_suite
from tests.prefork import PROCESS
from tests.serving import mistake, sarkmock, serving

KILLS = int(os.environ.get("SARKMOCK_KILLS", "2"))  # `tox -e kills` sets 50
PATIENCE = 120


class Killed(BaseException):
    """Simulates SIGKILL: the run stops at once."""


def send_all_operations(safety, stock, rng):
    """Sends requests for every permitted operation in random order."""
    operations = [operation for operation in stock.contract.operations if safety.gate.allows(operation)]
    rng.shuffle(operations)
    for operation in operations * 9:
        try:
            body = stock.minimal(operation) if operation.rules else None
            safety.target.send(stock.request(operation, body))
        except (Withheld, Unavailable, LookupError):
            continue


def changed(box, before):
    """The tables and files that differ from ``before``."""
    now = box.contents()
    return {name for name in before if now[name] != before[name]}


PAIRS = [(real, judge) for real in profile_names() for judge in profile_names()]


def fast_and_slow(values, fast_count):
    """The first values always, the rest in slow runs only."""
    return [value if number < fast_count else pytest.param(value, marks=pytest.mark.slow)
            for number, value in enumerate(values)]


@pytest.mark.parametrize(("real", "judge"), [
    pair if pair[0] == pair[1] else pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS])
def test_no_residue_after_all_operations(judge, real, tmp_path):
    box = Box(real)
    before = box.contents()
    safety, stock = guarded(box, judge, "write operational", tmp_path / "ledger")
    send_all_operations(safety, stock, random.Random(1))
    assert len(safety.ledger.entries) > 20
    assert safety.end() == []
    assert changed(box, before) == set()
    assert read_ledger(tmp_path / "ledger").complete


@pytest.mark.parametrize("number", fast_and_slow(range(50), 5))
def test_killed_run_is_cleaned_up_from_its_ledger(number, tmp_path):
    """Killed before or after a random request has reached the box."""
    rng = random.Random(number)
    box = Box(rng.choice(profile_names()))
    before = box.contents()
    safety, stock = guarded(box, rng.choice(profile_names()), "write operational", tmp_path / "ledger")
    die_after(box, rng.randint(1, 250), arrives=rng.random() < 0.5)
    with pytest.raises(Killed):
        send_all_operations(safety, stock, rng)
    safety.ledger.close()
    box.wire.send = box.wire.inner.send
    ledger = reopen_ledger(tmp_path / "ledger")
    assert CleanUpTarget(box.wire, ledger).finish() == []
    assert changed(box, before) == set()
    assert "passwd" not in (tmp_path / "ledger").read_text()


def die_after(box, requests, arrives, methods=("GET", "POST", "PUT", "DELETE", "OPTIONS")):
    send, count = box.wire.send, 0

    def dying(request):
        nonlocal count
        count += request.method in methods
        if count == requests and request.method in methods:
            if arrives:
                send(request)
            raise Killed
        return send(request)

    box.wire.send = dying


@contextmanager
def box_over_http(profile="shipped"):
    """A box served over HTTP whose state the test can inspect."""
    box = Box(profile)
    with Server(box.wire.inner.inner.application, port=0) as server:
        yield box, f"{server.url}/api"


def start_check(url, ledger, *options):
    """`sarkmock check` in another process."""
    return subprocess.Popen(
        [*PROCESS, "check", url, "--quick", "--allow-writes", "--ledger", str(ledger), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(ledger, lines, process):
    deadline = time.monotonic() + PATIENCE
    while not ledger.exists() or ledger.read_bytes().count(b"\n") < lines:
        assert time.monotonic() < deadline, "the ledger does not grow"
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_cleanup_after_sigkill(number, tmp_path):
    rng = random.Random(number)
    ledger = tmp_path / "run.ledger"
    with box_over_http() as (box, url):
        before = box.contents()
        process = start_check(url, ledger, "--profile", rng.choice(profile_names()), "--allow-operational")
        wait_for(ledger, rng.randint(3, 250), process)
        time.sleep(rng.random() / 20)
        process.kill()
        process.communicate()
        result = sarkmock("cleanup", str(ledger))
        assert (result.returncode, result.stderr) == (0, ""), result
        assert changed(box, before) == set()
        assert "its clean-up is already complete" in mistake("cleanup", str(ledger))


@pytest.mark.parametrize("lines", fast_and_slow([20, 1, 60, 140], 1))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_signal_ends_run_with_clean_up_and_report(number, lines, tmp_path):
    ledger = tmp_path / "run.ledger"
    with box_over_http() as (box, url):
        before = box.contents()
        process = start_check(url, ledger, "--profile", "shipped", "--report", str(tmp_path / "report"))
        wait_for(ledger, lines, process)
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2, output
        if lines > 1:  # with 1 the signal may arrive before the first test
            report = json.loads((tmp_path / "report" / "report.json").read_text())
            assert (report["result"], report["run"]["stopped"]) == ("stopped", "interrupted")
            assert report["run"]["untested"]
        assert changed(box, before) == set()
        assert read_ledger(ledger).complete


@pytest.mark.slow
@pytest.mark.parametrize("budget", [150, 300, 700])
def test_budget_includes_clean_up(budget, tmp_path):
    box = Box("shipped")
    before = box.contents()
    suite = guarded_suite(box, "documented", "write operational", tmp_path / "ledger", budget=budget)
    run(suite)
    assert ended(suite) == []
    assert budget * 0.9 <= len(box.wire.left) <= budget
    assert changed(box, before) == set()


@pytest.mark.slow
@pytest.mark.parametrize(("real", "judge"), [("documented", "documented"), ("shipped", "shipped"),
                                             ("shipped", "documented")])
def test_stopped_pbx_is_not_a_finding(real, judge, tmp_path):
    """It is reported as a reason for untested cases. There is no new finding, no fixed deviation and no residue."""
    box = Box(real)
    box.engine.state.pbx.stop()
    before = box.contents()
    suite = guarded_suite(box, judge, "write operational", tmp_path / "ledger")
    run(suite)
    assert ended(suite) == []
    outcome = suite.outcome()
    assert [judged.id for judged in outcome.failures] == []
    assert real == judge or outcome.deviations("fixed") == []
    assert any("the PBX is stopped" in reason for reason in suite.gaps.unavailable)
    assert changed(box, before) == set()


def test_deviation_hidden_by_stopped_pbx_is_not_fixed(tmp_path):
    box = Box("shipped")
    box.engine.state.pbx.stop()
    suite = guarded_suite(box, "documented", "write operational", tmp_path / "ledger")
    suite.identify(Fingerprint("shipped"))
    checked(suite, "undocumented-paths")
    assert "ami-list-with-id" in [listed.deviation.id for listed in suite.outcome().deviations("untested")]


def test_row_is_attributed_to_deviation_of_its_creation(tmp_path):
    """The create response does not contain every column, and the target's version is not recognised."""
    suite = guarded_suite(Box("shipped"), "documented", "write operational", tmp_path / "ledger", only="Extensions")
    checked(suite, "rows")
    fields = {finding.identity.field for finding in suite.findings
              if "extension-create-ignores-optional" in finding.deviations}
    assert {"celltwin", "callerid"} <= fields
    assert suite.outcome().failures == []


def test_trunk_is_attributed_to_deviation_of_its_creation_much_later(tmp_path):
    """The target's version is not recognised, and the state before the create is no longer kept."""
    suite = guarded_suite(Box("shipped"), "documented", "write operational", tmp_path / "ledger")
    create = suite.contract.by_id["trunks.create"]
    suite.send(suite.fixtures.request(create, {**suite.fixtures.minimal(create), "carrier": "GeneralIAX2"}))
    for _ in range(REMEMBERED_EXCHANGES):
        suite.get("/tenants")
    suite.get("/trunks")
    assert suite.outcome().failures == []
    assert "trunk-iax2-not-listed" in {name for finding in suite.findings for name in finding.deviations}


def test_concurrent_change_by_other_user_fails_run(tmp_path):
    ledger, report = tmp_path / "run.ledger", tmp_path / "report"
    with box_over_http() as (box, url):
        process = start_check(url, ledger, "--profile", "shipped", "--only", "Tenants", "--report", str(report))
        wait_for(ledger, 5, process)
        with box.engine.lock:
            box.engine.state.tables.insert("cluster", {"pkey": "acme", "description": "theirs"})
        output, _ = process.communicate(timeout=PATIENCE)
    left = "/tenants: acme is new or left over"
    assert process.returncode == 1, output
    assert f"NOT RESTORED: {left}" in output
    data = json.loads((report / "report.json").read_text())
    assert (data["result"], data["run"]["residue"]) == ("failed", [left])
    assert left in (report / "junit.xml").read_text()
    assert left in (report / "summary.md").read_text()
    assert left in (report / "report.html").read_text()


def test_timer_without_create_response_is_recognised_by_its_mark(tmp_path):
    box = Box("documented")
    before = box.contents()
    safety, stock = guarded(box, "documented", "write", tmp_path / "ledger")
    die_after(box, 1, arrives=True, methods=("POST",))
    with pytest.raises(Killed):
        stock.make(stock.contract.by_id["daytimers.create"])
    assert box.contents() != before
    safety.ledger.close()
    box.wire.send = box.wire.inner.send
    assert CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish() == []
    assert box.contents() == before


def test_concurrent_changes_are_reported(tmp_path):
    box = Box("documented")
    safety, _ = guarded(box, "documented", "write", tmp_path / "ledger")
    box.engine.state.tables.update("cluster", "pkey", "default", {"chanmax": "7"})
    box.engine.state.tables.insert("cluster", {"pkey": "acme"})
    assert safety.end() == ["/tenants: acme is new or left over", "/tenants: default chanmax was '30' and is '7'"]
    assert not read_ledger(tmp_path / "ledger").complete


def test_changed_secret_is_reported_without_value(tmp_path):
    box = Box("documented")
    safety, _ = guarded(box, "documented", "write", tmp_path / "ledger")
    box.engine.state.tables.update("globals", "pkey", "global", {"SYSPASS": "9876"})
    assert safety.end() == ["/globals: SYSPASS has changed"]


def test_settings_are_restored_and_erased_from_ledger(tmp_path):
    box = Box("documented")
    safety, _ = guarded(box, "documented", "write operational", tmp_path / "ledger")
    assert safety.target.send(with_json("PUT", "/globals", {"SYSPASS": "4321", "LOGLEVEL": "3"})).response.ok
    assert (tmp_path / "ledger").stat().st_mode & 0o077 == 0
    assert safety.end() == []
    row = box.engine.state.tables.first("globals", "pkey", "global")
    assert (str(row["SYSPASS"]), str(row["LOGLEVEL"])) == ("1111", "0")
    assert "SYSPASS" not in (tmp_path / "ledger").read_text()


@pytest.mark.parametrize("real", profile_names())
def test_settings_are_restored_after_any_change(real, tmp_path):
    """Some are null or violate their rules, so sending them again would not restore them."""
    box, rng = Box(real), random.Random(1)
    before = box.contents()
    safety, stock = guarded(box, real, "write operational", tmp_path / "ledger")
    operation = stock.contract.by_id["globals.update"]
    values = {name: [*stock.bounds(operation, name).accept, *stock.bounds(operation, name).reject]
              for name in operation.rules}
    for _ in range(200):
        names = rng.sample(sorted(values), rng.randint(1, 4))
        with suppress(Withheld):
            body = {name: rng.choice(values[name]) for name in names}
            safety.target.send(with_json("PUT", operation.path, body))
    assert box.done.count("globals.update") > 10
    assert changed(box, before) == {"globals"}
    assert safety.end() == []
    assert changed(box, before) == set()


@pytest.mark.parametrize("real", profile_names())
def test_runtime_values_of_new_extension_are_removed(real, tmp_path):
    box = Box(real)
    safety, stock = guarded(box, real, "write", tmp_path / "ledger")
    values = {"cfim": "+441234", "cfbs": "1005", "ringdelay": "25"}
    safety.target.send(stock.request(stock.contract.by_id["extensions.runtime.update"], values))
    assert len(box.engine.state.astdb) == 3
    assert safety.end() == []
    assert box.engine.state.astdb == {}


def test_ledger_is_written_before_request_is_sent(tmp_path):
    box = Box("documented")
    safety, stock = guarded(box, "documented", "write", tmp_path / "ledger")
    seen = []
    send = box.wire.send

    def watching(request):
        if request.method == "POST":
            seen.append(json.loads((tmp_path / "ledger").read_bytes().splitlines()[-1])["begin"])
        return send(request)

    box.wire.send = watching
    made = stock.make(stock.contract.by_id["tenants.create"])
    assert [(entry["collection"], entry["key"], entry["state"]) for entry in seen] == [
        ("tenants", made.answer["pkey"], "open")
    ]
    safety.end()


def test_numbers_in_use_are_not_changed(tmp_path):
    box = Box("documented")
    for number in range(1, 4):
        box.engine.state.tables.insert("ipphone", {"pkey": f"6{number:03}", "cluster": "default", "desc": "theirs"})
    before = box.contents()
    safety, stock = guarded(box, "documented", "write", tmp_path / "ledger")
    assert stock.make(stock.contract.by_id["extensions.create.mailbox"]).answer["pkey"] == "6004"
    assert safety.end() == []
    assert box.contents() == before


def test_row_created_meanwhile_by_other_user_is_not_deleted(tmp_path):
    """A number of the run's range that another user takes between two requests belongs to that user."""
    box = Box("documented")
    safety, _ = guarded(box, "documented", "write", tmp_path / "ledger")
    assert safety.target.send(Request("DELETE", "/extensions/6009")).response.status == 404
    box.engine.state.tables.insert("ipphone", {"pkey": "6009", "cluster": "default"})
    with pytest.raises(Withheld, match="exists and does not"):
        safety.target.send(Request("DELETE", "/extensions/6009"))


LEDGER_HEAD = """{"sarkmock": 1, "url": "http://127.0.0.1:1/api", "profile": "shipped", "prefix": "zza", "hazards": [],\
 "access": {"insecure": false, "ca": null, "cert": null, "key": null, "headers": [], "token_env": null}}
"""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "not a ledger"),
        ("{}\n", "not a ledger"),
        ("nonsense\n", "not a JSON object"),
        ('{"sarkmock": 1, "url": "http://127.0.0.1:1/api"}\n', "not a ledger"),
        (LEDGER_HEAD.replace('"zza"', "5"), "not a ledger"),
        *((LEDGER_HEAD + line + "\n", ":2: not a ledger entry") for line in [
            '{"what": 1}', '{"settle": 4, "state": "gone"}', '{"settle": 0, "state": "gone"}', '{"state": "gone"}',
            '{"begin": {"operation": "a", "collection": "b", "key": {}}}', '{"inventory": {"/tenants": {"a": 5}}}',
            '{"begin": {"operation": "a", "collection": "b", "undo": [{"any": [["DELETE", 5]]}]}}',
            '{"begin": {"operation": "a", "collection": "b", "undo": [{"list": "/b"}]}}',
            '{"begin": {"operation": "a", "collection": "b", "undo": [{"put": ["PUT", "/b", []], "sent": {}}]}}']),
    ],
)
def test_invalid_ledger_is_rejected(content, problem, tmp_path):
    (tmp_path / "x").write_text(content)
    assert problem in mistake("cleanup", str(tmp_path / "x"))


def test_run_requires_a_new_ledger(tmp_path):
    left = '{"begin": {"operation": "a", "collection": "b", "undo": [{"any": [["DELETE", "/b"]]}]}}\n'
    (tmp_path / "left").write_text(LEDGER_HEAD + left)
    with serving("--http") as box:
        for name, message in (("left", "belongs to a run that was not cleaned up: sarkmock cleanup"),
                              ("gone/x", "No such file or directory")):
            result = sarkmock("check", box.url, "--quick", "--allow-writes", "--ledger", str(tmp_path / name))
            assert result.returncode == 2
            assert message in result.stderr
        assert all(entry["method"] in ("GET", "OPTIONS") for entry in json.loads(box.get("/_mock/journal"))["entries"])
    assert (tmp_path / "left").read_text() == LEDGER_HEAD + left


def test_missing_ledger_is_reported():
    assert mistake("cleanup", "/nonexistent/ledger") == "/nonexistent/ledger: No such file or directory"


def test_ledger_in_use_is_not_cleaned_up(tmp_path):
    box = Box("documented")
    safety, _ = guarded(box, "documented", "write", tmp_path / "ledger")
    with pytest.raises(BadLedger, match="by an unfinished"):
        reopen_ledger(tmp_path / "ledger")
    safety.end()


def test_incomplete_last_line_is_ignored(tmp_path):
    box = Box("documented")
    safety, stock = guarded(box, "documented", "write", tmp_path / "ledger")
    stock.make(stock.contract.by_id["tenants.create"])
    safety.ledger.close()
    with (tmp_path / "ledger").open("ab") as file:
        file.write(b'{"begin": {"operation": "ten')
    assert CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish() == []
    assert read_ledger(tmp_path / "ledger").complete


# A box whose responses have wrong keys


KEYS = ("pkey", "id", "newbackupname", "newsnapshotname")


def return_wrong_keys(box, wrong):
    """Every create response has a different key than the created row."""
    send = box.wire.send

    def answering(request):
        response = send(request)
        made = request.method == "POST" or request.path.endswith("/new")
        names = [name for name in KEYS if made and response.ok and name in response.fields]
        return replace(response, body=json.dumps({**response.json, **dict.fromkeys(names, wrong)}).encode()
                       ) if names else response

    box.wire.send = answering


@pytest.mark.parametrize(("real", "wrong"), [("documented", "theirs"), ("documented", "sarkbak.1.zip"),
                                             ("shipped", "theirs"), ("shipped", "default"), ("2020-06", "7777")])
def test_key_in_response_is_not_trusted(real, wrong, tmp_path, monkeypatch):
    """With a cache, a proxy or a wrong last_insert_id, foreign rows stay and own rows are recognised by their marks."""
    box = Box(real)
    for operation in box.engine.operations:
        if operation.table and operation.method == "POST":
            with suppress(sqlite3.Error):
                box.engine.state.tables.insert(operation.table.name, {operation.table.key: "theirs"})
    monkeypatch.setattr(ownership, "stamp", lambda: int(box.engine.state.clock.now()))
    assert box.wire.inner.send(Request("GET", "/backups/new")).ok
    path = next(path for path in box.engine.state.files if "sarkbak" in path)
    box.engine.state.files["/opt/sark/bkup/sarkbak.1.zip"] = box.engine.state.files.pop(path)
    before = box.contents()
    safety, stock = guarded(box, real, "write operational", tmp_path / "ledger")
    return_wrong_keys(box, wrong)
    makers = [operation for operation in stock.contract.operations if stock.contract.links_from(operation)
              and safety.gate.allows(operation)]
    made = 0
    for operation in makers:
        with suppress(Withheld, Unavailable):
            row = stock.make(operation)
            made += 1
            if row.delete is not None:
                safety.target.send(Request("DELETE", row.delete))
    assert made > 8
    stock.sweep(keep_fixtures=False)
    assert safety.end() == []
    assert changed(box, before) == set()

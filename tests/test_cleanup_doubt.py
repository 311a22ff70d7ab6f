"""Clean-up of unreliable targets: foreign rows stay, and created rows stay in the ledger until they are deleted."""

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate

import pytest
from sarkmock_contracts.client.http import Request, Response, with_json
from sarkmock_contracts.errors import BadLedger, Unanswered, Unavailable, Withheld
from sarkmock_contracts.safety import CleanUpTarget, ownership
from sarkmock_contracts.safety.ledger import read_ledger, reopen_ledger, target_lock

from tests.guarded import Box, ended, guarded, guarded_suite

DENIED = {
    "401": Response(401, (("Content-Type", "application/json"),), b'{"message":"Unauthenticated."}'),
    "404": Response(404, (("Content-Type", "application/json"),), b'{"message":"Unauthorised/Page Not Found"}'),
    "405": Response(405, (), b""),
    "429": Response(429, (), b"Too Many Attempts."),
    "500": Response(500, (), b"<html>database is locked</html>"),
    "503": Response(503, (), b""),
    "login page": Response(200, (("Content-Type", "text/html"),), b"<html>log in</html>"),
}


def intercept(box, denied, when):
    """Returns ``denied`` for some requests, without carrying them out."""
    inner = box.wire.send

    def sending(request):
        if when(request):
            if denied is None:
                raise Unanswered("the network is down")
            return denied
        return inner(request)

    box.wire.send = sending
    return inner


def changed(box, before):
    now = box.contents()
    return {name for name in before if now[name] != before[name]}


MAKERS = ("tenants.create", "daytimers.create", "extensions.create.mailbox", "cosrules.create")


@pytest.mark.parametrize("denied", [*DENIED, None])
@pytest.mark.parametrize("requests", ["all", "lists"])
@pytest.mark.parametrize("real", ["shipped", "L10"])
def test_rows_that_cannot_be_listed_stay_in_ledger(real, denied, requests, tmp_path, monkeypatch):
    """After a lost token, a network failure or an error, a later clean-up removes everything."""
    box = Box(real)
    monkeypatch.setattr(ownership, "stamp", lambda: int(box.engine.state.clock.now()))
    before = box.contents()
    safety, stock = guarded(box, real, "write operational", tmp_path / "ledger")
    for name in MAKERS:
        stock.make(stock.contract.by_id[name])
    with suppress(Withheld):
        safety.target.send(Request("GET", "/backups/new"))
    safety.target.send(with_json("PUT", "/globals" if real == "documented" else "/sysglobals", {"LOGLEVEL": "3"}))
    assert changed(box, before)
    lists = {"/tenants", "/daytimers", "/extensions", "/cosrules", "/backups"}
    inner = intercept(box, DENIED.get(denied), lambda request: requests == "all" or request.path in lists)
    assert safety.end()
    box.wire.send = inner
    assert CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish() == []
    assert changed(box, before) == set()
    assert read_ledger(tmp_path / "ledger").complete


def new_ledger(box, real, tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "stamp", lambda: int(box.engine.state.clock.now()))
    return guarded(box, real, "write operational", tmp_path / "ledger")


@pytest.mark.parametrize("denied", ["401", "404", "500", "login page"])
def test_foreign_backup_is_kept_if_list_cannot_be_read(denied, tmp_path, monkeypatch):
    box = Box("shipped")
    assert box.wire.inner.send(Request("GET", "/backups/new")).ok
    box.engine.state.clock.advance(60)
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    before = box.contents()
    inner = intercept(box, DENIED[denied], lambda request: request.path in ("/backups", "/snapshots"))
    for path in ("/backups/new", "/snapshots/new"):
        with pytest.raises(Withheld, match="cannot be read"):
            safety.target.send(Request("GET", path))
    box.wire.send = inner
    assert safety.end() == []
    assert changed(box, before) == set()


def test_row_with_key_of_server_is_not_created_if_its_list_was_never_readable(tmp_path, monkeypatch):
    box = Box("shipped")
    intercept(box, DENIED["500"], lambda request: request.path == "/holidaytimers" and request.method == "GET")
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    before = box.contents()
    with pytest.raises(Withheld, match="cannot be read"):
        safety.target.send(with_json("POST", "/holidaytimers", {"desc": f"{safety.safety.keys.prefix}timer"}))
    assert safety.end() == []
    assert changed(box, before) == set()


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("key", ["-2.5e-261", "zz\x11\ny"])
def test_undeletable_row_is_residue_only_if_it_is_listed(key, stored, tmp_path, monkeypatch):
    """The box crashes instead of rejecting a create, and the gate withholds DELETE for the unusual key."""
    box = Box("shipped")
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    inner = intercept(box, DENIED["500"], lambda request: request.method == "POST")
    safety.target.send(with_json("POST", "/queues", {"pkey": key, "cluster": 5, "conf": 5, "devicerec": 5}))
    box.wire.send = inner
    if stored:
        box.engine.state.tables.insert("queue", {"pkey": key, "cluster": "default"})
    assert [key in line for line in safety.end()] == ([True] * 2 if stored else [])


@pytest.mark.parametrize("status", [409, 422, 500])
def test_existing_row_is_kept_after_failed_create_of_its_key(status, tmp_path, monkeypatch):
    """The database rejects the create while the list cannot be read, so the key may exist."""
    box = Box("shipped")
    box.engine.state.tables.insert("ipphone", {"pkey": "1001", "cluster": "default"})
    before = box.contents()
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    inner = intercept(box, DENIED["500"], lambda request: request.path in ("/cosrules", "/extensions", "/coscloses"))
    crash = Response(status, (("Content-Type", "application/json"),), b'{"message":"UNIQUE constraint failed"}')
    intercept(box, crash, lambda request: request.method == "POST")
    for path, body in {"/coscloses": {"IPphone_pkey": "1001", "COS_pkey": "nat"},
                       "/extensions/mailbox": {"pkey": "1001", "cluster": "nosuch"}}.items():
        with suppress(Withheld):
            safety.target.send(with_json("POST", path, body))
    box.wire.send = inner
    assert safety.end() == []
    assert changed(box, before) == set()


def test_number_taken_meanwhile_by_other_user_is_kept(tmp_path, monkeypatch):
    """It was free when it was looked up. The response to a later create is lost."""
    box = Box("shipped")
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    body = {"pkey": "6009", "cluster": "default"}
    with suppress(Withheld):
        safety.target.send(with_json("POST", "/extensions/mailbox", {**body, "cluster": "nosuch"}))
    box.engine.state.tables.insert("ipphone", {"pkey": "6009", "cluster": "default", "desc": "theirs"})
    before = box.contents()
    inner = intercept(box, DENIED["500"], lambda request: request.method == "POST")
    with suppress(Withheld):
        safety.target.send(with_json("POST", "/extensions/mailbox", body))
    box.wire.send = inner
    assert safety.end() == ["/extensions: 6009 is new or left over"]
    assert changed(box, before) == set()


def test_run_cleans_up_after_its_ledger_was_deleted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    box = Box("shipped")
    before = box.contents()
    safety, stock = guarded(box, "shipped", "write")
    stock.make(stock.contract.by_id["tenants.create"])
    safety.ledger.file.unlink()
    assert safety.end() == []
    assert changed(box, before) == set()


@pytest.mark.parametrize(("dated", "later"), [(True, 20), (False, 600)])
def test_late_clean_up_keeps_number_taken_since_by_other_user(dated, later, tmp_path, monkeypatch):
    """After the run was killed, its row was replaced by a later one (by the box's clock) with the same number."""
    box = Box("shipped")
    clock, inner = box.engine.state.clock, box.wire.send
    clock.set(time.time())
    date = lambda: (("Date", formatdate(clock.now(), usegmt=True)),)  # noqa: E731
    box.wire.send = lambda request: replace(response := inner(request), headers=response.headers + date() * dated)
    safety, stock = new_ledger(box, "shipped", tmp_path, monkeypatch)
    extension, agent = (stock.make(stock.contract.by_id[name]).answer["pkey"]
                        for name in ("extensions.create.mailbox", "agents.create"))
    safety.ledger.close()
    clock.advance(later)
    for method, path in ("DELETE", f"/extensions/{extension}"), ("POST", "/extensions/mailbox"):
        assert inner(with_json(method, path, {"pkey": extension, "cluster": "default"})).ok
    assert CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish() == [
        f"extensions.create.mailbox extensions {extension}: was created by somebody else after the run and is kept",
        f"/extensions: {extension} is new or left over"]
    assert inner(Request("GET", f"/extensions/{extension}")).ok
    assert inner(Request("GET", f"/agents/{agent}")).status == 404


def test_late_clean_up_keeps_file_uploaded_since_by_other_user(tmp_path, monkeypatch):
    """It has the same name and other content. Only a file with unchanged content is deleted."""
    box = Box("shipped")
    safety, stock = new_ledger(box, "shipped", tmp_path, monkeypatch)
    upload = stock.contract.by_id["greetings.upload"]
    for _ in range(2):
        assert safety.target.send(stock.request(upload, stock.minimal(upload))).response.ok
    safety.ledger.close()
    theirs, ours = sorted(path for path in box.engine.state.files if "usergreeting" in path)
    box.engine.state.files[theirs] = replace(box.engine.state.files[theirs], content=b"RIFF another greeting")
    assert len(CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish()) == 2
    assert theirs in box.engine.state.files
    assert ours not in box.engine.state.files


def delete_cascades(box, table, key):
    """Every DELETE also deletes a foreign row."""
    inner = box.wire.send

    def sending(request):
        response = inner(request)
        if request.method == "DELETE" and response.ok:
            box.engine.state.tables.delete(table, "pkey", key)
        return response

    box.wire.send = sending


@pytest.mark.parametrize(("table", "path"), [("cluster", "/tenants"), ("queue", "/queues")])
def test_run_stops_writing_after_delete_removed_foreign_row(table, path, tmp_path):
    """The next list shows it. The run writes nothing more and reports the reason."""
    box = Box("shipped")
    assert box.wire.send(with_json("POST", path, {"pkey": "theirs", "cluster": "default", "description": "x"})).ok
    delete_cascades(box, table, "theirs")
    suite = guarded_suite(box, "shipped", "write", tmp_path / "ledger")
    make = suite.contract.by_id["tenants.create"]
    row, kept = suite.fixtures.make(make), suite.fixtures.make(make)
    assert suite.send(Request("DELETE", row.delete)).response.ok
    suite.get("/agents")
    assert suite.lost == ""
    suite.get(path)
    assert suite.lost == (f"{path} no longer shows theirs, which was there before the run: "
                          f"DELETE {row.delete} may have deleted it")
    with pytest.raises(Unavailable, match="rows of others are missing"):
        suite.fixtures.make(make)
    assert ended(suite) == [f"{path}: theirs is gone"]
    assert suite.get(f"/tenants/{kept.answer['pkey']}").status == 404


def test_concurrent_runs_cannot_write_to_same_target(tmp_path):
    """The second run would take settings of the first for the original ones."""
    box = Box("shipped")
    box.wire.url = "http://192.0.2.1/api"
    first, _ = guarded(box, "shipped", "write operational", tmp_path / "first")
    assert first.target.send(with_json("PUT", "/sysglobals", {"LOGLEVEL": "3"})).response.ok
    with pytest.raises(BadLedger, match=r"in use by an unfinished run at http://192\.0\.2\.1/api"):
        guarded(box, "shipped", "write operational", tmp_path / "second")
    guarded(box, "shipped", "")
    assert first.end() == []
    assert guarded(box, "shipped", "write operational", tmp_path / "second")[0].end() == []


def test_lock_of_target_is_held_once_and_its_file_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inside, counts = set(), []

    def run(number):
        for _ in range(200):
            with suppress(BadLedger), target_lock("http://192.0.2.1/api"):
                inside.add(number)
                time.sleep(0)
                counts.append(len(inside))
                inside.remove(number)

    with ThreadPoolExecutor() as threads:
        list(threads.map(run, range(4)))
    assert set(counts) == {1}
    assert list(tmp_path.iterdir()) == []


def put_renames(box):
    """The box changes the key of a row to that in the body of a PUT."""
    inner = box.wire.send

    def sending(request):
        response = inner(request)
        if request.method == "PUT" and request.path.startswith("/tenants/") and response.ok:
            key = json.loads(request.body).get("pkey")
            box.engine.state.tables.update("cluster", "pkey", request.path.rpartition("/")[2], {"pkey": key})
        return response

    box.wire.send = sending


def test_renamed_row_is_removed_and_never_replaces_foreign_row(tmp_path, monkeypatch):
    box = Box("shipped")
    before = box.contents()
    safety, stock = new_ledger(box, "shipped", tmp_path, monkeypatch)
    made = stock.make(stock.contract.by_id["tenants.create"]).answer["pkey"]
    put_renames(box)
    for theirs in ("default", "acme"):
        with pytest.raises(Withheld):
            safety.target.send(with_json("PUT", f"/tenants/{made}", {"pkey": theirs, "description": "x"}))
    moved = with_json("PUT", f"/tenants/{made}", {"pkey": f"{made}b", "description": "x"})
    assert safety.target.send(moved).response.ok
    assert f"{made}b" in str(box.contents()["cluster"])
    assert safety.end() == []
    assert changed(box, before) == set()


def test_key_of_row_created_without_key_is_not_trusted(tmp_path, monkeypatch):
    """The box accepts a create without a key and returns the key of a row that another user has created."""
    box = Box("shipped")
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    box.engine.state.tables.insert("cluster", {"pkey": "acme"})
    before = box.contents()
    named = Response(201, (("Content-Type", "application/json"),), b'{"pkey":"acme"}')
    inner = intercept(box, named, lambda request: request.method == "POST")
    safety.target.send(with_json("POST", "/tenants", {}))
    box.wire.send = inner
    assert safety.end() == ["/tenants: acme is new or left over"]
    assert changed(box, before) == set()


def test_settings_that_cannot_be_read_are_not_changed(tmp_path, monkeypatch):
    """They were shown at the start of the run, so a later 404 of a proxy does not mean that they are absent."""
    box = Box("shipped")
    before = box.contents()
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    inner = intercept(box, DENIED["404"], lambda request: request.path == "/sysglobals" and request.method != "PUT")
    with pytest.raises(Withheld, match="could not be restored"):
        safety.target.send(with_json("PUT", "/sysglobals", {"LOGLEVEL": "3"}))
    box.wire.send = inner
    assert safety.end() == []
    assert changed(box, before) == set()


class Killed(BaseException):
    """Simulates SIGKILL."""


def die_after(box, after, arrives):
    """Kills the run at a request, before or after the box has carried it out."""
    inner, count = box.wire.send, 0

    def sending(request):
        nonlocal count
        count += 1
        if count > after:
            if arrives:
                inner(request)
            raise Killed
        return inner(request)

    box.wire.send = sending
    return inner


STEPS = 12  # requests that read, change and restore the settings; the rest read lists
SETTINGS = [("PUT", "/sysglobals", {"LOGLEVEL": "3"}), ("PUT", "/sysglobals", {"LOGLEVEL": "4", "SYSPASS": "4321"}),
            ("POST", "/firewalls/ipv4", {"rules": ["ACCEPT net fw tcp 8088"]})]


def change_settings(safety):
    for method, path, body in SETTINGS:
        safety.target.send(with_json(method, path, body))
    safety.end()


@pytest.mark.parametrize("arrives", [False, True])
def test_settings_are_restored_after_kill_at_any_step(arrives, tmp_path):
    """The run is killed at each of its requests, then its clean-up is killed too. The next clean-up finishes."""
    box = Box("shipped")
    assert box.wire.inner.send(with_json("POST", "/firewalls/ipv4", {"rules": ["ACCEPT net fw tcp 443"]})).ok
    before, inner = box.contents(), box.wire.send
    for number in range(STEPS):
        box.wire.send, ledger = inner, tmp_path / f"{number}.ledger"
        safety, _ = guarded(box, "shipped", "write operational", ledger)
        die_after(box, number, arrives)
        with pytest.raises(Killed):
            change_settings(safety)
        safety.ledger.close()
        clean_up_with_interruption(box, inner, ledger, number % 5, arrives)
        assert changed(box, before) == set(), number
        assert read_ledger(ledger).complete


def clean_up_with_interruption(box, inner, ledger, number, arrives):
    """A clean-up that is killed, and a second one."""
    box.wire.send = inner
    die_after(box, number, arrives)
    reopened = reopen_ledger(ledger)
    with suppress(Killed):
        CleanUpTarget(box.wire, reopened).finish()
    reopened.close()
    box.wire.send = inner
    if not read_ledger(ledger).complete:
        assert CleanUpTarget(box.wire, reopen_ledger(ledger)).finish() == []

"""A target that cannot be believed: what was there stays, and what a run made stays in its ledger until it is gone."""

import json
import time
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate

import pytest
from sarkmock_contracts.client.http import Request, Response, with_json
from sarkmock_contracts.errors import BadLedger, Unanswered, Unavailable, Withheld
from sarkmock_contracts.safety import CleanUpTarget, ownership
from sarkmock_contracts.safety.ledger import read_ledger, reopen_ledger

from tests.guarded import Box, ended, guarded, guarded_suite

DENIED = {
    "401": Response(401, (("Content-Type", "application/json"),), b'{"message":"Unauthenticated."}'),
    "404": Response(404, (("Content-Type", "application/json"),), b'{"message":"Unauthorised/Page Not Found"}'),
    "405": Response(405, (), b""),
    "429": Response(429, (), b"Too Many Attempts."),
    "500": Response(500, (), b"<html>database is locked</html>"),
    "503": Response(503, (), b""),
    "a login page": Response(200, (("Content-Type", "text/html"),), b"<html>log in</html>"),
}


def answering(box, denied, when):
    """The box answers some requests in its own way, without carrying them out."""
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
def test_what_a_target_hides_stays_in_the_ledger(real, denied, requests, tmp_path, monkeypatch):
    """A token that was lost, a network that went, an error: a later clean-up still finds everything."""
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
    inner = answering(box, DENIED.get(denied), lambda request: requests == "all" or request.path in lists)
    assert safety.end()
    box.wire.send = inner
    assert CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish() == []
    assert changed(box, before) == set()
    assert read_ledger(tmp_path / "ledger").complete


def new_ledger(box, real, tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "stamp", lambda: int(box.engine.state.clock.now()))
    return guarded(box, real, "write operational", tmp_path / "ledger")


@pytest.mark.parametrize("denied", ["401", "404", "500", "a login page"])
def test_a_backup_of_somebody_else_stays_though_the_list_failed_before_the_command(denied, tmp_path, monkeypatch):
    box = Box("shipped")
    assert box.wire.inner.send(Request("GET", "/backups/new")).ok
    box.engine.state.clock.advance(60)
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    before = box.contents()
    inner = answering(box, DENIED[denied], lambda request: request.path in ("/backups", "/snapshots"))
    for path in ("/backups/new", "/snapshots/new"):
        with pytest.raises(Withheld, match="cannot be read"):
            safety.target.send(Request("GET", path))
    box.wire.send = inner
    assert safety.end() == []
    assert changed(box, before) == set()


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("key", ["-2.5e-261", "zz\x11\ny"])
def test_a_row_that_cannot_be_deleted_is_a_residue_only_if_its_list_shows_it(key, stored, tmp_path, monkeypatch):
    """The box crashes where the rules reject a create, and the gate withholds DELETE for its unusual key."""
    box = Box("shipped")
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    inner = answering(box, DENIED["500"], lambda request: request.method == "POST")
    safety.target.send(with_json("POST", "/queues", {"pkey": key, "cluster": 5, "conf": 5, "devicerec": 5}))
    box.wire.send = inner
    if stored:
        box.engine.state.tables.insert("queue", {"pkey": key, "cluster": "default"})
    assert [key in line for line in safety.end()] == ([True] * 2 if stored else [])


@pytest.mark.parametrize("status", [409, 422, 500])
def test_a_row_that_was_there_stays_though_a_create_of_its_key_crashed(status, tmp_path, monkeypatch):
    """Rejected by the tables alone, while the list could not be read: the key might be there."""
    box = Box("shipped")
    box.engine.state.tables.insert("ipphone", {"pkey": "1001", "cluster": "default"})
    before = box.contents()
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    inner = answering(box, DENIED["500"], lambda request: request.path in ("/cosrules", "/extensions", "/coscloses"))
    crash = Response(status, (("Content-Type", "application/json"),), b'{"message":"UNIQUE constraint failed"}')
    answering(box, crash, lambda request: request.method == "POST")
    for path, body in {"/coscloses": {"IPphone_pkey": "1001", "COS_pkey": "nat"},
                       "/extensions/mailbox": {"pkey": "1001", "cluster": "nosuch"}}.items():
        with suppress(Withheld):
            safety.target.send(with_json("POST", path, body))
    box.wire.send = inner
    assert safety.end() == []
    assert changed(box, before) == set()


def test_a_number_that_somebody_takes_meanwhile_stays(tmp_path, monkeypatch):
    """It was free when it was looked up; the answer to a later create is lost."""
    box = Box("shipped")
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    body = {"pkey": "6009", "cluster": "default"}
    with suppress(Withheld):
        safety.target.send(with_json("POST", "/extensions/mailbox", {**body, "cluster": "nosuch"}))
    box.engine.state.tables.insert("ipphone", {"pkey": "6009", "cluster": "default", "desc": "theirs"})
    before = box.contents()
    inner = answering(box, DENIED["500"], lambda request: request.method == "POST")
    with suppress(Withheld):
        safety.target.send(with_json("POST", "/extensions/mailbox", body))
    box.wire.send = inner
    assert safety.end() == ["/extensions: 6009 is new or left over"]
    assert changed(box, before) == set()


def test_a_run_whose_ledger_somebody_has_deleted_cleans_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    box = Box("shipped")
    before = box.contents()
    safety, stock = guarded(box, "shipped", "write")
    stock.make(stock.contract.by_id["tenants.create"])
    safety.ledger.file.unlink()
    assert safety.end() == []
    assert changed(box, before) == set()


@pytest.mark.parametrize(("dated", "later"), [(True, 20), (False, 600)])
def test_a_late_clean_up_spares_a_number_that_somebody_has_taken_since(dated, later, tmp_path, monkeypatch):
    """The run was killed, its row went, and another one has its number; it was made later, by the box's own clock."""
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


def test_a_late_clean_up_spares_a_file_that_somebody_has_uploaded_since(tmp_path, monkeypatch):
    """Under the number of the run's: what it holds differs. A file as it was uploaded is the run's."""
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


def cascading(box, table, key):
    """A DELETE takes somebody's row along."""
    inner = box.wire.send

    def sending(request):
        response = inner(request)
        if request.method == "DELETE" and response.ok:
            box.engine.state.tables.delete(table, "pkey", key)
        return response

    box.wire.send = sending


@pytest.mark.parametrize(("table", "path"), [("cluster", "/tenants"), ("queue", "/queues")])
def test_a_run_ends_where_a_delete_takes_somebodys_row_along(table, path, tmp_path):
    """The next look at the list shows it: nothing more is written, and the run says why."""
    box = Box("shipped")
    assert box.wire.send(with_json("POST", path, {"pkey": "theirs", "cluster": "default", "description": "x"})).ok
    cascading(box, table, "theirs")
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


def test_two_runs_at_once_do_not_write_to_one_target(tmp_path):
    """The second would store settings of the first as those that were there before."""
    box = Box("shipped")
    box.wire.url = "http://192.0.2.1/api"
    first, _ = guarded(box, "shipped", "write operational", tmp_path / "first")
    assert first.target.send(with_json("PUT", "/sysglobals", {"LOGLEVEL": "3"})).response.ok
    with pytest.raises(BadLedger, match=r"in use by an unfinished run at http://192\.0\.2\.1/api"):
        guarded(box, "shipped", "write operational", tmp_path / "second")
    guarded(box, "shipped", "")
    assert first.end() == []
    assert guarded(box, "shipped", "write operational", tmp_path / "second")[0].end() == []


def renaming(box):
    """The box takes the key of a row from the body of a PUT."""
    inner = box.wire.send

    def sending(request):
        response = inner(request)
        if request.method == "PUT" and request.path.startswith("/tenants/") and response.ok:
            key = json.loads(request.body).get("pkey")
            box.engine.state.tables.update("cluster", "pkey", request.path.rpartition("/")[2], {"pkey": key})
        return response

    box.wire.send = sending


def test_a_row_that_a_change_renames_is_removed_and_never_takes_the_place_of_another(tmp_path, monkeypatch):
    box = Box("shipped")
    before = box.contents()
    safety, stock = new_ledger(box, "shipped", tmp_path, monkeypatch)
    made = stock.make(stock.contract.by_id["tenants.create"]).answer["pkey"]
    renaming(box)
    for theirs in ("default", "acme"):
        with pytest.raises(Withheld):
            safety.target.send(with_json("PUT", f"/tenants/{made}", {"pkey": theirs, "description": "x"}))
    moved = with_json("PUT", f"/tenants/{made}", {"pkey": f"{made}b", "description": "x"})
    assert safety.target.send(moved).response.ok
    assert f"{made}b" in str(box.contents()["cluster"])
    assert safety.end() == []
    assert changed(box, before) == set()


def test_the_key_of_a_row_without_one_is_not_believed(tmp_path, monkeypatch):
    """A box that accepts a create without a key and names a row that somebody else has made since."""
    box = Box("shipped")
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    box.engine.state.tables.insert("cluster", {"pkey": "acme"})
    before = box.contents()
    named = Response(201, (("Content-Type", "application/json"),), b'{"pkey":"acme"}')
    inner = answering(box, named, lambda request: request.method == "POST")
    safety.target.send(with_json("POST", "/tenants", {}))
    box.wire.send = inner
    assert safety.end() == ["/tenants: acme is new or left over"]
    assert changed(box, before) == set()


def test_settings_are_not_changed_while_they_cannot_be_read(tmp_path, monkeypatch):
    """They were shown when the run began: a 404 of a proxy does not mean that the version has none."""
    box = Box("shipped")
    before = box.contents()
    safety, _ = new_ledger(box, "shipped", tmp_path, monkeypatch)
    inner = answering(box, DENIED["404"], lambda request: request.path == "/sysglobals" and request.method != "PUT")
    with pytest.raises(Withheld, match="could not be restored"):
        safety.target.send(with_json("PUT", "/sysglobals", {"LOGLEVEL": "3"}))
    box.wire.send = inner
    assert safety.end() == []
    assert changed(box, before) == set()


class Killed(BaseException):
    """Stands for SIGKILL."""


def dying(box, after, arrives):
    """The run dies with a request, before or after the box has carried it out."""
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


STEPS = 12  # what reads, changes and puts back the settings; the rest reads lists
SETTINGS = [("PUT", "/sysglobals", {"LOGLEVEL": "3"}), ("PUT", "/sysglobals", {"LOGLEVEL": "4", "SYSPASS": "4321"}),
            ("POST", "/firewalls/ipv4", {"rules": ["ACCEPT net fw tcp 8088"]})]


def change_settings(safety):
    for method, path, body in SETTINGS:
        safety.target.send(with_json(method, path, body))
    safety.end()


@pytest.mark.parametrize("arrives", [False, True])
def test_settings_are_put_back_though_every_step_is_cut_off(arrives, tmp_path):
    """The run dies with each of its requests in turn, and so does the clean-up that follows; the next one finishes."""
    box = Box("shipped")
    assert box.wire.inner.send(with_json("POST", "/firewalls/ipv4", {"rules": ["ACCEPT net fw tcp 443"]})).ok
    before, inner = box.contents(), box.wire.send
    for number in range(STEPS):
        box.wire.send, ledger = inner, tmp_path / f"{number}.ledger"
        safety, _ = guarded(box, "shipped", "write operational", ledger)
        dying(box, number, arrives)
        with pytest.raises(Killed):
            change_settings(safety)
        safety.ledger.close()
        cut_off_once_more(box, inner, ledger, number % 5, arrives)
        assert changed(box, before) == set(), number
        assert read_ledger(ledger).complete


def cut_off_once_more(box, inner, ledger, number, arrives):
    """A clean-up that dies, and another one."""
    box.wire.send = inner
    dying(box, number, arrives)
    reopened = reopen_ledger(ledger)
    with suppress(Killed):
        CleanUpTarget(box.wire, reopened).finish()
    reopened.close()
    box.wire.send = inner
    if not read_ledger(ledger).complete:
        assert CleanUpTarget(box.wire, reopen_ledger(ledger)).finish() == []

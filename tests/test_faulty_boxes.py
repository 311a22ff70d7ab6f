"""Boxes with wrong responses: false keys, incomplete lists, keys that are paths.

A run never changes rows of other users and reports all residue.
"""

import json
import posixpath
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote, unquote

import pytest
from sarkmock_contracts.client.http import Request, Response, with_json
from sarkmock_contracts.errors import Unanswered, Unavailable
from sarkmock_contracts.safety import CleanUpTarget, ownership
from sarkmock_contracts.safety.ledger import read_ledger, reopen_ledger

from tests.guarded import Box, guarded

JSON = (("Content-Type", "application/json"),)
FOREIGN_KEYS = ("1001", "6001", "acme", "zz", "02071000001")
MAKERS = ("tenants.create", "agents.create", "extensions.create.mailbox", "inboundroutes.create", "daytimers.create",
          "queues.create")


def pbx():
    """A box in service: rows in every table, and keys that look like those of a run."""
    box = Box("shipped")
    for table in ("cluster", "agent", "ipphone", "queue", "lineio", "dateseg"):
        for key in FOREIGN_KEYS:
            box.engine.state.tables.insert(table, {"pkey": key, "cluster": "default"} if table != "cluster" else
                                           {"pkey": key})
    return box


def with_body(response, value):
    return replace(response, body=json.dumps(value).encode())


def body_of(request):
    return json.loads(request.body) if request.body[:1] == b"{" else {}


def storing(change):
    """Every key is stored in a changed form; the response shows it as it was sent."""
    def behave(send, request):
        sent = body_of(request)
        if request.method != "POST" or "pkey" not in sent:
            return send(request)
        stored = send(replace(request, body=json.dumps({**sent, "pkey": change(str(sent["pkey"]))}).encode()))
        return with_body(stored, {**stored.json, "pkey": sent["pkey"]}) if stored.ok else stored
    return behave


def naming(key):
    """Every response to a create has the key of a different row."""
    def behave(send, request):
        response = send(request)
        made = request.method == "POST" and response.ok
        return with_body(response, {**response.json, "pkey": key}) if made else response
    return behave


def crashing(send, request):
    """Every create is carried out, but the response is an error."""
    response = send(request)
    return Response(500, JSON, b'{"message":"Server Error"}') if request.method == "POST" and response.ok else response


def silent(send, request):
    """Every create is carried out, but has no response."""
    if send(request).ok and request.method == "POST":
        raise Unanswered("no answer")
    return send(request) if request.method == "GET" else Response(404, JSON, b"{}")


def doubled(send, request):
    """Lists contain every row twice."""
    response = send(request)
    rows = response.json if request.method == "GET" and request.path.count("/") == 1 else None
    return with_body(response, rows + rows) if isinstance(rows, list) and rows else response


def cut(send, request):
    """Lists end after two rows."""
    response = send(request)
    rows = response.json if request.method == "GET" and request.path.count("/") == 1 else None
    return with_body(response, rows[:2]) if isinstance(rows, list) else response


class Stale:
    """Lists never change after the first response."""

    def __init__(self):
        self.kept = {}

    def __call__(self, send, request):
        if request.method == "GET" and request.path.count("/") == 1:
            return self.kept.setdefault(request.path, send(request))
        return send(request)


def keeping(send, request):
    """Every DELETE succeeds but deletes nothing."""
    return Response(200, JSON, b'"OK"') if request.method == "DELETE" else send(request)


BEHAVIOURS = {
    "truncates keys": lambda: storing(lambda key: key[:4]), "upper-cases keys": lambda: storing(str.upper),
    "trims zeros": lambda: storing(lambda key: key.lstrip("0")), "full-width digits": lambda: storing(
        lambda key: key.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})),
    "foreign key": lambda: naming("1001"), "duplicate key": lambda: naming("6001"),
    "path as key": lambda: naming("../tenants/acme"), "null as key": lambda: naming(None),
    "list as key": lambda: naming(["acme"]), "crashes": lambda: crashing, "no response": lambda: silent,
    "duplicates rows in lists": lambda: doubled, "truncates lists": lambda: cut, "stale lists": Stale,
    "deletes nothing": lambda: keeping,
}


def install(box, *behaviours):
    for behave in behaviours:
        inner = box.wire.send
        box.wire.send = lambda request, inner=inner, behave=behave: behave(inner, request)


def use(safety, stock):
    """Does what a run does: creates, shows, changes and removes rows, and sends invalid bodies."""
    for name in MAKERS:
        operation = stock.contract.by_id[name]
        with suppress(Unanswered, Unavailable, LookupError):
            made = stock.make(operation)
            if made.delete:
                safety.target.send(Request("GET", made.delete))
                change = {"desc": "x", "description": "x", "cluster": "default"}
                safety.target.send(with_json("PUT", made.delete, change))
                safety.target.send(Request("DELETE", made.delete))
        with suppress(Unanswered, Unavailable, LookupError):
            stock.make(operation)
        for body in ({}, {"pkey": "6001", "cluster": "nosuch"}, {"pkey": None, "cluster": 5}):
            with suppress(Unanswered, Unavailable):
                safety.target.send(with_json("POST", operation.path, body))
    stock.sweep(keep_fixtures=True)


def rows(box):
    """All rows by table."""
    return {name: set(content) for name, content in box.contents().items() if isinstance(content, list)}


def end_run(box, safety, tmp_path):
    return safety.end()


def kill_run_and_clean_up(box, safety, tmp_path):
    safety.ledger.close()
    return CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish()


@pytest.mark.parametrize("ending", [end_run, kill_run_and_clean_up])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_existing_rows_are_kept_and_residue_is_reported(behaviour, ending, tmp_path, monkeypatch):
    box = pbx()
    monkeypatch.setattr(ownership, "stamp", lambda: int(box.engine.state.clock.now()))
    before, inner = rows(box), box.wire.send
    install(box, BEHAVIOURS[behaviour]())
    safety, stock = guarded(box, "shipped", "write operational", tmp_path / "ledger")
    use(safety, stock)
    residue = ending(box, safety, tmp_path)
    box.wire.send = inner
    after = rows(box)
    assert all(before[table] <= after[table] for table in before)
    if after != before:
        assert residue
        assert not read_ledger(tmp_path / "ledger").complete


def decoding(request):
    """Decodes the path and resolves its dots before routing, as some servers do."""
    path = posixpath.normpath("/" + unquote(unquote(request.path)).replace("\\", "/").lstrip("/"))
    return replace(request, path=quote(path))


@pytest.mark.parametrize("ending", [end_run, kill_run_and_clean_up])
@pytest.mark.parametrize("name", ["../tenants/acme", "..%2Ftenants%2Facme", "..\\tenants\\acme", "x/../../tenants/acme",
                                  "a?b", "a#b", "a\nb", "..", "", ".", "sarkbak.{}.zip/../../tenants/acme"])
def test_key_that_is_a_path_is_not_used_as_path(name, ending, tmp_path, monkeypatch):
    """The box returns it as the name of the new backup and as the key of the timer with the run's mark."""
    box = pbx()
    box.wire.reading = decoding
    monkeypatch.setattr(ownership, "stamp", lambda: int(box.engine.state.clock.now()))
    name = name.format(int(box.engine.state.clock.now()))
    before, inner, listed = rows(box), box.wire.send, []

    def naming_paths(send, request):
        response = send(request)
        if request.path in ("/backups/new", "/snapshots/new") and response.ok:
            listed.append(name)
            return with_body(response, {"newbackupname": name})
        if request.path in ("/backups", "/snapshots") and listed:
            return with_body(response, [name])
        if request.path == "/daytimers" and isinstance(response.json, list):
            return with_body(response, [{**row, "pkey": name} for row in response.json])
        return response

    install(box, naming_paths)
    safety, stock = guarded(box, "shipped", "write operational", tmp_path / "ledger")
    for operation in ("backups.new", "snapshots.new", "daytimers.create"):
        with suppress(Unanswered, Unavailable):
            stock.make(stock.contract.by_id[operation])
    stock.sweep(keep_fixtures=False)
    box.wire.left.clear()
    residue = ending(box, safety, tmp_path)
    box.wire.send = inner
    assert residue
    assert all(before[table] <= rows(box)[table] for table in before)
    deleted = [request.path for request in box.wire.left if request.method == "DELETE"]
    assert all(path.startswith(("/backups/sarkbak", "/snapshots/sark", "/daytimers/")) for path in deleted)
    assert not [path for path in deleted if ".." in unquote(unquote(path))]


@pytest.mark.parametrize("ending", [end_run, kill_run_and_clean_up])
def test_rows_deleted_by_cascade_are_reported(ending, tmp_path):
    box = pbx()

    def taking_more(send, request):
        if request.method == "DELETE":
            box.engine.state.tables.delete("cluster", "pkey", "acme")
        return send(request)

    install(box, taking_more)
    safety, stock = guarded(box, "shipped", "write", tmp_path / "ledger")
    stock.make(stock.contract.by_id["tenants.create"])
    assert any("/tenants: acme is gone" in line for line in ending(box, safety, tmp_path))
    assert not read_ledger(tmp_path / "ledger").complete

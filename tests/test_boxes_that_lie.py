"""Boxes that make other rows than they say, hide some or name them as a path: nothing of others is touched, and what
stays is reported."""

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
THEIRS = ("1001", "6001", "acme", "zz", "02071000001")
MAKERS = ("tenants.create", "agents.create", "extensions.create.mailbox", "inboundroutes.create", "daytimers.create",
          "queues.create")


def pbx():
    """A box in service: rows in every table, keys that two tenants have, numbers that look like those of a run."""
    box = Box("shipped")
    for table in ("cluster", "agent", "ipphone", "queue", "lineio", "dateseg"):
        for key in THEIRS:
            box.engine.state.tables.insert(table, {"pkey": key, "cluster": "default"} if table != "cluster" else
                                           {"pkey": key})
    return box


def answered(response, value):
    return replace(response, body=json.dumps(value).encode())


def asked(request):
    return json.loads(request.body) if request.body[:1] == b"{" else {}


def storing(change):
    """Every key is stored in another form than it was sent; the answer shows it as it was sent."""
    def behave(send, request):
        sent = asked(request)
        if request.method != "POST" or "pkey" not in sent:
            return send(request)
        stored = send(replace(request, body=json.dumps({**sent, "pkey": change(str(sent["pkey"]))}).encode()))
        return answered(stored, {**stored.json, "pkey": sent["pkey"]}) if stored.ok else stored
    return behave


def naming(key):
    """Every create is answered with the key of another row."""
    def behave(send, request):
        response = send(request)
        made = request.method == "POST" and response.ok
        return answered(response, {**response.json, "pkey": key}) if made else response
    return behave


def crashing(send, request):
    """Every create is carried out, and answered with an error."""
    response = send(request)
    return Response(500, JSON, b'{"message":"Server Error"}') if request.method == "POST" and response.ok else response


def silent(send, request):
    """Every create is carried out, and never answered."""
    if send(request).ok and request.method == "POST":
        raise Unanswered("no answer")
    return send(request) if request.method == "GET" else Response(404, JSON, b"{}")


def doubled(send, request):
    """Lists show every row twice, as those of two tenants."""
    response = send(request)
    rows = response.json if request.method == "GET" and request.path.count("/") == 1 else None
    return answered(response, rows + rows) if isinstance(rows, list) and rows else response


def cut(send, request):
    """Lists end after two rows."""
    response = send(request)
    rows = response.json if request.method == "GET" and request.path.count("/") == 1 else None
    return answered(response, rows[:2]) if isinstance(rows, list) else response


class Stale:
    """Lists are those of the first time."""

    def __init__(self):
        self.kept = {}

    def __call__(self, send, request):
        if request.method == "GET" and request.path.count("/") == 1:
            return self.kept.setdefault(request.path, send(request))
        return send(request)


def keeping(send, request):
    """Nothing is deleted, and every DELETE is answered as if it were."""
    return Response(200, JSON, b'"OK"') if request.method == "DELETE" else send(request)


BEHAVIOURS = {
    "cuts keys": lambda: storing(lambda key: key[:4]), "upper case": lambda: storing(str.upper),
    "trims zeros": lambda: storing(lambda key: key.lstrip("0")), "full width": lambda: storing(
        lambda key: key.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})),
    "names another's": lambda: naming("1001"), "names a doubled one": lambda: naming("6001"),
    "names a path": lambda: naming("../tenants/acme"), "names nothing": lambda: naming(None),
    "names a list": lambda: naming(["acme"]), "crashes": lambda: crashing, "is silent": lambda: silent,
    "lists twice": lambda: doubled, "cuts lists": lambda: cut, "stale lists": Stale, "keeps all": lambda: keeping,
}


def misbehaving(box, *behaviours):
    for behave in behaviours:
        inner = box.wire.send
        box.wire.send = lambda request, inner=inner, behave=behave: behave(inner, request)


def use(safety, stock):
    """What a run does: rows made, shown, changed, removed; bodies that the rules reject."""
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
    """Everything in the tables, by table."""
    return {name: set(found) for name, found in box.contents().items() if isinstance(found, list)}


def ends(box, safety, tmp_path):
    return safety.end()


def dies(box, safety, tmp_path):
    safety.ledger.close()
    return CleanUpTarget(box.wire, reopen_ledger(tmp_path / "ledger")).finish()


@pytest.mark.parametrize("ending", [ends, dies])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_what_was_there_stays_and_what_stays_is_reported(behaviour, ending, tmp_path, monkeypatch):
    box = pbx()
    monkeypatch.setattr(ownership, "stamp", lambda: int(box.engine.state.clock.now()))
    before, inner = rows(box), box.wire.send
    misbehaving(box, BEHAVIOURS[behaviour]())
    safety, stock = guarded(box, "shipped", "write operational", tmp_path / "ledger")
    use(safety, stock)
    told = ending(box, safety, tmp_path)
    box.wire.send = inner
    after = rows(box)
    assert all(before[table] <= after[table] for table in before)
    if after != before:
        assert told
        assert not read_ledger(tmp_path / "ledger").complete


def decoding(request):
    """As servers that decode a path and resolve its dots before they look for a route."""
    path = posixpath.normpath("/" + unquote(unquote(request.path)).replace("\\", "/").lstrip("/"))
    return replace(request, path=quote(path))


@pytest.mark.parametrize("ending", [ends, dies])
@pytest.mark.parametrize("name", ["../tenants/acme", "..%2Ftenants%2Facme", "..\\tenants\\acme", "x/../../tenants/acme",
                                  "a?b", "a#b", "a\nb", "..", "", ".", "sarkbak.{}.zip/../../tenants/acme"])
def test_a_name_that_is_a_path_leads_nowhere(name, ending, tmp_path, monkeypatch):
    """The box says that this is the backup which it has made, and the timer that carries the mark of the run."""
    box = pbx()
    box.wire.reading = decoding
    monkeypatch.setattr(ownership, "stamp", lambda: int(box.engine.state.clock.now()))
    name = name.format(int(box.engine.state.clock.now()))
    before, inner, listed = rows(box), box.wire.send, []

    def naming_paths(send, request):
        response = send(request)
        if request.path in ("/backups/new", "/snapshots/new") and response.ok:
            listed.append(name)
            return answered(response, {"newbackupname": name})
        if request.path in ("/backups", "/snapshots") and listed:
            return answered(response, [name])
        if request.path == "/daytimers" and isinstance(response.json, list):
            return answered(response, [{**row, "pkey": name} for row in response.json])
        return response

    misbehaving(box, naming_paths)
    safety, stock = guarded(box, "shipped", "write operational", tmp_path / "ledger")
    for operation in ("backups.new", "snapshots.new", "daytimers.create"):
        with suppress(Unanswered, Unavailable):
            stock.make(stock.contract.by_id[operation])
    stock.sweep(keep_fixtures=False)
    box.wire.left.clear()
    told = ending(box, safety, tmp_path)
    box.wire.send = inner
    assert told
    assert all(before[table] <= rows(box)[table] for table in before)
    deleted = [request.path for request in box.wire.left if request.method == "DELETE"]
    assert all(path.startswith(("/backups/sarkbak", "/snapshots/sark", "/daytimers/")) for path in deleted)
    assert not [path for path in deleted if ".." in unquote(unquote(path))]


@pytest.mark.parametrize("ending", [ends, dies])
def test_rows_that_go_with_one_of_the_run_are_reported(ending, tmp_path):
    box = pbx()

    def taking_more(send, request):
        if request.method == "DELETE":
            box.engine.state.tables.delete("cluster", "pkey", "acme")
        return send(request)

    misbehaving(box, taking_more)
    safety, stock = guarded(box, "shipped", "write", tmp_path / "ledger")
    stock.make(stock.contract.by_id["tenants.create"])
    assert any("/tenants: acme is gone" in line for line in ending(box, safety, tmp_path))
    assert not read_ledger(tmp_path / "ledger").complete

"""What clients use is learnt from what passes, over days, and is what `compare --clients` reads."""

from __future__ import annotations

import threading
from math import inf

import pytest
import yaml
from sarkmock_contracts.baselines import clients
from sarkmock_contracts.baselines.clients import MOST_NAMES, ClientsFile, Use, read_clients
from sarkmock_contracts.baselines.severity import Difference
from sarkmock_contracts.client.http import Exchange, Request, Response, with_form, with_json
from sarkmock_contracts.errors import CannotRun

from sarkmock import SarkMock
from sarkmock.atomic import write_whole
from tests.test_proxy_judged import TENANT, judged


def good(body=b"{}"):
    return Response(200, (("Content-Type", "application/json"),), body)


def learnt(file, *exchanges):
    """The uses in the file after a day with these exchanges."""
    clients = ClientsFile(file)
    for exchange in exchanges:
        clients.observe(Exchange(*exchange))
    clients.save()
    return {use.op: use for use in read_clients(file)}


LIST = Request("GET", "/tenants")
CASES = {
    "the fields of rows": ((LIST, good(b'[{"a": 1}, {"b": 2}]')), Use("GET /tenants", frozenset(), frozenset("ab"))),
    "an empty list says nothing of fields": ((LIST, good(b"[]")), Use("GET /tenants", frozenset())),
    "names that are data": ((Request("GET", "/backups"), good(b'{"backup.1.zip": {"name": "x"}}')),
                            Use("GET /backups", frozenset(), frozenset("*"))),
    "JSON": ((with_json("POST", "/tenants", TENANT), good()),
             Use("POST /tenants", frozenset(TENANT), frozenset())),
    "a form, and what is rejected": ((with_form("PUT", "/tenants/a", {"x": "1"}), Response(422, (), b'{"x": ["no"]}')),
                                    Use("PUT /tenants/{tenant}", frozenset("x"))),
    "the query": ((Request("GET", "/tenants", "a=1"), good(b'[{"b": 1}]')),
                  Use("GET /tenants", frozenset("a"), frozenset("b"))),
    "a method in disguise": ((with_json("POST", "/tenants/a", {"_method": "DELETE"}), Response(204)),
                             Use("DELETE /tenants/{tenant}", frozenset(["_method"]), frozenset())),
}


@pytest.mark.parametrize("name", CASES)
def test_an_exchange_says_what_is_used(name, tmp_path):
    exchange, use = CASES[name]
    assert learnt(tmp_path / "c.yaml", exchange) == {use.op: use}


def test_days_add_up_and_what_a_person_wrote_stays(tmp_path):
    file = tmp_path / "c.yaml"
    learnt(file, (LIST, good(b'[{"a": 1}]')), (with_json("POST", "/tenants", {"x": 1}), good()))
    file.write_text(file.read_text() + "- DELETE /tenants/{tenant}\n- {operation: GET /agents, reads: [pkey]}\n")
    found = learnt(file, (LIST, good(b'[{"b": 1}]')), (with_json("POST", "/tenants", {"y": 1}), good()),
                   (Request("DELETE", "/tenants/a"), Response(204)))
    assert found == {
        "GET /tenants": Use("GET /tenants", frozenset(), frozenset("ab")),
        "POST /tenants": Use("POST /tenants", frozenset("xy"), frozenset()),
        "DELETE /tenants/{tenant}": Use("DELETE /tenants/{tenant}", None, frozenset()),
        "GET /agents": Use("GET /agents", None, frozenset(["pkey"]))}
    assert file.read_text().startswith("# What clients use")
    assert [entry["operation"] for entry in yaml.safe_load(file.read_text())] == sorted(
        found, key=lambda op: op.split(" ")[::-1])


def test_two_proxies_share_a_file(tmp_path):
    file = tmp_path / "c.yaml"
    one, other = ClientsFile(file), ClientsFile(file)
    one.observe(Exchange(LIST, good(b'[{"a": 1}]')))
    other.observe(Exchange(Request("GET", "/agents"), good(b'[{"b": 1}]')))
    one.save()
    other.save()
    assert {use.op for use in read_clients(file)} == {"GET /tenants", "GET /agents"}


def test_two_proxies_that_write_at_the_same_time_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(clients, "EVERY", inf)
    file = tmp_path / "c.yaml"
    one, other = ClientsFile(file), ClientsFile(file)
    one.observe(Exchange(LIST, good(b'[{"a": 1}]')))
    other.observe(Exchange(Request("GET", "/agents"), good(b'[{"b": 1}]')))
    meanwhile = threading.Thread(target=other.save)

    def write_late(*arguments):
        if meanwhile.ident is None:
            meanwhile.start()
            meanwhile.join(0.2)
        write_whole(*arguments)

    monkeypatch.setattr(clients, "write_whole", write_late)
    one.save()
    meanwhile.join()
    assert {use.op for use in read_clients(file)} == {"GET /tenants", "GET /agents"}


def test_a_client_that_sends_anything_fills_no_disk(tmp_path):
    body = {f"n{number}": 1 for number in range(2 * MOST_NAMES)} | {"x" * 10_000: 1}
    found = learnt(tmp_path / "c.yaml", (with_json("POST", "/tenants", body), good()),
                   (Request("GET", "/nosuch"), good()))
    assert len(found["POST /tenants"].sends) == MOST_NAMES
    assert len(found) == 1


@pytest.mark.parametrize(("content", "words"), [
    ('{"log": {"entries": []}}', "is a recording of traffic"), ("- nosuch\n", "c.yaml:1: unknown operation 'nosuch'"),
    ("a: [", "c.yaml:")])
def test_a_file_that_is_something_else_is_left_alone(content, words, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(content)
    with pytest.raises(CannotRun, match=words):
        ClientsFile(file)
    assert file.read_text() == content
    with pytest.raises(CannotRun, match="no such directory"):
        ClientsFile(tmp_path / "nosuch" / "c.yaml")


def test_a_list_that_cannot_be_written_takes_no_report_with_it(tmp_path):
    file, report = tmp_path / "lists" / "c.yaml", tmp_path / "report"
    file.parent.mkdir()
    with SarkMock(tls=False) as box, judged(box.url, clients=ClientsFile(file), report=report) as client:
        file.parent.rmdir()
        client.send("GET", "/agents")
        client.settle()
        with pytest.raises(CannotRun, match=r"c\.yaml: No such file"):
            client.judging.end()
    assert (report / "report.json").exists()


def test_the_proxy_answers_whether_an_upgrade_breaks_our_client(tmp_path, capsys):
    file = tmp_path / "c.yaml"
    with SarkMock(profile="shipped", tls=False) as box, judged(box.url, clients=ClientsFile(file)) as client:
        client.send("GET", "/agents")
        client.send("POST", "/tenants", TENANT)
        client.settle()
        client.judging.end()
    uses = read_clients(file)
    assert [use.op for use in uses] == ["GET /agents", "POST /tenants"]
    concerned = [Difference("rule tightened", "POST /tenants", name) for name in ("pkey", "chanmax")]
    assert [any(use.concerns(one) for use in uses) for one in concerned] == [True, False]

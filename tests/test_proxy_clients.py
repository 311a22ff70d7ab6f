"""The clients file: what clients use is recorded from traffic over days, and read by `compare --clients`."""

from __future__ import annotations

import shutil
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


def ok(body=b"{}"):
    return Response(200, (("Content-Type", "application/json"),), body)


def uses_after(file, *exchanges):
    """The uses in the file after these exchanges have been observed."""
    clients = ClientsFile(file)
    for exchange in exchanges:
        clients.observe(Exchange(*exchange))
    clients.save()
    return {use.op: use for use in read_clients(file)}


LIST = Request("GET", "/tenants")
CASES = {
    "the fields of rows": ((LIST, ok(b'[{"a": 1}, {"b": 2}]')), Use("GET /tenants", frozenset(), frozenset("ab"))),
    "an empty list shows no fields": ((LIST, ok(b"[]")), Use("GET /tenants", frozenset())),
    "keys that are data": ((Request("GET", "/backups"), ok(b'{"backup.1.zip": {"name": "x"}}')),
                           Use("GET /backups", frozenset(), frozenset("*"))),
    "JSON": ((with_json("POST", "/tenants", TENANT), ok()),
             Use("POST /tenants", frozenset(TENANT), frozenset())),
    "a form that is rejected": ((with_form("PUT", "/tenants/a", {"x": "1"}), Response(422, (), b'{"x": ["no"]}')),
                                Use("PUT /tenants/{tenant}", frozenset("x"))),
    "the query": ((Request("GET", "/tenants", "a=1"), ok(b'[{"b": 1}]')),
                  Use("GET /tenants", frozenset("a"), frozenset("b"))),
    "a method override": ((with_json("POST", "/tenants/a", {"_method": "DELETE"}), Response(204)),
                          Use("DELETE /tenants/{tenant}", frozenset(["_method"]), frozenset())),
}


@pytest.mark.parametrize("name", CASES)
def test_use_is_derived_from_exchange(name, tmp_path):
    exchange, use = CASES[name]
    assert uses_after(tmp_path / "c.yaml", exchange) == {use.op: use}


def test_uses_accumulate_and_manual_entries_are_kept(tmp_path):
    file = tmp_path / "c.yaml"
    uses_after(file, (LIST, ok(b'[{"a": 1}]')), (with_json("POST", "/tenants", {"x": 1}), ok()))
    file.write_text(file.read_text() + "- DELETE /tenants/{tenant}\n- {operation: GET /agents, reads: [pkey]}\n")
    uses = uses_after(file, (LIST, ok(b'[{"b": 1}]')), (with_json("POST", "/tenants", {"y": 1}), ok()),
                      (Request("DELETE", "/tenants/a"), Response(204)))
    assert uses == {
        "GET /tenants": Use("GET /tenants", frozenset(), frozenset("ab")),
        "POST /tenants": Use("POST /tenants", frozenset("xy"), frozenset()),
        "DELETE /tenants/{tenant}": Use("DELETE /tenants/{tenant}", None, frozenset()),
        "GET /agents": Use("GET /agents", None, frozenset(["pkey"]))}
    assert file.read_text().startswith("# What clients use")
    assert [entry["operation"] for entry in yaml.safe_load(file.read_text())] == sorted(
        uses, key=lambda op: op.split(" ")[::-1])


def test_two_proxies_share_a_file(tmp_path):
    file = tmp_path / "c.yaml"
    first, second = ClientsFile(file), ClientsFile(file)
    first.observe(Exchange(LIST, ok(b'[{"a": 1}]')))
    second.observe(Exchange(Request("GET", "/agents"), ok(b'[{"b": 1}]')))
    first.save()
    second.save()
    assert {use.op for use in read_clients(file)} == {"GET /tenants", "GET /agents"}


def test_concurrent_writes_of_two_proxies_are_merged(tmp_path, monkeypatch):
    monkeypatch.setattr(clients, "EVERY", inf)
    file = tmp_path / "c.yaml"
    first, second = ClientsFile(file), ClientsFile(file)
    first.observe(Exchange(LIST, ok(b'[{"a": 1}]')))
    second.observe(Exchange(Request("GET", "/agents"), ok(b'[{"b": 1}]')))
    second_save = threading.Thread(target=second.save)

    def write_late(*arguments):
        if second_save.ident is None:
            second_save.start()
            second_save.join(0.2)
        write_whole(*arguments)

    monkeypatch.setattr(clients, "write_whole", write_late)
    first.save()
    second_save.join()
    assert {use.op for use in read_clients(file)} == {"GET /tenants", "GET /agents"}


def test_size_of_file_is_bounded(tmp_path):
    body = {f"n{number}": 1 for number in range(2 * MOST_NAMES)} | {"x" * 10_000: 1}
    uses = uses_after(tmp_path / "c.yaml", (with_json("POST", "/tenants", body), ok()),
                      (Request("GET", "/nosuch"), ok()))
    assert len(uses["POST /tenants"].sends) == MOST_NAMES
    assert len(uses) == 1


@pytest.mark.parametrize(("content", "words"), [
    ('{"log": {"entries": []}}', "is a recording of traffic"), ("- nosuch\n", "c.yaml:1: unknown operation 'nosuch'"),
    ("a: [", "c.yaml:")])
def test_file_of_another_kind_is_not_overwritten(content, words, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(content)
    with pytest.raises(CannotRun, match=words):
        ClientsFile(file)
    assert file.read_text() == content
    with pytest.raises(CannotRun, match="no such directory"):
        ClientsFile(tmp_path / "nosuch" / "c.yaml")


@pytest.mark.parametrize("report_too", [False, True])
def test_report_is_written_even_if_clients_file_cannot_be(report_too, tmp_path):
    file, report = tmp_path / "lists" / "c.yaml", tmp_path / "report"
    file.parent.mkdir()
    with SarkMock(tls=False) as box, judged(box.url, clients=ClientsFile(file), report=report) as client:
        file.parent.rmdir()
        client.send("GET", "/agents")
        client.settle()
        if report_too:
            shutil.rmtree(report)
        with pytest.raises(CannotRun, match=r"report: No such file.*; .*c\.yaml: No" if report_too else r"c\.yaml: No"):
            client.judging.end()
    assert (report / "report.json").exists() != report_too


def test_recorded_uses_show_which_differences_concern_clients(tmp_path, capsys):
    file = tmp_path / "c.yaml"
    with SarkMock(profile="shipped", tls=False) as box, judged(box.url, clients=ClientsFile(file)) as client:
        client.send("GET", "/agents")
        client.send("POST", "/tenants", TENANT)
        client.settle()
        client.judging.end()
    uses = read_clients(file)
    assert [use.op for use in uses] == ["GET /agents", "POST /tenants"]
    differences = [Difference("rule tightened", "POST /tenants", name) for name in ("pkey", "chanmax")]
    assert [any(use.concerns(difference) for use in uses) for difference in differences] == [True, False]

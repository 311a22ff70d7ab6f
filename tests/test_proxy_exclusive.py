"""Contradictions between exchanges are findings only with `--exclusive`: no other client changes the box."""

from __future__ import annotations

import json
import signal
import threading
import time
from dataclasses import replace

import pytest
import requests
from sarkmock_contracts.checks import stateful
from sarkmock_contracts.client.http import Exchange, request_for
from sarkmock_contracts.client.transports import InProcess, SignedIn, embedded_mock
from sarkmock_contracts.judge.verdicts import Accepted
from sarkmock_contracts.proxy.guard import ExchangeQueue
from sarkmock_contracts.proxy.running import TrafficJudge
from sarkmock_contracts.proxy.watched import WatchedRun
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import Contract
from sarkmock_contracts.spec.operation_data import resources

from sarkmock import Engine, SarkMock, State, create_app
from sarkmock.proxy_api import Passed
from sarkmock.suite_api import load, load_seed, profile_names
from tests.hostile_box import whole
from tests.mutants.breaking import TOKEN, on, tampered
from tests.mutants.table import MUTANTS
from tests.mutants.tampering import lost_update
from tests.proxied import CLOSE, Wire, proxied, scripted
from tests.serving import proxying

ROW = "/tenants/acme"


class Traffic:
    """Requests to a box, judged by a proxy with or without `--exclusive`."""

    def __init__(self, exclusive=True, tamper=None):
        self.lines = []
        options = RunOptions.of({"url": "http://127.0.0.1:1/api", "target_profile": "documented"})
        self.judging = TrafficJudge(WatchedRun(options, "/api", Accepted(), exclusive), say=self.lines.append)
        send = embedded_mock(Engine()).send
        self.box = tampered(send, tamper) if tamper else send

    def send(self, method, path, body=None, seen=lambda passed: passed, headers=()):
        request = request_for(method, path, body)
        response = self.box(request)
        passed = Passed(method, f"/api{path}", (*request.headers, *headers), request.body, response.status,
                        response.headers, response.body, True, 0.0)
        if seen is not None:
            self.judging.receive(seen(passed))

    def new_findings(self):
        return [line.partition(": ")[0] for line in self.lines if line.startswith("NEW")]


@pytest.mark.parametrize(("exclusive", "expected"), [(False, []), (True, [
    "NEW surprises tenants.update stored description changed"])])
@pytest.mark.parametrize("headers", [(), (("Content-Type", "application/json; charset=utf-8"),)])
def test_lost_update_is_found_when_row_is_read(exclusive, expected, headers):
    traffic = Traffic(exclusive, on("PUT", ROW)(lost_update))
    traffic.send("POST", "/tenants", {"pkey": "acme", "description": "old"}, seen=None)
    traffic.send("PUT", ROW, {"description": "new"}, headers=headers)
    traffic.send("GET", ROW)
    assert traffic.new_findings() == expected


def test_changes_by_other_clients_are_not_findings_without_exclusive():
    traffic = Traffic(exclusive=False)
    traffic.send("POST", "/tenants", {"pkey": "acme", "description": "a"})
    traffic.send("PUT", ROW, {"description": "b"}, seen=None)
    for path in (ROW, "/tenants"):
        traffic.send("GET", path)
    traffic.send("DELETE", ROW, seen=None)
    for method, path in (("GET", ROW), ("GET", "/tenants"), ("DELETE", ROW)):
        traffic.send(method, path)
    traffic.send("POST", "/tenants", {"pkey": "acme", "description": "a"})
    assert traffic.lines == []


def as_form(passed):
    headers = (*[pair for pair in passed.headers if pair[0] != "Content-Type"],
               ("Content-Type", "application/x-www-form-urlencoded"))
    return replace(passed, headers=headers, body=b"description=b")


# How the proxy sees a write, and whether it knows the row afterwards.
SEEN = {
    "not at all": (None, True), "concurrently with another": (lambda passed: replace(passed, alone=False), False),
    "without its response": (lambda passed: replace(passed, whole=False, status=0), False),
    "crashed": (lambda passed: replace(passed, status=500), False),
    "as a form": (as_form, False), "rate limited": (lambda passed: replace(passed, status=429), False),
    "as an HTML page": (lambda passed: replace(passed, target="/index.php"), False),
    "with another method": (lambda passed: replace(
        passed, headers=(*passed.headers, ("X-HTTP-Method-Override", "PUT")), method="POST"), False),
    "after a gap": (lambda passed: replace(passed, gap=True, method="GET", target="/api/queues"), False)}


@pytest.mark.parametrize("case", SEEN)
def test_row_is_known_only_if_every_write_was_understood(case):
    seen, is_known = SEEN[case]
    traffic = Traffic()
    traffic.send("POST", "/tenants", {"pkey": "acme", "description": "a"})
    traffic.send("PUT", ROW, {"description": "b"}, seen=seen)
    traffic.lines.clear()
    traffic.send("GET", ROW)
    traffic.send("GET", "/tenants")
    assert bool(traffic.new_findings()) == is_known, traffic.lines


def test_write_without_response_may_take_effect_later():
    traffic = Traffic()
    traffic.send("PUT", ROW, {"description": "z"}, seen=SEEN["without its response"][0])
    traffic.send("POST", "/tenants", {"pkey": "acme", "description": "a"})
    traffic.send("PUT", ROW, {"description": "z"}, seen=None)
    traffic.send("GET", ROW)
    assert traffic.lines == []


SEEN_IN_SEVERAL_EXCHANGES = [
    "an update is lost", "a taken key replaces the row", "a delete does not delete", "a link to DELETE does not delete",
    "a list is stale", "a list lacks a row", "a dependency is ignored", "a link leads nowhere",
    "letters beyond ASCII are lost", "a key can be changed", "an update changes other rows"]


@pytest.mark.parametrize("name", SEEN_IN_SEVERAL_EXCHANGES)
def test_finding_over_several_exchanges_needs_exclusive(name):
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    exchanges = mutant.traffic(mutant.suite())
    options = RunOptions(profile=mutant.profile, target_profile=mutant.profile, url="http://127.0.0.1:1/api")
    for exclusive in (False, True):
        watched = WatchedRun(options, "/api", Accepted(), exclusive)
        findings = [judged.finding for exchange in exchanges for judged in watched.judge_exchange(exchange, 0)]
        assert any(finding.identity.matches(mutant.expect) and len(finding.evidence) > 1
                   for finding in findings) == exclusive, findings


@pytest.mark.parametrize("profile", profile_names())
def test_conforming_box_has_no_contradictions(profile):
    document = load(profile)
    engine = Engine(document, State(load_seed("factory", document), token=TOKEN))
    run = Run(Contract(document), SignedIn(InProcess(create_app(engine)), engine.state), RunOptions(profile=profile))
    exchanges = []
    send = run.target.send
    run.target.send = lambda request: exchanges.append(send(request)) or exchanges[-1]
    stateful.run_sequences(run, resources(run.contract), examples=2, steps=20)
    options = RunOptions(profile=profile, target_profile=profile, url="http://127.0.0.1:1/api")
    watched = WatchedRun(options, "/api", Accepted(), exclusive=True)
    token = ("Authorization", f"Bearer {TOKEN}")
    for exchange in exchanges:
        request = replace(exchange.request, headers=(*exchange.request.headers, token))
        assert watched.judge_exchange(Exchange(request, exchange.response), 0) == []


def test_requests_concurrent_with_a_write_are_marked():
    with SarkMock(tls=False, faults="tenants.create:latency=0.6") as box, proxied(box.url) as proxy:
        def create():
            requests.post(f"{proxy.url}/tenants", json={"pkey": "acme", "description": "a"}, timeout=5)

        writing = threading.Thread(target=create)
        writing.start()
        time.sleep(0.2)
        with Wire(proxy.url) as wire:
            for path in (b"queues", b"tenants"):
                wire.exchange(b"GET /api/%b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
                writing.join() if path == b"queues" else None
        proxy.entries(3)
        assert {passed.target: passed.alone for passed in proxy.passed if passed.method == "GET"} == {
            "/api/queues": False, "/api/tenants": True}
        assert [passed.alone for passed in proxy.passed if passed.method == "POST"] == [False]


def test_request_without_response_is_judged_as_incomplete():
    with scripted(CLOSE) as box, proxied(box.url) as proxy:
        assert requests.put(f"{proxy.url}/tenants/acme", json={}, timeout=5).status_code == 502
        proxy.entries()
        assert [(passed.method, passed.whole) for passed in proxy.passed] == [("PUT", False)]


def test_exchanges_beyond_queue_limit_are_a_gap():
    received, go_on = [], threading.Event()
    exchanges = ExchangeQueue(lambda passed: (go_on.wait(5), received.append((passed.target, passed.gap))), max_bytes=4)
    for target, body in (("/a", b"[1]"), ("/b", b"[2]"), ("/c", b"3")):
        exchanges(Passed("GET", target, (), b"", 200, (), body, True, 0.0))
    go_on.set()
    exchanges.settle()
    assert (received, exchanges.missed) == ([("/a", False), ("/c", True)], 1)
    exchanges.close()


def test_command_with_exclusive_option():
    rows = [whole(json.dumps({"pkey": "acme", "description": text}).encode()) for text in ("new", "old")]
    with scripted(*rows) as box, proxying(box.url, "--http", "--exclusive") as proxy:
        requests.put(f"{proxy.url}{ROW}", json={"description": "new"}, timeout=5)
        requests.get(f"{proxy.url}{ROW}", timeout=5)
        assert proxy.stop(signal.SIGTERM)[0] == 1
        assert "NEW surprises tenants.update stored description changed: description should be 'new', is 'old'" in \
            proxy.process.stdout.read()

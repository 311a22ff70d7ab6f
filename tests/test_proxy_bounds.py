"""The proxy's memory use is bounded, even with days of traffic and hostile clients and boxes."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
import weakref

import pytest
from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.client.transports import embedded_mock
from sarkmock_contracts.judge.attribution import Attribution
from sarkmock_contracts.judge.findings import Finding, Findings, Identity
from sarkmock_contracts.judge.preparation import History
from sarkmock_contracts.judge.replica import Replica
from sarkmock_contracts.judge.verdicts import Accepted
from sarkmock_contracts.proxy.guard import ExchangeQueue, TrafficGuard, permitted_hazards
from sarkmock_contracts.proxy.problems import ClientRows
from sarkmock_contracts.proxy.shadow import Shadow
from sarkmock_contracts.proxy.watched import WatchedRun
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, Seed
from sarkmock.proxy_api import Passed
from sarkmock.suite_api import load
from tests.proxied import record_of

COUNT, LARGE, KEPT = 60, 20_000, 200_000
CONTRACT = contract_of("documented")


def tenant_created(number, size=LARGE):
    row = json.dumps({"pkey": f"t{number}", "description": "x" * size}).encode()
    headers = (("Content-Type", "application/json"),)
    return Exchange(Request("POST", "/tenants", "", headers, row), Response(201, headers, row))


def observe_all(model, exchanges):
    for exchange in exchanges:
        model.observe(exchange)
    return model


def attribution(exchanges):
    """An attribution that has observed exchanges and made no predictions."""
    return observe_all(Attribution(CONTRACT, lambda: "documented", max_bytes=KEPT), exchanges)


def history(exchanges):
    writes = History(CONTRACT, max_bytes=KEPT)
    for exchange in exchanges:
        writes.observe(CONTRACT.by_id["tenants.create"], exchange)
    return writes


def replica(exchanges):
    return observe_all(Replica(load(), max_bytes=KEPT), exchanges)


def client_rows(exchanges):
    tracked = ClientRows(CONTRACT, max_bytes=KEPT)
    for exchange in exchanges:
        assert list(tracked.observe(exchange)) == []
    return tracked


def watched_run(exchanges):
    """With the default limits: large bodies are not kept as evidence."""
    watched = WatchedRun(RunOptions.of({"url": "http://127.0.0.1:1/api"}), "/api", Accepted())
    for exchange in exchanges:
        watched.judge.witnesses.observe(CONTRACT.by_id["tenants.create"], exchange, ())
    return watched


def findings_of(exchanges):
    findings = Findings(max_bytes=KEPT)
    for number, exchange in enumerate(exchanges):
        identity = Identity("tenants.list", "schema", f"column{number}", "type")
        findings.keep(findings.add(Finding(identity, "", (exchange,))), (exchange,))
    assert len(findings) == COUNT
    return findings


@pytest.mark.parametrize(("remember", "size"), [
    (findings_of, LARGE), (attribution, LARGE), (history, LARGE), (replica, LARGE), (client_rows, LARGE),
    (watched_run, 4 * LARGE)])
def test_large_bodies_are_not_kept(remember, size):
    kept = []

    def exchanges():
        for number in range(COUNT):
            exchange = tenant_created(number, size)
            kept.append(weakref.ref(exchange.response))
            yield exchange

    memory = remember(exchanges())
    gc.collect()
    assert sum(response() is not None for response in kept) <= KEPT // LARGE, memory


def test_exchange_queue_takes_bounded_memory():
    received = []
    exchanges = ExchangeQueue(received.append, max_bytes=LARGE)
    exchanges(Passed("GET", "/a", (), b"", 200, (), b"x" * (LARGE + 1), True, 0.0))
    exchanges(Passed("GET", "/b", (), b"", 200, (), b"x" * LARGE, True, 0.0))
    exchanges.settle()
    assert ([passed.target for passed in received], exchanges.missed) == (["/b"], 1)
    exchanges.close()


def test_exchanges_not_judged_in_time_are_counted():
    received = []
    exchanges = ExchangeQueue(lambda passed: (time.sleep(0.1), received.append(passed)), patience=0.05)
    for _ in range(5):
        exchanges(Passed("GET", "/a", (), b"", 200, (), b"", True, 0.0))
    exchanges.close()
    count = len(received)
    time.sleep(0.2)
    assert len(received) == count < 5
    assert count + exchanges.missed == 5


def test_surplus_findings_are_combined_by_check():
    findings = Findings(most=3)
    for number in range(10):
        findings.add(Finding(Identity("tenants.list", "schema", f"column{number}", "type"), "", (tenant_created(0),)))
    findings.add(Finding(Identity("tenants.list", "schema", "column1", "type"), "", (tenant_created(0),)))
    assert {finding.identity.id: finding.count for finding in findings} == {
        "tenants.list:schema:column0:type": 1, "tenants.list:schema:column1:type": 2,
        "tenants.list:schema:column2:type": 1, "tenants.list:schema::others": 7}


def shadow_with_unknown_methods(**limits):
    own = load("L10")
    box = embedded_mock(Engine(own))
    shadow = Shadow("shipped", load("shipped"), own, Seed.factory(own["x-database"]), box.send, **limits)
    for number in range(20):
        request = Request(f"METHOD{number}", "/tenants", "", (("Origin", "https://page.example"),))
        shadow.receive(Exchange(request, box.send(request)))
    return shadow


def test_differences_of_large_exchanges_are_only_counted():
    shadow = shadow_with_unknown_methods(max_bytes=10)
    assert (shadow.counts["risky"], shadow.causes) == (20, {})


def test_unknown_methods_are_one_cause_of_a_shadow():
    shadow = shadow_with_unknown_methods()
    assert {name for cause in shadow.causes.values() for name in cause.operations} == {"another method of no operation"}


def test_long_paths_are_not_cached():
    guard = TrafficGuard("/api", permitted_hazards(read_only=True, disruptive=False))
    guard.prepare()
    tracemalloc.start()
    try:
        for number in range(200):
            assert guard.rejection(record_of("GET", f"/api/tenants/{number}{'x' * 8_000}"), b"") == ""
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()

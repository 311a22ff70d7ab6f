"""A stopped PBX, and one that does not respond in time: what the mock sends, and how the suite judges it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import pytest
from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.judge.oracle import conformance_problems
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, Seed, State
from sarkmock.http.flask_app import create_app
from sarkmock.suite_api import deviations_of, load, profile_names
from tests.contract_runs import TOKEN, suite_of

CONNECTS = ["GET /astamis/DBget/cfim/1001", "DELETE /astamis/DBdel/cfim/1001", "DELETE /astamis/Hangup/SIP/1",
            "GET /astamis/Reload", "POST /astamis/originate", "GET /extensions/1001/runtime",
            "PUT /extensions/1001/runtime"]
SENT = {"message": "PBX not running"}
CRASH = "fsockopen(): Unable to connect to 127.0.0.1:5038 (Connection refused)"
JSON = "application/json"
PUBLISHED = sorted(set(profile_names()) - {"documented"})


@cache
def stopped_mock(profile: str):
    document = load(profile)
    factory = Seed.factory(document["x-database"])
    phone = {"pkey": "1001", "cluster": "default", "device": "General SIP"}
    seed = replace(factory, tables={**factory.tables, "ipphone": [phone]}, running=False)
    return create_app(Engine(document, State(seed, token=TOKEN)), throttle=60).test_client()


def answer(profile: str, request: str, accept: str = JSON):
    method, path = request.split()
    headers = {"Accept": accept, "Origin": "http://example.com", "Authorization": f"Bearer {TOKEN}"}
    call = {"target": "1", "caller": "2"} if method == "POST" else None
    return stopped_mock(profile).open(f"/api{path}", method=method, json=call, headers=headers)


@pytest.mark.parametrize(("profile", "request_line"), [
    (profile, line) for profile in PUBLISHED for line in CONNECTS
    if "Hangup" not in line or profile not in ("2020-06", "L10")])  # they cannot hang up
def test_product_crashes_after_its_503(profile, request_line):
    """The debug page follows the JSON. No middleware has added headers to what was sent before the crash."""
    reply = answer(profile, request_line)
    sent, end = json.JSONDecoder().raw_decode(reply.text)
    assert (reply.status_code, reply.content_type, sent) == (503, JSON, SENT)
    assert json.loads(reply.text[end:])["message"] == CRASH
    assert not {"Access-Control-Allow-Origin", "X-RateLimit-Limit"} & set(reply.headers.keys())
    page = answer(profile, request_line, "text/html")
    assert (page.status_code, page.content_type) == (503, JSON)
    assert page.text.startswith('{"message":"PBX not running"}<!DOCTYPE html>')


@pytest.mark.parametrize(("profile", "request_line"), [
    *((profile, "GET /astamis/CoreStatus") for profile in PUBLISHED), ("documented", "GET /astamis/Reload"),
    ("documented", "GET /extensions/1001/runtime")])
def test_other_responses_have_no_page(profile, request_line):
    reply = answer(profile, request_line)
    assert (reply.status_code, reply.json) == (503, SENT)
    assert "Access-Control-Allow-Origin" in reply.headers


WITH_PAGE = b'{"message":"PBX not running"}{\n    "message": "%s"}' % CRASH.encode()


@pytest.mark.parametrize(("profile", "body", "kinds"), [
    ("shipped", WITH_PAGE, []),
    ("shipped", b'{"message":"PBX not running"}', ["no debug page"]),
    ("shipped", b'{"message":"PBX not running"}{"Response":"Reload sent"}', ["no debug page", "not JSON"]),
    ("shipped", WITH_PAGE.replace(b"not running", b"stopped", 1), ["const"]),
    ("documented", WITH_PAGE, ["not JSON"]),
    ("documented", b'{"message":"PBX not running"}', []),
])
def test_page_after_a_503_is_judged(profile, body, kinds):
    contract = contract_of(profile)
    request = Request("GET", "/astamis/Reload")
    exchange = Exchange(request, Response(503, (("Content-Type", JSON),), body))
    problems = conformance_problems(contract, contract.operation_of(request), exchange)
    assert [problem.kind for problem in problems] == kinds


LATE = {"message": 'Class "App\\CustomClasses\\Response" not found', "exception": "Error",
        "file": "/opt/sark/sark6api/app/CustomClasses/Ami.php", "line": 174, "trace": []}


@pytest.mark.parametrize(("crash", "later", "untested"), [
    (LATE, 200, True),
    (LATE, 500, False),  # no request is answered
    (LATE | {"message": "Undefined variable"}, 200, False),
    (LATE | {"file": "/opt/sark/sark6api/app/Http/Controllers/AstAmiController.php"}, 200, False),
])
def test_request_that_asterisk_answers_too_late_is_untested(monkeypatch, crash, later, untested):
    """The product waits 60 ms for Asterisk and crashes. It is a finding if Asterisk never answers."""
    suite = suite_of("shipped", "shipped")
    crashed = Response(500, (("Content-Type", JSON),), json.dumps(crash).encode())
    statuses = {"/astamis/CoreStatus": replace(crashed, status=later)}
    monkeypatch.setattr(suite.judge.client, "get", lambda path: statuses[path])
    suite.judge.judge(Exchange(Request("GET", "/astamis/Reload"), crashed))
    assert (any("Asterisk" in reason for reason in suite.gaps.unavailable), list(suite.findings) == []) == (
        untested, untested)


@pytest.mark.parametrize(("body", "deviations"), [
    (None, ["ami-stopped-crashes"]), (b'{"message":"PBX not running"}{"Response":"Reload sent"}', [])])
def test_only_this_page_is_known(body, deviations):
    """The models learn from the box that its PBX is stopped."""
    factory = Seed.factory("sark-6.0")
    suite = suite_of("documented", "shipped", State(replace(factory, running=False)))
    suite.judge.expect(deviations_of("shipped"))
    request = Request("GET", "/astamis/Reload")
    response = suite.target.send(request).response
    exchange = Exchange(request, response if body is None else replace(response, body=body))
    suite.judge.observe(exchange)
    suite.judge.judge(exchange)
    assert [list(finding.deviations) for finding in suite.findings] == [deviations]

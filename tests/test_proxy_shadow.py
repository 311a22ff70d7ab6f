"""`--shadow`: responses are compared with those of another version. A version does not differ from itself."""

from __future__ import annotations

import json
import random
import signal
import subprocess
from dataclasses import replace

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sarkmock_contracts.client.http import Exchange, Request, Response, request_for
from sarkmock_contracts.client.transports import Access, embedded_mock
from sarkmock_contracts.errors import Unanswered
from sarkmock_contracts.proxy.guard import exchange_of
from sarkmock_contracts.proxy.running import open_shadow
from sarkmock_contracts.proxy.shadow import Shadow, answer_differences, shadow_lines, write_shadow
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, SarkMock, Seed, State
from sarkmock.suite_api import load, profile_names
from tests.mutations import draw, mutated
from tests.prefork import COMMAND
from tests.proxied import proxied
from tests.serving import proxying, serving
from tests.test_proxy import RecordedWire, recorded
from tests.test_proxy_judged import judged

AGENT = {"cluster": "default", "name": "a", "passwd": 1234}
PATHS = {"tenants": {"description": "d"}, "queues": {"cluster": "default"}, "agents": AGENT,
         "daytimers": {"cluster": "default"}, "cosrules": {"cluster": "default"}}
KEYS = {"agents": ["1201", "1202"], "cosrules": ["co1", "co2"], "queues": ["q1", "q2"]}
VALUES = st.sampled_from(["x", 7, None, "", "YES", "no such", [], "1.5"])


class Box:
    """A box of one version with a shadow of another version. A request can bypass the proxy."""

    def __init__(self, own, document, name="other"):
        seed = Seed.factory(own["x-database"])
        state = State(seed, random_seed=99, token="1|0123456789")
        self.wire = embedded_mock(Engine(own, state))
        self.shown = {}
        self.unreachable = False
        self.shadow = Shadow(name, document, own, seed, self.reread)

    def reread(self, path):
        if self.unreachable:
            raise Unanswered("gone")
        return self.wire.send(Request("GET", path))

    def send(self, method, path, body=None, bypass=False, headers=()):
        request = request_for(method, path, body)
        response = self.wire.send(request)
        self.shown.setdefault(method, set()).update(name for row in response.rows for name in row)
        if not bypass:
            shown = Request(method, path, "", (*request.headers, *headers), request.body)
            self.shadow.receive(Exchange(shown, response))
        return response

    def differences(self):
        return {(cause.difference.kind, cause.difference.op, cause.difference.of)
                for cause in self.shadow.causes.values()}


def commands(profile):
    """Client requests: valid and invalid reads and writes of rows."""
    resources = {resource for resource in PATHS if f"/{resource}" in load(profile)["paths"]}
    return st.lists(st.tuples(st.sampled_from(sorted(resources)), st.integers(0, 1), st.sampled_from(
        ["list", "show", "create", "update", "delete"]), st.dictionaries(st.sampled_from(
            ["description", "name", "pkey", "cluster", "options", "passwd"]), VALUES, max_size=2), st.booleans()),
        min_size=1, max_size=12)


def send_all(box, sequence):
    for resource, number, verb, extra, bypass in sequence:
        key = KEYS.get(resource, ["k1", "k2"])[number]
        body = PATHS[resource] | {"pkey": key} | extra
        method, path = {"list": ("GET", ""), "show": ("GET", f"/{key}"), "create": ("POST", ""),
                        "update": ("PUT", f"/{key}"), "delete": ("DELETE", f"/{key}")}[verb]
        box.send(method, f"/{resource}{path}", body if method in ("POST", "PUT") else None, bypass)


@pytest.mark.parametrize("profile", profile_names())
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_version_never_differs_from_itself(profile, data):
    box = Box(load(profile), load(profile), profile)
    send_all(box, data.draw(commands(profile)))
    assert box.differences() == set()


@pytest.mark.parametrize(("profile", "step"), [("shipped", 25), ("2020-06", 61), ("L10", 61), ("L11", 61)])
def test_recorded_requests_show_no_differences_within_a_version(profile, step):
    box = Box(load(profile), load(profile), profile)
    with SarkMock(profile=profile, tls=False) as mock, proxied(mock.url) as proxy, RecordedWire(proxy.url) as wire:
        count = 0
        for recording, request in recorded(profile, step):
            wire.repeat(recording, request)
            count += 1
        proxy.entries(count)
    for exchange in filter(None, (exchange_of(passed, "/api") for passed in proxy.passed)):
        box.shadow.receive(exchange)
    assert box.differences() == set()
    assert box.shadow.counts["same"] > 0.98 * len(proxy.passed)


SECTIONS = {"tenants": "Tenants", "agents": "Agents", "queues": "Queues"}
DAY = [("create", {}), ("list", {}), ("show", {}), ("update", {}), ("delete", {}), ("show", {})]
CATEGORIES = {"operation": "place", "field": "field", "rule": "rule", "message": "rule"}


def category(kind):
    return next((name for start, name in CATEGORIES.items() if kind.startswith(start)), "status")


def differences_by_category(box):
    """The reported differences, in the categories of the mutations."""
    causes = {(category(cause.difference.kind), op, cause.difference.of) for cause in box.shadow.causes.values()
              for op in cause.operations}
    return {(kind, op, name if kind in ("field", "rule") else "") for kind, op, of in causes for name in of.split(", ")}


@pytest.mark.parametrize("number", [*range(2), *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 120))])
@pytest.mark.parametrize("resource", SECTIONS)
def test_shadow_reports_exactly_the_mutations(resource, number):
    profile = ("documented", "shipped")[number % 2]
    rng = random.Random(f"{resource} {number}")
    mutations = [item for item in draw(profile, SECTIONS[resource], rng, 2) if not item.name.startswith("rule")]
    box = Box(load(profile), mutated(profile, mutations))
    send_all(box, [(resource, 0, verb, extra, False) for verb, extra in DAY])
    used = {f"GET /{resource}", f"POST /{resource}", *(f"{method} /{resource}/{{{resource[:-1]}}}"
                                                       for method in ("GET", "PUT", "DELETE"))}
    expected = {(kind, op, of) for mutation in mutations for kind, op, of in mutation.expected
                if op in used and (kind != "field" or of in box.shown[op.split(" ")[0]])}
    assert differences_by_category(box) == expected, [item.name for item in mutations]


def test_rows_created_without_proxy_are_read_again():
    box = Box(load("shipped"), load("shipped"))
    box.send("POST", "/tenants", {"pkey": "x", "description": "d"}, bypass=True)
    assert box.send("PUT", "/tenants/x", {"chanmax": "7"}).status == 200
    assert box.send("GET", "/tenants/x").json["chanmax"] == "7"
    assert box.send("POST", "/agents", AGENT | {"cluster": "x", "pkey": 1234}).status == 201
    box.send("DELETE", "/tenants/x", bypass=True)
    assert box.send("POST", "/tenants", {"pkey": "x", "description": "d"}).status == 201
    assert box.differences() == set()
    assert box.shadow.counts == {"not comparable": 2, "same": 2}


def test_unreadable_rows_are_not_differences():
    box = Box(load(), load())
    box.unreachable = True
    box.send("POST", "/tenants", {"pkey": "x", "description": "d"}, bypass=True)
    box.send("DELETE", "/tenants/x")
    assert box.differences() == set()


def test_missing_token_is_one_cause():
    box = Box(load("shipped"), load("L11"))
    box.send("GET", "/tenants")
    box.send("GET", "/agents")
    cause = next(cause for cause in box.shadow.causes.values() if cause.difference.kind == "token needed")
    assert cause.operations == {"GET /tenants": 1, "GET /agents": 1}
    with_token = Box(load("shipped"), load("L11"))
    with_token.send("GET", "/tenants", headers=[("Authorization", "Bearer 1|secretsecret")])
    assert "token needed" not in {kind for kind, _, _ in with_token.differences()}
    assert not any("secretsecret" in line for line in shadow_lines(with_token.shadow, "https://pbx.example/api"))


def test_crash_of_one_version_only_is_one_cause():
    box = Box(load("L10"), load("shipped"))
    for key in ("nat", "nosuch", "neither"):
        assert box.send("GET", f"/cosrules/{key}").status == 500
    assert [(cause.difference.kind, cause.count) for cause in box.shadow.causes.values()] == [("no longer crashes", 3)]


def test_stack_trace_does_not_hide_changed_error_form():
    """The trace of a mock is empty."""
    box = Box(load("L10"), load("shipped"))
    inner, calls = box.wire.send, b'"trace":[{"file":"Router.php","line":7}]'
    box.wire.send = lambda request: replace(response := inner(request),
                                            body=response.body.replace(b'"trace":[]', calls))
    assert calls in box.send("GET", "/queues/nosuch").body
    assert box.differences() == {("error form changed", "GET /queues/{queue}", "404")}


@pytest.mark.parametrize(("other", "body", "shown"), [
    ("text/html", b"<h1>Not Found</h1>", ("reason", "text/html")),
    ("", b"", ("reason", "no content type")),
    ("application/json", b"{}", ("reason", "application/json")),
    ("application/problem+json", b'{"reason": "x"}', ("application/json", "application/problem+json"))])
def test_form_of_an_error_without_fields_is_its_media_type(other, body, shown):
    before, after = (Response(404, (("Content-Type", kind),), content)
                     for kind, content in (("application/json", b'{"reason": "x"}'), (other, body)))
    [difference] = answer_differences("", contract_of("shipped"), None, before, after)
    assert (difference.kind, difference.before, difference.after) == ("error form changed", *shown)


def test_added_fields_are_one_cause():
    box = Box(load("shipped"), load("L11"))
    for path in ("/tenants", "/tenants/default"):
        box.send("GET", path)
    cause, = (cause for cause in box.shadow.causes.values() if cause.difference.kind == "field added")
    assert cause.operations == {"GET /tenants": 1, "GET /tenants/{tenant}": 1}
    assert {"ldapropwd", "recmaxage"} < set(cause.difference.after)
    assert cause.difference.of == ", ".join(cause.difference.after)


def test_shadow_starts_with_state_of_box_and_writes_report(tmp_path):
    rows = {"tables": {"cluster": [{"pkey": "old", "description": "o", "localarea": "7"}]}}
    lines = []
    with SarkMock(profile="shipped", seed=rows, tls=False) as mock:
        shadow = open_shadow("documented", mock.url, Access(), "auto", "shipped", lines.append)
        imported = len(mock.requests)
        with judged(mock.url, profile="shipped", shadow=shadow) as client:
            client.send("GET", "/tenants/old")
            client.send("PUT", "/tenants/old", {"localarea": "1.5"})
            printed = client.settle()
        assert len(mock.requests) == imported + client.sent
    assert "which runs as shipped" in lines[-1]
    rejected = "now rejected (localarea): 200 -> 422 The localarea must be an integer."
    assert printed == [f"documented breaking PUT /tenants/{{tenant}}: {rejected}"]
    write_shadow(shadow, mock.url, tmp_path)
    report = json.loads((tmp_path / "shadow.json").read_text())
    cause = report["causes"][0]
    assert (cause["level"], cause["kind"], cause["of"]) == ("breaking", "now rejected", "localarea")
    assert cause["curl"].startswith(f"curl -sk --path-as-is -X PUT {mock.url}/tenants/old ")
    assert report["answers"]["same"] == 1
    assert "The localarea must be an integer." in (tmp_path / "shadow.txt").read_text()
    write_shadow(None, mock.url, tmp_path)  # a later run without one
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("method", ["login", "header"])
def test_shadow_uses_credentials_of_the_proxy(method, tmp_path, monkeypatch):
    user = {"name": "Boss", "email": "boss@example.com", "password": "Zq-9-xyzzy", "role": "isAdmin"}
    with SarkMock(profile="L11", tls=False) as box:
        session = box.session()
        assert session.post(box.url + "/auth/register", json=user, headers=box.headers).status_code == 201
        monkeypatch.setenv("BOSS_PASSWORD", user["password"])
        options = {"login": ["--login", user["email"], "--password-env", "BOSS_PASSWORD"],
                   "header": ["--header", f"Authorization: {box.headers['Authorization']}"]}[method]
        with proxying(box.url, "--http", "--profile", "L11", "--shadow", "L10", "--report", str(tmp_path),
                      *options) as proxy:
            assert session.get(f"{proxy.url}/tenants", headers=box.headers).status_code == 200
            assert session.get(f"{proxy.url}/tenants").status_code == 404  # as the box responds without a token
            assert proxy.stop(signal.SIGTERM)[0] == 0
            output = proxy.process.stdout.read() + "".join(proxy.errors)
        calls = [entry.path for entry in box.requests]
        assert calls.count("/api/auth/login") == calls.count("/api/auth/logout") == (method == "login")
        assert "Compared with L10" in output
        written = output + "".join(file.read_text() for file in tmp_path.iterdir())
        assert user["password"] not in written
        assert box.headers["Authorization"].removeprefix("Bearer ") not in written


@pytest.mark.parametrize("option", [["--login", "a@b.c"], ["--token-env", "NOSUCH"], ["--header", "X: y"]])
def test_proxy_credentials_need_shadow(option):
    result = subprocess.run([*COMMAND, "proxy", "https://pbx.example/api", *option], capture_output=True, text=True,
                            timeout=60, check=False)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert f"{option[0]} needs --shadow" in result.stderr


@pytest.mark.parametrize(("shadow_profile", "expected"), [
    ("shipped", set()), ("L10", {("header changed", "Access-Control-Allow-Origin"), ("header removed", "Vary")})])
def test_headers_are_compared(shadow_profile, expected):
    box = Box(load("shipped"), load(shadow_profile))
    request = Request("GET", "/tenants", headers=(("Accept", "application/json"), ("Origin", "https://page.example")))
    box.shadow.receive(Exchange(request, box.wire.send(request)))
    assert {(kind, of) for kind, _, of in box.differences() if "header" in kind} == expected


@pytest.mark.parametrize(("before", "after", "expected"), [
    (("Location", "https://a/b"), ("Location", "https://c/b"), []),
    (("Location", "https://a/b"), ("location", "https://a/d"), [("header changed", "Location")]),
    (("Allow", "GET"), ("Cache-Control", "x"), [("header removed", "Allow"), ("header added", "Cache-Control")]),
    (("Date", "x"), ("Server", "y"), [])])
def test_compared_headers(before, after, expected):
    first, second = (Response(200, (pair, ("Content-Type", "application/json")), b"{}") for pair in (before, after))
    differences = answer_differences("GET /x", contract_of("documented"), None, first, second)
    assert [(difference.kind, difference.of) for difference in differences] == expected


def test_command_with_shadow(tmp_path):
    with serving("--http", "--profile", "shipped") as box, \
            proxying(box.url, "--http", "--profile", "shipped", "--shadow", "L10", "--report", str(tmp_path)) as proxy:
        assert proxy.get("/api/tenants") == box.get("/api/tenants")
        assert proxy.stop(signal.SIGTERM)[0] == 0
        assert "Compared with L10: 1 same" in proxy.process.stdout.read()
        assert any(line.startswith("reading rows: ") for line in proxy.errors)
        assert json.loads((tmp_path / "shadow.json").read_text())["answers"]["same"] == 1


def test_box_with_shadow_is_judged_as_recognised_version():
    with serving("--http", "--profile", "L10") as box, proxying(box.url, "--http", "--shadow", "shipped") as proxy:
        shown = requests.get(f"{proxy.url}/queues/nosuch", headers={"Accept": "application/json"}, timeout=30)
        assert "No query results" in shown.text
        code, _ = proxy.stop(signal.SIGTERM)
        output = proxy.process.stdout.read()
    assert code == 0, output
    assert "NEW" not in output
    assert "known" in output
    assert "risky GET /queues/{queue}: error form changed" in output

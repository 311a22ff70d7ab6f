"""The script of a finding reproduces it on a fresh mock, independent of earlier requests of the run."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sarkmock_contracts.client.http import NO_TOKEN, Request, with_json
from sarkmock_contracts.client.transports import LOGIN_TOKEN, Access
from sarkmock_contracts.judge.findings import Finding
from sarkmock_contracts.judge.oracle import Problem
from sarkmock_contracts.reports.data import reproduction_script, token_variable
from sarkmock_contracts.run import Run

from sarkmock import SarkMock
from tests.contract_runs import NOW, TOKEN, run, suite_of

RANDOM = re.compile(r'"passwd":"\w*"|"pkey":"dateSeg\d+"|"id":\d+')


@pytest.fixture(scope="module")
def fresh() -> Iterator[SarkMock]:
    with SarkMock(profile="shipped", tls=False, now=NOW) as mock:
        yield mock


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[SarkMock]:
    """A mock that requires the token in the variable TOKEN."""
    with SarkMock(profile="L11", tls=False, now=NOW) as mock:
        assert mock.token is not None
        monkeypatch.setenv("TOKEN", mock.token)
        yield mock


def run_script(box: SarkMock, lines: list[str]) -> tuple[int, str]:
    """Status and body of the response to the last line of a script on a fresh mock."""
    box.reset()
    lines = [line.replace("https://127.0.0.1:44300/api", box.url) for line in lines]
    last = lines.pop().replace("curl -sk", r"curl -sk -w '\n%{http_code}'")
    text = "\n".join([*(f"{line} >/dev/null" if line.startswith(("curl", "echo")) else line for line in lines), last])
    process = subprocess.run(["bash", "-c", text], capture_output=True, timeout=60, check=True)
    body, _, status = process.stdout.decode("utf-8", "replace").rpartition("\n")
    return int(status), body


def is_reproduced(box: SarkMock, suite: Run, finding: Finding) -> bool:
    request, response = finding.evidence[-1].request, finding.evidence[-1].response
    status, body = run_script(box, reproduction_script(suite, finding))
    expected = response.body.decode("utf-8", "replace")
    same = request.method == "HEAD" or RANDOM.sub("", body) == RANDOM.sub("", expected)
    return status == response.status and same


@pytest.mark.parametrize("section", ["tenants", "daytimers", "snapshots", "backups"])
def test_every_finding_is_reproduced_on_fresh_mock(section: str, fresh: SarkMock) -> None:
    suite = run(suite_of("documented", "shipped", only=section, max_examples=1))
    assert len(suite.findings) > 0
    failures = [[str(finding.identity), finding.evidence[-1].response, *reproduction_script(suite, finding)]
                for finding in suite.findings if not is_reproduced(fresh, suite, finding)]
    assert failures == []


def test_script_starts_with_required_rows(fresh: SarkMock) -> None:
    """The tenant, its extension and the last update, without unrelated rows and overwritten updates."""
    suite = suite_of("documented", "documented")
    for name in ("acme", "other"):
        assert suite.send(with_json("POST", "/tenants", {"pkey": name, "description": name})).response.ok
    assert suite.send(with_json("POST", "/extensions/mailbox", {"pkey": "6001", "cluster": "acme"})).response.ok
    for text in ("one", "two"):
        assert suite.send(with_json("PUT", "/extensions/6001", {"desc": text})).response.ok
    suite.get("/tenants")
    shown = suite.send(Request("GET", "/extensions/6001"))
    suite.report("extensions.show", Problem("stored", "desc", "changed", "text"), shown)
    finding, = suite.findings
    assert [(step.request.method, step.request.path) for step in finding.steps] == [
        ("POST", "/tenants"), ("POST", "/extensions/mailbox"), ("PUT", "/extensions/6001"),
        ("GET", "/extensions/6001")]
    assert b"two" in finding.steps[2].request.body


def test_script_of_rejection_omits_updates_of_row() -> None:
    suite = suite_of("documented", "documented")
    for method, path, body in (("POST", "/tenants", {"pkey": "acme", "description": "a"}),
                               ("PUT", "/tenants/acme", {"description": "b"})):
        assert suite.send(with_json(method, path, body)).response.ok
    rejected = suite.send(with_json("PUT", "/tenants/acme", {"abstimeout": "x"}))
    suite.report("tenants.update", Problem("rules", "abstimeout", "rejected", "text"), rejected)
    finding, = suite.findings
    assert [step.request.method for step in finding.steps] == ["POST", "PUT"]


def test_generated_names_are_script_variables() -> None:
    suite = suite_of("documented", "documented")
    made = suite.send(Request("GET", "/snapshots/new"))
    name = made.response.fields["newsnapshotname"]
    gone = suite.send(Request("DELETE", f"/snapshots/{name}"))
    suite.report("snapshots.delete", Problem("presence", "", "still there", "text"), gone)
    finding, = suite.findings
    first, second = reproduction_script(suite, finding)
    assert first.startswith("newsnapshotname1=$(curl ")
    assert second.split(" -H ")[0].endswith('/snapshots/"$newsnapshotname1"')


@pytest.mark.parametrize(("passwd", "shown"), [("12345", True), ("hunter2sesame", False)])
def test_only_boundary_value_passwords_are_shown(passwd: str, shown: bool) -> None:
    suite = suite_of("documented", "documented")
    value = suite.fixtures.bounds(suite.contract.by_id["agents.create"], "passwd").accept[0] if shown else passwd
    agent = {"pkey": "8001", "passwd": value, "name": "a", "cluster": "default"}
    sent = suite.send(with_json("POST", "/agents", agent))
    suite.report("agents.create", Problem("rules", "name", "accepted", "text"), sent)
    finding, = suite.findings
    assert (str(value) in "".join(reproduction_script(suite, finding))) is shown


def test_script_reads_token_from_environment(guarded: SarkMock) -> None:
    suite = suite_of("L11", "L11")
    sent = suite.send(with_json("POST", "/tenants", {"pkey": "acme", "description": "acme"}))
    suite.report("tenants.create", Problem("rules", "description", "accepted", "text"), sent)
    bare = suite.send(Request("GET", "/tenants", headers=(NO_TOKEN,)))
    suite.report("tenants.list", Problem("status", "", "401", "text"), bare)
    for finding in suite.findings:
        lines = reproduction_script(suite, finding)
        assert ('-H "Authorization: Bearer $TOKEN"' in lines[-1]) is (finding.evidence[-1] is sent)
        assert TOKEN not in "".join(lines)
        assert run_script(guarded, lines)[0] == finding.evidence[-1].response.status


@pytest.mark.parametrize(("access", "variable"), [
    (Access(token_env="BOX_TOKEN"), "BOX_TOKEN"), (Access(token_env=LOGIN_TOKEN), "TOKEN"),
    (Access(headers=("Authorization: Bearer 1|abc",)), "TOKEN"), (Access(), "")])
def test_token_variable_follows_command_line(access: Access, variable: str) -> None:
    suite = suite_of("documented", "documented")
    caution = replace(suite.options.caution, access=access)
    suite.options = replace(suite.options, url="https://pbx.example/api", caution=caution)
    assert token_variable(suite) == variable


@pytest.mark.parametrize(("headers", "shown"), [
    (("Authorization: Bearer 1|abc",), ['"Authorization: Bearer $TOKEN"']),
    (("Authorization: Basic dXNlcjpzZWNyZXQ=",), ['"Authorization: Basic $TOKEN"']),
    (("authorization: secret",), ['"authorization: $TOKEN"']),
    (("X-Api-Key: secret", "Via.x: a"), ['"X-Api-Key: $HEADER_X_API_KEY"', '"Via.x: $HEADER_VIA_X"'])])
def test_script_sends_headers_of_command_line(headers: tuple[str, ...], shown: list[str]) -> None:
    suite = suite_of("documented", "documented")
    sent = suite.send(with_json("POST", "/tenants", {"pkey": "acme"}))
    suite.report("tenants.create", Problem("rules", "description", "accepted", "text"), sent)
    caution = replace(suite.options.caution, access=Access(headers=headers))
    suite.options = replace(suite.options, url="https://pbx.example/api", caution=caution)
    finding, = suite.findings
    line = reproduction_script(suite, finding)[-1]
    assert [f"-H {header}" in line for header in shown] == [True] * len(shown), line
    assert "secret" not in line
    assert "dXN" not in line

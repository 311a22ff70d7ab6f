"""The script of a finding shows it at a fresh mock, whatever the run had done before it met it."""

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
    """A mock that lets nobody in without the token of TOKEN."""
    with SarkMock(profile="L11", tls=False, now=NOW) as mock:
        assert mock.token is not None
        monkeypatch.setenv("TOKEN", mock.token)
        yield mock


def answer(box: SarkMock, lines: list[str]) -> tuple[int, str]:
    """Status and body that the last line of a script gets from a fresh mock."""
    box.reset()
    lines = [line.replace("https://127.0.0.1:44300/api", box.url) for line in lines]
    last = lines.pop().replace("curl -sk", r"curl -sk -w '\n%{http_code}'")
    text = "\n".join([*(f"{line} >/dev/null" if line.startswith(("curl", "echo")) else line for line in lines), last])
    ended = subprocess.run(["bash", "-c", text], capture_output=True, timeout=60, check=True)
    body, _, status = ended.stdout.decode("utf-8", "replace").rpartition("\n")
    return int(status), body


def repeats(box: SarkMock, suite: Run, found: Finding) -> bool:
    request, response = found.evidence[-1].request, found.evidence[-1].response
    status, body = answer(box, reproduction_script(suite, found))
    expected = response.body.decode("utf-8", "replace")
    same = request.method == "HEAD" or RANDOM.sub("", body) == RANDOM.sub("", expected)
    return status == response.status and same


@pytest.mark.parametrize("section", ["tenants", "daytimers", "snapshots", "backups"])
def test_every_finding_is_repeated_at_a_fresh_mock(section: str, fresh: SarkMock) -> None:
    suite = run(suite_of("documented", "shipped", only=section, max_examples=1))
    assert len(suite.findings) > 0
    wrong = [[str(found.identity), found.evidence[-1].response, *reproduction_script(suite, found)]
             for found in suite.findings if not repeats(fresh, suite, found)]
    assert wrong == []


def test_what_prepares_a_finding_comes_first(fresh: SarkMock) -> None:
    """The tenant, the extension in it and its change; not the rows beside them, nor changes that were overwritten."""
    suite = suite_of("documented", "documented")
    for name in ("acme", "other"):
        assert suite.send(with_json("POST", "/tenants", {"pkey": name, "description": name})).response.ok
    assert suite.send(with_json("POST", "/extensions/mailbox", {"pkey": "6001", "cluster": "acme"})).response.ok
    for text in ("one", "two"):
        assert suite.send(with_json("PUT", "/extensions/6001", {"desc": text})).response.ok
    suite.get("/tenants")
    shown = suite.send(Request("GET", "/extensions/6001"))
    suite.report("extensions.show", Problem("stored", "desc", "changed", "text"), shown)
    found, = suite.findings
    assert [(step.request.method, step.request.path) for step in found.steps] == [
        ("POST", "/tenants"), ("POST", "/extensions/mailbox"), ("PUT", "/extensions/6001"),
        ("GET", "/extensions/6001")]
    assert b"two" in found.steps[2].request.body


def test_a_rejection_is_repeated_without_changes_of_the_row() -> None:
    suite = suite_of("documented", "documented")
    for method, path, body in (("POST", "/tenants", {"pkey": "acme", "description": "a"}),
                               ("PUT", "/tenants/acme", {"description": "b"})):
        assert suite.send(with_json(method, path, body)).response.ok
    rejected = suite.send(with_json("PUT", "/tenants/acme", {"abstimeout": "x"}))
    suite.report("tenants.update", Problem("rules", "abstimeout", "rejected", "text"), rejected)
    found, = suite.findings
    assert [step.request.method for step in found.steps] == ["POST", "PUT"]


def test_names_that_the_server_makes_are_variables() -> None:
    suite = suite_of("documented", "documented")
    made = suite.send(Request("GET", "/snapshots/new"))
    name = made.response.fields["newsnapshotname"]
    gone = suite.send(Request("DELETE", f"/snapshots/{name}"))
    suite.report("snapshots.delete", Problem("presence", "", "still there", "text"), gone)
    found, = suite.findings
    first, second = reproduction_script(suite, found)
    assert first.startswith("newsnapshotname1=$(curl ")
    assert second.split(" -H ")[0].endswith('/snapshots/"$newsnapshotname1"')


@pytest.mark.parametrize(("passwd", "shown"), [("12345", True), ("hunter2sesame", False)])
def test_only_passwords_of_the_tables_are_shown(passwd: str, shown: bool) -> None:
    suite = suite_of("documented", "documented")
    value = suite.fixtures.bounds(suite.contract.by_id["agents.create"], "passwd").accept[0] if shown else passwd
    agent = {"pkey": "8001", "passwd": value, "name": "a", "cluster": "default"}
    sent = suite.send(with_json("POST", "/agents", agent))
    suite.report("agents.create", Problem("rules", "name", "accepted", "text"), sent)
    found, = suite.findings
    assert (str(value) in "".join(reproduction_script(suite, found))) is shown


def test_a_box_that_wants_a_token_gets_it_from_the_environment(guarded: SarkMock) -> None:
    suite = suite_of("L11", "L11")
    sent = suite.send(with_json("POST", "/tenants", {"pkey": "acme", "description": "acme"}))
    suite.report("tenants.create", Problem("rules", "description", "accepted", "text"), sent)
    bare = suite.send(Request("GET", "/tenants", headers=(NO_TOKEN,)))
    suite.report("tenants.list", Problem("status", "", "401", "text"), bare)
    for found in suite.findings:
        lines = reproduction_script(suite, found)
        assert ('-H "Authorization: Bearer $TOKEN"' in lines[-1]) is (found.evidence[-1] is sent)
        assert TOKEN not in "".join(lines)
        assert answer(guarded, lines)[0] == found.evidence[-1].response.status


@pytest.mark.parametrize(("access", "variable"), [
    (Access(token_env="BOX_TOKEN"), "BOX_TOKEN"), (Access(token_env=LOGIN_TOKEN), "TOKEN"),
    (Access(headers=("Authorization: Bearer 1|abc",)), "TOKEN"), (Access(), "")])
def test_the_variable_is_that_of_the_command_line(access: Access, variable: str) -> None:
    suite = suite_of("documented", "documented")
    caution = replace(suite.options.caution, access=access)
    suite.options = replace(suite.options, url="https://pbx.example/api", caution=caution)
    assert token_variable(suite) == variable


@pytest.mark.parametrize(("headers", "shown"), [
    (("Authorization: Bearer 1|abc",), ['"Authorization: Bearer $TOKEN"']),
    (("Authorization: Basic dXNlcjpzZWNyZXQ=",), ['"Authorization: Basic $TOKEN"']),
    (("authorization: secret",), ['"authorization: $TOKEN"']),
    (("X-Api-Key: secret", "Via.x: a"), ['"X-Api-Key: $HEADER_X_API_KEY"', '"Via.x: $HEADER_VIA_X"'])])
def test_scripts_send_the_headers_of_the_command_line(headers: tuple[str, ...], shown: list[str]) -> None:
    suite = suite_of("documented", "documented")
    sent = suite.send(with_json("POST", "/tenants", {"pkey": "acme"}))
    suite.report("tenants.create", Problem("rules", "description", "accepted", "text"), sent)
    caution = replace(suite.options.caution, access=Access(headers=headers))
    suite.options = replace(suite.options, url="https://pbx.example/api", caution=caution)
    found, = suite.findings
    line = reproduction_script(suite, found)[-1]
    assert [f"-H {one}" in line for one in shown] == [True] * len(shown), line
    assert "secret" not in line
    assert "dXN" not in line

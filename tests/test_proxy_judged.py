"""Traffic through a proxy is judged as by `check`, without additional requests."""

from __future__ import annotations

import base64
import gzip
import json
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from io import BytesIO
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any

import pytest
import requests
from sarkmock_contracts.client.http import Exchange, Response
from sarkmock_contracts.client.target import read_environ
from sarkmock_contracts.errors import CannotRun
from sarkmock_contracts.judge.verdicts import Acceptance, Accepted
from sarkmock_contracts.proxy import guard
from sarkmock_contracts.proxy.running import TrafficJudge
from sarkmock_contracts.proxy.watched import WatchedRun
from sarkmock_contracts.run_options import RunOptions

from sarkmock import Engine, SarkMock
from sarkmock.proxy_api import Passed
from tests import wire
from tests.hostile_box import whole
from tests.mutants.table import MUTANTS
from tests.prefork import COMMAND
from tests.proxied import proxied, scripted
from tests.serving import proxying

TENANT = {"pkey": "acme", "description": "Acme"}


class JudgedClient:
    """A client whose traffic is judged. ``lines`` is the terminal output."""

    def __init__(self, way, judging, lines):
        self.way, self.judging, self.lines = way, judging, lines
        self.sent = 0
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept"] = "application/json"

    def send(self, method, path, body=None, **options):
        self.sent += 1
        return self.session.request(method, self.way.url + path, json=body, timeout=10, **options)

    def settle(self):
        self.way.entries(self.sent)
        time.sleep(0.02)
        self.judging.listener.settle()
        return self.lines


@contextmanager
def judged(url, accepted=(), clients=None, shadow=None, **options):
    lines = []
    entries = tuple(Acceptance(name, "so it is") for name in accepted)
    watched = WatchedRun(RunOptions.of({"url": url, **options}), "/api", Accepted(entries))
    judging = TrafficJudge(watched, clients, shadow, lines.append)
    with proxied(url, judge=judging.listener) as proxy:
        yield JudgedClient(proxy, judging, lines)


def test_conforming_box_has_no_findings_and_gets_no_extra_requests(capsys):
    with SarkMock(tls=False) as box, judged(box.url) as client:
        statuses = [client.send("POST", "/tenants", TENANT).status_code, client.send("GET", "/tenants").status_code,
                    client.send("POST", "/tenants", {"pkey": "no"}).status_code,
                    client.send("PUT", "/tenants/acme", {"chanmax": "9"}).status_code,
                    client.send("DELETE", "/tenants/acme").status_code, client.send("GET", "/tenants/acme").status_code]
        assert statuses == [201, 200, 422, 200, 204, 404]
        assert client.settle() == []
        assert len(box.requests) == len(statuses)
        assert client.judging.end() == 0
        assert f"{len(statuses)} requests" in capsys.readouterr().out


@pytest.mark.parametrize(("accepted", "status"), [((), "NEW"), (("tenants.list:schema:pkey:type",), "accepted")])
def test_finding_is_printed_once_and_added_to_journal(accepted, status):
    wrong = whole(b'[{"pkey": 7}]')
    with scripted(wrong, wrong) as box, judged(box.url, accepted) as client:
        for _ in range(2):
            client.send("GET", "/tenants")
        line = next(line for line in client.settle() if "pkey type" in line)
        assert line.startswith(f"{status} breaks tenants.list schema pkey type: ")
        assert len(client.lines) == len(set(client.lines))
        warnings = requests.get(f"{client.way.proxy.url}/_mock/journal", timeout=5).json()["entries"][0]["warnings"]
        assert any("schema pkey type" in warning["text"] for warning in warnings)
        assert client.judging.end() == 1


def test_deviations_are_known_for_existing_rows():
    rows = {"tables": {"cluster": [TENANT | {"pkey": "old"}]}}
    with (SarkMock(profile="shipped", seed=rows, tls=False) as box,
          judged(box.url, target_profile="shipped") as client):
        assert client.send("PUT", "/tenants/old", {"localarea": "1.5"}).status_code == 200
        assert client.send("POST", "/agents", {"pkey": 1234, "cluster": "old", "name": "x", "passwd": 1234}).status_code
        assert client.send("GET", "/globals").status_code == 404
        lines = client.settle()
        assert any("(tenant-localarea-numeric)" in line for line in lines)
        assert any("(globals-path)" in line for line in lines)
        assert [line for line in lines if line.startswith("NEW")] == []
        assert client.judging.watched.outcome().failures == []
        assert {listed.status for listed in client.judging.watched.outcome().listed} <= {"known", "untested", "unseen"}


def test_rows_created_without_proxy_cause_no_findings():
    group = {"pkey": "zzteam", "cluster": "default", "outcome": "zzsales", "grouptype": "Ring", "longdesc": "a"}
    with SarkMock(tls=False) as box, judged(box.url) as client:
        requests.post(f"{box.url}/queues", json={"pkey": "zzsales", "cluster": "default"}, timeout=10)
        responses = [client.send("POST", "/ringgroups", group | {"cluster": "nosuch"}),
                     client.send("POST", "/ringgroups", group), client.send("POST", "/ringgroups", group),
                     client.send("PUT", "/ringgroups/zzteam", {"outcome": "zznowhere"}),
                     client.send("POST", "/queues", {"pkey": "zzsales", "cluster": "default"}),
                     client.send("DELETE", "/tenants/default")]
        assert [response.status_code for response in responses] == [422, 201, 422, 422, 422, 409]
        assert client.settle() == []


def passed_exchange(target):
    return Passed("GET", target, (), b"", 200, (), b"[]", True, 0.0)


@pytest.mark.parametrize(("quiet", "oldest", "first"), [(0.3, 60, 5), (60, 0.3, 1), (0, 0, 1)])
def test_judging_waits_until_traffic_pauses(monkeypatch, quiet, oldest, first):
    monkeypatch.setattr(guard, "QUIET", quiet)
    monkeypatch.setattr(guard, "JUDGED_AFTER", oldest)
    monkeypatch.setattr(guard.time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.01)))
    sent, judged_targets = [], []
    exchanges = guard.ExchangeQueue(lambda passed: judged_targets.append((passed.target, len(sent))))
    for number in range(5):
        sent.append(f"/{number}")
        exchanges(passed_exchange(sent[-1]))
        if not quiet or oldest < 1:
            exchanges.settle()
    exchanges.settle()
    assert [target for target, _ in judged_targets] == sent
    assert judged_targets[0][1] == first
    exchanges.close()


def test_pending_exchanges_are_judged_when_proxy_stops(monkeypatch):
    monkeypatch.setattr(guard, "QUIET", 60)
    monkeypatch.setattr(guard, "JUDGED_AFTER", 60)
    monkeypatch.setattr(guard.time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.01)))
    judged_exchanges = []
    exchanges = guard.ExchangeQueue(judged_exchanges.append)
    exchanges(passed_exchange("/a"))
    exchanges.close()
    assert len(judged_exchanges) == 1


@pytest.mark.parametrize(("answer", "headers"), [
    (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n", {"Accept": "*/*"}),
    (whole(b"{}", b"Retry-After: 5\r\n", b"429 Too Many Requests"), {}),
    (whole(b"{}", b"Retry-After: 5\r\n", b"503 Service Unavailable"), {}),
    (whole(b'["PBX not running"]', b"", b"503 Service Unavailable"), {}),
    (whole(b"[", b"Content-Encoding: br\r\n"), {})])
def test_responses_not_from_the_api_are_not_findings(answer, headers):
    with scripted(answer) as box, judged(box.url) as client:
        client.send("GET", "/tenants", headers=headers, allow_redirects=False)
        client.send("GET", "/tenants%2F", headers=headers)
        assert client.settle() == []


def test_command_exits_like_check_and_writes_reports(tmp_path):
    with scripted(whole(b'[{"pkey": 7, "password": "secret7"}]')) as box, \
            proxying(box.url, "--http", "--report", str(tmp_path / "out")) as proxy:
        assert json.loads(proxy.get("/api/tenants"))[0]["pkey"] == 7
        code, _ = proxy.stop(signal.SIGTERM)
        assert code == 1
        output = proxy.process.stdout.read()
        assert "NEW breaks tenants.list schema pkey type" in output
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        assert (report["result"], report["run"]["requests"], report["run"]["url"]) == ("failed", 1, box.url)
        har = (tmp_path / "out" / "traffic.har").read_text()
        assert len(json.loads(har)["log"]["entries"]) == 1
        assert "secret7" not in har


def test_closed_output_ends_neither_traffic_nor_report(tmp_path):
    with scripted(whole(b'[{"pkey": 7}]'), b"no HTTP\r\n\r\n") as box, ExitStack() as stack:
        command = [*COMMAND, "proxy", box.url, "--http", "--port", "0", "--report", str(tmp_path)]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        stack.callback(process.kill)
        lines = list(takewhile(lambda line: not line.startswith(b"stop"), process.stdout))
        process.stdout.close()  # as by `| head`
        url = lines[1].split()[-1].decode()
        assert [requests.get(f"{url}/tenants", timeout=5).status_code for _ in range(2)] == [200, 502]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1
    assert json.loads((tmp_path / "report.json").read_text())["result"] == "failed"


def test_curl_lines_read_credentials_from_environment(tmp_path):
    bad = whole(b'[{"pkey": 7}]', b"Set-Cookie: laravel_session=secret6\r\n")
    with scripted(bad, bad, b"no HTTP\r\n\r\n") as box, \
            proxying(box.url, "--http", "-v", "--report", str(tmp_path / "out")) as proxy:
        for credential in ("Bearer 1|secret8", "Basic c2VjcmV0OA=="):
            headers = {"Authorization": credential, "Cookie": "a=secret9", "X-Custom": "plain"}
            requests.get(f"{proxy.url}/tenants", headers=headers, timeout=5)
        assert requests.get(f"{proxy.url}/tenants?access_token=secret4&password=secret5", timeout=5).status_code == 502
        proxy.stop(signal.SIGTERM)
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        for line in (report["findings"][0]["exchanges"][-1]["curl"], *report["findings"][0]["script"]):
            assert re.search(r'-H "[Aa]uthorization: (Bearer|Basic) \$TOKEN"', line)
            assert "$HEADER_COOKIE" in line
            assert "-H 'X-Custom: plain'" in line
            assert "REDACTED" not in line
        written = "".join(file.read_text() for file in (tmp_path / "out").iterdir())
        assert "secret" not in written + proxy.process.stdout.read() + "".join(proxy.errors)
        assert "c2VjcmV0OA" not in written


MULTIPART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--b--\r\n'
BODIES = {
    "tenants": b'{"passwd": "it\'s geheim1"}', "queues": b'{"sipiaxpeer": "type=peer\\nsecret=geheim2"}',
    "agents": "desc=B\u00fcro&passwd=geheim3".encode("latin-1"), "cosrules": MULTIPART % (b"passwd", b"geheim4"),
    "daytimers": MULTIPART % (b"file", b"SQLite format 3\0\xffgeheim5"), "extensions": b"@passwd[]=geheim6",
    "ivrs": b"p%61sswd=geheim7", "trunks": b'{"passwd": {"a": "geheim8"}, "desc": "\\u20ac"}'}


def test_secrets_in_bodies_are_not_printed_or_reported(tmp_path, capsys):
    bad = whole(b'[{"pkey": 7}]')
    with scripted(*[bad] * len(BODIES)) as box, judged(box.url, report=tmp_path) as client:
        for name, body in BODIES.items():
            kind = "multipart/form-data; boundary=b" if body[:3] == b"--b" else "application/json"
            client.send("POST", f"/{name}?user%5Btoken%5D=geheim0", data=body, headers={"Content-Type": kind})
        assert len(client.settle()) >= len(BODIES)
        kept = requests.get(f"{client.way.proxy.url}/_mock/journal", timeout=5).text
        client.judging.end()
    written = [*client.lines, kept, capsys.readouterr().out, *(file.read_text() for file in tmp_path.iterdir())]
    assert not [text for text in written if "geheim" in text]
    scripts = [line for finding in json.loads((tmp_path / "report.json").read_text())["findings"]
               for line in finding["script"]]
    assert not [line for line in scripts if (packed := re.search(r"echo (\S+) \|", line))
                and b"geheim" in base64.b64decode(packed[1])]


def test_unwritable_report_is_an_error(tmp_path):
    for fail, words in ((shutil.rmtree, "No such file or directory"), (fill_disk, "File too large")):
        report = tmp_path / "out"
        with scripted(*[whole(b'"%s"' % (b"x" * 3000))] * 9) as box, judged(box.url, report=report) as client:
            for _ in range(9):
                client.send("GET", "/tenants")
            with fail(report) or nullcontext():
                client.settle()
            with pytest.raises(CannotRun, match=f"--report {report}: {words}"):
                client.judging.end()


@contextmanager
def fill_disk(_: Path) -> Iterator[None]:
    """Limit file sizes to 4 KB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


ODD = {"query strings", "forms and arrays elsewhere"}


def recorded(file: Path, scenarios: Collection[Any]) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    """The requests of some scenarios of a recording."""
    exchanges = gzip.decompress(file.read_bytes()).splitlines()
    for scenario, group in groupby(map(json.loads, exchanges), key=lambda exchange: exchange["scenario"]):
        if scenario in scenarios:
            yield scenario, [exchange["request"] for exchange in group if not exchange["request"].get("abs")]


@pytest.mark.parametrize(("profile", "file", "scenarios"), [
    ("shipped", "tests/cases/wire.jsonl.gz", ODD),
    ("L10", "contracts/exchanges/L10/wire.jsonl.gz", ODD),
    ("L11", "contracts/exchanges/L11/http.jsonl.gz", {1002, 1008, 1026}),  # also of users without permissions
])
def test_odd_requests_judged_by_same_version_give_no_findings(profile, file, scenarios):
    engine = Engine(profile=profile)
    for scenario, recorded_requests in recorded(Path(file), scenarios):
        engine.state.reset()
        client = wire.Client(engine)
        watched = WatchedRun(RunOptions(profile=profile, target_profile=profile, url="http://127.0.0.1:1/api"), "/api",
                             Accepted())
        for recording in recorded_requests:
            environ = client.environ(recording)
            body = environ["wsgi.input"].read()
            request = read_environ({**environ, "wsgi.input": BytesIO(body)}, "/api")
            status, headers, content = wire.call(client.application, {**environ, "wsgi.input": BytesIO(body)})
            client.remember(recording, content)
            findings = watched.judge_exchange(Exchange(request, Response(status, tuple(headers.items()), content)), 0)
            assert [str(item.finding) for item in findings] == [], (scenario, recording)


# Mutants with a finding that a single exchange shows.
SEEN_IN_ONE_EXCHANGE = [
    "a rule is dropped", "a message has another wording", "an empty array crashes", "a created row is 200",
    "JSON is sent as HTML", "a download has no name", "204 has a body", "a hidden column leaks",
    "an update changes nothing", "texts are cut off", "a default is missing", "a list is not in order",
    "a list shows a row twice", "a response lacks the key that its links need", "a form is stored differently",
    "OPTIONS lacks a method", "405 has no Allow", "PATCH is handled as PUT", "an unknown path is an empty list",
    "an unknown key shows the default", "the default tenant can be deleted",
    "an undocumented operation exists", "no token is needed", "another scheme is accepted",
    "a token in the query string is accepted"]


@pytest.mark.parametrize("name", SEEN_IN_ONE_EXCHANGE)
def test_finding_in_one_exchange_is_found_in_traffic(name):
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    run = mutant.suite()
    exchanges = mutant.traffic(run)
    options = RunOptions(profile=mutant.profile, target_profile=mutant.profile, url="http://127.0.0.1:1/api")
    watched = WatchedRun(options, "/api", Accepted())
    identities = {item.finding.identity for exchange in exchanges for item in watched.judge_exchange(exchange, 0)}
    assert any(identity.matches(mutant.expect) for identity in identities)
    assert {finding.identity for finding in run.findings if len(finding.evidence) == 1} <= identities


def test_accepted_and_rejected_tokens_are_not_findings():
    with SarkMock(profile="L11", tls=False) as box, judged(box.url, target_profile="L11") as client:
        for headers in (box.headers, {}, {"Authorization": "Bearer 1|nosuch"}):
            client.send("GET", "/tenants", headers=headers)
            client.send("PUT", "/queues/nosuch", {"options": "x"}, headers=headers)
        assert [line for line in client.settle() if line.startswith("NEW")] == []
        report = "".join(map(str, client.judging.watched.findings.findings.values()))
        assert "known" in {listed.status for listed in client.judging.watched.outcome().listed}
        assert box.headers["Authorization"].partition("|")[2] not in report

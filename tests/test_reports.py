"""The files of `--report`: each is valid in its format, and none contains a secret."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema_rs
import pytest
import sarkmock_contracts.reports
import yaml
from sarkmock_contracts.client.formats import Cassette, CassetteRecorder
from sarkmock_contracts.client.http import Request, with_json
from sarkmock_contracts.client.target import Target
from sarkmock_contracts.client.transports import embedded_transport
from sarkmock_contracts.judge.oracle import Problem
from sarkmock_contracts.reports import WRITERS, as_sarif, write_files
from sarkmock_contracts.reports.data import users_file
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock.suite_api import source_of
from tests.prefork import COMMAND

ROOT = Path(__file__).parent.parent
SECRET = "hunter2sesame"
SCHEMA = json.loads(Path(sarkmock_contracts.reports.__file__).with_name("report.schema.json").read_text())
FILES = {*WRITERS, "traffic.har"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """A small run with one finding of each kind; some contain secrets and hostile text."""
    directory = tmp_path_factory.mktemp("report")
    options = RunOptions(target_profile="shipped", report=directory)
    suite = Run(contract_of("documented"), embedded_transport("shipped"), options)
    suite.get("/tenants")
    suite.get("/globals")
    body = {"pkey": "8001", "passwd": SECRET, "name": "</script><b>\x01|`", "cluster": "default"}
    sent = with_json("POST", "/agents", body)
    exchange = suite.send(sent)
    suite.send(Request("GET", "/tenants", f"passwd={SECRET}", (("Authorization", f"Bearer {SECRET}"),)))
    text = f'<img src=x onerror=alert(1)> | \x02 "passwd": "{SECRET}" \ud800'
    suite.report("agents.create", Problem("rules", "name", "rejected", text), exchange)
    suite.send(with_json("PUT", "/tenants/default", {"localarea": 2.5}))
    suite.close()
    write_files(suite, suite.outcome(), directory)
    return directory


@pytest.fixture(scope="module")
def data(reports):
    return json.loads((reports / "report.json").read_text())


def test_all_files_are_written_without_secrets(reports):
    assert {file.name for file in reports.iterdir()} == FILES
    for file in reports.iterdir():
        assert SECRET not in file.read_text(), file.name


def test_json_matches_its_schema(data):
    jsonschema_rs.validator_for(SCHEMA).validate(data)
    statuses = {finding["id"]: finding["status"] for finding in data["findings"]}
    assert statuses["agents.create:rules:name:rejected"] == "new"
    assert statuses["globals.list:status::404"] == "known"
    assert data["result"] == "failed"


def test_all_json_keys_are_in_the_schema(data):
    strict = json.loads(json.dumps(SCHEMA))
    assert set(data) == set(strict["properties"]) - {"seen"}  # only in reports of shards
    assert set(data["run"]) == set(strict["properties"]["run"]["properties"])
    assert set(data["findings"][0]) == set(strict["$defs"]["finding"]["properties"])


def test_junit_has_a_case_for_every_operation_and_fails_for_new_findings(reports, data):
    root = ElementTree.parse(reports / "junit.xml").getroot()
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) >= {row["operation"] for row in data["coverage"]}
    assert {name for name, case in cases.items() if case.find("failure") is not None} == {
        finding["operation"] for finding in data["findings"] if finding["status"] == "new"}
    assert "curl " in cases["agents.create"].find("failure").text
    assert "globals-path" not in cases["tenants.list"].findtext("system-out", "")
    assert cases["globals.list"].find("failure") is None
    assert float(cases["agents.create"].get("time")) > 0
    for suite in root:
        assert float(suite.get("time")) == pytest.approx(
            sum(float(case.get("time")) for case in suite.findall("testcase")), abs=0.001)
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))


def test_markdown_lists_new_findings_and_escapes_cells(reports, data):
    text = (reports / "summary.md").read_text()
    row = next(line for line in text.splitlines() if "agents.create:rules:name:rejected" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "<img" not in text
    assert f"recognised as {data['target']['version']}" in text


def test_sarif_points_to_line_of_document(reports):
    run, = json.loads((reports / "report.sarif").read_text())["runs"]
    results = {result["message"]["text"].partition(": ")[0]: result for result in run["results"]}
    known = results["tenants.update:rules:localarea:accepted"]
    location = known["locations"][0]["physicalLocation"]
    line = (ROOT / location["artifactLocation"]["uri"]).read_text().splitlines()[location["region"]["startLine"] - 1]
    assert line.strip().startswith("localarea:")
    assert known["suppressions"][0]["justification"] == "known: tenant-localarea-numeric"
    assert "suppressions" not in results["agents.create:rules:name:rejected"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
    assert {result["level"] for result in run["results"] if "suppressions" in result} == {"note"}
    assert results["agents.create:rules:name:rejected"]["level"] in ("error", "warning")
    assert location["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]


def test_sarif_points_to_file_of_user(data):
    for file in ("ci/accepted.yaml", "box.yaml"):
        run, = json.loads(as_sarif({**data, "run": {**data["run"], "file": file}}))["runs"]
        assert {item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
                for item in run["results"]} == {file}
        assert all(item["relatedLocations"] for item in run["results"])


@pytest.mark.parametrize(("options", "file"), [
    ({"accept": "ci/accepted.yaml"}, "ci/accepted.yaml"), ({"profile": "box.yaml", "accept": "a.yaml"}, "box.yaml"),
    ({"accept": "/elsewhere/a.yaml"}, None), ({}, None)])
def test_file_of_user(options, file):
    assert users_file(RunOptions(**options)) == file


def test_strict_sarif_suppresses_nothing(data):
    run, = json.loads(as_sarif({**data, "run": {**data["run"], "strict": True}}))["runs"]
    assert not any("suppressions" in result for result in run["results"])


@pytest.mark.parametrize(("pointer", "text"), [
    ("/paths/~1tenants~1{tenant}/put", "put:"),
    ("/components/schemas/TenantCreate/properties/chanmax", "chanmax:"),
    ("/components/schemas/TenantUpdate/properties/chanmax", "chanmax:"),
    ("/x-crashes", "x-crashes:"),
    ("/paths/~1nosuch/get", "paths:"),
])
def test_source_line_of_pointer(pointer, text):
    file, line = source_of(pointer)
    assert text in (ROOT / "openapi" / file).read_text().splitlines()[line - 1]


def test_har_contains_all_traffic(reports):
    log = json.loads((reports / "traffic.har").read_text())["log"]
    assert log["version"] == "1.2"
    exchanges = [
        (entry["request"]["method"], entry["request"]["url"].rpartition("/api")[2], entry["response"]["status"])
        for entry in log["entries"]]
    assert exchanges[:3] == [("GET", "/tenants", 200), ("GET", "/globals", 404), ("POST", "/agents", 422)]
    for entry in log["entries"]:
        assert entry["startedDateTime"]
        assert entry["response"]["content"]["mimeType"] == "application/json"
        assert entry["time"] == entry["timings"]["wait"] > 0


def test_har_is_written_during_the_run(tmp_path):
    """The traffic of a long run is not kept in memory: the file grows with each exchange."""
    cassette = Cassette(tmp_path / "traffic.har")
    target = Target(CassetteRecorder(embedded_transport("documented"), cassette))
    sizes = []
    for _ in range(3):
        for _ in range(40):
            target.get("/tenants")
        sizes.append((tmp_path / "traffic.har").stat().st_size)
    cassette.close()
    assert sizes[0] < sizes[1] < sizes[2]
    assert len(json.loads((tmp_path / "traffic.har").read_text())["log"]["entries"]) == 120


class Page(HTMLParser):
    """Tags, identifiers and links of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.ids, self.targets = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.sources += [values[name] for name in ("src", "action", "data") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        self.targets += [values["href"]] if "href" in values else []


def test_html_is_self_contained_and_its_links_are_valid(reports):
    page = Page((reports / "report.html").read_text())
    assert page.sources == []
    assert "link" not in page.tags
    assert "img" not in page.tags, "a text became markup"
    assert len(page.ids) == len(set(page.ids))
    assert {target.removeprefix("#") for target in page.targets} <= set(page.ids)


def dom(file, query=""):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom", f"file://{file}{query}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium here")
def test_html_filters_in_browser(reports, data):
    total = len(data["findings"])
    file = reports / "report.html"
    assert f"{total} of {total} findings" in dom(file)
    new = sum(finding["status"] == "new" for finding in data["findings"])
    filtered = dom(file, "?status=new")
    assert f"{new} of {total} findings" in filtered
    assert len(re.findall(r"<article[^>]* hidden", filtered)) == total - new
    assert f"1 of {total} findings" in dom(file, "?words=localarea")


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium here")
def test_html_renders_without_horizontal_scrolling(reports, tmp_path):
    root = "document.documentElement"
    probe = f"<script>document.title = 'wide ' + ({root}.scrollWidth - {root}.clientWidth)</script></body>"
    file = tmp_path / "page.html"
    file.write_text((reports / "report.html").read_text().replace("</body>", probe))
    assert "<title>wide 0</title>" in dom(file)
    picture = tmp_path / "page.png"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900"]
    subprocess.run([*command, f"--screenshot={picture}", f"file://{file}"], capture_output=True, timeout=60, check=True)
    assert picture.stat().st_size > 10_000


# CI templates


QUICK = "-n 1 --max-examples 1"


def home(tmp_path):
    """A directory with a `sarkmock` command that is the code under test."""
    for directory in ("sarkmock/bin", ".sarkmock/bin"):
        program = tmp_path / directory / "sarkmock"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\nexec {' '.join(COMMAND)} \"$@\"\n")
        program.chmod(0o755)
    return os.environ | {"RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "step.md")}


def shell(script, tmp_path, environment):
    return subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True,
                          timeout=120, check=False)


def test_github_action_runs_and_writes_summary(tmp_path):
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    step = next(item for item in action["runs"]["steps"] if item["name"] == "Check")
    named = {name: re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", value)[1] for name, value in step["env"].items()}
    assert set(named.values()) <= set(action["inputs"])
    variables = {name: action["inputs"][source]["default"] for name, source in named.items()}
    variables |= {"ARGUMENTS": f"{QUICK} --only Destinations", "REPORT": "a report"}
    environment = home(tmp_path)
    result = shell(step["run"], tmp_path, environment | variables)
    assert result.returncode == 0, result
    assert (tmp_path / "step.md").read_text() == (tmp_path / "a report" / "summary.md").read_text()
    strict = variables | {"STRICT": "true", "ARGUMENTS": f"{QUICK} --only Logs --target-profile shipped"}
    assert shell(step["run"], tmp_path, environment | strict).returncode == 1
    assert "$(" not in step["run"]
    assert "${{" not in step["run"]


def test_gitlab_template_runs_and_finds_its_reports(tmp_path):
    job = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text())[".sarkmock"]
    assert job["variables"]["SARKMOCK"] == "sarkmock[check]"
    environment = home(tmp_path) | job["variables"] | {"SARK_ARGUMENTS": f"{QUICK} --only Destinations"}
    result = shell("\n".join(job["script"]), tmp_path, environment)
    assert result.returncode == 0, result
    assert list(tmp_path.glob(job["artifacts"]["reports"]["junit"]))
    assert (tmp_path / job["artifacts"]["paths"][0]).is_dir()


def test_gitlab_template_merges_shards(tmp_path):
    jobs = yaml.safe_load((ROOT / "ci" / "gitlab.yml").read_text())
    environment = home(tmp_path) | jobs[".sarkmock"]["variables"] | {
        "SARK_ARGUMENTS": "--max-examples 1 --only Destinations", "CI_NODE_TOTAL": "2"}
    verdict = "\n".join(jobs[".sarkmock-verdict"]["script"])
    for number, code in (("1", 2), ("2", 0)):
        result = shell("\n".join(jobs[".sarkmock"]["script"]), tmp_path, environment | {"CI_NODE_INDEX": number})
        assert result.returncode == 0, result
        assert shell(verdict, tmp_path, environment).returncode == code
    assert (tmp_path / jobs[".sarkmock-verdict"]["artifacts"]["reports"]["junit"]).is_file()


def test_github_workflow_uses_inputs_of_the_action():
    jobs = yaml.safe_load((ROOT / "ci" / "github.yml").read_text())["jobs"]
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step, = jobs["check"]["steps"]
    assert set(step["with"]) <= set(action["inputs"])
    download = next(item for item in jobs["verdict"]["steps"] if "download" in item.get("uses", ""))
    published = next(item for item in action["runs"]["steps"] if item["name"] == "Name the artifact")["run"]
    assert f"name={download['with']['pattern'].rstrip('-*')}" in published


def test_check_writes_every_report(tmp_path):
    command = [*COMMAND, "check", "--max-examples", "1", "-n", "1", "--only", "Destinations",
               "--report", "new/place"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result
    assert {file.name for file in (tmp_path / "new" / "place").iterdir()} == FILES

"""Tools of other projects read the document and send exported requests: `tox -e outside` installs and runs them.

Not named test_*, so that `pytest tests` does not run them.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from sarkmock import load_seed
from sarkmock.export.requests import Exported, exported, unset_variables
from sarkmock.spec import yaml12
from sarkmock.suite_api import compile_document, load
from tests.outside.tools import (
    CREATING,
    HERE,
    PROFILES,
    TOKEN,
    TOOLS,
    UPLOADED,
    deletions,
    mocked,
    run,
    successes,
    written,
)

EXPORT = (sys.executable, "-m", "sarkmock", "export")
Reduced = Callable[[Path], tuple[Path, int]]

LINTED = pytest.mark.parametrize("document", [*PROFILES, "control"], indirect=True)
HALVES = pytest.mark.parametrize("half", [successes, deletions])


def rules(tool: str, document: Path) -> str:
    """The configuration of a linter."""
    kinds = {"documented": "", "control": "-control"}
    return f"{tool}{kinds.get(document.stem, '-product')}.yaml"


@LINTED
def test_document_is_valid_openapi_3_1(document: Path) -> None:
    content = yaml12.read(document)
    assert [error.message for error in OpenAPIV31SpecValidator(content).iter_errors()] == []


@LINTED
def test_redocly_reports_nothing(document: Path) -> None:
    command = [str(TOOLS / "redocly"), "lint", str(document), "--format", "json"]
    problems = json.loads(run([*command, "--config", rules("redocly", document)]))["problems"]
    assert [(problem["ruleId"], problem["message"], problem["location"][0]["pointer"]) for problem in problems] == []


@LINTED
def test_spectral_reports_nothing(document: Path) -> None:
    command = [str(TOOLS / "spectral"), "lint", str(document)]
    run([*command, "--ruleset", rules("spectral", document), "--fail-severity", "hint"])


@pytest.mark.parametrize("profile", PROFILES)
def test_newman_runs_collection(profile: str, tmp_path: Path) -> None:
    collection, report = tmp_path / "collection.json", tmp_path / "report.json"
    write_uploads(tmp_path)
    command = [str(TOOLS / "newman"), "run", str(collection), "--reporters", "json", "--working-dir", str(tmp_path),
               "--reporter-json-export", str(report), "--env-var", f"token={TOKEN}"]
    statuses = []
    for allowed in ("read write", "read write operational disruptive"):
        with mocked(profile, "examples") as url:  # a new one each time: the last requests revoke the token
            run([*EXPORT, "postman", "--profile", profile, "--base-url", url, "-o", str(collection)])
            run([*command, "--env-var", f"allow={allowed}"])
        statuses.append(response_statuses(report))
    cautious, everything = statuses
    requests = [request for request in exported(load(profile)) if not is_skipped(request, profile)]
    assert len(cautious) == sum(request.is_harmless for request in requests)
    assert len(everything) == len(requests)
    assert not any("reboot" in name.lower() for name in cautious)
    assert [name for name, status in everything.items() if is_noted(name) == (status < 300)] == []


def is_skipped(request: Exported, profile: str) -> bool:
    """Whether a collection leaves the request alone, because no response of the profile names its row."""
    changes = request.operation.hazard == "write" and not request.always_fails
    return changes and not request.parameters.keys().isdisjoint(unset_variables(exported(load(profile))))


def is_noted(title: str) -> bool:
    """Whether the title says that the request fails."""
    return title.endswith(("(always fails)", "is rejected)"))


def write_uploads(directory: Path) -> None:
    """Write the files that exported requests upload."""
    seed = load_seed("examples")
    names = {path.rpartition("/")[2]: content for path, content in seed.files.items()}
    (directory / "usergreeting1001.wav").write_bytes(names["usergreeting1234.wav"])
    (directory / "sarkbak.1717236000.zip").write_bytes(names["sarkbak.1717236000.zip"])
    with zipfile.ZipFile(directory / "sark.db.1717236000.zip", "w") as archive:
        archive.writestr("sark.db.1717236000", names["sark.db.1717236000"])


@pytest.mark.parametrize("profile", PROFILES)
def test_bruno_runs_folder(profile: str, tmp_path: Path) -> None:
    with mocked(profile, "examples") as url:
        folder, report = tmp_path / "sark", tmp_path / "report.json"
        run([*EXPORT, "bruno", "--profile", profile, "--base-url", url, "-o", str(folder)])
        write_uploads(folder)
        run([str(TOOLS / "bru"), "run", "--env", "box", "--env-var", f"token={TOKEN}", "--reporter-json", str(report)],
            folder)
    results = [result for iteration in json.loads(report.read_text()) for result in iteration["results"]]
    statuses = {result["test"]["filename"].removesuffix(".bru"): result["response"]["status"] for result in results}
    harmless = [request for request in exported(load(profile))
                if request.is_harmless and not is_skipped(request, profile)]
    sent = {name: status for name, status in statuses.items() if isinstance(status, int)}
    assert len(sent) == len(harmless), statuses
    assert [name for name, status in sent.items() if is_noted(name) == (status < 300)] == []


def response_statuses(report: Path) -> dict[str, int]:
    """The response status of every request of a run."""
    executions = json.loads(report.read_text())["run"]["executions"]
    return {execution["item"]["name"]: execution["response"]["code"] for execution in executions
            if "response" in execution}


@pytest.mark.parametrize("profile", PROFILES)
def test_httpyac_runs_http_file(profile: str, tmp_path: Path) -> None:
    with mocked(profile, "examples") as url:
        text = run([*EXPORT, "http", "--profile", profile, "--base-url", url])
        (tmp_path / "sark.http").write_text(re.sub("(?m)^@token = .*", f"@token = {TOKEN}", text), encoding="utf-8")
        write_uploads(tmp_path)
        text = run([str(TOOLS / "httpyac"), "send", "sark.http", "--all", "--output", "short"], tmp_path)
    failing = [request.always_fails for request in exported(load(profile)) if request.is_harmless]
    statuses = re.findall(r"=> (\d{3})", text)
    assert len(statuses) == len(failing)
    assert len([status for status in statuses if not status.startswith("2")]) == sum(failing)


@pytest.mark.parametrize("profile", PROFILES)
def test_shell_runs_curl_lines(profile: str, tmp_path: Path) -> None:
    with mocked(profile, "examples") as url:
        run([*EXPORT, "curl", "--profile", profile, "--base-url", url, "-o", str(tmp_path / "sark.sh")])
        command = f"TOKEN='{TOKEN}' CURL='curl -sS -o body -w %{{http_code}}.' sh sark.sh"
        statuses = run(["sh", "-c", command], tmp_path).split(".")
    failing = [request.always_fails for request in exported(load(profile)) if request.operation.hazard == "read"]
    assert Counter(statuses) == Counter({"200": failing.count(False), "500": sum(failing), "": 1})


@HALVES
def test_dredd_finds_responses_matching_examples(half: Reduced, tmp_path: Path) -> None:
    """All operations, in two runs."""
    document, count = half(tmp_path)
    write_uploads(tmp_path)
    with mocked("documented", "examples") as url:
        text = run([str(TOOLS / "dredd"), str(document), url, "--loglevel", "error", "--no-color", "--hookfiles",
                    str(HERE / "uploads.cjs")], tmp_path)
    assert f"complete: {count} passing, 0 failing, 0 errors, 0 skipped, {count} total" in text


@HALVES
def test_portman_finds_responses_valid(half: Reduced, tmp_path: Path) -> None:
    """All operations, in two runs."""
    document, count = half(tmp_path)
    write_uploads(tmp_path)
    config = json.loads((HERE / "node_modules/@apideck/portman/portman-config.default.json").read_text())
    config["overwrites"] = [
        {"openApiOperation": f"POST::{path}", "overwriteRequestBody": [{"key": field, "value": str(tmp_path / name)}]}
        for path, (field, name) in UPLOADED.items()]
    (tmp_path / "portman.json").write_text(json.dumps(config))
    with mocked("documented", "examples") as url:
        text = run([str(TOOLS / "portman"), "-l", str(document), "-b", url, "--runNewman", "-c", "portman.json",
                    "-o", "collection.json"], tmp_path)
    assert re.search(rf"requests \W+ {count} \W+ 0 ", text), text


def test_dredd_tests_every_operation(tmp_path: Path) -> None:
    total = len(compile_document(load()))
    assert successes(tmp_path)[1] + deletions(tmp_path)[1] - len(CREATING) == total


MUTATIONS: list[Any] = [None, False, "", "x" * 300, 0, -1, "999999", [], {"a": 1}]


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_prism_finds_no_undeclared_response(profile: str, tmp_path: Path) -> None:
    """Prism validates every response against the document, including those to invalid requests."""
    with mocked(profile) as url, proxied(written(profile, tmp_path), url) as proxy, requests.Session() as session:
        violations = [problem for request in exported(load(profile)) for body in mutated(request.body)
                      for problem in violations_of(session, request, proxy, body)]
    assert violations == []


def mutated(body: Any) -> list[Any]:
    """A body, and variants with a value of a wrong type or without a field."""
    if not isinstance(body, dict):
        return [body]
    return [body, {}, *({**body, name: value} for name in body for value in MUTATIONS),
            *({key: value for key, value in body.items() if key != name} for name in body)]


def violations_of(session: requests.Session, request: Exported, proxy: str, body: Any) -> list[str]:
    """The violations that Prism reports for the response."""
    path = request.operation.path.format(**request.parameters)
    response = session.request(request.operation.method, proxy + path, json=body, timeout=30,
                               headers={"Accept": "application/json"})
    problems = json.loads(response.headers.get("sl-violations", "[]"))
    return [f"{request.operation.id} {json.dumps(body)[:80]} {response.status_code}: {problem['message']}"
            for problem in problems if problem["location"][0] == "response"]


@contextmanager
def proxied(document: Path, upstream: str) -> Iterator[str]:
    """The URL of `prism proxy` in front of a server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(TOOLS / "prism"), "proxy", str(document), upstream, "--port", str(port), "--host", "127.0.0.1"]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert any("listening" in line for line in process.stdout), "prism ended"
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()

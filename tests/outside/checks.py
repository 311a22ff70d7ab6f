"""Foreign tools read the document and make clients of it that work; `tox -e outside` installs and runs them.

Not named test_*, so that a plain `pytest tests` does without them.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from sarkmock import SarkMock, load_seed, profiles
from sarkmock.export.requests import Exported, exported
from sarkmock.spec import yaml12
from sarkmock.suite_api import compile_document, load

HERE = Path(__file__).parent
TOOLS = HERE / "node_modules" / ".bin"
PROFILES = profiles()
TOKEN = "1|0123456789abcdef"


@pytest.fixture(scope="session", params=PROFILES)
def document(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written("documented", tmp_path_factory.mktemp("clients"))


def written(profile: str, directory: Path) -> Path:
    """What `sarkmock spec` prints, in a file."""
    file = directory / f"{profile}.yaml"
    file.write_text(run([sys.executable, "-m", "sarkmock", "spec", "--profile", profile]), encoding="utf-8")
    return file


@pytest.fixture
def mock() -> Iterator[str]:
    """The base URL of a running mock."""
    with mocked("documented", "factory") as url:
        yield url


def rules(tool: str, document: Path) -> str:
    """The configuration of a linter."""
    return f"{tool}.yaml" if document.stem == "documented" else f"{tool}-product.yaml"


def run(command: list[str], directory: Path = HERE) -> str:
    """What a command printed; the test fails with all of it if the command does."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command[0]} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_is_openapi_3_1(document: Path) -> None:
    content = yaml12.read(document)
    assert [error.message for error in OpenAPIV31SpecValidator(content).iter_errors()] == []


def test_redocly_finds_nothing(document: Path) -> None:
    command = [str(TOOLS / "redocly"), "lint", str(document), "--format", "json"]
    problems = json.loads(run([*command, "--config", rules("redocly", document)]))["problems"]
    assert [(found["ruleId"], found["message"], found["location"][0]["pointer"]) for found in problems] == []


def test_spectral_finds_nothing(document: Path) -> None:
    command = [str(TOOLS / "spectral"), "lint", str(document)]
    run([*command, "--ruleset", rules("spectral", document), "--fail-severity", "hint"])


def test_a_typescript_client_works(documented: Path, mock: str) -> None:
    work = shutil.copytree(HERE, documented.parent / "typescript", symlinks=True,
                           ignore=shutil.ignore_patterns("node_modules", "*.py"))
    (work / "node_modules").symlink_to(HERE / "node_modules")
    run([str(TOOLS / "openapi-typescript"), str(documented), "-o", str(work / "api.d.ts")])
    run([str(TOOLS / "tsc"), "--project", str(work)], work)
    run(["node", str(work / "made" / "client.js"), mock], work)


def test_a_python_client_works(python_client: ModuleType, mock: str) -> None:
    models, tenants = python_client.models, PythonTenants(python_client, mock)
    created = tenants("create", body=models.TenantCreate(pkey="acme", description="Acme", chanmax=5))
    assert (created.pkey, created.chanmax) == ("acme", "5")
    assert [tenant.pkey for tenant in tenants("list")] == ["acme", "default"]
    changed = tenants("update", tenant="acme", body=models.TenantUpdate(description="Acme Ltd"))
    assert changed.description == "Acme Ltd"
    refused = tenants("update", tenant="acme", body=models.TenantUpdate(operator="x"))
    assert refused.to_dict() == {"operator": ["The operator must be an integer."]}
    assert tenants("show", tenant="acme").description == "Acme Ltd"
    tenants("delete", tenant="acme")
    assert tenants("show", tenant="acme").reason == "Not Found!"


@pytest.mark.parametrize("profile", PROFILES)
def test_newman_runs_the_collection(profile: str, tmp_path: Path) -> None:
    with mocked(profile, "examples") as url:
        collection, report = tmp_path / "collection.json", tmp_path / "report.json"
        run([sys.executable, "-m", "sarkmock", "export", "postman", "--profile", profile, "--base-url", url,
             "-o", str(collection)])
        write_uploads(tmp_path)
        command = [str(TOOLS / "newman"), "run", str(collection), "--reporters", "json", "--working-dir", str(tmp_path),
                   "--reporter-json-export", str(report), "--env-var", f"token={TOKEN}"]
        run(command)
        cautious = sent(report)
        run([*command, "--env-var", "allow=read write operational disruptive"])
    operations = compile_document(load(profile))
    assert len(cautious) == sum(operation.hazard in ("read", "write") for operation in operations)
    assert len(sent(report)) == len(operations)
    assert not any("reboot" in name.lower() for name in cautious)
    if profile == "documented":
        assert {name: status for name, status in cautious.items() if status >= 300} == {}


def write_uploads(directory: Path) -> None:
    """The files that exported requests send."""
    seed = load_seed("examples")
    names = {path.rpartition("/")[2]: content for path, content in seed.files.items()}
    (directory / "usergreeting1001.wav").write_bytes(names["usergreeting1234.wav"])
    (directory / "sarkbak.1717236000.zip").write_bytes(names["sarkbak.1717236000.zip"])
    with zipfile.ZipFile(directory / "sark.db.1717236000.zip", "w") as archive:
        archive.writestr("sark.db.1717236000", names["sark.db.1717236000"])


def test_bruno_runs_the_folder(tmp_path: Path) -> None:
    with mocked("documented", "examples") as url:
        folder, report = tmp_path / "sark", tmp_path / "report.json"
        run([sys.executable, "-m", "sarkmock", "export", "bruno", "--base-url", url, "-o", str(folder)])
        write_uploads(folder)
        run([str(TOOLS / "bru"), "run", "--env", "box", "--reporter-json", str(report)], folder)
    results = [one for part in json.loads(report.read_text()) for one in part["results"]]
    statuses = {one["test"]["filename"]: one["response"]["status"] for one in results}
    harmless = [operation for operation in compile_document(load()) if operation.hazard in ("read", "write")]
    succeeded = [name for name, status in statuses.items() if isinstance(status, int) and 200 <= status < 300]
    assert len(succeeded) == len(harmless), statuses


def sent(report: Path) -> dict[str, int]:
    """The status that every request of a run was answered with."""
    executions = json.loads(report.read_text())["run"]["executions"]
    return {f"{one['item']['name']}": one["response"]["code"] for one in executions if "response" in one}


def test_httpyac_runs_the_http_file(tmp_path: Path) -> None:
    with mocked("documented", "examples") as url:
        run([sys.executable, "-m", "sarkmock", "export", "http", "--base-url", url, "-o", str(tmp_path / "sark.http")])
        write_uploads(tmp_path)
        text = run([str(TOOLS / "httpyac"), "send", "sark.http", "--all", "--output", "short"], tmp_path)
    harmless = [operation for operation in compile_document(load()) if operation.hazard in ("read", "write")]
    statuses = re.findall(r"=> (\d{3})", text)
    assert len(statuses) == len(harmless)
    assert [status for status in statuses if not status.startswith("2")] == []


def test_a_shell_runs_the_curl_lines(tmp_path: Path) -> None:
    with mocked("documented", "examples") as url:
        run([sys.executable, "-m", "sarkmock", "export", "curl", "--base-url", url, "-o", str(tmp_path / "sark.sh")])
        statuses = run(["sh", "-c", "CURL='curl -sS -o /dev/null -w %{http_code}.' sh sark.sh"], tmp_path).split(".")
    assert set(statuses) == {"200", ""}
    assert len(statuses) - 1 == sum(operation.hazard == "read" for operation in compile_document(load()))


MUTATIONS: list[Any] = [None, False, "", "x" * 300, 0, -1, "999999", [], {"a": 1}]


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_a_validating_proxy_finds_no_undeclared_response(profile: str, tmp_path: Path) -> None:
    """Prism checks every response against the document, also those to requests that break its rules."""
    with mocked(profile) as url, proxied(written(profile, tmp_path), url) as proxy, requests.Session() as session:
        violations = [problem for one in exported(load(profile)) for body in mutated(one.body)
                      for problem in violated(session, one, proxy, body)]
    assert violations == []


def mutated(body: Any) -> list[Any]:
    """A body, and one for each value of the wrong kind and each missing field."""
    if not isinstance(body, dict):
        return [body]
    return [body, {}, *({**body, name: value} for name in body for value in MUTATIONS),
            *({key: value for key, value in body.items() if key != name} for name in body)]


def violated(session: requests.Session, one: Exported, proxy: str, body: Any) -> list[str]:
    """What Prism says about the response."""
    path = one.operation.path.format(**one.parameters)
    response = session.request(one.operation.method, proxy + path, json=body, timeout=30,
                               headers={"Accept": "application/json"})
    found = json.loads(response.headers.get("sl-violations", "[]"))
    return [f"{one.operation.id} {json.dumps(body)[:80]} {response.status_code}: {problem['message']}"
            for problem in found if problem["location"][0] == "response"]


@contextmanager
def proxied(document: Path, upstream: str) -> Iterator[str]:
    """The URL of `prism proxy` before a server."""
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


@contextmanager
def mocked(profile: str, seed: str = "demo") -> Iterator[str]:
    """The base URL of a mock of a profile; the seed of an office has something in every list."""
    with SarkMock(profile=profile, seed=seed, tls=False, api_token=TOKEN) as mock:
        yield mock.url




class PythonTenants:
    """The generated functions of the section Tenants, called by the verb in their name."""

    def __init__(self, package: ModuleType, url: str) -> None:
        self.package, self.client = package.__name__, package.Client(base_url=url)

    def __call__(self, verb: str, **arguments: Any) -> Any:
        module = importlib.import_module(f"{self.package}.api.tenants.tenants_{verb}")
        return module.sync_detailed(client=self.client, **arguments).parsed


@pytest.fixture
def python_client(documented: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package that openapi-python-client makes of the document, without a warning."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    output = documented.parent / "sarkclient"
    command = ["openapi-python-client", "generate", "--path", str(documented), "--output-path", str(output)]
    report = run([*command, "--meta", "none", "--config", "python-client.yaml", "--overwrite", "--fail-on-warning"])
    assert "Warning" not in report
    monkeypatch.syspath_prepend(str(output.parent))
    package = importlib.import_module("sarkclient")
    package.models = importlib.import_module("sarkclient.models")  # type: ignore[attr-defined]
    return package

"""`st run` with the hooks: no false positives, deviations are found, only permitted requests are sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Serving, sarkmock, serving

QUICK = ("--phases", "examples,fuzzing,stateful", "--max-examples", "3", "--seed", "1", "--continue-on-failure")


def st_run(folder: Path, mock: Serving, profile: str, *options: str, allow: str = "writes",
           **environment: str) -> subprocess.CompletedProcess[str]:
    document = folder / "openapi.json"
    document.write_text(sarkmock("spec", "--format", "json", "--profile", profile).stdout)
    command = [str(Path(sys.executable).with_name("st")), "run", str(document), "--url", mock.url, *QUICK, *options]
    hooks = {"SCHEMATHESIS_HOOKS": "sarkmock.schemathesis", "SARKMOCK_ALLOW": allow, "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, env=os.environ | hooks | environment, text=True, capture_output=True,
                          timeout=240, check=False)


def journal(mock: Serving) -> Iterator[tuple[str, str]]:
    for entry in json.loads(mock.get("/_mock/journal"))["entries"]:
        yield entry["method"], entry["path"]


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_mock_has_no_failures(tmp_path: Path, profile: str) -> None:
    with serving("--profile", profile) as mock:
        before = mock.get("/_mock/state")
        result = st_run(tmp_path, mock, profile, "--include-path-regex", "^/(tenants|agents|queues|ivrs)",
                        "--tls-verify", "false")
        assert result.returncode == 0, result.stdout
        assert "Failures:" not in result.stdout
        assert "known deviations" not in result.stdout
        assert "API Links:    0 covered" not in result.stdout
        assert "InsecureRequestWarning" not in result.stderr
        assert json.loads(mock.get("/_mock/state"))["tables"] == json.loads(before)["tables"]
    assert list(tmp_path.glob("*.ledger")) == []


@pytest.mark.slow
def test_row_is_removed_before_next_one_is_created(tmp_path: Path) -> None:
    with serving("--http", "--journal", "5000") as mock:
        st_run(tmp_path, mock, "documented", "--phases", "coverage", "--include-operation-id", "holidaytimers.create")
        entries = json.loads(mock.get("/_mock/journal"))["entries"]
    written = [entry["method"] for entry in sorted(entries, key=lambda entry: entry["number"])
               if entry["path"].startswith("/api/holidaytimers") and entry["status"] in (201, 204)]
    assert written
    assert written == ["POST", "DELETE"] * (len(written) // 2)


BOX = """\
overlay: 1.0.0
info: {title: Our box, version: '1'}
x-deviations:
  own: {summary: The call group of a tenant cannot be null., severity: breaks, reason: Our box has a patch.}
actions:
  - target: $.components.schemas.TenantUpdate.properties.callgroup
    x-deviation: own
    update: {x-rules: integer}
"""


@pytest.mark.parametrize(("serve", "code", "message"), [
    ("--profile=box.yaml", 1, "tenants.update rules callgroup rejected"),
    pytest.param("--fault=deviation=tenant-localarea-numeric", 0, "known deviations: tenant-localarea-numeric",
                 marks=pytest.mark.slow)])
def test_difference_fails_and_known_deviation_does_not(
        tmp_path: Path, serve: str, code: int, message: str) -> None:
    (tmp_path / "box.yaml").write_text(BOX)
    with serving("--http", serve.replace("box.yaml", str(tmp_path / "box.yaml"))) as mock:
        result = st_run(tmp_path, mock, "documented", "--phases", "examples,fuzzing", "--max-examples", "1",
                        "--include-operation-id", "tenants.update")
    assert result.returncode == code, result.stdout
    assert message in result.stdout


@pytest.mark.slow
def test_token_of_run_is_kept_and_tested(tmp_path: Path) -> None:
    token = "1|0123456789abcdef"
    with serving("--http", "--profile", "L11", "--api-token", token) as mock:
        result = st_run(tmp_path, mock, "L11", "--phases", "examples,coverage", "--include-path-regex", "^/auth",
                        "-H", f"Authorization: Bearer {token}")
        without = st_run(tmp_path, mock, "L11", "--include-operation-id", "auth.whoami")
    assert result.returncode == 0, result.stdout
    assert "would revoke the token of this run (auth.logout)" in result.stdout
    assert "-H 'Authorization: Bearer TOKEN'" in " ".join(without.stdout.split())


@pytest.mark.slow
def test_only_reads_are_sent_by_default(tmp_path: Path) -> None:
    with serving("--http", "--journal", "5000") as mock:
        result = st_run(tmp_path, mock, "documented", "--include-path-regex", "^/(tenants|syscommands)", allow="")
        assert result.returncode == 0, result.stdout
        sent = list(journal(mock))
    assert sent
    assert {method for method, _ in sent} <= {"GET", "HEAD", "OPTIONS"}
    assert not any("reboot" in path or "pbxst" in path for _, path in sent if "pbxrunstate" not in path)
    assert "allowed: read" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("environment", "message"), [
    ({"SARKMOCK_ALLOW": "write"},
     "SARKMOCK_ALLOW: unknown permission 'write'; did you mean writes? Known: writes, operational, disruptive"),
    ({"SARKMOCK_PROFILE": "nosuch"}, "unknown profile"),
])
def test_mistake_is_one_line(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    with serving("--http") as mock:
        result = st_run(tmp_path, mock, "documented", allow=environment.pop("SARKMOCK_ALLOW", ""), **environment)
    assert result.returncode != 0
    assert message in result.stdout + result.stderr
    assert "Traceback" not in result.stderr

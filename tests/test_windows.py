"""Windows: features that need POSIX functions are rejected with a message; everything else works."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import serving

WINDOWS = (sys.executable, str(Path(__file__).with_name("windows.py")))


def on_windows(*arguments):
    return subprocess.run([*WINDOWS, *arguments], text=True, capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def server():
    with serving("--http", command=WINDOWS) as running:
        yield running


def test_mock_responds(server):
    assert json.loads(server.get("/api/tenants"))


def test_report_is_written(tmp_path):
    result = on_windows("check", "--quick", "-n", "1", "--only", "Agents", "--report", str(tmp_path))
    assert result.returncode == 0, result
    assert json.loads((tmp_path / "report.json").read_text())["run"]["requests"]


def test_check_with_writes_restores_the_box(server, tmp_path):
    before, ledger = server.get("/api/agents"), tmp_path / "ledger"
    result = on_windows("check", server.url, "--only", "Agents", "--quick", "--allow-writes", "--ledger", str(ledger))
    assert (result.returncode, server.get("/api/agents")) == (0, before), result
    assert ledger.exists()


def test_state_file_is_rejected(tmp_path):
    result = on_windows("serve", "--state", str(tmp_path / "office.state"))
    assert (result.returncode, result.stdout) == (2, "")
    assert "cannot be used on Windows" in result.stderr
    assert len(result.stderr.splitlines()) == 1

"""The same seed sends identical requests; a different seed sends different ones.

Each run is a process: Hypothesis draws from constants of the loaded modules, and a second run in the same process
would have more modules loaded.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.prefork import PROCESS

pytestmark = pytest.mark.slow


def requests(directory: Path, section: str, seed: int) -> list[dict[str, Any]]:
    """All requests for one section."""
    arguments = ["check", "--only", section, "--max-examples", "5", "--random-seed", str(seed), "--report", "report"]
    directory.mkdir()
    subprocess.run([*PROCESS, *arguments], cwd=directory, capture_output=True, timeout=300, check=True)
    entries = json.loads((directory / "report/traffic.har").read_text())["log"]["entries"]
    return [entry["request"] for entry in entries]


@pytest.mark.parametrize("section", ["Agents", "Greetings"])
def test_seed_determines_requests(section: str, tmp_path: Path) -> None:
    first = requests(tmp_path / "first", section, seed=1)
    assert len(first) > 100
    assert requests(tmp_path / "again", section, seed=1) == first
    assert requests(tmp_path / "other", section, seed=2) != first

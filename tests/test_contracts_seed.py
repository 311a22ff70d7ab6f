"""The same seed sends the same requests, byte by byte; another seed sends others.

Each run is a process: Hypothesis draws from constants of the modules that are loaded, and a second run in one process
finds more of them loaded.
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
    """Everything that leaves for one section."""
    arguments = ["check", "--only", section, "--max-examples", "5", "--random-seed", str(seed), "--report", "report"]
    directory.mkdir()
    subprocess.run([*PROCESS, *arguments], cwd=directory, capture_output=True, timeout=300, check=True)
    entries = json.loads((directory / "report/traffic.har").read_text())["log"]["entries"]
    return [entry["request"] for entry in entries]


@pytest.mark.parametrize("section", ["Agents", "Greetings"])
def test_a_seed_is_a_run(section: str, tmp_path: Path) -> None:
    first = requests(tmp_path / "first", section, seed=1)
    assert len(first) > 100
    assert requests(tmp_path / "again", section, seed=1) == first
    assert requests(tmp_path / "other", section, seed=2) != first

"""What the checks share: running a foreign tool, the document in a file, a mock to send requests to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sarkmock import SarkMock, profiles

HERE = Path(__file__).parent
TOOLS = HERE / "node_modules" / ".bin"
PROFILES = profiles()
TOKEN = "1|0123456789abcdef"


def run(command: list[str], directory: Path = HERE) -> str:
    """What a command printed; the test fails with all of it if the command does."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command[0]} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


def written(profile: str, directory: Path) -> Path:
    """What `sarkmock spec` prints, in a file."""
    file = directory / f"{profile}.yaml"
    file.write_text(run([sys.executable, "-m", "sarkmock", "spec", "--profile", profile]), encoding="utf-8")
    return file


@contextmanager
def mocked(profile: str, seed: str = "demo", port: int = 0) -> Iterator[str]:
    """The base URL of a mock of a profile; the seed of an office has something in every list."""
    with SarkMock(profile=profile, seed=seed, tls=False, port=port, api_token=TOKEN) as mock:
        yield mock.url

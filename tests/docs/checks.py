"""Every command of README and docs/ is run as a reader would type it: `tox -e docs`.

A page is run from top to bottom in its own folder. `https://127.0.0.1:44300` and `https://pbx.example:44300`
stand for a mock that the test starts, `ca.pem` and `pbx.pem` for its authority. A YAML block that begins with a comment
with the name of a file is written to that file first. A block after `<!-- not run: REASON -->` is left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?"
                   r"```(?P<language>console|yaml)\n(?P<text>.*?)```", re.DOTALL)
ORIGIN = re.compile(r"https://(?:127\.0\.0\.1|pbx\.example):44300")
INSTALLS = re.compile(r"(pip|pipx|uvx|python3 -m venv|podman) ")
ENV = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks that are run."""
    return [(block["language"], block["text"]) for block in BLOCK.finditer(page.read_text()) if not block["reason"]]


def commands(text: str) -> list[str]:
    """The lines after a prompt, without the comment at their end."""
    joined = text.replace("\\\n", " ")
    return [re.split(r" +# ", line[2:])[0] for line in joined.splitlines() if line.startswith("$ ")]


def start(arguments: str, folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A `sarkmock serve` on a free port, and its origin."""
    process = subprocess.Popen(f"exec {arguments} --port 0", shell=True, cwd=folder, env=ENV, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("stop"):
            break
    greeting = "".join(lines)
    found = re.search(r"listening on +(\S+)/api", greeting)
    assert found, (arguments, greeting, process.communicate(timeout=30))
    authority = re.search(r"--cacert (\S+)", greeting)
    for name in ("ca.pem", "pbx.pem") if authority else ():
        shutil.copy(authority[1], folder / name)
    return process, found[1]


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.parametrize("page", [page for page in PAGES if any(language == "console" for language, _ in blocks(page))],
                         ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    box, origin = start("sarkmock serve --profile shipped", tmp_path)
    try:
        for language, text in blocks(page):
            name = re.match(r"# ([\w.-]+\.yaml)\n", text)
            if language == "yaml" and name:
                (tmp_path / name[1]).write_text(text)
            for command in commands(text) if language == "console" else ():
                run(ORIGIN.sub(origin, command), tmp_path)
    finally:
        stop(box)


def run(command: str, folder: Path) -> None:
    """One command: a server is started and ended, whatever installs something is done already, others succeed."""
    if INSTALLS.match(command):
        return
    if command.startswith(("sarkmock serve", "sarkmock proxy")):
        kept = {name: (folder / name).read_bytes() for name in ("ca.pem", "pbx.pem")}
        stop(start(command, folder)[0])
        for name, content in kept.items():
            (folder / name).write_bytes(content)
        return
    began = time.monotonic()
    result = subprocess.run(command, shell=True, cwd=folder, env=ENV, capture_output=True, text=True, timeout=600,
                            stdin=subprocess.DEVNULL, check=False)
    assert result.returncode == 0, (command, result.returncode, result.stdout[-2000:], result.stderr[-2000:])
    print(f"{time.monotonic() - began:6.1f} s  {command}")

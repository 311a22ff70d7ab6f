"""Runs every command of README and docs/, page by page in one folder.

`https://127.0.0.1:44300` and `https://pbx.example:44300` are replaced by the address of a mock that is reset before
each page, `ca.pem` and `pbx.pem` by its authority. A YAML block that begins with a comment with the name of a file is
written to that file first. A command that another page has shown is run again only if a file that it names has been
written since. A block after `<!-- not run: REASON -->` is skipped.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.prefork import COMMAND

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?"
                   r"```(?P<language>console|yaml)\n(?P<text>.*?)```", re.DOTALL)
ORIGIN = re.compile(r"https://(?:127\.0\.0\.1|pbx\.example):44300")
INSTALLS = re.compile(r"(pip|pipx|uvx|python3 -m venv|podman) ")


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of the blocks to run."""
    return [(block["language"], block["text"]) for block in BLOCK.finditer(page.read_text()) if not block["reason"]]


def commands(text: str) -> list[str]:
    """The lines after a prompt, without trailing comments."""
    joined = text.replace("\\\n", " ")
    return [re.split(r" +# ", line[2:])[0] for line in joined.splitlines() if line.startswith("$ ")]


@dataclass
class Reader:
    """A folder in which commands are run, and a running mock."""

    folder: Path
    environment: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    done: set[tuple[str, ...]] = field(default_factory=set)
    origin: str = ""

    def start(self, command: str) -> tuple[subprocess.Popen[str], str]:
        """Start `sarkmock serve` on a free port, and return its origin."""
        process = subprocess.Popen(f"exec {command} --port 0", shell=True, cwd=self.folder, env=self.environment,
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        greeting = ""
        for line in process.stdout:
            greeting += line
            if line.startswith("stop"):
                break
        origin = re.search(r"listening on +(\S+)/api", greeting)
        assert origin, (command, greeting, process.communicate(timeout=30))
        authority = re.search(r"--cacert (\S+)", greeting)
        for name in ("ca.pem", "pbx.pem") if authority else ():
            shutil.copy(authority[1], self.folder / name)
        return process, origin[1]

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        self.files[name] = text

    def run(self, command: str) -> None:
        """Run a command, which must succeed. Installations are skipped; a server is started and stopped."""
        key = (command, *(text for name, text in self.files.items() if name in command))
        if INSTALLS.match(command) or key in self.done:
            return
        self.done.add(key)
        command = ORIGIN.sub(self.origin, command)
        if command.startswith(("sarkmock serve", "sarkmock proxy")):
            kept = {name: (self.folder / name).read_bytes() for name in ("ca.pem", "pbx.pem")}
            stop(self.start(command)[0])
            for name, content in kept.items():
                (self.folder / name).write_bytes(content)
            return
        began = time.monotonic()
        result = subprocess.run(command, shell=True, cwd=self.folder, env=self.environment, capture_output=True,
                                text=True, timeout=600, stdin=subprocess.DEVNULL, check=False)
        assert result.returncode == 0, (command, result.returncode, result.stdout[-2000:], result.stderr[-2000:])
        print(f"{time.monotonic() - began:6.1f} s  {command}")


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    programs = tmp_path_factory.mktemp("programs")
    (programs / "sarkmock").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    (programs / "sarkmock").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]])
    reader = Reader(tmp_path_factory.mktemp("reader"), {**os.environ, "PATH": path, "NO_COLOR": "1"})
    box, reader.origin = reader.start("sarkmock serve --profile shipped")
    yield reader
    stop(box)


@pytest.mark.parametrize("page", [page for page in PAGES if any(language == "console" for language, _ in blocks(page))],
                         ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_page_succeed(page: Path, reader: Reader) -> None:
    tls = ssl.create_default_context(cafile=reader.folder / "pbx.pem")
    urllib.request.urlopen(urllib.request.Request(f"{reader.origin}/_mock/reset", method="POST"), context=tls).close()
    for language, text in blocks(page):
        name = re.match(r"# ([\w.-]+\.yaml)\n", text)
        if language == "yaml" and name:
            reader.write(name[1], text)
        for command in commands(text) if language == "console" else ():
            reader.run(command)

"""Runs the code examples of README and docs/ like tests of a user's project."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sarkmock import SarkMock
from tests.prefork import run_pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [example for page in PAGES for example in re.findall(r"```python\n(.+?)```", page.read_text(), re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r"def (test\w+)", example)[1])
def test_example_passes(pytester, example):
    pytester.makepyfile(example)
    result = run_pytest(pytester, "--strict-markers")
    assert set(result.parseoutcomes()) <= {"passed", "warnings"}
    assert result.ret == 0


# A substitute for the part of PHPUnit that the example uses.
PHPUNIT = """
namespace PHPUnit\\Framework;

class TestCase
{
    public function assertTrue(bool $condition, string $message): void
    {
        $condition || throw new \\Exception($message);
    }

    public function run(string $name): void
    {
        $this->setUp();
        $this->$name();
    }
}
"""
RUN = "require 'phpunit.php'; require 'example.php'; (new TenantsTest())->run('testCreatesATenant');"
COMMANDS = {"php": ["php", "-r", RUN], "js": ["node", "--test", "example.mjs"]}
PROBES = {"php": ["php", "-r", "curl_init();"], "js": ["node", "--version"]}  # what an example needs
SOURCES = {"php": "example.php", "js": "example.mjs"}


@pytest.mark.parametrize("language", COMMANDS)
def test_example_in_another_language_passes(language, tmp_path):
    command, probe = COMMANDS[language], PROBES[language]
    if shutil.which(probe[0]) is None or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{' '.join(probe)} fails")
    page = (ROOT / "docs" / "how-to" / "other-languages.md").read_text()
    example = re.search(rf"```{language}\n(.+?)```", page, re.DOTALL)[1]
    (tmp_path / "phpunit.php").write_text(f"<?php{PHPUNIT}")
    with SarkMock(tls=False) as sark:
        origin = sark.url.removesuffix("/api")
        (tmp_path / SOURCES[language]).write_text(example.replace("http://127.0.0.1:44300", origin))
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended
        assert sark.requests[-1].path.startswith("/api/tenants")

"""README and docs/ are correct: commands, examples and links."""

import configparser
import re
import runpy
import shlex
from pathlib import Path

import pytest

from sarkmock.cli import cli
from sarkmock.cli.document import matrix_of
from sarkmock.suite_api import compile_document, load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TOX = configparser.ConfigParser()
TOX.read(ROOT / "tox.ini")
COMMANDS = re.findall(r"```sh\n(.+?)\n```", README, re.DOTALL)
PAGES = [README, *(page.read_text() for page in sorted((ROOT / "docs").rglob("*.md")))]
EXAMPLES = [re.split(r" +# | > ", line.removeprefix("$ "))[0].split() for page in PAGES for line in page.splitlines()
            if line.startswith("$ ")]


def section(title):
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_readme_has_two_commands_and_ci_runs_the_second():
    assert len(COMMANDS) == 2
    assert COMMANDS[0].endswith(" && .venv/bin/sarkmock check")
    assert COMMANDS[1].endswith(" && .venv/bin/tox")
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_tox_runs_linters_suite_documentation_and_tests():
    assert TOX["tox"]["env_list"] == "lint, contracts, tests, py3{11,12,13,14}"
    commands = {name: TOX[f"testenv:{name}"]["commands"] for name in ("lint", "contracts", "docs", "tests")}
    assert "ruff check" in commands["lint"]
    assert "mypy" in commands["lint"]
    assert commands["contracts"].startswith("sarkmock check")
    assert "sphinx-build -q -W" in commands["docs"]
    site, tests = commands["tests"].strip().splitlines()
    assert site == "{[testenv:docs]commands}"
    assert tests.startswith("pytest tests/docs/checks.py tests ")


def test_contributing_lists_all_tox_environments():
    named = set(re.findall(r"`tox -e (\w+)`", (ROOT / "CONTRIBUTING.md").read_text()))
    slow = {name.removeprefix("testenv:") for name in TOX.sections() if name.startswith("testenv:")}
    assert named == slow - set(TOX["tox"]["env_list"].split(", "))


def test_matrix_lists_what_breaks_clients_of_some_versions():
    names, rows = matrix_of()
    table = [line for line in section("Versions").splitlines() if line.startswith("|")]
    assert table[0] == f"| what breaks a client | {' | '.join(names)} |"
    expected = [f"|{deviation.summary}|{'|'.join('yes' * (name in having) for name in names)}|"
                for deviation, having in rows if deviation.severity == "breaks" and having != {*names}]
    assert [re.sub(r" *\| *", "|", line) for line in table[2:]] == expected


@pytest.mark.parametrize("words", [words for words in EXAMPLES if words[0] == "sarkmock"], ids=" ".join)
def test_examples_parse(words):
    command = cli.get_command(None, words[1])
    command.make_context(words[1], shlex.split(" ".join(words[2:])))


def test_sample_greeting_is_correct():
    sample = section("Serve")
    assert f"{len(compile_document(load()))} operations" in sample
    assert "listening on  https://127.0.0.1:44300/api" in sample


def test_sections_of_examples_exist():
    sections = {operation.section for operation in compile_document(load())}
    assert set(re.findall(r"--only (\w+)", README)) <= sections


def test_picture_of_check_is_current():
    pictures = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    drawn = pictures["drawn"](pictures["checked"]()).encode()
    assert pictures["words"](drawn) == pictures["words"](pictures["CHECK"].read_bytes()), "run python docs/pictures.py"


def test_pictures_are_small():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert len(pictures) == 2
    assert [name for name in pictures if (ROOT / name).stat().st_size > 150_000] == []


def test_links_are_valid():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []

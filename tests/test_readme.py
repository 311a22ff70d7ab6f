"""README says what is so: its commands, options, examples, links and its table of deviations."""

import configparser
import re
import shlex
from pathlib import Path

import click
import pytest

from sarkmock import compile_document, deviations, load
from sarkmock.cli import cli
from sarkmock.cli.permissions import FLAGS, VALUES
from sarkmock.cli.profiles import markdown_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TOX = configparser.ConfigParser()
TOX.read(ROOT / "tox.ini")
PERMISSIONS = {*FLAGS, *VALUES, "--header"}
COMMANDS = re.findall(r"```sh\n(.+?)\n```", README, re.DOTALL)
EXAMPLES = [re.split(r" +# | > ", line.removeprefix("$ "))[0].split() for line in README.splitlines()
            if line.startswith("$ ")]


def section(title):
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def options_of(title):
    """The options in a section's table."""
    return {option for row in re.findall(r"^\| (`-.+?) \|", section(title), re.MULTILINE)
            for option in re.findall(r"`(-[\w-]+)`", row)}


def test_there_are_two_commands_and_ci_runs_the_second():
    assert len(COMMANDS) == 2
    assert COMMANDS[0].endswith(" && .venv/bin/sarkmock check")
    assert COMMANDS[1].endswith(" && .venv/bin/tox")
    assert COMMANDS[1] in (ROOT / ".ci" / "run").read_text().splitlines()


def test_tox_runs_the_linters_the_suite_and_the_tests():
    assert TOX["tox"]["env_list"] == "lint, contracts, tests"
    commands = {name: TOX[f"testenv:{name}"]["commands"] for name in ("lint", "contracts", "tests")}
    assert "ruff check" in commands["lint"]
    assert "mypy" in commands["lint"]
    assert commands["contracts"].startswith("sarkmock check")
    assert commands["tests"].startswith("pytest tests")


def test_every_slow_suite_has_an_environment_of_its_own():
    named = set(re.findall(r"tox -e (\w+)", README))
    slow = {name.removeprefix("testenv:") for name in TOX.sections() if name.startswith("testenv:")}
    assert named == slow - set(TOX["tox"]["env_list"].split(", "))


@pytest.mark.parametrize(("title", "command"), [("Serving", "serve"), ("Importing", "import"), ("Checking", "check")])
def test_the_tables_have_every_option(title, command):
    known = {name for parameter in cli.commands[command].params if isinstance(parameter, click.Option)
             for name in parameter.opts}
    assert options_of(title) == known


@pytest.mark.parametrize("command", ["baseline", "compare"])
def test_the_tables_of_before_and_after_have_every_option_that_is_no_permission(command):
    table = section("Before and after an upgrade").partition(f"| option of `{command}` |")[2].partition("\n\n")[0]
    told = {option for row in re.findall(r"^\| (`-.+?) \|", table, re.MULTILINE)
            for option in re.findall(r"`(-[\w-]+)`", row)}
    known = {name for parameter in cli.commands[command].params if isinstance(parameter, click.Option)
             for name in parameter.opts if name not in PERMISSIONS}
    assert told == known


@pytest.mark.parametrize("words", [words for words in EXAMPLES if words[0] == "sarkmock"], ids=" ".join)
def test_examples_parse(words):
    command = cli.commands[words[1]]
    command.make_context(words[1], shlex.split(" ".join(words[2:])))


def test_the_sample_greeting_is_true():
    sample = section("Serving")
    assert f"{len(compile_document(load()))} operations" in sample
    assert "listening on  https://127.0.0.1:44300/api" in sample


def test_the_sections_of_the_examples_exist():
    sections = {operation.section for operation in compile_document(load())}
    assert set(re.findall(r"--only (\w+)", README)) <= sections


def test_links_lead_somewhere():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_deviations_are_those_of_the_overlay():
    assert with_deviations(README) == README, "run: python -m tests.test_readme"


def with_deviations(text):
    """README with the table of deviations as it is now."""
    before, begin, rest = text.partition("<!-- deviations: begin -->\n")
    _, end, after = rest.partition("<!-- deviations: end -->")
    return before + begin + markdown_table(deviations("shipped")) + end + after


if __name__ == "__main__":
    (ROOT / "README.md").write_text(with_deviations(README))

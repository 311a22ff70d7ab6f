"""The container's files say what is so: commands that parse, a health check that works, nobody's privileges."""

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from click import Context

from sarkmock.cli import cli
from tests.serving import serving

ROOT = Path(__file__).parent.parent
INSTRUCTIONS = [line.split(maxsplit=1) for line in (ROOT / "Containerfile").read_text().splitlines()
                if line and not line.startswith("#")]
SERVICES = yaml.safe_load((ROOT / "ci" / "compose.yaml").read_text())["services"]
COMPOSE = SERVICES["sark"]


def last(name: str) -> str:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name][-1]


def options(words: list[str]) -> dict[str, object]:
    """What a command line of sarkmock means."""
    command = cli.get_command(Context(cli), words[0])
    assert command is not None
    return command.make_context(words[0], words[1:]).params


def test_it_serves_everybody_as_nobody():
    assert json.loads(last("ENTRYPOINT")) == ["sarkmock"]
    meant = options(json.loads(last("CMD")))
    assert (meant["host"], str(meant["port"])) == ("0.0.0.0", last("EXPOSE"))
    assert int(last("USER")) > 0


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--host", "0.0.0.0", "--http"]])
def test_the_health_check_tells(options):
    with serving(*options) as running:
        check = last("HEALTHCHECK").partition("CMD ")[2].replace("44300", str(running.address[1]))
        words = json.loads(check.replace("timeout=2", "timeout=60"))  # a busy machine may take longer
        assert subprocess.run([sys.executable, *words[1:]], check=False).returncode == 0
        running.stop()
        assert subprocess.run([sys.executable, *words[1:]], check=False).returncode == 1


def test_all_that_a_wheel_is_made_of_goes_into_the_image():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    let_in = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    made_of = [*project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"], project["project"]["readme"],
               *project["project"]["license-files"], "pyproject.toml"]
    assert set(made_of) == let_in


def test_compose_and_devcontainer_start_what_there_is():
    meant = options(COMPOSE["command"])
    assert (meant["host"], meant["http"], meant["seed"]) == ("0.0.0.0", True, "demo")
    assert str(meant["state"].parent) == COMPOSE["volumes"][0].partition(":")[2] == last("WORKDIR")
    watching = options(SERVICES["proxy"]["command"])
    assert (watching["host"], watching["http"]) == ("0.0.0.0", True)
    places = [volume.split(":")[1] for volume in SERVICES["proxy"]["volumes"]]
    assert places == [str(watching["clients"].parent), watching["ca"]]
    assert str(watching["clients"].parent) == last("WORKDIR")
    start = json.loads((ROOT / "ci" / "devcontainer.json").read_text())["postStartCommand"]
    words = shlex.split(start.partition("> ")[0])
    assert options(words[words.index(".venv/bin/sarkmock") + 1:])["seed"] == "demo"

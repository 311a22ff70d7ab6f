"""The container files: valid commands, a working health check, an unprivileged user."""

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
    """The parsed options of a sarkmock command line."""
    command = cli.get_command(Context(cli), words[0])
    assert command is not None
    return command.make_context(words[0], words[1:]).params


def test_image_listens_on_all_interfaces_as_unprivileged_user():
    assert json.loads(last("ENTRYPOINT")) == ["sarkmock"]
    parsed = options(json.loads(last("CMD")))
    assert (parsed["host"], str(parsed["port"])) == ("0.0.0.0", last("EXPOSE"))
    assert int(last("USER")) > 0


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--host", "0.0.0.0", "--http"]])
def test_health_check_reflects_state_of_server(options):
    with serving(*options) as running:
        check = last("HEALTHCHECK").partition("CMD ")[2].replace("44300", str(running.address[1]))
        words = json.loads(check.replace("timeout=2", "timeout=60"))  # a busy machine may take longer
        assert subprocess.run([sys.executable, *words[1:]], check=False).returncode == 0
        running.stop()
        assert subprocess.run([sys.executable, *words[1:]], check=False).returncode == 1


def test_image_context_contains_all_files_of_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    needed = [*project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"], project["project"]["readme"],
              *project["project"]["license-files"], "pyproject.toml"]
    assert set(needed) == included


def test_compose_and_devcontainer_commands_are_valid():
    parsed = options(COMPOSE["command"])
    assert (parsed["host"], parsed["http"], parsed["seed"]) == ("0.0.0.0", True, "demo")
    assert str(parsed["state"].parent) == COMPOSE["volumes"][0].partition(":")[2] == last("WORKDIR")
    watching = options(SERVICES["proxy"]["command"])
    assert (watching["host"], watching["http"]) == ("0.0.0.0", True)
    places = [volume.split(":")[1] for volume in SERVICES["proxy"]["volumes"]]
    assert places == [str(watching["clients"].parent), watching["ca"]]
    assert str(watching["clients"].parent) == last("WORKDIR")
    assert SERVICES["proxy"]["stop_grace_period"] == "1m"
    start = json.loads((ROOT / "ci" / "devcontainer.json").read_text())["postStartCommand"]
    words = shlex.split(start.partition("> ")[0])
    assert options(words[words.index(".venv/bin/sarkmock") + 1:])["seed"] == "demo"

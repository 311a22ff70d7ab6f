"""Completion as a shell does it: what is offered, and the script that asks for it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sarkmock import profiles, seed_names
from tests.prefork import COMMAND
from tests.serving import mistake, sarkmock

WORDS = [
    ("sarkmock se", ["seeds", "serve"]),
    ("sarkmock export ", ["postman", "http", "curl", "openapi-python-client", "bruno"]),
    ("sarkmock serve --profile ", profiles()),
    ("sarkmock serve --seed d", ["demo"]),
    ("sarkmock serve --seed-f", ["--seed-file"]),
    ("sarkmock serve --seed ", seed_names()),
    ("sarkmock completion z", ["zsh"]),
]


@pytest.mark.parametrize(("line", "expected"), WORDS)
def test_what_is_offered(line: str, expected: list[str]) -> None:
    assert asked(line) == [f"plain,{one}" for one in expected]


def test_a_file_is_offered_where_no_name_fits() -> None:
    assert asked("sarkmock serve --seed my-") == ["file,my-"]


def asked(line: str) -> list[str]:
    """What the command offers for the last word of a line."""
    asking = {"_SARKMOCK_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    result = subprocess.run([*COMMAND], env=os.environ | asking, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_the_command(shell: str, tmp_path: Path) -> None:
    script = sarkmock("completion", shell).stdout
    assert f"_SARKMOCK_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is asked itself")
def test_bash_completes_by_the_script(tmp_path: Path) -> None:
    command = tmp_path / "sarkmock"
    command.write_text(f"#!/bin/sh\nexec {' '.join(COMMAND)} \"$@\"\n")
    command.chmod(0o755)
    ask = ('source <(sarkmock completion bash); COMP_WORDS=(sarkmock serve --see); COMP_CWORD=2; '
           '_sarkmock_completion sarkmock; printf "%s\\n" "${COMPREPLY[@]}"; complete -p sarkmock')
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    said = subprocess.run(["bash", "-c", ask], env=environment, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["--seed", "--seed-file", "complete -o nosort -F _sarkmock_completion sarkmock"]


def test_an_unknown_shell_is_told_with_those_there_are() -> None:
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in mistake("completion", "csh")

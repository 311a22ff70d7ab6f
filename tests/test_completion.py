"""Shell completion: the completions and the script that requests them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sarkmock import profile_names, seed_names
from tests.prefork import COMMAND
from tests.serving import mistake, sarkmock

WORDS = [
    ("sarkmock se", ["seeds", "serve"]),
    ("sarkmock export ", ["postman", "http", "curl", "openapi-python-client", "bruno"]),
    ("sarkmock serve --profile ", profile_names()),
    ("sarkmock serve --seed d", ["demo"]),
    ("sarkmock serve --seed-f", ["--seed-file"]),
    ("sarkmock serve --seed ", seed_names()),
    ("sarkmock completion z", ["zsh"]),
]


@pytest.mark.parametrize(("line", "expected"), WORDS)
def test_completions_of_word(line: str, expected: list[str]) -> None:
    assert completions(line) == [f"plain,{name}" for name in expected]


def test_files_are_completed_if_no_name_matches() -> None:
    assert completions("sarkmock serve --seed my-") == ["file,my-"]


def completions(line: str) -> list[str]:
    """The completions of the last word of a line."""
    variables = {"_SARKMOCK_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    result = subprocess.run([*COMMAND], env=os.environ | variables, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_calls_command(shell: str, tmp_path: Path) -> None:
    script = sarkmock("completion", shell).stdout
    assert f"_SARKMOCK_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes_with_script(tmp_path: Path) -> None:
    command = tmp_path / "sarkmock"
    command.write_text(f"#!/bin/sh\nexec {' '.join(COMMAND)} \"$@\"\n")
    command.chmod(0o755)
    script = ('source <(sarkmock completion bash); COMP_WORDS=(sarkmock serve --see); COMP_CWORD=2; '
              '_sarkmock_completion sarkmock; printf "%s\\n" "${COMPREPLY[@]}"; complete -p sarkmock')
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    stdout = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
    assert stdout.splitlines() == ["--seed", "--seed-file", "complete -o nosort -F _sarkmock_completion sarkmock"]


def test_unknown_shell_is_rejected_with_list_of_shells() -> None:
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in mistake("completion", "csh")

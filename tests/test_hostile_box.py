"""The suite against a hostile box: a one-line message and an exit code, in bounded time."""

import subprocess
import time
from itertools import product

import pytest

from tests.hostile_box import ANSWERS, hostile_box
from tests.prefork import COMMAND

COMMANDS = {
    "check": ["check", "{}", "--budget", "30", "--max-time", "6s"],
    "baseline": ["baseline", "{}", "-o", "box.sark", "--max-time", "6s"],
    "import": ["import", "{}", "-o", "seed.yaml"],
}
# One case of each kind. The remaining ones are slow.
QUICK = {"deep": "check", "a vast integer": "import", "half a pair of surrogates": "check", "later": "check",
         "many headers": "baseline", "commands": "import"}
PAIRS = [pair if QUICK.get(pair[0]) == pair[1] else pytest.param(*pair, marks=pytest.mark.slow)
         for pair in product(ANSWERS, COMMANDS)]


def run(command, url, directory):
    arguments = [argument.format(url) for argument in COMMANDS[command]]
    return subprocess.run([*COMMAND, *arguments], cwd=directory, timeout=90, capture_output=True, check=False)


@pytest.mark.parametrize(("answer", "command"), PAIRS)
def test_command_survives_hostile_response(answer, command, tmp_path):
    with hostile_box(ANSWERS[answer]) as url:
        result = run(command, url, tmp_path)
    output = (result.stdout + result.stderr).decode("utf-8", "replace")
    assert result.returncode in (0, 1, 2)
    for forbidden in ("Traceback", "INTERNALERROR", "\x1b", "\n::"):
        assert forbidden not in output


@pytest.mark.slow
def test_response_of_one_byte_per_second_hits_time_limit(tmp_path):
    began = time.monotonic()
    with hostile_box(ANSWERS["deep"], pause=1.0) as url:
        result = run("check", url, tmp_path)
    assert result.returncode == 2
    assert b"did not send a complete response" in result.stderr + result.stdout
    assert time.monotonic() - began < 60

"""`sarkmock check`: runs the contract suite in this process, wherever it is installed. Knows none of its checks."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest

from sarkmock.cli.completion import names_or_file
from sarkmock.cli.pacing import bounds
from sarkmock.cli.permissions import arguments as permitted
from sarkmock.cli.permissions import permissions
from sarkmock.spec.loading import load
from sarkmock.spec.profiles import profiles

SUITE = "sarkmock_contracts"
COULD_NOT_RUN = 2
CODES = {int(pytest.ExitCode.OK): 0, int(pytest.ExitCode.TESTS_FAILED): 1}


@click.command()
@click.argument("url", required=False)
@click.option("--profile", default="documented", show_default=True, metavar="NAME",
              shell_complete=names_or_file(profiles),
              help="What to judge by: documented, shipped, or the path of an overlay file.")
@click.option("--target-profile", metavar="NAME", shell_complete=names_or_file(profiles),
              help="What the embedded mock answers as; as --profile unless given.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N",
              help="Seed of everything random; the same seed sends the same requests.")
@click.option("--max-examples", type=click.IntRange(min=1), metavar="N", help="Random examples per operation.")
@bounds
@click.option("--strict", is_flag=True, help="Fail on known deviations too.")
@click.option("--accept", type=click.Path(dir_okay=False), metavar="FILE",
              help="A YAML list of deviations that are accepted at this box.")
@click.option("--update-accepted", is_flag=True, help="Enter what is found into the list of --accept.")
@click.option("--report", type=click.Path(file_okay=False), metavar="DIR",
              help="Write reports there: JSON, JUnit, HTML, Markdown, SARIF and all traffic as HAR.")
@click.option("-n", "processes", metavar="N",
              help="Spread over N processes (auto: the cores), each with a mock of its own.")
@click.option("--example-database", multiple=True, metavar="PLACE",
              help="Keep requests that find something, and send them first: a directory, redis://HOST, "
                   "github:OWNER/REPOSITORY.")
@click.option("--quick", is_flag=True, help="The tables and little chance: under a minute.")
@permissions
def check(url: str | None, profile: str, target_profile: str | None, seed: int, max_examples: int | None,
          only: str | None, rate: str, budget: int | None, max_time: str | None, plan: bool,
          strict: bool, accept: str | None, update_accepted: bool, report: str | None,
          processes: str | None, example_database: tuple[str, ...], quick: bool,
          **safety: Any) -> int:
    """Judge a box by the document: the embedded mock, or whatever answers at URL.

    URL ends in the API's base path. Nothing but reads is sent there unless you allow more; what is then made is
    written down first and removed at the end, and what was there before is never touched.

    Exit code 0: it conforms. 1: it does not, and the findings say where. 2: the check could not run.

    \b
    Examples:
        sarkmock check
        sarkmock check --quick --only Tenants
        sarkmock check --seed 7 --max-examples 500
        sarkmock check https://127.0.0.1:44300/api --profile shipped
        sarkmock check https://127.0.0.1:44300/api --budget 300
        sarkmock check https://pbx.example:44300/api --ca pbx.pem --allow-writes
        sarkmock check --target-profile shipped     what a client of the page meets on the product
    """
    for name in filter(None, (profile, target_profile)):
        load(name)  # a mistake in its name or its file is told here, on one line
    options = {"--sark-url": url, "--profile": profile, "--target-profile": target_profile, "--seed": seed,
               "--max-examples": max_examples, "--only": only, "--rate": rate, "--budget": budget,
               "--max-time": max_time, "--accept": accept, "--report": report}
    flags = {"--quick": quick, "--plan": plan, "--strict-known": strict, "--update-accepted": update_accepted}
    arguments = [f"{name}={value}" for name, value in options.items() if value is not None]
    arguments += [f"--example-database={place}" for place in example_database] + spread(processes)
    return run([*arguments, *permitted(url, safety), "--compact", *(name for name, given in flags.items() if given)])


def spread(processes: str | None) -> list[str]:
    """What makes pytest-xdist run all cases of an operation in one process."""
    if processes is None:
        return []
    if processes != "auto" and not (processes.isdigit() and int(processes)):
        raise click.UsageError("-n takes a number of processes, or auto")
    if find_spec("xdist") is None:
        raise click.UsageError("-n needs pytest-xdist: pip install 'sarkmock[parallel]'")
    return ["-n", processes, "--dist", "loadgroup"]


def run(arguments: list[str]) -> int:
    """Exit code of the suite under pytest, untouched by the configuration of the project it happens to run in."""
    suite = find_spec(SUITE)
    assert suite is not None
    assert suite.origin is not None
    home = Path(suite.origin).parent
    os.environ.pop("PYTEST_ADDOPTS", None)
    isolation = ["-c", os.devnull, f"--rootdir={home.parent}", "-p", "no:cacheprovider"]
    with tempfile.TemporaryDirectory(prefix="sarkmock-") as scratch:
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)
        code = pytest.main([*isolation, *arguments, str(home)])
    return CODES.get(int(code), COULD_NOT_RUN)

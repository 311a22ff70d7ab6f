"""`sarkmock check`: runs the contract suite in this process, wherever it is installed. Knows none of its checks."""

from __future__ import annotations

import os
import sys
import tempfile

import click
import pytest

from sarkmock.resources import contracts_dir
from sarkmock.spec import load

COULD_NOT_RUN = 2
CODES = {int(pytest.ExitCode.OK): 0, int(pytest.ExitCode.TESTS_FAILED): 1}


@click.command()
@click.argument("url", required=False)
@click.option("--profile", default="documented", show_default=True, metavar="NAME",
              help="What to judge by: documented, shipped, or the path of an overlay file.")
@click.option("--target-profile", metavar="NAME", help="What the embedded mock answers as; as --profile unless given.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N",
              help="Seed of everything random; the same seed sends the same requests.")
@click.option("--max-examples", type=click.IntRange(min=1), metavar="N", help="Random examples per operation.")
@click.option("--only", metavar="SECTION", help="One section of the documentation, as `sarkmock routes` names them.")
@click.option("--quick", is_flag=True, help="The tables and little chance: under a minute.")
def check(url: str | None, profile: str, target_profile: str | None, seed: int, max_examples: int | None,
          only: str | None, quick: bool) -> int:
    """Judge a box by the document: the embedded mock, or whatever answers at URL.

    URL ends in the API's base path. Only addresses of this machine are accepted, for rows are created, changed
    and deleted.

    Exit code 0: it conforms. 1: it does not, and the findings say where. 2: the check could not run.

    \b
    Examples:
        sarkmock check
        sarkmock check --quick --only Tenants
        sarkmock check --seed 7 --max-examples 500
        sarkmock check https://127.0.0.1:44300/api --profile shipped
        sarkmock check --target-profile shipped     what a client of the page meets on the product
    """
    for name in filter(None, (profile, target_profile)):
        load(name)  # a mistake in its name or its file is told here, on one line
    options = {"--sark-url": url, "--profile": profile, "--target-profile": target_profile, "--seed": seed,
               "--max-examples": max_examples, "--only": only}
    arguments = [f"{name}={value}" for name, value in options.items() if value is not None]
    return run([*arguments, "--compact", *(["--quick"] if quick else [])])


def run(arguments: list[str]) -> int:
    """Exit code of the suite under pytest, untouched by the configuration of the project it happens to run in."""
    home = contracts_dir()
    sys.path.insert(0, str(home.parent))
    os.environ.pop("PYTEST_ADDOPTS", None)
    isolation = ["-c", os.devnull, f"--rootdir={home.parent}", "-p", "no:cacheprovider"]
    with tempfile.TemporaryDirectory(prefix="sarkmock-") as scratch:
        os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", scratch)
        code = pytest.main([*isolation, *arguments, str(home)])
    return CODES.get(int(code), COULD_NOT_RUN)

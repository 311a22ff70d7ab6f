"""The wheel and the source distribution are complete and reproducible, and run from a file: `tox -e packages`.

Not named test_*, so that `pytest tests` does not run them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENV = {**os.environ, "SOURCE_DATE_EPOCH": "1717200000"}
# The folders of a checkout in the wheel.
MOVED = {"openapi/": "sarkmock/_shipped/openapi/", "contracts/sarkmock_contracts/": "sarkmock_contracts/"}


def run(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, env=ENV, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command[0]} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tracked() -> list[str]:
    return run("git", "ls-files", folder=ROOT).splitlines()


def built(source: Path, output: Path) -> dict[str, Path]:
    """Build the wheel and the source distribution of a folder; by suffix."""
    run(sys.executable, "-m", "build", "--outdir", str(output), str(source))
    return {"whl": next(output.glob("*.whl")), "gz": next(output.glob("*.tar.gz"))}


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Path]]:
    """The packages built from two copies of the checkout."""
    made = []
    for number in ("one", "two"):
        folder = tmp_path_factory.mktemp(number)
        for name in tracked():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "source" / name)
        made.append(built(folder / "source", folder / "dist"))
    return made


@pytest.mark.parametrize("kind", ["whl", "gz"])
def test_builds_are_reproducible(packages: list[dict[str, Path]], kind: str) -> None:
    first, second = (package[kind].read_bytes() for package in packages)
    assert first == second


def test_source_distribution_contains_the_checkout(packages: list[dict[str, Path]]) -> None:
    with tarfile.open(packages[0]["gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == {*tracked(), "PKG-INFO"}


def test_wheel_contains_every_file_of_the_packages(packages: list[dict[str, Path]]) -> None:
    folders = ("pytest_sarkmock.py", "sarkmock/", *MOVED)
    expected = {name for name in tracked() if name.startswith(folders)}
    for old, new in MOVED.items():
        expected = {name.replace(old, new, 1) if name.startswith(old) else name for name in expected}
    names = set(zipfile.ZipFile(packages[0]["whl"]).namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected


@pytest.mark.parametrize("runner", [("uvx", "--from"), ("pipx", "run", "--spec")], ids=lambda runner: runner[0])
def test_wheel_runs(packages: list[dict[str, Path]], runner: tuple[str, ...], tmp_path: Path) -> None:
    wheel = f"sarkmock[check] @ {packages[0]['whl'].as_uri()}"
    command = (*runner, wheel, "sarkmock")
    assert run(*command, "--version", folder=tmp_path).startswith("sarkmock")
    assert "conforming" in run(*command, "check", "--quick", "--only", "Tenants", folder=tmp_path)

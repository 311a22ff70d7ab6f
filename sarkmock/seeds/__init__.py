"""The seeds that have a name, and seed files: where every seed comes from. Knows no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from sarkmock.names import unknown
from sarkmock.seed import Seed
from sarkmock.seeds.big import big
from sarkmock.yaml12 import FileError


def shipped(name: str) -> Seed:
    return Seed.read(Path(str(files("sarkmock").joinpath(f"seeds/{name}.yaml"))))


NAMED: dict[str, tuple[str, Callable[[], Seed]]] = {
    "factory": ("a factory-fresh SARK", Seed.factory),
    "empty": ("the default tenant and the settings' row, nothing else", lambda: shipped("empty")),
    "big": ("10,000 extensions in 20 tenants, on a factory-fresh SARK", big),
}


def seed_names() -> list[str]:
    """The names that `load_seed` knows."""
    return list(NAMED)


def describe(name: str) -> str:
    """What a named seed holds, in a few words."""
    return NAMED[name][0]


def load_seed(seed: str | Path) -> Seed:
    """The seed of a name, or of the YAML file at a path; FileError says what is wrong with either."""
    if str(seed) in NAMED:
        return _named(str(seed))
    if Path(seed).suffix in (".yaml", ".yml", ".json") or Path(seed).is_file():
        return Seed.read(Path(seed))
    raise FileError(seed, None, f"{unknown('seed', seed, NAMED)}, or the path of a YAML file")


@cache
def _named(name: str) -> Seed:
    return NAMED[name][1]()

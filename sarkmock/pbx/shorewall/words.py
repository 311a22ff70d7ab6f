"""The words of the rules file: macros, actions, protocols, services. Data, written from an installed Shorewall."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sarkmock.spec import yaml12

WORDS_FILE = Path(str(files("sarkmock.pbx.shorewall").joinpath("words.yaml")))


@dataclass(frozen=True, slots=True)
class StandardAction:
    """An action that Shorewall brings along: its parameters' defaults, and the rules it is made of."""

    inline: bool
    parameters: tuple[str, ...]
    rules: tuple[str, ...]
    proto: int = 0
    audit: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one IP version."""

    version: int
    targets: frozenset[str]
    macros: dict[str, tuple[str, ...]]
    actions: dict[str, StandardAction]
    icmp: frozenset[str]
    protocols: dict[str, int]
    services: dict[str, dict[str, int]]
    jumps: frozenset[str]
    other_jumps: frozenset[str]
    capabilities: frozenset[str]
    options: frozenset[str]


@cache
def words(version: int) -> Words:
    data = _data()
    rules = data["macros"][4] | data["macros"][version]
    return Words(
        version, frozenset(data["targets"][version].split()), {name: tuple(lines) for name, lines in rules.items()},
        {name: _action(described) for name, described in data["actions"][version].items()},
        frozenset(data["icmp"][version].split()), data["protocols"],
        {protocol: dict(_service(word) for word in names.split()) for protocol, names in data["services"].items()},
        frozenset(data["jumps"]["filter"].split()), frozenset(data["jumps"]["other"].split()),
        frozenset(data["capabilities"].split()), frozenset(data["options"].split()))


def _service(word: str) -> tuple[str, int]:
    name, _, port = word.partition("=")
    return name, int(port)


def _action(described: dict[str, Any]) -> StandardAction:
    return StandardAction(described["inline"], tuple(map(str, described["parameters"])), tuple(described["rules"]),
                  described.get("proto", 0), described.get("audit", ""))


@cache
def _data() -> dict[str, Any]:
    read: dict[str, Any] = yaml12.read(WORDS_FILE)
    return read

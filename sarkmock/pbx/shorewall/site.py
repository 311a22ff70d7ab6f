"""What the rest of a firewall's configuration defines for its rules, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

FIREWALL = "fw"


class Exhausted(Exception):
    """The rule set is larger than what is checked."""


def no_file(name: str) -> Sequence[str] | None:
    return None


@dataclass(frozen=True, slots=True)
class Site:
    """IP version, zones, interfaces (None: any), variables (None: a value that is not known), files by name."""

    version: int = 4
    zones: Sequence[str] = (FIREWALL, "net")
    firewall: str = FIREWALL
    interfaces: frozenset[str] | None = None
    variables: Mapping[str, str | None] = field(default_factory=dict)
    file: Callable[[str], Sequence[str] | None] = no_file


@dataclass(frozen=True, slots=True)
class Mistake:
    """Where the check ends, and in Shorewall's words why; without a line it is the end of the file."""

    line: int | None
    problem: str
    file: str = ""

    @property
    def place(self) -> str:
        return "(EOF)" if self.line is None else f"(line {self.line})"

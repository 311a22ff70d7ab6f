"""The firewall around a rules file, and the zones that SOURCE and DEST name in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sarkmock.pbx.shorewall.lists import Wrong, arguments, comma_list, compiled

FIREWALL = "fw"
EVERY_ZONE = compiled(r"((?:all|any)[-+]*)(![^:]+)?(:.*)?")
SEVERAL_ZONES = compiled(r"([^:]+,[^:]+)(:.*)?")
BROKEN_EXCLUSION = re.compile(r"^!,|^!.*!|,,|,$")


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


def specifications(text: str, column: str) -> Iterator[str]:
    """Several zones, each with its hosts in parentheses."""
    begin = text.find(":(")
    if begin < 0 or text.rfind(")") <= begin + 2:
        yield text
    else:
        yield from map(without_parentheses, arguments(text, column))


def without_parentheses(text: str) -> str:
    """zone:(hosts) and (hosts) as they are without parentheses."""
    begin = text.find(":(", 1)
    if text.endswith(")") and 0 < begin < len(text) - 3:
        return f"{text[:begin]}:{text[begin + 2:-1]}"
    return text


def split_zone(text: str, at_least: int) -> tuple[str, str, str]:
    """The zone, the colon, and what follows it."""
    colon = text.find(":", at_least)
    return (text, "", "") if colon < 0 else (text[:colon], ":", text[colon + 1:])


class Zones:
    """The zones of a rule's two columns."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.within_zone = False
        self.wild = False

    def listed(self, text: str, column: str) -> list[str]:
        if found := EVERY_ZONE.fullmatch(text):
            names, rest = self.all_zones(found[1], found[2], column), found[3]
        elif "," in text and (found := SEVERAL_ZONES.fullmatch(text)):
            self.wild = True
            self.within_zone = found[1].endswith("+")
            names, rest = comma_list(found[1].removesuffix("+"), "zone"), found[2]
        else:
            return [text]
        return [name + (rest or "") for name in dict.fromkeys(names)]

    def all_zones(self, word: str, exclusion: str | None, column: str) -> list[str]:
        self.wild = True
        excluded = set()
        if exclusion is not None:
            if BROKEN_EXCLUSION.search(exclusion):
                raise Wrong(f"Invalid exclusion list ({exclusion})")
            excluded = set(exclusion[1:].split(","))
            for zone in exclusion[1:].split(","):
                if zone not in self.site.zones:
                    raise Wrong(f"Unknown zone ({zone})")
        suffix = word[3:]
        if suffix not in ("", "+", "-", "+-", "-+"):
            raise Wrong(f"Invalid {column} (all{suffix})")
        self.within_zone = self.within_zone or "+" in suffix
        excluded |= {self.site.firewall} if "-" in suffix else set()
        return [zone for zone in self.site.zones if zone not in excluded]

    def differ(self, source: str, dest: str, action: str) -> bool:
        """Rules for several zones leave out those within one."""
        if not self.wild or self.within_zone:
            return True
        zone = dest.partition(":")[0]
        if zone not in self.site.zones:
            zone = self.site.firewall if action.startswith("REDIRECT") else ""
        return source.partition(":")[0] != zone

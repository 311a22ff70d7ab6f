"""The grammar of Shorewall's rules file, as far as `shorewall check` judges it. Knows neither files nor the API.

Words are data (shorewall.yaml). As Shorewall does, the first mistake ends the check.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from sarkmock.spec import yaml12

_WORDS = yaml12.read(Path(str(files("sarkmock.pbx").joinpath("shorewall.yaml"))))
TARGETS: dict[str, str] = _WORDS["targets"]
ACTIONS = frozenset(_WORDS["actions"].split()) | frozenset(_WORDS["macros"].split())
PROTOCOLS, PORTED, SERVICES, ICMP, LEVELS, DIRECTIVES = (
    frozenset(_WORDS[name].split()) for name in ("protocols", "ported", "services", "icmp", "levels", "directives"))
SECTIONS: list[str] = _WORDS["sections"].split()
COLUMNS: list[str] = _WORDS["columns"].split()
ICMP_NAMES = ("icmp", "1", "ipv6-icmp", "icmpv6", "icmp6", "58")

FIREWALL = "fw"
ZONES = frozenset({FIREWALL, "net"})
ANYWHERE = re.compile(r"(all|any)\+?-?|none")
ACTION = re.compile(r"([A-Za-z]\w*)([+!-]?)(?:/(\w+)|\(([^()]*)\))?(?::(.*))?")
RATE = re.compile(r"((s|d|s/\d+|d/\d+):(\w*:)?)?\d+(/(sec|second|min|minute|hour|day))?(:\d+)?")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
PAIR = re.compile(r"([a-z]\w*)\s*(?:=>|=|:)\s*(\"[^\"]*\"|[^\s,]+(?:,[^\s,=]+(?=[\s,]|$))*)[\s,]*")
MOST_PORTS = 15
LONGEST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Site:
    """What the rest of the configuration defines: IP version, zones, variables of the params file."""

    version: int = 4
    zones: frozenset[str] = ZONES
    variables: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mistake:
    """Where the check ends, and in Shorewall's words why."""

    line: int
    problem: str


class Wrong(Exception):
    """A mistake in the line that is being read."""


def first_mistake(lines: Sequence[str], site: Site) -> Mistake | None:
    """The first mistake in a rule set, if there is one."""
    reader = Reader(site)
    for number, line in joined(lines):
        try:
            reader.read(line)
        except Wrong as wrong:
            return Mistake(number, str(wrong))
    return Mistake(len(lines), "Missing ?ENDIF") if reader.depth else None


def joined(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Lines without comments; one that ends in a backslash goes on in the next."""
    before = ""
    for number, line in enumerate(lines, 1):
        text = before + line.partition("#")[0].strip()
        goes_on = text.endswith("\\") and number < len(lines) and len(text) <= LONGEST_LINE
        before = text.removesuffix("\\") if goes_on else ""
        if not goes_on:
            yield number, text


class Reader:
    """Reads a rules file line by line; remembers its section, open conditions and embedded scripts."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.section = -1
        self.depth = 0
        self.script = False

    def read(self, text: str) -> None:
        if len(text) > LONGEST_LINE:
            raise Wrong("Invalid rules entry (line too long)")
        words = text.split()
        if words and (words[0].startswith("?") or words[0] in ("SECTION", "COMMENT", "INCLUDE", "FORMAT")):
            self.directive(words[0].removeprefix("?").upper(), words[1:])
        elif words and not self.script:
            Rule(text, self.site).check()

    def directive(self, name: str, arguments: list[str]) -> None:
        if name not in DIRECTIVES:
            raise Wrong(f"Invalid compiler directive (?{name})")
        if name == "SECTION":
            self.enter(" ".join(arguments))
        elif name in ("BEGIN", "END"):
            self.script = name == "BEGIN"
        elif name == "IF":
            self.depth += 1
        elif name in ("ELSE", "ELSIF", "ELSEIF", "ENDIF"):
            if not self.depth:
                raise Wrong(f"?{name} has no matching ?IF")
            self.depth -= name == "ENDIF"

    def enter(self, section: str) -> None:
        """Sections come in a fixed order, each at most once."""
        if section not in SECTIONS:
            raise Wrong(f"Invalid SECTION ({section})")
        if SECTIONS.index(section) <= self.section:
            raise Wrong(f"Duplicate or out of order SECTION ({section})")
        self.section = SECTIONS.index(section)


class Rule:
    """One rule: its columns by name, `-` for those left out."""

    def __init__(self, text: str, site: Site) -> None:
        self.site = site
        self.columns = dict.fromkeys(COLUMNS, "-") | split(expanded(text, site))
        self.target = ""

    def check(self) -> None:
        if self.is_bare_name():
            return
        self.action()
        self.place("source", "SOURCE")
        if not self.target.startswith("REDIRECT") and not self.target.endswith("-"):
            self.place("dest", "DEST")
        self.protocol()
        addresses(self.columns["origdest"], self.site.version)
        rate = self.columns["rate"]
        if rate != "-" and not all(RATE.fullmatch(part) for part in rate.split(",")):
            raise Wrong(f"Invalid rate ({rate})")

    def is_bare_name(self) -> bool:
        """A word alone that Shorewall does not know may be an action of the site's own (recorded exchange 1106/39)."""
        name = self.columns["action"]
        others = (self.columns[column] for column in COLUMNS[1:])
        return set(others) == {"-"} and re.fullmatch(r"[a-z]\w*", name) is not None and name not in ACTIONS

    def action(self) -> None:
        text = self.columns["action"]
        found = ACTION.fullmatch(text)
        if found is None:
            raise Wrong(f"Invalid ACTION ({text})")
        name, suffix, old_parameter, parameter, log = found.groups()
        self.target = name + suffix
        if name not in ACTIONS and (name not in TARGETS or suffix not in ("", *TARGETS[name])):
            raise Wrong(f"Unknown ACTION ({self.target})")
        delegated = old_parameter or (parameter if name in ACTIONS and name not in TARGETS else None)
        if delegated and re.fullmatch(r"[A-Z]\w*", delegated) and delegated not in {*TARGETS, *ACTIONS}:
            raise Wrong(f"Unknown ACTION ({delegated})")
        self.logging(name, log)

    def logging(self, name: str, log: str | None) -> None:
        level = (log or "").partition(":")[0].rstrip("!")
        if name == "LOG" and not level:
            raise Wrong("LOG requires a log level")
        if log is not None and level.lower() not in LEVELS and not re.match(r"(NFLOG|ULOG)\b|\$", level):
            raise Wrong(f"Invalid log level ({level})")

    def place(self, column: str, title: str) -> None:
        """A zone or a list of zones, perhaps with hosts: net, net,loc, all!net, net:192.168.1.0/24."""
        word = {"SOURCE": "source", "DEST": "destination"}[title]
        text = self.columns[column]
        zones, colon, hosts = text.partition(":")
        if zones in ("-", ""):
            raise Wrong(f"Missing {word} zone")
        if colon and not hosts:
            raise Wrong(f"Missing {title} Qualifier ({text})")
        for zone in re.split("[,!]", zones):
            if zone not in self.site.zones and zone != FIREWALL and not ANYWHERE.fullmatch(zone):
                raise Wrong(f"Unknown {word} zone ({zone})")
        addresses(hosts, self.site.version)

    def protocol(self) -> None:
        protocols = self.columns["proto"]
        for protocol in re.split(",", protocols.removeprefix("!")):
            if protocol != "-" and not is_protocol(protocol):
                raise Wrong(f"Unknown PROTOCOL ({protocol})")
            for column, title in (("dport", "DEST"), ("sport", "SOURCE")):
                ports(protocol.partition(":")[0], self.columns[column], title)


def expanded(text: str, site: Site) -> str:
    """$FW is the firewall's zone; other variables stay, but must be known."""
    for match in VARIABLE.finditer(text):
        name = match[1] or match[2]
        if name != "FW" and name not in site.variables:
            raise Wrong(f"Undefined shell variable (${name})")
    return re.sub(r"\$(\{FW\}|FW\b)", FIREWALL, text)


def split(text: str) -> dict[str, str]:
    """Columns in order, then column=value pairs behind a semicolon or in braces."""
    sign = re.search(r";|(?<=\s)\{", text)
    head, tail = (text[:sign.start()], text[sign.end():]) if sign else (text, "")
    values = head.split()
    if len(values) > len(COLUMNS):
        raise Wrong("Invalid rules entry (too many columns)")
    columns = dict(zip(COLUMNS, values, strict=False))
    return columns if tail.startswith(";") else columns | pairs(tail.strip().removesuffix("}").strip())


def pairs(text: str) -> dict[str, str]:
    found, position = {}, 0
    while position < len(text):
        match = PAIR.match(text, position)
        if match is None:
            raise Wrong(f"Invalid column/value pair ({text[position:]})")
        if match[1] not in COLUMNS:
            raise Wrong(f"Unknown column ({match[1]})")
        found[match[1]] = match[2].strip('"')
        position = match.end()
    return found


def is_protocol(name: str) -> bool:
    if name.isdecimal():
        return int(name) <= 255
    return name.lower() in PROTOCOLS or name.lower() in ("tcp:syn", "tcp:!syn", "tcp:all")


def ports(protocol: str, text: str, title: str) -> None:
    """A list of ports and ranges, or of ICMP types."""
    if text in ("-", "", "="):
        return
    names = text.removeprefix("!").split(",")
    if protocol.lower() in ICMP_NAMES and title == "DEST":
        for name in names:
            if name not in ICMP and not re.fullmatch(r"\d{1,3}(/\d{1,3})?", name):
                raise Wrong(f"Invalid ICMP Type ({name})")
        return
    if protocol.lower() not in PORTED:
        raise Wrong(f"{title} PORT(S) not allowed without PROTOCOL tcp, udp, dccp, sctp or udplite")
    if sum(2 if ":" in name else 1 for name in names) > MOST_PORTS:
        raise Wrong(f"A port list in this file may only have up to {MOST_PORTS} ports")
    for name in names:
        port_range(protocol, name)


def port_range(protocol: str, text: str) -> None:
    low, colon, high = text.partition(":")
    bounds = (low or "0", high or "65535") if colon and text != ":" else (text,)
    if ":" in high or text == ":":
        raise Wrong(f"Invalid port range ({text})")
    for port in bounds:
        if not is_port(port):
            raise Wrong(f"Invalid/Unknown {protocol} port/service ({port})")
    if colon and low.isdecimal() and high.isdecimal() and int(low) >= int(high):
        raise Wrong(f"Invalid port range ({text})")


def is_port(text: str) -> bool:
    if text.isdecimal():
        return int(text) <= 65535
    return text in SERVICES or text.startswith(("+", "$"))


def addresses(text: str, version: int) -> None:
    """Hosts of a zone: addresses, networks and ranges are judged; interfaces, sets and variables pass."""
    for item in re.split(r"[,!](?![^\[<]*[\]>])", text):
        for host in [item.strip("[]<>")] if version == 6 else item.split(":"):
            if version == 4 and re.fullmatch(r"[\d./-]+", host) and host != "-" and "." in host:
                judge(host, ipaddress.IPv4Network, "IP Address")
            elif version == 6 and (":" in host or re.fullmatch(r"[\d./-]+\d", host)):
                judge(host.replace("]", "").replace("[", ""), ipaddress.IPv6Network, "IPv6 Address")


def judge(host: str, kind: type[ipaddress.IPv4Network] | type[ipaddress.IPv6Network], title: str) -> None:
    for address in host.split("-"):
        try:
            kind(address, strict=False)
        except ValueError:
            raise Wrong(f"Invalid {title} ({host})") from None

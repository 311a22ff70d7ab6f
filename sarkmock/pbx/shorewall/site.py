"""The configuration around a rules file: zones, and the syntax of addresses, networks, ranges and sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile

from sarkmock.pbx.shorewall.lists import (
    BadRule,
    Undecided,
    arguments,
    comma_list,
    compiled,
    decimal,
    fields,
    parse_number,
)

MAC = compiled(r"(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}")
PART_OF_NUMERIC_HOST = compiled(r"0[xX][0-9a-fA-F]+|\d+")
SET_NAME_START = compiled(r"(6_)?[a-zA-Z]")
SET_OPTIONS = ("nomatch", "no-update-counters", "no-update-subcounters", "packets", "bytes")
HOST_NAME = compiled(r"[\w.-]+")
LETTER = re.compile(r"[a-zA-Z_]")
DECIMAL_DIGITS = compiled(r"\d+")


def ipv4_network(text: str) -> None:
    net, slash, mask = text.partition("/")
    reject_set(net)
    if not net:
        raise BadRule("Missing address")
    if not slash:
        ipv4_host(net)
    elif not mask:
        raise BadRule(f"Invalid Network address ({text})")
    else:
        width = mask.partition("/")[0]
        if not DECIMAL_DIGITS.fullmatch(width) or decimal(width) > 32:
            raise BadRule(f"Invalid VLSM ({width})")
        if "/" in mask:
            raise BadRule(f"Invalid Network address ({text})")
        if not is_ipv4(net):
            raise BadRule(f"Invalid IP address ({net})")


def reject_set(net: str) -> None:
    if "+" in net:
        raise BadRule(f"Invalid ipset name ({net})" if not re.fullmatch(r"\+[a-zA-Z][-\w]*", net, re.ASCII)
                      else f"An ipset name ({net}) is not allowed in this context")


def is_ipv4(text: str) -> bool:
    parts = fields(text, ".")
    return len(parts) == 4 and all(DECIMAL_DIGITS.fullmatch(part) and decimal(part) < 256 for part in parts)


def ipv4_host(text: str) -> None:
    """Check an address or a host name; whether a name resolves is known only to the box's name server."""
    if is_ipv4(text):
        return
    if HOST_NAME.fullmatch(text) and LETTER.search(text) and not is_numeric_host(text):
        raise Undecided
    if not is_numeric_host(text):
        raise BadRule(f"Unknown Host ({text})")


def is_numeric_host(text: str) -> bool:
    """Whether the text is an address like 1.2.3 or 0x7f.1, whose last part fills the remaining bytes."""
    parts = text.split(".")
    if len(parts) > 4 or not all(PART_OF_NUMERIC_HOST.fullmatch(part) for part in parts):
        return False
    bases = [16 if part[:2].lower() == "0x" else 8 if part.startswith("0") else 10 for part in parts]
    if any(base == 8 and re.search("[89]", part) for base, part in zip(bases, parts, strict=True)):
        return False
    values = [int(part, base) if len(part) < 20 else 1 << 32 for base, part in zip(bases, parts, strict=True)]
    return all(value < 256 for value in values[:-1]) and values[-1] < 256 ** (5 - len(parts))


def ipv4_range(low: str, high: str) -> None:
    for address in (low, high):
        if not is_ipv4(address):
            raise BadRule(f"Invalid IP Address ({address})")
    if [*map(int, low.split("."))] > [*map(int, high.split("."))]:
        raise BadRule(f"Invalid IP Range ({low}-{high})")


def ipv6_network(text: str) -> None:
    net = text
    if net.startswith("[") and net.endswith("]") and len(net) > 2:
        net = net[1:-1]
    elif match := re.fullmatch(r"\[([^\]]+(?:\][^/].*)?)\](/[0-9]+)", net):
        net = match[1] + match[2]
    if "[" in net:
        raise BadRule(f"Invalid Network Address({net})")
    net, slash, mask = net.partition("/")
    if "/" in mask:
        raise BadRule(f"Invalid Network Address({text}")
    reject_set(net)
    if not net or (slash and not mask):
        raise BadRule(f"Invalid Network address ({text})")
    if not slash:
        ipv6_host(net)
        return
    if not DECIMAL_DIGITS.fullmatch(mask) or decimal(mask) > 128:
        raise BadRule(f"Invalid VLSM ({mask})")
    if not is_ipv6(net):
        raise BadRule(f"Invalid IPv6 address ({net})")


def ipv6_host(text: str) -> None:
    if is_ipv6(text) or mixed(text):
        return
    if HOST_NAME.fullmatch(text) and LETTER.search(text):
        raise Undecided
    raise BadRule(f"Unknown Host ({text})")


def mixed(text: str) -> bool:
    """Whether the text is like 2001:db8::1.2.3.4, which the resolver library accepts and Shorewall does not."""
    head, _, tail = text.rpartition(":")
    return is_ipv4(tail) and is_ipv6(f"{head}:0:0")


def is_ipv6(text: str) -> bool:
    parts, most = fields(text, ":"), 8
    if parts and re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+", parts[-1]):
        if not is_ipv4(parts.pop()):
            return False
        text, most = ":".join(parts), 6
        if text == ":":
            return True
    if len(parts) > most or not re.fullmatch(r"[a-fA-F:0-9]+", text):
        return False
    if (len(parts) != most and "::" not in text) or ":::" in text or text.count("::") > 1:
        return False
    if (text.startswith(":") and not text.startswith("::")) or (text.endswith(":") and not text.endswith("::")):
        return False
    return all(len(part) < 5 for part in parts)


def ipv6_range(low: str, high: str) -> None:
    addresses = [end[1:-1] if end.startswith("[") and end.endswith("]") else end for end in (low, high)]
    for address in addresses:
        if not is_ipv6(address):
            raise BadRule(f"Invalid IPv6 Address ({address})")
    if groups(addresses[0]) >= groups(addresses[1]):
        raise BadRule(f"Invalid IPv6 Range ({low}-{high})")


def groups(address: str) -> list[int]:
    """Return an address's groups as numbers, with `::` expanded to zeros."""
    before, gap, after = address.partition("::")
    left, right = ([part for part in side.split(":") if part] for side in (before, after))
    zeros = ["0"] * (8 - len(left) - len(right)) if gap else []
    return [int(part, 16) if part.isalnum() else 0 for part in (*left, *zeros, *right)]


def mac(text: str) -> None:
    address = text.replace("-", ":")
    if not MAC.fullmatch(address):
        raise BadRule(f"Invalid MAC address ({address})")


def ip_set(text: str) -> None:
    """Check the name and options of an ipset; whether it exists is known only when the firewall starts."""
    name, bracket, options = text.removeprefix("!").partition("[")
    if bracket and not options.endswith("]"):
        name = text
    elif bracket:
        set_options(options.removesuffix("]"))
    name = name.removeprefix("+")
    if not SET_NAME_START.match(name):
        raise BadRule(f"Invalid ipset name ({name})")


def set_options(text: str) -> None:
    """Check an ipset's options: directions, or their number, then further match options."""
    parts = text.split(",")
    numbered = re.fullmatch(r"[1-6]", parts[0])
    parts = parts[1:] if numbered else list(dropwhile(("src", "dst").__contains__, parts))
    for option in comma_list(",".join(parts), "ipset option") if parts else []:
        name, relation, value = [*re.split("(<>|=|<|>)", option), "", ""][:3]
        if name not in SET_OPTIONS:
            raise BadRule(f"Unknown ipset option ({name})")
        if name in SET_OPTIONS[3:]:
            if not value:
                raise BadRule(f"The {name} option requires a value")
            if parse_number(value) is None:
                raise BadRule(f"Invalid number ({value})")
        elif relation:
            raise BadRule(f"The {name} option does not require a value")


FIREWALL = "fw"
EVERY_ZONE = compiled(r"((?:all|any)[-+]*)(![^:]+)?(:.*)?")
SEVERAL_ZONES = compiled(r"([^:]+,[^:]+)(:.*)?")
BROKEN_EXCLUSION = re.compile(r"^!,|^!.*!|,,|,$")


class Exhausted(Exception):
    """The rule set is larger than the check's limit."""


def no_file(name: str) -> Sequence[str] | None:
    return None


@dataclass(frozen=True, slots=True)
class Site:
    """IP version, zones, interfaces (None: any), variables (None: unknown value), and files by name."""

    version: int = 4
    zones: Sequence[str] = (FIREWALL, "net")
    firewall: str = FIREWALL
    interfaces: frozenset[str] | None = None
    variables: Mapping[str, str | None] = field(default_factory=dict)
    file: Callable[[str], Sequence[str] | None] = no_file


@dataclass(frozen=True, slots=True)
class Mistake:
    """The first mistake: its place and Shorewall's message. ``line`` is None for the end of the file."""

    line: int | None
    problem: str
    file: str = ""

    @property
    def place(self) -> str:
        return "(EOF)" if self.line is None else f"(line {self.line})"


def specifications(text: str, column: str) -> Iterator[str]:
    """Yield the specifications of a column: several zones, each with its hosts in parentheses."""
    begin = text.find(":(")
    if begin < 0 or text.rfind(")") <= begin + 2:
        yield text
    else:
        yield from map(without_parentheses, arguments(text, column))


def without_parentheses(text: str) -> str:
    """Return zone:(hosts) without the parentheses."""
    begin = text.find(":(", 1)
    if text.endswith(")") and 0 < begin < len(text) - 3:
        return f"{text[:begin]}:{text[begin + 2:-1]}"
    return text


def split_zone(text: str, at_least: int) -> tuple[str, str, str]:
    """Return the zone, the colon, and the text after it."""
    colon = text.find(":", at_least)
    return (text, "", "") if colon < 0 else (text[:colon], ":", text[colon + 1:])


class Zones:
    """The zones in SOURCE and DEST of one rule."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.within_zone = False
        self.wild = False

    def listed(self, text: str, column: str) -> list[str]:
        if match := EVERY_ZONE.fullmatch(text):
            names, rest = self.all_zones(match[1], match[2], column), match[3]
        elif "," in text and (match := SEVERAL_ZONES.fullmatch(text)):
            self.wild = True
            self.within_zone = match[1].endswith("+")
            names, rest = comma_list(match[1].removesuffix("+"), "zone"), match[2]
        else:
            return [text]
        return [name + (rest or "") for name in dict.fromkeys(names)]

    def all_zones(self, word: str, exclusion: str | None, column: str) -> list[str]:
        self.wild = True
        excluded = set()
        if exclusion is not None:
            if BROKEN_EXCLUSION.search(exclusion):
                raise BadRule(f"Invalid exclusion list ({exclusion})")
            excluded = set(exclusion[1:].split(","))
            for zone in exclusion[1:].split(","):
                if zone not in self.site.zones:
                    raise BadRule(f"Unknown zone ({zone})")
        suffix = word[3:]
        if suffix not in ("", "+", "-", "+-", "-+"):
            raise BadRule(f"Invalid {column} (all{suffix})")
        self.within_zone = self.within_zone or "+" in suffix
        excluded |= {self.site.firewall} if "-" in suffix else set()
        return [zone for zone in self.site.zones if zone not in excluded]

    def differ(self, source: str, dest: str, action: str) -> bool:
        """Whether the pair is checked: rules for several zones skip pairs within one zone."""
        if not self.wild or self.within_zone:
            return True
        zone = dest.partition(":")[0]
        if zone not in self.site.zones:
            zone = self.site.firewall if action.startswith("REDIRECT") else ""
        return source.partition(":")[0] != zone

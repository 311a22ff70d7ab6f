"""The part after a zone in SOURCE and DEST: interfaces, addresses, networks, ranges, sets, and exclusions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sarkmock.pbx.shorewall.lists import BadRule, Undecided, arguments, bracketed, comma_list, compiled, fields
from sarkmock.pbx.shorewall.site import (
    ip_set,
    ipv4_host,
    ipv4_network,
    ipv4_range,
    ipv6_host,
    ipv6_network,
    ipv6_range,
    mac,
    without_parentheses,
)

IPV4_NETS = compiled(r"!?(?:[+&~%^]|\d+\.|.+\..+\.)")
IPV4_RANGE = compiled(r"!?(\d+\.\d+\.\d+\.\d+)-(\d+\.\d+\.\d+\.\d+)")
SET = compiled(r"!?\+?((?:6_)?[a-zA-Z][-\w]*(?:\[.*\])?)(?:\((.+)\))?")
COUNTRY = compiled(r"!?\^([A-Z\d]{2}|\[[A-Z,\d]+\])")
ADDRESS_VARIABLE = compiled(r"!?[&%](.+)")
COUNTER = compiled(r"[-\w%&@~]+")
MOST_COUNTRIES = 15
ALL = {4: "0.0.0.0/0", 6: "::/0"}
UNSPECIFIED = {4: "0.0.0.0", 6: "::"}
# An address or network, with or without exclusions.
SINGLE_NET = re.compile(r"!?(?:&\S+|<?\[?[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]*\]?(?:/[0-9]+)?>?)(?:!.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class HostPlace:
    """The context of a rule's hosts, which decides what is allowed."""

    version: int
    interfaces: frozenset[str] | None
    from_firewall: bool = False
    to_firewall: bool = False
    before_routing: bool = False

    def knows(self, interface: str) -> bool:
        """Whether the interface is configured; a configured name that ends in + matches every name with that prefix."""
        if self.interfaces is None or interface in self.interfaces or interface == "lo":
            return True
        if "*" in interface:
            raise BadRule(f"Invalid interface ({interface})")
        return any(known.endswith("+") and interface.startswith(known[:-1]) for known in self.interfaces)


def check_hosts(source: str, dest: str, origdest: str, place: HostPlace) -> None:
    """Check source, destination and original destination of a rule."""
    for left in alternatives(source, "SOURCE"):
        for right in alternatives(dest, "DEST")[:1]:
            one_pair(left, right, origdest, place)
    for right in alternatives(dest, "DEST")[1:]:
        one_pair("-", right, "-", place)


def alternatives(text: str, column: str) -> list[str]:
    begin = text.find("(")
    if begin < 0 or text.rfind(")") <= begin + 1:
        return [text]
    return [part[1:-1] if part.startswith("(") and part.endswith(")") else without_parentheses(part)
            for part in arguments(text, column)]


def one_pair(source: str, dest: str, origdest: str, place: HostPlace) -> None:
    left, right = source_parts(source, place.version), dest_parts(dest, place.version)
    if left[0]:
        source_interface(left[0], place)
    if right[0]:
        dest_interface(right[0], place)
    original_destination(origdest, place)
    networks(left[1], "SOURCE", place)
    networks(right[1], "DEST", place)


def iptables_options(source: str, dest: str, version: int) -> set[str]:
    """Return the options of iptables that a rule's hosts use: for interfaces, and for addresses that are not ranges."""
    left, right = source_parts(source, version), dest_parts(dest, version)
    named = {"i": left[0], "s": left[1], "o": right[0], "d": right[1]}
    return {option for option, text in named.items()
            if text not in ("", ALL[version]) and (option in "io" or any(map(SINGLE_NET.fullmatch, nets_of(text))))}


def nets_of(text: str) -> list[str]:
    """Return the parts of a list, for which the rule is repeated; several exclusions alone are one part."""
    return [text] if text.startswith("!") else text.split(",")


def source_parts(text: str, version: int) -> tuple[str, str]:
    """Split into interface and addresses."""
    if text in ("", "-"):
        return "", ""
    return ipv4_parts(text) if version == 4 else ipv6_parts(text, "&%~", True)


def dest_parts(text: str, version: int) -> tuple[str, str]:
    if text in ("", "-"):
        return "", ""
    if text.startswith("$"):
        raise Undecided
    return ipv4_parts(text) if version == 4 else ipv6_parts(text, "&%", False)


def ipv4_parts(text: str) -> tuple[str, str]:
    colon = text.find(":", 1)
    if 0 < colon < len(text) - 1:
        return text[:colon], text[colon + 1:]
    return ("", text) if IPV4_NETS.match(text) else (text, "")


def ipv6_parts(text: str, signs: str, source: bool) -> tuple[str, str]:
    text = text.translate({ord("<"): "[", ord(">"): "]"})
    colon = text.find(":[", 1)
    if colon > 0:
        rest = text[colon + 1:]
        if rest.endswith("]") and ",[" in rest[2:-2]:
            return text[:colon], rest if source else ranged(rest)
        if rest.endswith("]") and len(rest) > 2:
            return text[:colon], ranged(rest[1:-1]) if source else rest[1:-1]
        if re.fullmatch(r"\[.+\]/[0-9]+", rest):
            return text[:colon], ranged(rest) if source else rest
    match = re.match(r"(.+?):(!?\+.+)", text) or re.match(rf"(.+?):(!?[{signs}].+)", text)
    if match:
        return match[1], ranged(match[2]) if source else match[2]
    if ":" in text:
        whole = text.startswith("[") and text.endswith("]") and len(text) > 2
        return "", text if not whole or ",[" in text[2:-2] else ranged(text[1:-1])
    if re.search(r"[+&%~]" if source else r"[+&]", text) or text.count(".") > 1 or re.match(r"!?\^", text):
        return "", text
    return text, ""


def ranged(text: str) -> str:
    return text.replace("]-[", "-", 1)


def source_interface(text: str, place: HostPlace) -> None:
    interface = text.removeprefix("!")
    if not place.knows(interface):
        raise BadRule(f"Unknown Interface ({interface})")
    if place.from_firewall:
        raise BadRule(f"Source Interface ({interface}) not allowed when the SOURCE is the firewall")
    if text == "!+":
        raise BadRule("Invalid interface (!+)")


def dest_interface(text: str, place: HostPlace) -> None:
    interface = text.removeprefix("!")
    if not place.knows(interface):
        raise BadRule(f"Unknown Interface ({interface})")
    if place.before_routing and interface.endswith("+"):
        raise BadRule(f"A wildcard interface ({interface}) is not allowed in this context")
    if place.to_firewall:
        raise BadRule(f"Destination Interface ({interface}) not allowed when the destination zone is the firewall")


def original_destination(text: str, place: HostPlace) -> None:
    if text in ("", "-", "0", ALL[place.version]) or text.startswith("detect:"):
        return
    if re.fullmatch(r"[^!]*,![^!]+", text) or text.count("!") > 1:
        raise BadRule("Invalid ORIGINAL DEST")
    nets, sign, excluded = text.partition("!")
    if sign and not excluded:
        nets = text
    for net in host_list(nets) if nets else ():
        original(net, place)
    for net in host_list(excluded) if excluded else ():
        original(f"!{net}" if not nets else net, place)


def original(net: str, place: HostPlace) -> None:
    """Check one original destination, which may be neither a range nor a set."""
    if net == ALL[place.version]:
        return
    name = net.removeprefix("!")
    if name.startswith("&") and len(name) > 1:
        address_variable(name, place)
    else:
        network(name, place)


def networks(text: str, column: str, place: HostPlace) -> None:
    """Check a list of hosts with an optional exclusion at its end."""
    if not text or text == "0":
        return
    included, excluded = exclusion(text, column)
    for net in host_list(",".join(included)) if included else ():
        host(net, column, place)
    for net in host_list(",".join(excluded), loose=not included) if excluded else ():
        host(net, column, place)


def exclusion(text: str, column: str) -> tuple[list[str], list[str]]:
    included: list[str] = []
    excluded: list[str] = []
    problem = f"Invalid {column} network list ({text})"
    for element in host_list(text):
        if element.startswith("!"):
            if included or excluded:
                raise BadRule(problem)
            excluded.append(element[1:])
        elif "!" in element:
            parts = split_at_exclusion(element, problem)
            included.append(parts[0])
            if len(parts) > 1 and parts[1]:
                if excluded:
                    raise BadRule(problem)
                excluded.append(parts[1])
        else:
            (excluded if excluded else included).append(element)
    return [net for net in included if net], [net for net in excluded if net]


def split_at_exclusion(text: str, problem: str) -> list[str]:
    parts = fields(text, "!")
    if "[" in text:
        joined: list[str] = []
        for part in parts:
            if joined and joined[-1].count("[") > joined[-1].count("]"):
                joined[-1] += f"!{part}"
            else:
                joined.append(part)
        if joined and joined[-1].count("[") > joined[-1].count("]"):
            raise BadRule(f"Missing ']' ({joined[-1]})")
        if any(part.count("[") != part.count("]") for part in joined if "[" in part):
            raise BadRule(f"Mismatched [...] ({text})")
        parts = joined
    if len(parts) > 2:
        raise BadRule(problem)
    return parts or [""]


def host_list(text: str, loose: bool = False) -> list[str]:
    """Split a list of hosts; commas in brackets and parentheses do not separate elements."""
    elements = bracketed(text, "(", ")", bracketed(text, "[", "]", comma_list(text, "host")))
    if not loose and ("[" in text or "(" in text):
        begun = False
        for element in elements:
            if begun and "!" in element and re.search(r"[\[(]", element):
                raise BadRule(f"Invalid host list ({text})")
            begun = begun or bool(re.search(r"^!|\]!|\)!", element) if re.search(r"[\[(]", element) else "!" in element)
    return elements


def set_of_hosts(net: str) -> re.Match[str] | None:
    if ("[" in net or "(" in net) and not net.endswith(("]", ")")):
        return None
    return SET.fullmatch(net)


def ipv6_bounds(net: str) -> tuple[str, str] | None:
    """Return the two addresses of a range, split at the last hyphen that has a colon after it; None if not a range."""
    hyphen = net.rfind("-", 0, net.rfind(":") + 1)
    low = net[:max(hyphen, 0)].removeprefix("!")
    return (low, net[hyphen + 1:]) if ":" in low else None


def host(net: str, column: str, place: HostPlace) -> None:
    """Check one host, network, range, set, MAC address or country."""
    name = net.removeprefix("!")
    if place.version == 4 and (match := IPV4_RANGE.fullmatch(net)):
        ipv4_range(match[1], match[2])
    elif place.version == 6 and (bounds := ipv6_bounds(net)):
        ipv6_range(*bounds)
    elif name.startswith("~") and column == "SOURCE":
        if place.from_firewall:
            raise BadRule(f"A MAC address({net}) cannot be used in this context")
        mac(name[1:])
    elif match := set_of_hosts(net):
        ip_set(match[1])
        counters(match[2])
    elif net.startswith("+[") and net.endswith("]") and len(net) > 3:
        sets(net[2:-1])
    elif COUNTRY.fullmatch(net):
        if name.count(",") >= MOST_COUNTRIES:
            raise BadRule(f"Too many Country Codes ({name})")
        comma_list(name.strip("^[]"), "country-code")
    elif ADDRESS_VARIABLE.fullmatch(net):
        address_variable(name, place)
    else:
        network(name, place)


def sets(text: str) -> None:
    for name in host_list(text, loose=True):
        match = set_of_hosts(name)
        if match is None:
            raise BadRule(f"Expected ipset name ({name})")
        ip_set(match[1])
        counters(match[2])


def counters(text: str | None) -> None:
    for name in comma_list(text, "nfacct") if text else ():
        if not COUNTER.fullmatch(name):
            raise BadRule(f"Invalid nfacct object name ({name})")


def address_variable(text: str, place: HostPlace) -> None:
    """Check a variable like &eth0: the address that an interface has when the firewall starts."""
    name = text[1:]
    if re.fullmatch(r"\{[a-zA-Z_]\w*\}", name, re.ASCII):
        return
    if not place.knows(name):
        raise BadRule(f"Unknown interface address variable (&{name})")
    if name.endswith("+"):
        raise BadRule(f"Invalid interface address variable (&{name})")


def network(text: str, place: HostPlace) -> None:
    (ipv4_network if place.version == 4 else ipv6_network)(text)


def servers(text: str, place: HostPlace) -> None:
    """Check the server of DNAT: an address or a range."""
    low, hyphen, high = text.rpartition("-")
    if hyphen and low and high:
        bounds = low.strip("[]"), high.strip("[]")
        (ipv4_range if place.version == 4 else ipv6_range)(*bounds)
        return
    name = text[1:-1] if place.version == 6 and text.startswith("[") and text.endswith("]") else text
    if {text, name} & {ALL[place.version], UNSPECIFIED[place.version]}:
        raise BadRule("Invalid or missing server IP address")
    if ADDRESS_VARIABLE.fullmatch(name) and not name.startswith("!"):
        address_variable(name, place)
    elif place.version == 4:
        ipv4_host(name)
    else:
        ipv6_host(name)


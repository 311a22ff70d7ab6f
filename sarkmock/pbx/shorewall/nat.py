"""DNAT and REDIRECT: the server that a connection is redirected to, and its port."""

from __future__ import annotations

import re
from dataclasses import replace

from sarkmock.pbx.shorewall import hosts, protocols
from sarkmock.pbx.shorewall.columns import RuleRow
from sarkmock.pbx.shorewall.hosts import HostPlace
from sarkmock.pbx.shorewall.lists import BadRule, Words, decimal

TRANSLATING = ("DNAT", "DNAT-", "REDIRECT", "REDIRECT-")
REDIRECTING = ("REDIRECT", "REDIRECT-")


def redirect_dest(name: str, row: RuleRow, firewall: str, version: int, within: bool) -> str:
    """Return DEST; for REDIRECT, a port of the firewall."""
    if name not in REDIRECTING:
        return row.dest
    zone = "" if name == "REDIRECT-" or within else firewall
    middle = "::" if version == 4 else ":[]:"
    if within:
        return "" if row.dest == "-" else f"{middle[1:]}{row.dest}"
    if row.dest == "-":
        return f"{zone}{middle}{'' if re.search('[:,]', row.dport) else row.dport}"
    return row.dest if re.match(r"[^0-9].*:", row.dest) else f"{zone}{middle}{row.dest}"


def check_nat(name: str, row: RuleRow, source: str, dest: str, place: HostPlace, words: Words) -> None:
    server, port = server_and_port(dest.removesuffix(":random"), place.version)
    goes_on = not name.endswith("-")
    if port:
        server_port(port, row, words)
        if goes_on:
            protocols.check_ports(row.proto, port.replace("-", ":"), row.sport, words)
    if "," in server:
        raise BadRule(f"An address list ({server}) is not allowed in the DEST column of a {name} RULE")
    if name in REDIRECTING:
        if server:
            raise BadRule(f"A server IP address ({server}) may not be specified in a REDIRECT rule")
    elif server:
        hosts.servers(server, place)
    elif not port:
        raise BadRule(f"A server and/or port must be specified in the DEST column in {name} rules")
    origdest = "-" if row.origdest in ("all", "detect") else row.origdest
    hosts.check_hosts(source, origdest, "-", replace(place, to_firewall=False, before_routing=True))
    if goes_on:
        hosts.check_hosts(source, "-", "-" if "+" in origdest else origdest, place)


def server_and_port(text: str, version: int) -> tuple[str, str]:
    if version == 6:
        match = re.fullmatch(r"\[(.*)\]:(.+)", text)
        server, port = (match[1], match[2]) if match else (text, "")
    else:
        server, _, port = text.rpartition(":")
        if not port or not _:
            server, port = text, ""
    return ("" if text == ":" else server), port


def server_port(text: str, row: RuleRow, words: Words) -> None:
    value = protocols.protocol_number(row.proto, words) or 0
    if row.dport not in ("-", "0") and not re.search("[,:]", row.dport):
        single_port(value, row.dport, row, words)
    bounds = re.fullmatch(r"([0-9]+)-([0-9]+)", text)
    if bounds and decimal(bounds[1]) >= decimal(bounds[2]):
        raise BadRule(f"Invalid port range ({text})")
    for bound in bounds.groups() if bounds else (text,):
        single_port(value, bound, row, words)


def single_port(value: int, text: str, row: RuleRow, words: Words) -> None:
    """Check a port; a service's name is known for a protocol's own name or number only, not for `TCP` or `tcp:syn`."""
    number = protocols.port(value, text, words)
    if number and not text[0].isdecimal() and row.proto not in (str(value), protocols.PORTED[value]):
        raise BadRule(f"Invalid/Unknown {row.proto} port/service ({text})")

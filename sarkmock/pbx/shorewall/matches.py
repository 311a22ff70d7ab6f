"""The columns of a rule after its ports: rate, user, mark, connection limit, time, headers, switch and helper."""

from __future__ import annotations

import re

from sarkmock.pbx.shorewall.lists import (
    Undecided,
    Wrong,
    arguments,
    comma_list,
    compiled,
    decimal,
    fields,
    parse_number,
)
from sarkmock.pbx.shorewall.protocols import PORTED, TCP, UDP, protocol_number
from sarkmock.pbx.shorewall.words import Words

RATE = compiled(
    r"(?:([sd])(?:/(\d+))?:)?(?:(([A-Za-z]\w*)?(?:\((\d+),(\d+)\))?:)|:)?((\d+)(/(sec|min|hour|day))?)(?::(\d+))?")
WITHOUT_LIMIT = ("DROP", "REJECT")
TIME_ELEMENT = compiled(
    r"(timestart|timestop)=\d{1,2}:\d{1,2}(:\d{1,2})?|utc|localtz|kerneltz|contiguous"
    r"|(datestart|datestop)=\d{4}(-\d{2}(-\d{2}(T\d{1,2}(:\d{1,2}){0,2})?)?)?")
WEEKDAY = compiled(r"Mon|Tue|Wed|Thu|Fri|Sat|Sun|[1-7]")
IPV6_HEADERS = frozenset([
    "hop", "dst", "route", "frag", "auth", "esp", "none", "hop-by-hop", "ipv6-opts", "ipv6-route", "ipv6-frag", "ah",
    "ipv6-nonxt", "proto", "protocol", "0", "43", "44", "50", "51", "59", "60", "255"])
SWITCH_NAME = compiled(r"[a-zA-Z][-\w]*")
LARGEST_MARK = 0xFF
HELPERS = {"amanda": UDP, "ftp": TCP, "irc": TCP, "netbios-ns": UDP, "pptp": TCP, "Q.931": TCP, "RAS": UDP, "sane": TCP,
           "sip": UDP, "snmp": UDP, "tftp": UDP}


def rate(text: str, action: str, words: Words) -> None:
    if text in ("-", "", "0"):
        return
    if action in WITHOUT_LIMIT:
        raise Wrong(f"Rate Limiting not available with {action}")
    rates = arguments(text, "rate")
    if len(rates) > 2:
        raise Wrong("Only two rates may be specified")
    if len(rates) == 2:
        rates = [one if re.match(rf"{kind}(?:/[0-9]+)?:", one) else f"{kind}:{one}"
                 for kind, one in zip("sd", rates, strict=True)]
    for one in rates:
        one_rate(one, words)


def one_rate(text: str, words: Words) -> None:
    found = RATE.fullmatch(text)
    if found is None:
        raise Wrong(f"Invalid rate ({text})")
    if found[8] == "0":
        raise Wrong(f"Invalid Rate ({found[8]})")
    if found[11] == "0":
        raise Wrong(f"Invalid Burst ({found[11]})")
    if found[2] is not None and not 0 < (parse_number(found[2]) or 0) <= (32 if words.version == 4 else 128):
        raise Wrong(f"Invalid VLSM ({found[2]})")
    if found[5] is not None:
        buckets, most = parse_number(found[5]), parse_number(found[6])
        if not buckets:
            raise Wrong(f"Invalid hash table buckets ({found[5]})")
        if not most:
            raise Wrong(f"Invalid hash max entries({found[6]})")
        if most <= buckets:
            raise Wrong("Hash max entries must be > hash table buckets")


def user(text: str) -> None:
    """Users and groups; the names are those of the box."""
    if text == "-":
        return
    name, _, group = text.removeprefix("!").partition(":")
    for part, kind in ((name, "User"), (group, "Group")):
        found = re.fullmatch(r"([0-9]+)-([0-9]+)", part)
        if found and decimal(found[2]) < decimal(found[1]):
            raise Wrong(f"Invalid {kind} Range ({part})")


def check_mark_value(text: str) -> None:
    if text == "-":
        return
    value = text.removeprefix("!").removesuffix(":C")
    if value == "/":
        raise Wrong(f"Invalid MARK value ({text})")
    valid_mark(value)


def valid_mark(text: str) -> None:
    if not text:
        raise Wrong("Missing MARK")
    parts = fields(text, "/") if "/" in text else [text]
    if len(parts) != (2 if "/" in text else 1):
        raise Wrong(f"Invalid MARK ({text})")
    for part in parts:
        value = parse_number(part)
        if value is None or value > LARGEST_MARK:
            raise Wrong(f"Invalid Mark or Mask value ({part})")


def connection_limit(text: str) -> None:
    limit = text.removeprefix("d:").removeprefix("!")
    if text != "-" and not re.fullmatch(r"[0-9]+(:[0-9]+)?", limit):
        raise Wrong(f"Invalid connlimit ({limit})")


def time(text: str) -> None:
    if text == "-":
        return
    for element in fields(text, "&"):
        name, _, days = element.partition("=")
        if element in ("", "0"):
            raise Wrong(f"Invalid time element list ({text})")
        if name == "weekdays" and "=" in element:
            every(fields(days, ","), WEEKDAY, "weekday")
        elif name == "monthdays" and "=" in element:
            every(fields(days, ","), compiled(r"0?[1-9]|00|[12]\d|3[01]"), "day of the month")
        elif not TIME_ELEMENT.fullmatch(element):
            raise Wrong(f"Invalid time element ({element})")


def every(parts: list[str], pattern: re.Pattern[str], title: str) -> None:
    for part in parts:
        if not pattern.fullmatch(part):
            raise Wrong(f"Invalid {title} ({part})")


def check_headers(text: str) -> None:
    if text == "-":
        return
    for name in comma_list(re.sub(r"^!?(?:exactly:|any:)?", "", text), "Header"):
        if name not in IPV6_HEADERS:
            raise Wrong(f"Unknown IPv6 Header ({name})")


def switch(text: str, chain: str) -> tuple[str, str] | None:
    """The switch's name, with its value if the rule sets one at first."""
    if text == "-":
        return None
    name, equals, value = re.sub(r"^!", "", text).partition("=")
    if equals and value not in ("0", "1"):
        name = text
    name = re.sub(r"@(?:\{(?:0|chain)\}|0|chain)", lambda _: chain, name)
    if not SWITCH_NAME.fullmatch(name) or len(name) > 30:
        raise Wrong(f"Invalid switch name ({name})")
    return (name, value) if equals else None


def check_helper_name(text: str, proto: str, words: Words) -> None:
    """The helper of a connection, with the protocol it needs."""
    name, _, level = text.partition(":")
    found = re.fullmatch(r"([-\w.]+)\((.+)\)", name, re.ASCII | re.DOTALL)
    if found:
        raise Undecided
    if "," in name:
        raise Wrong(f"Invalid helper' ({name})")
    base = re.sub(r"-[0-9]+$", "", name)
    if base not in HELPERS or level:
        raise Wrong(f"Unrecognized helper ({base})")
    value = None if proto == "-" else protocol_number(proto, words)
    if value != HELPERS[base]:
        raise Wrong(f"The {base} helper requires PROTO={PORTED[HELPERS[base]]}")

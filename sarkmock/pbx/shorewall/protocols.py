"""PROTO, DPORT and SPORT of a rule, and later columns: rate, user, mark, time, headers, switch and helper."""

from __future__ import annotations

import re

from sarkmock.pbx.shorewall.lists import (
    BadRule,
    Undecided,
    Words,
    arguments,
    comma_list,
    compiled,
    decimal,
    fields,
    level,
    parse_number,
)
from sarkmock.pbx.shorewall.site import ip_set

TCP, UDP, ICMP, IPV6_ICMP = 6, 17, 1, 58
PORTED = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
MOST_PORTS = 15
ICMP_TYPE = compiled(r"(\d+)(/(\d+))?")
PROTOCOL_DIGITS = compiled(r"\d+|0x.*")
SYN, EVERYTHING = (re.compile(sign, re.IGNORECASE) for sign in (r":!?syn$", r":all$"))
PEER_TO_PEER = re.compile(r"ipp2p(:(tcp|udp|all))?", re.IGNORECASE)
RANGE_WITH_HYPHEN = compiled(r"[-0-9]+")
PORT_VARIABLE = compiled(r"%\{[a-zA-Z_]\w*\}")


def protocol_number(name: str, words: Words) -> int | None:
    """Return the number of a protocol, or None if it is unknown."""
    name = name.partition(":")[0]
    if PROTOCOL_DIGITS.fullmatch(name):
        value = parse_number(name)
        return value if value is not None and value <= 255 else None
    if "," in name:
        raise BadRule(f"A protocol list  ({name}) is not allowed in this context")
    if name == "icmp" and words.version == 6:
        return IPV6_ICMP
    return {"all": 0, "ALL": 0}.get(name, words.protocols.get(name))


def protocol_name(value: int, words: Words) -> str:
    return next((name for name, number in words.protocols.items() if number == value), str(value))


def check_ports(proto: str, ports: str, sports: str, words: Words) -> None:
    """Check PROTO with DPORT and SPORT."""
    proto, ports, sports = ("" if value == "-" else value for value in (proto, ports, sports))
    if not proto:
        if ports or sports:
            raise BadRule("SOURCE/DEST PORT(S) not allowed without PROTO")
        return
    name, flags = SYN.subn("", proto)
    name, everything = EVERYTHING.subn("", name)
    inverted, name = name.startswith("!"), name.removeprefix("!")
    value = protocol_number(name, words)
    if value is None:
        unknown_protocol(name, bool(flags))
    else:
        known_protocol(value, bool(flags), bool(everything), inverted, bool(ports or sports))
        port_columns(value, ports, sports, words)


def unknown_protocol(name: str, flags: bool) -> None:
    if flags:
        raise BadRule('":syn" is only allowed with tcp')
    if not PEER_TO_PEER.fullmatch(name):
        raise BadRule(f"Invalid/Unknown protocol ({name})")


def known_protocol(value: int, flags: bool, everything: bool, inverted: bool, has_ports: bool) -> None:
    if inverted and not value:
        raise BadRule("'!0' not allowed in the PROTO column")
    if flags and (value != TCP or inverted):
        raise BadRule('":syn" is only allowed with tcp')
    if everything and not flags and value != TCP:
        raise BadRule('":all" is only allowed with tcp')
    if inverted and has_ports:
        raise BadRule(f"SOURCE/DEST PORT(S) not allowed with PROTO !{value}")


def port_columns(value: int, ports: str, sports: str, words: Words) -> None:
    if value in PORTED:
        tcp_ports(value, ports, sports, words)
    elif value == ICMP and words.version == 6:
        raise BadRule("ICMP not permitted in an IPv6 configuration")
    elif value == IPV6_ICMP and words.version == 4:
        raise BadRule("IPv6_ICMP not permitted in an IPv4 configuration")
    elif value in (ICMP, IPV6_ICMP):
        icmp_types(ports, words)
        if sports:
            raise BadRule(f"SOURCE PORT(S) not permitted with {'ICMP' if value == ICMP else 'IPv6-ICMP'}")
    elif ports or sports:
        raise BadRule(f"SOURCE/DEST PORT(S) not allowed with PROTO {protocol_name(value, words)}")


def tcp_ports(value: int, ports: str, sports: str, words: Words) -> None:
    several = PORTED[value] == "udplite"
    if ports:
        name = ports.removeprefix("!")
        if not name.startswith("+"):
            sports = "" if sports == "=" else sports
            several = several or "," in name or "," in sports
            port_list(value, ports, several, "DEST", words)
        else:
            ip_set(name)
    else:
        several = several or "," in sports
    if sports == "=":
        raise BadRule("'=' in the SOURCE PORT(S) column requires one or more ports in the DEST PORT(S) column")
    if sports.startswith(("+", "!+")):
        ip_set(sports.removeprefix("!"))
    elif sports:
        port_list(value, sports, several, "SOURCE", words)


def port_list(value: int, text: str, several: bool, column: str, words: Words) -> None:
    names = text.removeprefix("!")
    if several:
        if text.startswith("!") and names.count(",") + names.count(":") >= MOST_PORTS:
            raise BadRule(f"An inverted port list may only have up to {MOST_PORTS} ports")
        for name in comma_list(names, "port"):
            port_range(value, name, words)
    elif not names:
        raise BadRule(f"Missing {column} PORT")
    elif column != "DEST" or not names.startswith("$"):
        port_range(value, names, words)


def port_range(value: int, text: str, words: Words) -> None:
    """Check a port or a range of ports, separated by a colon (or a hyphen between digits)."""
    bounds = text.replace("-", ":") if RANGE_WITH_HYPHEN.fullmatch(text) else text
    if bounds.count(":") > 1:
        raise BadRule(f"Invalid port range ({text})")
    bounds = f"0{bounds}" if bounds.startswith(":") else bounds
    bounds = f"{bounds}65535" if bounds.endswith(":") else bounds
    numbers = [port(value, name, words) if name not in ("", "0") else 0 for name in bounds.split(":")]
    if len(numbers) == 2 and None not in numbers and (numbers[0] or 0) >= (numbers[1] or 0):
        raise BadRule(f"Invalid port range ({text})")


def port(value: int, text: str, words: Words) -> int | None:
    """Return a port's number; None for a variable, whose value is known only when the firewall starts."""
    result: int | None = None
    name = PORTED.get(value, str(value))
    if PROTOCOL_DIGITS.fullmatch(text):
        result = parse_number(text)
        if result and 0 < result <= 65535:
            return result
    elif text.startswith("%"):
        if PORT_VARIABLE.fullmatch(text):
            return None
        raise BadRule(f"Invalid port variable ({text})")
    elif text in words.services.get(name, {}):
        return words.services[name][text]
    if re.fullmatch(r"[0-9]+-[0-9]+", text):
        raise BadRule(f"The separator for a port range is ':', not '-' ({text})")
    raise BadRule(f"Invalid/Unknown {value if PROTOCOL_DIGITS.fullmatch(text) else name} port/service ({text})")


def icmp_types(text: str, words: Words) -> None:
    names = text.removeprefix("!")
    if not text:
        return
    if "," not in names:
        icmp_type(names, words)
        return
    if text.startswith("!"):
        raise BadRule("An inverted ICMP list may only contain a single type")
    followed = False
    for name in comma_list(names, "ICMP type list"):
        if followed:
            icmp_type(name, words)
        followed = followed or name != "0"  # the first type is not checked


def icmp_type(name: str, words: Words) -> None:
    match = ICMP_TYPE.fullmatch(name)
    small = match and decimal(match[1]) < 256 and decimal(match[3] or "0") < 256
    if name not in words.icmp and not small:
        raise BadRule(f"Invalid {'ICMP' if words.version == 4 else 'IPv6 ICMP'} Type ({name})")


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
        raise BadRule(f"Rate Limiting not available with {action}")
    rates = arguments(text, "rate")
    if len(rates) > 2:
        raise BadRule("Only two rates may be specified")
    if len(rates) == 2:
        rates = [limit if re.match(rf"{kind}(?:/[0-9]+)?:", limit) else f"{kind}:{limit}"
                 for kind, limit in zip("sd", rates, strict=True)]
    for limit in rates:
        one_rate(limit, words)


def one_rate(text: str, words: Words) -> None:
    match = RATE.fullmatch(text)
    if match is None:
        raise BadRule(f"Invalid rate ({text})")
    if match[8] == "0":
        raise BadRule(f"Invalid Rate ({match[8]})")
    if match[11] == "0":
        raise BadRule(f"Invalid Burst ({match[11]})")
    if match[2] is not None and not 0 < (parse_number(match[2]) or 0) <= (32 if words.version == 4 else 128):
        raise BadRule(f"Invalid VLSM ({match[2]})")
    if match[5] is not None:
        buckets, most = parse_number(match[5]), parse_number(match[6])
        if not buckets:
            raise BadRule(f"Invalid hash table buckets ({match[5]})")
        if not most:
            raise BadRule(f"Invalid hash max entries({match[6]})")
        if most <= buckets:
            raise BadRule("Hash max entries must be > hash table buckets")


def user(text: str) -> None:
    """Check users and groups; their names are known only to the box."""
    if text == "-":
        return
    name, _, group = text.removeprefix("!").partition(":")
    for part, kind in ((name, "User"), (group, "Group")):
        match = re.fullmatch(r"([0-9]+)-([0-9]+)", part)
        if match and decimal(match[2]) < decimal(match[1]):
            raise BadRule(f"Invalid {kind} Range ({part})")


def check_mark_value(text: str) -> None:
    if text == "-":
        return
    value = text.removeprefix("!").removesuffix(":C")
    if value == "/":
        raise BadRule(f"Invalid MARK value ({text})")
    valid_mark(value)


def valid_mark(text: str) -> None:
    if not text:
        raise BadRule("Missing MARK")
    parts = fields(text, "/") if "/" in text else [text]
    if len(parts) != (2 if "/" in text else 1):
        raise BadRule(f"Invalid MARK ({text})")
    for part in parts:
        value = parse_number(part)
        if value is None or value > LARGEST_MARK:
            raise BadRule(f"Invalid Mark or Mask value ({part})")


def connection_limit(text: str) -> None:
    limit = text.removeprefix("d:").removeprefix("!")
    if text != "-" and not re.fullmatch(r"[0-9]+(:[0-9]+)?", limit):
        raise BadRule(f"Invalid connlimit ({limit})")


def time(text: str) -> None:
    if text == "-":
        return
    for element in fields(text, "&"):
        name, _, days = element.partition("=")
        if element in ("", "0"):
            raise BadRule(f"Invalid time element list ({text})")
        if name == "weekdays" and "=" in element:
            every(fields(days, ","), WEEKDAY, "weekday")
        elif name == "monthdays" and "=" in element:
            every(fields(days, ","), compiled(r"0?[1-9]|00|[12]\d|3[01]"), "day of the month")
        elif not TIME_ELEMENT.fullmatch(element):
            raise BadRule(f"Invalid time element ({element})")


def every(parts: list[str], pattern: re.Pattern[str], title: str) -> None:
    for part in parts:
        if not pattern.fullmatch(part):
            raise BadRule(f"Invalid {title} ({part})")


def check_headers(text: str) -> None:
    if text == "-":
        return
    for name in comma_list(re.sub(r"^!?(?:exactly:|any:)?", "", text), "Header"):
        if name not in IPV6_HEADERS:
            raise BadRule(f"Unknown IPv6 Header ({name})")


def switch(text: str, chain: str) -> tuple[str, str] | None:
    """Return a switch's name and initial value, if the rule sets one."""
    if text == "-":
        return None
    name, equals, value = re.sub(r"^!", "", text).partition("=")
    if equals and value not in ("0", "1"):
        name = text
    name = re.sub(r"@(?:\{(?:0|chain)\}|0|chain)", lambda _: chain, name)
    if not SWITCH_NAME.fullmatch(name) or len(name) > 30:
        raise BadRule(f"Invalid switch name ({name})")
    return (name, value) if equals else None


def check_helper_name(text: str, proto: str, words: Words) -> None:
    """Check the helper of a connection, and the protocol that it requires."""
    name, _, log = text.partition(":")
    match = re.fullmatch(r"([-\w.]+)\((.+)\)", name, re.ASCII | re.DOTALL)
    name = match[1] if match else name
    if "," in name:
        raise BadRule(f"Invalid helper' ({name})")
    base = re.sub(r"-[0-9]+$", "", name)
    if base not in HELPERS:
        raise BadRule(f"Unrecognized helper ({base})")
    if base != name:
        raise BadRule("The  helper is not enabled")
    value = None if proto == "-" else protocol_number(proto, words)
    if value != HELPERS[base]:
        raise BadRule(f"The {base} helper requires PROTO={PORTED[HELPERS[base]]}")
    if match and not re.match(r"(?:ctevents|expevents)=.", match[2]):
        raise BadRule(f"Invalid helper option ({match[2].partition(',')[0]})")
    if match:
        raise Undecided
    level(log, words.version)

"""The actions of rules: built-in ones, and the parameters of Shorewall's standard actions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sarkmock.pbx.shorewall.columns import RuleRow
from sarkmock.pbx.shorewall.lists import (
    BadRule,
    StandardAction,
    Words,
    action_parts,
    arguments,
    compiled,
    fields,
    level,
    parse_number,
)
from sarkmock.pbx.shorewall.protocols import TCP, protocol_number, valid_mark

EVENT = re.compile(r"[a-zA-z][-\w]*", re.ASCII)
DECIMAL = re.compile(r"[0-9]+")
AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]+)?")
AUDITED = re.compile(r"(A_)?(ACCEPT|DROP|REJECT)\b")
BLACKLISTING = ("AutoBLL", "BLACKLIST")


def checked_parameters(name: str, action: StandardAction, text: str, log: str) -> list[str]:
    """Return the checked parameters of an action, with defaults; `["-"]` if there are none."""
    given = ["" if value == "-" else "-" if value == "--" else value for value in arguments(text, "parameter")]
    if not action.inline:
        while given and not given[-1]:
            given.pop()
    most = len(action.parameters)
    if len(given) > most and name not in BLACKLISTING:
        raise BadRule(f"Too Many arguments to action {name}")
    filled = [*given, *[""] * (most - len(given))]
    filled = [value or default for value, default in zip(filled, [*action.parameters, *filled[most:]], strict=False)]
    action_audit(name, action, filled)
    if name in SCRIPTS:
        SCRIPTS[name]([("" if value == "-" else value) for value in filled], log)
    return filled or ["-"]


def action_audit(name: str, action: StandardAction, given: list[str]) -> None:
    """Check the audit parameter of actions that have one, and apply it to the target."""
    if action.audit == "only" and given[0] not in ("-", "audit"):
        raise BadRule(f"Invalid argument ({given[0]}) to {name}")
    if action.audit == "both" and given[1] != "-":
        if given[1] != "audit":
            raise BadRule(f"Invalid parameter ({given[1]}) to action {name}")
        if not AUDITED.match(given[0]):
            raise BadRule("Only ACCEPT, DROP and REJECT may be audited")
        given[0] = given[0] if given[0].startswith("A_") else f"A_{given[0]}"


def required(name: str, given: list[str], pattern: re.Pattern[str], *positions: int) -> None:
    for position in positions:
        if not pattern.fullmatch(given[position]):
            raise BadRule(f"Invalid parameter ({given[position]}) to action {name}")


def limit(given: list[str], log: str) -> None:
    if not any(given):
        given = fields(log.partition(":")[2], ",")
    if len(given) != 3:
        raise BadRule("Limit rules must include <set name>,<max connections>,<interval> as the log tag"
                      " or as parameters")
    if not all(DECIMAL.fullmatch(part) for part in given[1:]):
        raise BadRule("Max connections and interval in Limit rules must be numeric")


def check_event(given: list[str], direction: str) -> None:
    if not given[0]:
        raise BadRule("An event name is required")
    if not EVENT.fullmatch(given[0]):
        raise BadRule(f"Invalid event name ({given[0]})")
    if direction not in ("src", "dst"):
        raise BadRule(f"Invalid Src or Dest ({direction})")


def if_event(given: list[str], log: str) -> None:
    check_event(given, given[4])
    if given[2] and not DECIMAL.fullmatch(given[2]):
        raise BadRule(f"Invalid time limit ({given[2]})")
    if not DECIMAL.fullmatch(given[3]):
        raise BadRule(f"Invalid hit count ({given[3]})")
    command, *more = fields(given[5], ":") or [""]
    if command not in ("check", "update", "reset"):
        raise BadRule("Command must be 'check', 'update' or 'reset'")
    for option in more:
        if option not in ("reap", "ttl"):
            raise BadRule(f"Invalid command option ({option})")
    if "reap" in more and not given[2]:
        raise BadRule("reap requires a time limit")


def set_event(given: list[str], log: str) -> None:
    check_event(given, given[2])


def blacklist_event(given: list[str], log: str) -> None:
    if not given[0]:
        raise BadRule("The event name parameter to AutoBL is required")
    required("AutoBL", given, re.compile("[0-9]*[1-9][0-9]*|[0-9]{2,}"), 1, 2, 4)
    required("AutoBL", given, DECIMAL, 3)
    level(given[6], 4)
    check_event([f"{given[0]}_BL"], "src")


def blacklist_log(given: list[str], log: str) -> None:
    if len(given) < 3:
        raise BadRule(f"Undefined parameter (${len(given) + 1})")
    if given[2] != "none":
        level(given[2], 4)
    check_event([f"{given[0]}_BL"], "src")


def bricks(given: list[str], log: str) -> None:
    match = AMOUNT.match(given[0])
    if match is None or not 0 < float(match[0]) <= 1024:
        raise BadRule(f"Invalid value ({given[0]}) for the GlusterFS Bricks argument")
    if given[1] not in ("", "0", "1"):
        raise BadRule(f"Invalid value ({given[1]}) for the GlusterFS IB argument")
    last_port = 49150 + float(match[0])
    if last_port < 49152:
        raise BadRule(f"Invalid port range (49151:{last_port:g})")
    if not last_port.is_integer():
        raise BadRule(f"Invalid/Unknown tcp port/service ({last_port:g})")


def smurfs(given: list[str], log: str) -> None:
    if given[0] not in ("", "audit"):
        raise BadRule(f"Invalid argument ({given[0]}) to DropSmurfs")


def dynamic_blacklist(given: list[str], log: str) -> None:
    raise BadRule("The BLACKLIST action may only be used with ipset-based dynamic blacklisting")


SCRIPTS: dict[str, Callable[[list[str], str], None]] = {
    "Limit": limit, "IfEvent": if_event, "SetEvent": set_event, "ResetEvent": set_event, "AutoBL": blacklist_event,
    "AutoBLL": blacklist_log,
    "GlusterFS": bricks, "DropSmurfs": smurfs, "BLACKLIST": dynamic_blacklist}


OPTIONAL_PARAMETER = frozenset(["DNAT", "QUEUE", "REDIRECT"])
WITH_EMPTY_PARAMETER = frozenset(("TARPIT", "IPTABLES", "IP6TABLES", "NFLOG", "ULOG", "NFQUEUE", "NFQUEUE!", "INLINE"))
NAME_AND_PARAMETER = compiled(r"(\w+)\(.*\)")
SET_TARGET_NAME = compiled(r"\+?(6_)?[a-zA-Z][-\w]*")
SET_FLAGS = compiled(r"(dst|src)(,(dst|src)){0,5}")
REJECTS = {
    4: frozenset([
        "icmp-net-unreachable", "icmp-host-unreachable", "icmp-port-unreachable", "icmp-proto-unreachable",
        "icmp-net-prohibited", "icmp-host-prohibited", "icmp-admin-prohibited", "icmp-tcp-reset", "tcp-reset"]),
    6: frozenset([
        "icmp6-no-route", "no-route", "icmp6-adm-prohibited", "adm-prohibited", "icmp6-addr-unreachable",
        "addr-unreach", "icmp6-port-unreachable", "tcp-reset"])}


def basic_target(text: str) -> str:
    """Return the name of an action, without parameters and log level."""
    parts = fields(text, "/") if "/" in text else action_parts(text, "parameter")
    match = NAME_AND_PARAMETER.fullmatch(parts[0]) if parts else None
    return match[1] if match else parts[0] if parts else ""


@dataclass(slots=True)
class ActionColumn:
    """The column ACTION: name(parameter):level:tag, or the older name/parameter."""

    text: str
    name: str
    parameter: str
    log: str

    @classmethod
    def of(cls, column: str) -> ActionColumn:
        parts = action_parts(column)
        if len(parts) > 3:
            raise BadRule(f"Invalid ACTION ({column})")
        text = parts[0] if parts else ""
        name, slash, parameter = text.partition("/")
        if not slash and text.endswith(")"):
            name, _, parameter = text[:-1].partition("(")
        return cls(text, name, parameter, ":".join(parts[1:]))

    def check_log(self, version: int) -> None:
        name, _, tag = self.log.partition(":")
        if ":" in tag:
            raise BadRule("Invalid log tag")
        if self.log and name.lower() not in ("none", "none!"):
            level(name, version)


def check_parameter(target: ActionColumn, row: RuleRow, words: Words) -> None:
    check = CHECKS_BY_TARGET.get(target.name.rstrip("+!-"))
    if check is not None:
        check(target, row, words)
    elif target.parameter and target.name not in OPTIONAL_PARAMETER:
        raise BadRule(f"The {target.name} TARGET does not accept a parameter")
    if target.text.endswith("()") and target.name not in WITH_EMPTY_PARAMETER:
        raise BadRule(f"The {target.name} TARGET does not accept parameters")


def netfilter_target(name: str, kind: str, words: Words) -> None:
    if name in words.other_jumps:
        raise BadRule(f"The {name} TARGET is not allowed in the filter table")
    if name not in words.jumps:
        raise BadRule(f"Unknown {kind} ({name})")


def queue(target: ActionColumn, row: RuleRow, words: Words) -> None:
    first, _, option = target.parameter.partition(",")
    if "," in option or first.startswith(":"):
        raise BadRule(f"Invalid NFQUEUE parameter list ({target.parameter})")
    if first == "bypass" and option:
        raise BadRule(f"Invalid NFQUEUE options (bypass,{option})")
    if first not in ("", "bypass"):
        queue_numbers(first)
    if option not in ("", "bypass"):
        raise BadRule(f"Invalid NFQUEUE option ({option})")


def queue_numbers(text: str) -> None:
    low, _, high = text.partition(":")
    numbers = [parse_number(part) for part in (low, *([high.removesuffix("c")] if high else []))]
    for value, part in zip(numbers, (low, high), strict=False):
        if value is None or not 0 <= value <= 65535:
            raise BadRule(f"Invalid NFQUEUE queue number ({part})")
    if len(numbers) == 2 and (numbers[0] or 0) >= (numbers[1] or 0):
        raise BadRule(f"Invalid NFQUEUE queue number ({high})")


def address_set(target: ActionColumn, row: RuleRow, words: Words) -> None:
    """Check ADD and DEL: the name of the set, the flags of its elements, and their timeout."""
    if target.parameter in ("", "0"):
        raise BadRule(f"{target.text} rules require a set name parameter")
    name, flags, timeout, more = (*target.parameter.split(":", 3), "", "", "")[:4]
    if more:
        raise BadRule(f"Invalid ADD/DEL parameter ({target.parameter})")
    if not SET_TARGET_NAME.fullmatch(name):
        raise BadRule(f"Expected ipset name ({name.removeprefix('+')})")
    if not SET_FLAGS.fullmatch(flags):
        raise BadRule(f"Invalid flags ({flags})")
    if timeout and target.name != "ADD":
        raise BadRule("A timeout may only be supplied in an ADD rule")
    if timeout and (timeout == "0" or not re.fullmatch(r"[0-9]+", timeout)):
        raise BadRule(f"Invalid Timeout ({timeout})")


def check_audit(target: ActionColumn, row: RuleRow, words: Words) -> None:
    if target.parameter not in ("", "accept", "drop", "reject"):
        raise BadRule(f"Invalid AUDIT type ({target.parameter}) -- must be 'accept', 'drop' or 'reject'")


def user_space_log(target: ActionColumn, row: RuleRow, words: Words) -> None:
    """Check NFLOG and ULOG, which are log levels too."""
    level(target.text, words.version)
    target.log = f"{target.text}:{target.log}" if target.log else target.text


def reject(target: ActionColumn, row: RuleRow, words: Words) -> None:
    if not target.parameter:
        return
    if target.parameter not in REJECTS[words.version]:
        raise BadRule(f"Invalid REJECT option ({target.parameter})")
    if target.parameter.endswith("tcp-reset") and protocol_number(row.proto, words) != TCP:
        raise BadRule("tcp-reset may only be used with PROTO tcp")


def tarpit(target: ActionColumn, row: RuleRow, words: Words) -> None:
    if protocol_number(row.proto, words) != TCP:
        raise BadRule("TARPIT is only valid with PROTO tcp (6)")
    if target.parameter not in ("", "tarpit", "honeypot", "reset"):
        raise BadRule("TARPIT Parameter must be 'tarpit', 'honeypot' or 'reset'")


def log(target: ActionColumn, row: RuleRow, words: Words) -> None:
    if not target.log:
        raise BadRule("LOG requires a log level")


def check_helper(target: ActionColumn, row: RuleRow, words: Words) -> None:
    if target.parameter:
        raise BadRule("The HELPER TARGET does not accept a parameter")
    if row.helper == "-":
        raise BadRule("HELPER requires that a helper be specified in the HELPER column")


def whitelist(target: ActionColumn, row: RuleRow, words: Words) -> None:
    raise BadRule("'WHITELIST' may only be used in the blrules file")


def netfilter(target: ActionColumn, row: RuleRow, words: Words) -> None:
    if target.parameter not in ("", "0"):
        netfilter_target(target.parameter.partition(" ")[0], "target", words)


def check_mark(target: ActionColumn, row: RuleRow, words: Words) -> None:
    value = re.sub(r"^[|&]", "", target.parameter)
    if "-" in value:
        raise BadRule("Mark Ranges are not supported in the rules file")
    if value:
        valid_mark(value)


def anything(target: ActionColumn, row: RuleRow, words: Words) -> None:
    pass


CHECKS_BY_TARGET: dict[str, Callable[[ActionColumn, RuleRow, Words], None]] = {
    "NFQUEUE": queue, "ADD": address_set, "DEL": address_set, "AUDIT": check_audit, "NFLOG": user_space_log,
    "ULOG": user_space_log, "REJECT": reject, "TARPIT": tarpit, "LOG": log, "HELPER": check_helper,
    "WHITELIST": whitelist, "IPTABLES": netfilter,
    "IP6TABLES": netfilter, "MARK": check_mark, "CONNMARK": check_mark, "INLINE": anything}

"""Parameters of the actions that Shorewall brings along."""

from __future__ import annotations

import re
from collections.abc import Callable

from sarkmock.pbx.shorewall.lists import Wrong, arguments, fields
from sarkmock.pbx.shorewall.logging import level
from sarkmock.pbx.shorewall.words import StandardAction

EVENT = re.compile(r"[a-zA-z][-\w]*", re.ASCII)
DECIMAL = re.compile(r"[0-9]+")
AUDITED = re.compile(r"(A_)?(ACCEPT|DROP|REJECT)\b")
BLACKLISTING = ("AutoBLL", "BLACKLIST")


def checked_parameters(name: str, action: StandardAction, text: str, log: str) -> list[str]:
    """The parameters of an action, defaults filled in; `-` for none."""
    given = ["" if one == "-" else "-" if one == "--" else one for one in arguments(text, "parameter")]
    if not action.inline:
        while given and not given[-1]:
            given.pop()
    most = len(action.parameters)
    if len(given) > most and name not in BLACKLISTING:
        raise Wrong(f"Too Many arguments to action {name}")
    filled = [*given, *[""] * (most - len(given))]
    filled = [one or default for one, default in zip(filled, [*action.parameters, *filled[most:]], strict=False)]
    action_audit(name, action, filled)
    if name in SCRIPTS:
        SCRIPTS[name]([("" if one == "-" else one) for one in filled], log)
    return filled or ["-"]


def action_audit(name: str, action: StandardAction, given: list[str]) -> None:
    """Some actions write to the audit log if their last parameter says so."""
    if action.audit == "only" and given[0] not in ("-", "audit"):
        raise Wrong(f"Invalid argument ({given[0]}) to {name}")
    if action.audit == "both" and given[1] != "-":
        if given[1] != "audit":
            raise Wrong(f"Invalid parameter ({given[1]}) to action {name}")
        if not AUDITED.match(given[0]):
            raise Wrong("Only ACCEPT, DROP and REJECT may be audited")
        given[0] = given[0] if given[0].startswith("A_") else f"A_{given[0]}"


def required(name: str, given: list[str], pattern: re.Pattern[str], *positions: int) -> None:
    for position in positions:
        if not pattern.fullmatch(given[position]):
            raise Wrong(f"Invalid parameter ({given[position]}) to action {name}")


def limit(given: list[str], log: str) -> None:
    if not any(given):
        given = fields(log.partition(":")[2], ",")
    if len(given) != 3:
        raise Wrong("Limit rules must include <set name>,<max connections>,<interval> as the log tag or as parameters")
    if not all(DECIMAL.fullmatch(part) for part in given[1:]):
        raise Wrong("Max connections and interval in Limit rules must be numeric")


def check_event(given: list[str], direction: str) -> None:
    if not given[0]:
        raise Wrong("An event name is required")
    if not EVENT.fullmatch(given[0]):
        raise Wrong(f"Invalid event name ({given[0]})")
    if direction not in ("src", "dst"):
        raise Wrong(f"Invalid Src or Dest ({direction})")


def if_event(given: list[str], log: str) -> None:
    check_event(given, given[4])
    if given[2] and not DECIMAL.fullmatch(given[2]):
        raise Wrong(f"Invalid time limit ({given[2]})")
    if not DECIMAL.fullmatch(given[3]):
        raise Wrong(f"Invalid hit count ({given[3]})")
    command, *more = fields(given[5], ":") or [""]
    if command not in ("check", "update", "reset"):
        raise Wrong("Command must be 'check', 'update' or 'reset'")
    for option in more:
        if option not in ("reap", "ttl"):
            raise Wrong(f"Invalid command option ({option})")
    if "reap" in more and not given[2]:
        raise Wrong("reap requires a time limit")


def set_event(given: list[str], log: str) -> None:
    check_event(given, given[2])


def blacklist_event(given: list[str], log: str) -> None:
    if not given[0]:
        raise Wrong("The event name parameter to AutoBL is required")
    required("AutoBL", given, re.compile("[0-9]*[1-9][0-9]*|[0-9]{2,}"), 1, 2, 4)
    required("AutoBL", given, DECIMAL, 3)
    level(given[6], 4)
    check_event([f"{given[0]}_BL"], "src")


def blacklist_log(given: list[str], log: str) -> None:
    if len(given) < 3:
        raise Wrong(f"Undefined parameter (${len(given) + 1})")
    if given[2] != "none":
        level(given[2], 4)
    check_event([f"{given[0]}_BL"], "src")


def bricks(given: list[str], log: str) -> None:
    found = DECIMAL.match(given[0])
    if found is None or not 0 < int(found[0][:6]) <= 1024:
        raise Wrong(f"Invalid value ({given[0]}) for the GlusterFS Bricks argument")
    if given[1] not in ("", "0", "1"):
        raise Wrong(f"Invalid value ({given[1]}) for the GlusterFS IB argument")


def smurfs(given: list[str], log: str) -> None:
    if given[0] not in ("", "audit"):
        raise Wrong(f"Invalid argument ({given[0]}) to DropSmurfs")


def dynamic_blacklist(given: list[str], log: str) -> None:
    raise Wrong("The BLACKLIST action may only be used with ipset-based dynamic blacklisting")


SCRIPTS: dict[str, Callable[[list[str], str], None]] = {
    "Limit": limit, "IfEvent": if_event, "SetEvent": set_event, "ResetEvent": set_event, "AutoBL": blacklist_event,
    "AutoBLL": blacklist_log,
    "GlusterFS": bricks, "DropSmurfs": smurfs, "BLACKLIST": dynamic_blacklist}

"""The firewall's rule sets for IPv4 and IPv6: shown, stored, checked. Leaves the rules' grammar to shorewall."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sarkmock.http.context import Context
from sarkmock.http.replies import PhpError, Reply
from sarkmock.laravel import php
from sarkmock.pbx import pbx_files
from sarkmock.pbx.state import PbxFile, State

if TYPE_CHECKING:
    from sarkmock.pbx import shorewall


@dataclass(frozen=True, slots=True)
class Family:
    """One of the two firewalls: its Shorewall, and the file beside its configuration that the API stores."""

    program: str
    version: int
    path: str

    @property
    def directory(self) -> str:
        return self.path.rpartition("/")[0]


# Recorded exchange 1106/39: rules of a short word each, as ["a", "b"], restart the firewall.
SHORT_WORD = re.compile(r"[a-z0-9.]{1,3}|[^\0-\x7f]")
ASSIGNMENT = re.compile(r"(?:export )?([A-Za-z_]\w*)=(.*)", re.ASCII)

IPV4 = Family("Shorewall", 4, pbx_files.RULES_IPV4)
FAMILY_IPV6 = Family("Shorewall6", 6, pbx_files.RULES_IPV6)


def rules(family: Family, context: Context) -> Reply:
    return Reply(lines_of(context.state, family.path))


def rules_wrapped(family: Family, context: Context) -> Reply:
    """The published product fills an array under a key, which exists only once there is a line."""
    lines = lines_of(context.state, family.path)
    return Reply({"rules": lines} if lines else [])


def are_lines(context: Context) -> None:
    """sark-v6-api.txt lines 329 and 333: a simple array; erratum E53: of lines."""
    given = context.input.get("rules")
    if given is None or context.errors:
        return
    if not isinstance(given, (list, dict)):
        context.refuse("rules", "The rules must be an array.")
    elif any(isinstance(element, (list, dict, php.UploadedFile)) for element in elements(given)):
        context.refuse("rules", "The rules must be an array of lines.")


def store_and_check(family: Family, context: Context) -> Reply:
    """Stores the rules and returns what Shorewall reports about them (sark-v6-api.txt line 333)."""
    reply = save_rules(family, context)
    output = shorewall_output(family, context.state)
    return Reply({**reply.body, "errors": output}) if output else reply


def save_rules(family: Family, context: Context) -> Reply:
    """Stores the rules, one element per line. To PHP, an uploaded file is an object that has nothing in it."""
    given = context.input["rules"]
    if isinstance(given, php.UploadedFile):
        given = []
    if not isinstance(given, (list, dict)):
        raise PhpError(f"foreach() argument must be of type array|object, {php_type(given)} given", field="rules")
    content = "".join(f"{php.to_text(element)}\n" for element in elements(given))
    context.state.files[family.path] = PbxFile(content.encode("utf-8", "replace"), context.state.clock.now())
    return Reply({"message": "saved sark_rules"})


def elements(given: list[Any] | dict[str, Any]) -> list[Any]:
    """PHP knows arrays alone: of a JSON object the values count."""
    return list(given.values()) if isinstance(given, dict) else given


def php_type(value: object) -> str:
    return {str: "string", bool: "bool", int: "int", float: "float"}.get(type(value), "object")


def restart(family: Family, context: Context) -> Reply:
    """Restarts the firewall if Shorewall finds no mistake; else its output, with the product's status."""
    output = shorewall_output(family, context.state)
    return Reply(output, 500) if output else Reply({"message": "Shorewall restarted OK"})


def shorewall_output(family: Family, state: State) -> list[str]:
    """What `shorewall check` prints if it finds a mistake; nothing if there is none."""
    from sarkmock.pbx import shorewall  # takes long to import

    lines = ["" if SHORT_WORD.fullmatch(line) else line for line in lines_of(state, family.path)]
    mistake = shorewall.first_mistake(lines, site(family, state))
    if mistake is None:
        return []
    path = f"{family.directory}/{mistake.file}" if mistake.file else family.path
    return [*progress_lines(family), f"   ERROR: {mistake.problem} {path} {mistake.place}", ""]


def site(family: Family, state: State) -> shorewall.Site:
    """What the rules may refer to: the files beside them."""
    from sarkmock.pbx import shorewall

    zones = {columns[0].partition(":")[0]: columns[1:] for columns in table(state, f"{family.directory}/zones")}
    firewall = next((zone for zone, kind in zones.items() if kind[:1] == ["firewall"]), shorewall.FIREWALL)
    interfaces = frozenset(columns[1] for columns in table(state, f"{family.directory}/interfaces") if columns[1:])
    return shorewall.Site(
        family.version, tuple(zones) or (shorewall.FIREWALL, "net"), firewall, interfaces or None,
        params_variables(state, f"{family.directory}/params"),
        lambda name: included(state, f"{family.directory}/{name}"))


def params_variables(state: State, path: str) -> dict[str, str | None]:
    """The variables of a params file, a shell script: None for a value that only a shell can tell."""
    found = (ASSIGNMENT.fullmatch(" ".join(columns)) for columns in table(state, path))
    return {match[1]: None if set(match[2]) & set("$`\\") else match[2].strip("\"'") for match in found if match}


def included(state: State, path: str) -> list[str] | None:
    return lines_of(state, path) if path in state.files else None


def progress_lines(family: Family) -> list[str]:
    """What Shorewall prints on its way to the rules."""
    place = family.directory
    return [
        f"Checking using {family.program} 5.2.3.2...", f"Processing {place}/params ...",
        f"Processing {place}/{family.program.lower()}.conf...", "Loading Modules...", f"Checking {place}/zones...",
        f"Checking {place}/interfaces...", "Determining Hosts in Zones...", "Locating Action Files...",
        f"Checking {place}/policy...", f"Checking {place}/rules..."]


def table(state: State, path: str) -> list[list[str]]:
    """The columns of a configuration file's lines, comments and directives aside."""
    split = (line.partition("#")[0].split() for line in lines_of(state, path))
    return [columns for columns in split if columns and not columns[0].startswith("?")]


def lines_of(state: State, path: str) -> list[str]:
    """The lines of a text file as PHP's file() sees them, ended by LF or CRLF; none if there is no such file."""
    file = state.files.get(path)
    *ended, last = file.content.decode("utf-8", "replace").split("\n") if file else [""]
    return [line.removesuffix("\r") for line in ended] + ([last] if last else [])

"""The firewall's rule sets for IPv4 and IPv6: show, store, check. The syntax of rules is in the package shorewall."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sarkmock.http.context import Context
from sarkmock.http.replies import PhpError, Reply
from sarkmock.laravel import php
from sarkmock.laravel.php.values import from_bytes, to_bytes
from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions.stored import store_files
from sarkmock.pbx.state import State

if TYPE_CHECKING:
    from sarkmock.pbx.shorewall.site import Site


@dataclass(frozen=True, slots=True)
class Family:
    """One of the two firewalls: its Shorewall program, and the rules file in its configuration that the API stores."""

    program: str
    version: int
    path: str

    @property
    def directory(self) -> str:
        return self.path.rpartition("/")[0]


# Recorded exchange 1106/39: rules that are one short word each, as ["a", "b"], restart the firewall.
SHORT_WORD = re.compile(r"[a-z0-9.]{1,3}|[^\0-\x7f]")
ASSIGNMENT = re.compile(r"(?:export )?([A-Za-z_]\w*)=(.*)", re.ASCII)

NO_LINES = {list, dict, php.UploadedFile}  # types of elements
NOT_AN_ARRAY = "The {field} must be an array."
NOT_LINES = "The {field} must be an array of lines."

IPV4 = Family("Shorewall", 4, pbx_files.RULES_IPV4)
IPV6 = Family("Shorewall6", 6, pbx_files.RULES_IPV6)


def rules(family: Family, context: Context) -> Reply:
    return Reply(lines_of(context.state, family.path))


def rules_wrapped(family: Family, context: Context) -> Reply:
    """Return the rules under a key; as in the published product, an empty array if there are no lines."""
    lines = lines_of(context.state, family.path)
    return Reply({"rules": lines} if lines else [])


def are_lines(context: Context) -> None:
    """Reject rules that are not an array of lines (sark-v6-api.txt lines 329 and 333; erratum E53)."""
    rules = context.input.get("rules")
    if rules is None or context.errors:
        return
    if not isinstance(rules, (list, dict)):
        context.reject("rules", NOT_AN_ARRAY)
    elif NO_LINES & set(map(type, elements(rules))):
        context.reject("rules", NOT_LINES)


def store_and_check(family: Family, context: Context) -> Reply:
    """Store the rules and return what Shorewall reports about them (sark-v6-api.txt line 333)."""
    reply = save_rules(family, context)
    output = shorewall_output(family, context.state)
    return Reply({**reply.body, "errors": output}) if output else reply


def save_rules(family: Family, context: Context) -> Reply:
    """Store the rules, one element per line. PHP treats an uploaded file as an object without properties."""
    rules = context.input["rules"]
    if isinstance(rules, php.UploadedFile):
        rules = []
    if not isinstance(rules, (list, dict)):
        raise PhpError(f"foreach() argument must be of type array|object, {php_type(rules)} given", field="rules")
    content = php.to_lines(elements(rules))
    store_files(context.state, {family.path: to_bytes(content)})
    return Reply({"message": "saved sark_rules"})


def elements(rules: list[Any] | dict[str, Any]) -> list[Any]:
    """Return the elements of a PHP array; of a JSON object, its values."""
    return list(rules.values()) if isinstance(rules, dict) else rules


def php_type(value: object) -> str:
    return {str: "string", bool: "bool", int: "int", float: "float"}.get(type(value), "object")


def restart(family: Family, context: Context) -> Reply:
    """Restart the firewall if Shorewall finds no mistake. If it finds one, return its output and status 500."""
    output = shorewall_output(family, context.state)
    return Reply(output, 500) if output else Reply({"message": "Shorewall restarted OK"})


def shorewall_output(family: Family, state: State) -> list[str]:
    """Return what `shorewall check` prints if it finds a mistake; if not, an empty list."""
    from sarkmock.pbx import shorewall  # slow to import

    stored = lines_of(state, family.path, shorewall.MOST_LINES)
    lines = ("" if SHORT_WORD.fullmatch(line) else line for line in stored)
    mistake = shorewall.first_mistake(lines, site(family, state))
    if mistake is None:
        return []
    path = f"{family.directory}/{mistake.file}" if mistake.file else family.path
    return [*progress_lines(family), f"   ERROR: {mistake.problem} {path} {mistake.place}", ""]


def site(family: Family, state: State) -> Site:
    """Return what the rules may refer to, read from the configuration files beside them."""
    from sarkmock.pbx.shorewall.site import FIREWALL, Site

    zones = {columns[0].partition(":")[0]: columns[1:] for columns in table(state, f"{family.directory}/zones")}
    firewall = next((zone for zone, kind in zones.items() if kind[:1] == ["firewall"]), FIREWALL)
    interfaces = frozenset(columns[1] for columns in table(state, f"{family.directory}/interfaces") if columns[1:])
    return Site(
        family.version, tuple(zones) or (FIREWALL, "net"), firewall, interfaces or None,
        params_variables(state, f"{family.directory}/params"),
        lambda name: included(state, f"{family.directory}/{name}"))


def params_variables(state: State, path: str) -> dict[str, str | None]:
    """Return the variables of a params file, a shell script; None for a value that only a shell can compute."""
    matches = (ASSIGNMENT.fullmatch(" ".join(columns)) for columns in table(state, path))
    return {match[1]: None if set(match[2]) & set("$`\\") else match[2].strip("\"'") for match in matches if match}


def included(state: State, path: str) -> list[str] | None:
    return lines_of(state, path) if path in state.files else None


def progress_lines(family: Family) -> list[str]:
    """Return the lines that Shorewall prints before it checks the rules."""
    place = family.directory
    return [
        f"Checking using {family.program} 5.2.3.2...", f"Processing {place}/params ...",
        f"Processing {place}/{family.program.lower()}.conf...", "Loading Modules...", f"Checking {place}/zones...",
        f"Checking {place}/interfaces...", "Determining Hosts in Zones...", "Locating Action Files...",
        f"Checking {place}/policy...", f"Checking {place}/rules..."]


def table(state: State, path: str) -> list[list[str]]:
    """Return the columns of each line of a configuration file, without comments and directives."""
    split = (line.partition("#")[0].split() for line in lines_of(state, path))
    return [columns for columns in split if columns and not columns[0].startswith("?")]


def lines_of(state: State, path: str, most: int = -1) -> list[str]:
    """Return the lines of a text file as PHP's file() does, ended by LF or CRLF; none if the file does not exist.

    After ``most`` lines, the rest of the file is one line.
    """
    file = state.files.get(path)
    text = from_bytes(file.content).replace("\r\n", "\n") if file else ""
    return text.removesuffix("\n").split("\n", most) if text else []

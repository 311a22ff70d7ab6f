"""Writes sarkmock's word lists from an installed Shorewall: run `python -m tests.shorewall.words` for a new version.

The lists have the rules of macros, the actions with their number of parameters, protocols and services.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHARED = Path("/usr/share/shorewall")
SHARED6 = Path("/usr/share/shorewall6")
PERL = SHARED / "Shorewall"
PORTED = ("tcp", "udp", "dccp", "sctp", "udplite")


def main() -> None:
    from sarkmock.pbx.shorewall import lists
    lists.WORDS_FILE.write_text(text(), encoding="utf-8")


def text() -> str:
    lists = {
        "protocols": protocols(), "services": services(), "macros": {4: macros(SHARED), 6: macros(SHARED6)},
        "actions": {4: actions(SHARED), 6: actions(SHARED6)},
        "icmp": {4: icmp("icmp_types"), 6: icmp("ipv6_icmp_types")},
        "targets": targets(), "jumps": jumps(), "capabilities": capabilities(), "options": options()}
    head = ("# Words of Shorewall's rules file, from Debian's package: written by `python -m tests.shorewall.words`.\n"
            "# Macros with their rules, actions with the defaults of their parameters. 6: only in Shorewall6.\n")
    return head + f"version: '{version()}'\n" + "".join(f"{name}:\n{block(value)}" for name, value in lists.items())


def block(value: Any, indent: str = "  ") -> str:
    """A value as YAML, with each word list on one folded line, so that versions can be compared."""
    if isinstance(value, list):
        return wrapped(" ".join(value), indent)
    return "".join(f"{indent}{quoted(key)}:{entry(item, indent)}" for key, item in value.items())


def entry(item: Any, indent: str) -> str:
    return f" {leaf(item)}\n" if is_leaf(item) else f"\n{block(item, indent + '  ')}"


def is_leaf(item: Any) -> bool:
    return not isinstance(item, (dict, list)) or not item or isinstance(item, Rules) or (
        isinstance(item, dict) and "rules" in item)


def leaf(item: Any) -> str:
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(quoted(element) for element in item) + "]"
    if isinstance(item, dict):
        return "{" + ", ".join(f"{key}: {leaf(element)}" for key, element in item.items()) + "}"
    return quoted(item)


def quoted(word: object) -> str:
    if isinstance(word, bool):
        return str(word).lower()
    if isinstance(word, int):
        return str(word)
    return str(word) if re.fullmatch(r"[A-Za-z_][\w+.-]*", str(word)) and str(word).lower() not in (
        "y", "n", "yes", "no", "on", "off", "true", "false", "null") else "'" + str(word).replace("'", "''") + "'"


def wrapped(words: str, indent: str) -> str:
    lines, line = [], ""
    for word in words.split():
        if line and len(indent + line + " " + word) > 118:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "".join(f"{indent}{'>-' if not number else ''}{chr(10) + indent if not number else ''}{part}\n"
                   for number, part in enumerate([*lines, line]))


class Rules(list[str]):
    """Rules of a macro or an action, one line of text each."""


def version() -> str:
    return (SHARED / "version").read_text().strip()


def protocols() -> dict[str, int]:
    return {name: int(columns[1]) for columns in table(Path("/etc/protocols")) for name in (columns[0], *columns[2:])}


def services() -> dict[str, list[str]]:
    """The names of ports with their numbers, by protocol."""
    names_by_protocol: dict[str, dict[str, str]] = {protocol: {} for protocol in PORTED}
    for name, port, *aliases in table(Path("/etc/services")):
        number, _, protocol = port.partition("/")
        for word in (name, *aliases):
            names_by_protocol.get(protocol, {}).setdefault(word, f"{word}={number}")
    return {protocol: list(names.values()) for protocol, names in names_by_protocol.items() if names}


def table(path: Path) -> Iterator[list[str]]:
    for line in path.read_text().splitlines():
        columns = line.partition("#")[0].split()
        if columns:
            yield columns


def macros(folder: Path) -> dict[str, Rules]:
    return {path.name.removeprefix("macro."): Rules(bodies(path, {"__IPV4": folder == SHARED}))
            for path in sorted(folder.glob("macro.*"))}


def bodies(path: Path, conditions: dict[str, bool]) -> Iterator[str]:
    """The rules of a file, with ?if evaluated as if all capabilities were present."""
    open_conditions: list[bool] = []
    script = False
    for raw in path.read_text().splitlines():
        line = " ".join(re.sub(r"\s*#.*", "", raw).split())
        directive = re.match(r"\?\s*(\w+)\s*(.*)", line)
        if directive and directive[1].lower() == "if":
            open_conditions.append(holds(directive[2], conditions))
        elif directive and directive[1].lower() == "elsif":
            open_conditions[-1] = holds(directive[2], conditions)
        elif directive and directive[1].lower() == "else":
            open_conditions[-1] = not open_conditions[-1]
        elif directive and directive[1].lower() == "endif":
            open_conditions.pop()
        elif directive and directive[1].lower() in ("begin", "end"):
            script = directive[1].lower() == "begin"
        elif line and not directive and not script and all(open_conditions):
            yield re.sub(r"\s*;;.*|\s*\{ ?comment=.*\}", "", line)


def holds(expression: str, conditions: dict[str, bool]) -> bool:
    """Evaluate a condition: capabilities are present, parameters are not passed."""
    return conditions.get(expression, expression.startswith(("__", "( __", "passed @", "@1 =~")))


def actions(folder: Path) -> dict[str, dict[str, Any]]:
    result = {}
    for name, *options in table_of_actions(folder / "actions.std"):
        path = next(candidate / f"action.{name}" for candidate in (folder, SHARED)
                    if (candidate / f"action.{name}").exists())
        words = options[0].split(",") if options else []
        rules = list(bodies(path, {"__IPV4": folder == SHARED}))
        defaults = next((line.split()[1].split(",") for line in rules if line.startswith("DEFAULTS ")), [])
        result[name] = action(words, defaults, [line for line in rules if not line.startswith("DEFAULTS ")],
                              "perl" in path.read_text().lower(), "'audit'" in path.read_text())
    return result


def action(options: list[str], defaults: list[str], rules: list[str], script: bool, audited: bool) -> dict[str, Any]:
    protocol = next((int(word.partition("=")[2]) for word in options if word.startswith("proto=")), 0)
    described: dict[str, Any] = {"inline": "inline" in options, "parameters": defaults}
    described |= {"proto": protocol} if protocol else {}
    if "audit" in options:
        described["audit"] = "both"
    elif audited and not script:
        described["audit"] = "only"
    if any(word.startswith("state=") for word in options):
        rules = ["@1"] if not {"state=ESTABLISHED", "state=RELATED"} & set(options) else []  # in the section NEW
    if script:
        rules = ["@2"] if "ACCEPT" in defaults else rules  # what an event leads to
    rules = [rule.replace("$reject_proto", "6") for rule in rules]
    return described | {"rules": [rule for rule in rules if "$" not in rule]}


def table_of_actions(path: Path) -> Iterator[list[str]]:
    lines = re.sub(r"\\[^\n]*\n\s*", "", path.read_text())
    open_conditions: list[bool] = []
    for line in lines.splitlines():
        if line.startswith("?"):
            keyword = line.split()[0]
            if keyword == "?if":
                open_conditions.append(True)
            elif keyword == "?else":
                open_conditions[-1] = False
            else:
                open_conditions.pop()
        elif all(open_conditions) and (columns := line.partition("#")[0].split()):
            yield columns


def perl_table(module: str, name: str) -> str:
    match = re.search(rf"(?:my|our) %{name}\s*=\s*\((.*?)\n?\s*\);", (PERL / module).read_text(), re.DOTALL)
    assert match, name
    return match[1]


def icmp(name: str) -> list[str]:
    return re.findall(r"'?([A-Za-z][\w-]*)'?\s*=>", perl_table("IPAddrs.pm", name))


def targets() -> dict[int, list[str]]:
    """The built-in actions."""
    lists = re.findall(r"%targets = \((.*?)\n\s*\);", (PERL / "Chains.pm").read_text(), re.DOTALL)
    return {family: re.findall(r"'([A-Z_6+!-]+)'\s*=>", part) for family, part in zip((4, 6), lists, strict=True)}


def jumps() -> dict[str, list[str]]:
    """Netfilter's targets, by whether they are valid in the filter table."""
    rows = re.findall(r"(\w+)\s*=>\s*([A-Z_ +]+)", perl_table("Chains.pm", "builtin_target"))
    return {"filter": [name for name, tables in rows if "FILTER_TABLE" in tables],
            "other": [name for name, tables in rows if "FILTER_TABLE" not in tables]}


def capabilities() -> list[str]:
    return re.findall(r"^\s+([A-Z]\w+)\s*=>", "\n" + perl_table("Config.pm", "capdesc"), re.MULTILINE)


def options() -> list[str]:
    """The options of shorewall.conf, which are variables in rules."""
    return re.findall(r"^([A-Z]\w+)=", (SHARED / "configfiles/shorewall.conf").read_text(), re.MULTILINE)


if __name__ == "__main__":
    main()

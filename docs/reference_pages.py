"""The reference pages that are generated: each is a function that returns Markdown."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import sarkmock_contracts
import yaml
from click.testing import CliRunner

import pytest_sarkmock
import sarkmock
from sarkmock.cli import cli
from sarkmock.spec.data_files import openapi_dir

METHODS = ("get", "put", "post", "delete", "patch")


def output(*arguments: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def table(*rows: tuple[str, ...]) -> str:
    """A Markdown table; the first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])


def command_line() -> str:
    """Every command with its help text, options and arguments."""
    context = click.Context(cli, info_name="sarkmock")
    commands = [(name, cli.get_command(context, name)) for name in cli.list_commands(context)]
    parts = [command_page(name, command, context) for name, command in commands if command is not None]
    return "\n\n".join(["# Command line", "`sarkmock COMMAND --help` prints the same.", *parts]) + "\n"


def command_page(name: str, command: click.Command, parent: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    text, _, examples = inspect.cleandoc(command.help or "").partition("\b\n")
    parts = [f"## sarkmock {name}", f"```text\nsarkmock {name} {usage}\n```", text.strip()]
    if examples:
        parts.append(f"```text\n{examples.rstrip()}\n```")
    options = [parameter.get_help_record(context) for parameter in command.params]
    rows = [(f"`{names}`", re.sub(r"\s+", " ", text)) for names, text in filter(None, options)]
    if rows:
        parts.append(table(("option", "meaning"), *rows))
    return "\n\n".join(parts)


def operations() -> str:
    """Every operation with its hazard, its lines of the documentation and its rules."""
    listed = json.loads(output("routes", "--json"))
    parts = ["# Operations",
             ("All operations of the documentation, with the Laravel rules of each variable. *Lines* are those of the "
              "documentation. `sarkmock routes` prints the same.")]
    for section, members in groupby(listed, key=lambda operation: str(operation["section"])):
        parts += [f"## {section}", *map(operation_text, members)]
    return "\n\n".join(parts) + "\n"


def operation_text(operation: Mapping[str, Any]) -> str:
    lines = ", ".join(map(str, operation["lines"]))
    parts = [f"### {operation['method']} {operation['path']}",
             f"{operation['summary']}. `{operation['id']}`, {operation['hazard']}, lines {lines}."]
    rules = operation["rules"]
    if rules:
        rows = [(f"`{name}`", f"`{rule_text(rule)}`") for name, rule in rules.items()]
        parts.append(table(("variable", "rules"), *rows))
    return "\n\n".join(parts)


def rule_text(rule: Any) -> str:
    if isinstance(rule, Mapping):
        rule = rule["rules"]
    return rule if isinstance(rule, str) else "|".join(rule)


def deviations() -> str:
    """Which published version differs from the documentation in what."""
    return ("# Deviations\n\nWhere published versions of the API differ from its documentation. A column says which "
            "profile has the deviation.\n\n" + output("deviations", "--matrix", "--markdown"))


def pytest_plugin() -> str:
    """Fixtures and the marker of the pytest plugin, from their docstrings."""
    rows = [(f"`{name}`", first_paragraph(value)) for name, value in vars(pytest_sarkmock).items()
            if "Fixture" in type(value).__name__]
    marker = pytest_sarkmock.MARKER
    members = [(f"`{name}`", first_paragraph(value)) for name, value in vars(sarkmock.SarkMock).items()
               if not name.startswith("_") and inspect.getdoc(value)]
    return "\n\n".join([
        "# pytest fixtures and SarkMock", "## Fixtures", table(("fixture", "meaning"), *rows),
        "## Marker", f"```text\n@pytest.mark.{marker}\n```", "## SarkMock", inspect.getdoc(sarkmock.SarkMock) or "",
        table(("member", "meaning"), *members)]) + "\n"


def first_paragraph(value: Any) -> str:
    function = getattr(value, "_fixture_function", value)
    return re.sub(r"\s+", " ", (inspect.getdoc(function) or "").split("\n\n")[0])


def control_plane() -> str:
    """The endpoints under /_mock, from their OpenAPI document."""
    document = yaml.safe_load((openapi_dir() / "control.yaml").read_text(encoding="utf-8"))
    parts = ["# Control plane", str(document["info"]["description"]).strip()]
    for tag in document["tags"]:
        rows = [(f"`{method.upper()} /_mock{path}`", endpoint["summary"])
                for path, method, endpoint in endpoints(document) if tag["name"] in endpoint["tags"]]
        parts += [f"## {tag['name']}", tag["description"], table(("endpoint", "what it does"), *rows)]
    return "\n\n".join(parts) + "\n"


def endpoints(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def formats() -> str:
    """The JSON formats that programs may rely on, from their schemas."""
    suite = next(iter(sarkmock_contracts.__path__))
    parts = ["# JSON formats", "Keys are added within a format, never changed or removed."]
    for name in ("reports/report.schema.json", "baselines/compare.schema.json", "baselines/baseline.schema.json"):
        schema = json.loads(Path(suite, name).read_text(encoding="utf-8"))
        rows = [(f"`{key}`", described(value)) for key, value in schema.get("properties", {}).items()]
        parts += [f"## {schema['title']}", schema.get("description", "")]
        parts += [table(("key", "meaning"), *rows)] if rows else []
    return "\n\n".join(filter(None, parts)) + "\n"


def described(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "")
    known = json.dumps(schema["const"]) if "const" in schema else kind if isinstance(kind, str) else " or ".join(kind)
    inner = ", ".join(f"`{name}`" for name in schema.get("properties", {}))
    return "; ".join(filter(None, [schema.get("description", "").rstrip("."), known, inner]))


PAGES: Mapping[str, Callable[[], str]] = {
    "command-line": command_line, "control-plane": control_plane, "deviations": deviations, "formats": formats,
    "operations": operations, "pytest": pytest_plugin,
}

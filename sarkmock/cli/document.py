"""`sarkmock spec` and `routes`: the document for people and for programs. Changes nothing in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from sarkmock.cli.completion import names_or_file
from sarkmock.cli.output import console, print_json
from sarkmock.http.engine import Program
from sarkmock.spec import yaml12
from sarkmock.spec.loading import Document, load
from sarkmock.spec.operations import Operation, body_schema, source_lines
from sarkmock.spec.profiles import BASE, profiles

HAZARD_STYLES = {"read": "green", "write": "yellow", "operational": "magenta", "disruptive": "bold red"}
PROFILE_OPTION = {"metavar": "NAME", "show_default": True, "shell_complete": names_or_file(profiles),
           "help": "A name that `sarkmock profiles` lists, or the path of an overlay file."}


@click.command()
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True,
              help="How to write it.")
@click.option("--profile", default=BASE, **PROFILE_OPTION)  # type: ignore[arg-type]
def spec(form: str, profile: str) -> None:
    """Print the effective OpenAPI 3.1 document: one file, no external references.

    \b
    Examples:
        sarkmock spec > openapi.yaml
        sarkmock spec --format json | jq .paths
        sarkmock spec --profile shipped | diff openapi.yaml -
    """
    document = load(profile)
    if form == "json":
        print_json(document)
    else:
        click.echo(yaml12.dump(document), nl=False)


@click.command()
@click.option("--profile", default=BASE, **PROFILE_OPTION)  # type: ignore[arg-type]
@click.option("--brief", is_flag=True, help="Operations only, without the rules of their variables.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def routes(profile: str, brief: bool, as_json: bool) -> None:
    """List the operations, with hazard, rules and lines of the documentation.

    A hazard says what a call may do to a box: read, write (rows), operational (a commit, a backup) or disruptive
    (a reboot, a restore, a call).

    \b
    Examples:
        sarkmock routes --brief
        sarkmock routes | grep -A 20 /tenants
        sarkmock routes --json | jq '.[] | select(.hazard == "disruptive") | .id'
    """
    program = Program.of(profile)
    described = [route(program.document, operation) for operation in program.operations]
    if as_json:
        print_json(described)
        return
    for section, members in groupby(described, key=lambda one: one["section"]):
        console().print(Text(section, style="bold"))
        console().print(_routes_table(members, brief))


def route(document: Document, operation: Operation) -> dict[str, Any]:
    """One operation as `routes --json` describes it."""
    properties = body_schema(document, operation.spec).get("properties", {})
    return {
        "id": operation.id, "method": operation.method, "path": operation.path, "section": operation.section,
        "summary": operation.spec["summary"], "hazard": operation.hazard, "lines": list(operation.source),
        "rules": {name: {"rules": rules, "lines": list(source_lines(properties[name].get("x-source", ())))}
                  for name, rules in operation.rules.items()}}


def _routes_table(described: Iterator[Mapping[str, Any]], brief: bool) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for one in described:
        hazard = Text(one["hazard"], style=HAZARD_STYLES[one["hazard"]])
        table.add_row("", one["method"], one["path"], one["id"], hazard, _page(one["lines"]))
        for name, rule in {} if brief else one["rules"].items():
            table.add_row("", "", Text(f"  {name}"), Text(_rule(rule["rules"]), style="dim"), "", _page(rule["lines"]))
    return table


def _rule(rules: str | list[str]) -> str:
    return rules if isinstance(rules, str) else " | ".join(rules)


def _page(numbers: list[int]) -> Text:
    words = ["line" if len(numbers) == 1 else "lines", ", ".join(map(str, numbers))]
    return Text(" ".join(words) if numbers else "", style="dim")

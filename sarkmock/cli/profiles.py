"""`sarkmock profiles`, `deviations` and `seeds`: published versions, how they differ from the documentation, states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from sarkmock.cli.document import PROFILE_OPTION
from sarkmock.cli.output import console, print_json
from sarkmock.pbx.seeds import seed_names, seed_summary
from sarkmock.spec.loading import Deviation, load
from sarkmock.spec.loading import deviations_of as deviations_of
from sarkmock.spec.profiles import described, product
from sarkmock.spec.profiles import profiles as profile_names

SEVERITY_STYLES = {"breaks": "bold red", "surprises": "yellow", "cosmetic": "dim"}
HEADINGS = ("name", "line", "framework", "date", "extends", "deviations", "title")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def profiles(as_json: bool) -> None:
    """List the profiles: the known versions of the API.

    A profile is the documentation with the deviations of one published version. It may extend another one: then it has
    that one's deviations, too, but for those that it does without.

    \b
    Examples:
        sarkmock profiles
        sarkmock serve --profile L10
    """
    listed = [profile_summary(name) for name in profile_names()]
    if as_json:
        print_json(listed)
        return
    table = Table(*HEADINGS, box=None, padding=(0, 2, 0, 0))
    for one in listed:
        name = " = ".join([one["name"], *one["aliases"]])
        table.add_row(Text(name, style="bold"), *(str(one[key] or "-") for key in HEADINGS[1:]))
    console().print(table)


def profile_summary(name: str) -> dict[str, Any]:
    """A profile as `profiles --json` describes it."""
    return {**asdict(described(name)), "deviations": len(deviations_of(name))}


@click.command()
@click.option("--profile", default=product, **PROFILE_OPTION)  # type: ignore[arg-type]
@click.option("--matrix", is_flag=True, help="Every deviation, and which of the published versions have it.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--markdown", is_flag=True, help="As a Markdown table.")
def deviations(profile: str, matrix: bool, as_json: bool, markdown: bool) -> None:
    """List the differences between a published version and the documentation.

    \b
    Examples:
        sarkmock deviations --profile L10
        sarkmock deviations --matrix --markdown
        sarkmock deviations --json | jq -r '.[] | select(.severity == "breaks") | .summary'
    """
    if matrix:
        show_matrix(as_json, markdown)
        return
    load(profile)
    known = deviations_of(profile)
    if as_json:
        print_json([asdict(deviation) for deviation in known])
    elif markdown:
        click.echo(markdown_table(known), nl=False)
    else:
        for deviation in known:
            console().print(_deviation(deviation), soft_wrap=True)


def _deviation(deviation: Deviation) -> Text:
    head = (deviation.id, "bold"), " ", (deviation.severity, SEVERITY_STYLES[deviation.severity])
    return Text.assemble(*head, f"\n    {deviation.summary}\n    ", (deviation.reason, "dim"))


def markdown_table(known: Iterable[Deviation]) -> str:
    """The deviations of one profile as a Markdown table."""
    rows = ([f"`{deviation.id}`", deviation.severity, deviation.summary] for deviation in known)
    return _markdown(["deviation", "severity", "what happens"], rows)


def show_matrix(as_json: bool, markdown: bool) -> None:
    names, rows = matrix_of()
    if as_json:
        print_json([{**asdict(one), "profiles": [name for name in names if name in having]} for one, having in rows])
    elif markdown:
        click.echo(markdown_matrix(), nl=False)
    else:
        table = Table("deviation", "severity", *names, box=None, padding=(0, 2, 0, 0))
        for one, having in rows:
            severity = Text(one.severity, style=SEVERITY_STYLES[one.severity])
            table.add_row(one.id, severity, *("x" if name in having else "" for name in names))
        console().print(table)


def markdown_matrix() -> str:
    """Every deviation and the published versions that have it, as a Markdown table."""
    names, rows = matrix_of()
    return _markdown(["deviation", "severity", *names, "what happens"], (
        [f"`{one.id}`", one.severity, *("yes" if name in having else "" for name in names), one.summary]
        for one, having in rows))


def matrix_of() -> tuple[list[str], list[tuple[Deviation, set[str]]]]:
    """The published versions, and every deviation in the words of its first version, with the versions that have it."""
    names = [name for name in profile_names() if deviations_of(name)]
    worded: dict[str, Deviation] = {}
    having: dict[str, set[str]] = {}
    for name in names:
        for one in deviations_of(name):
            having.setdefault(one.id, set()).add(name)
            if one.id not in worded or one.profile == name:
                worded[one.id] = one
    return names, [(worded[identity], found) for identity, found in having.items()]


def _markdown(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(headings)
    return "".join(_row(row) for row in [head, ["---"] * len(head), *rows])


def _row(cells: Iterable[str]) -> str:
    texts = (" ".join(text.split()).replace("|", "\\|") for text in cells)
    return "".join(f"| {text} " if text else "| " for text in texts) + "|\n"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def seeds(as_json: bool) -> None:
    """List the built-in seeds.

    A seed of your own is a YAML file of the same shape: tables, files, astdb and pbx.

    \b
    Examples:
        sarkmock seeds
        sarkmock serve --seed empty
        sarkmock serve --seed my-box.yaml
    """
    if as_json:
        print_json([{"name": name, "holds": seed_summary(name)} for name in seed_names()])
        return
    table = Table("seed", "holds", box=None, pad_edge=False)
    for name in seed_names():
        table.add_row(name, seed_summary(name))
    console().print(table)

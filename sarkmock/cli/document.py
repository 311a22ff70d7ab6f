"""Commands that list and print: `sarkmock spec`, `routes`, `export`, `profiles`, `deviations` and `seeds`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from sarkmock.cli.output import console, names_or_file, print_json, write_text
from sarkmock.export import FOLDER_FORMS, TEXT_FORMS, written
from sarkmock.http.engine import Program
from sarkmock.pbx.seeds import seed_names, seed_summary
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import BASE
from sarkmock.spec.loading import Deviation, Document, deviations_of, load
from sarkmock.spec.operations import Operation, body_schema, source_lines
from sarkmock.spec.profiles import describe_profile, product, profile_names

HAZARD_STYLES = {"read": "green", "write": "yellow", "operational": "magenta", "disruptive": "bold red"}
PROFILE_OPTION = {"metavar": "NAME", "show_default": True, "shell_complete": names_or_file(profile_names),
                  "help": "A name that `sarkmock profiles` lists, or the path of an overlay file."}


@click.command()
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True,
              help="Output format.")
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
@click.option("--brief", is_flag=True, help="Print operations only, without the rules of their variables.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    if brief and as_json:
        raise click.UsageError("--brief and --json exclude each other")
    program = Program.of(profile)
    described = [route(program.document, operation) for operation in program.operations]
    if as_json:
        print_json(described)
        return
    for section, members in groupby(described, key=itemgetter("section")):
        console().print(Text(section, style="bold"))
        console().print(_routes_table(members, brief))


def route(document: Document, operation: Operation) -> dict[str, Any]:
    """Return one operation as `routes --json` prints it."""
    properties = body_schema(document, operation.spec).get("properties", {})
    return {
        "id": operation.id, "method": operation.method, "path": operation.path, "section": operation.section,
        "summary": operation.spec["summary"], "hazard": operation.hazard, "lines": list(operation.source),
        "rules": {name: {"rules": rules, "lines": list(source_lines(properties[name].get("x-source", ())))}
                  for name, rules in operation.rules.items()}}


def _routes_table(described: Iterator[Mapping[str, Any]], brief: bool) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for operation in described:
        hazard = Text(operation["hazard"], style=HAZARD_STYLES[operation["hazard"]])
        table.add_row("", operation["method"], operation["path"], operation["id"], hazard, _page(operation["lines"]))
        for name, rule in {} if brief else operation["rules"].items():
            text = rule["rules"] if isinstance(rule["rules"], str) else " | ".join(rule["rules"])
            table.add_row("", "", Text(f"  {name}"), Text(text, style="dim"), "", _page(rule["lines"]))
    return table


def _page(numbers: list[int]) -> Text:
    words = ["line" if len(numbers) == 1 else "lines", ", ".join(map(str, numbers))]
    return Text(" ".join(words) if numbers else "", style="dim")


BASE_URL = "https://127.0.0.1:44300/api"
GOOD_BASE_URL = re.compile(r"(?i)https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(/[a-z0-9._~%-]*)*")


@click.command()
@click.argument("form", metavar="FORM", type=click.Choice([*TEXT_FORMS, *FOLDER_FORMS]))
@click.option("--profile", default=BASE, **PROFILE_OPTION)  # type: ignore[arg-type]
@click.option("--base-url", default=BASE_URL, show_default=True, metavar="URL", help="Base URL of the requests.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
              help="Output file or directory; default: standard output.")
def export(form: str, profile: str, base_url: str, output: Path | None) -> None:
    """Write every operation as a request with example values.

    FORM is postman (a collection, format 2.1), http (REST Client, JetBrains), curl (a shell script) or bruno (a
    directory). Requests that act on the whole PBX are included but disabled; the file says how to enable them.

    openapi-python-client writes the configuration with which that tool generates a complete client from `sarkmock
    spec`.

    \b
    Examples:
        sarkmock export postman -o sark.postman_collection.json
        sarkmock export http --base-url https://pbx.example:44300/api -o sark.http
        sarkmock export curl | less
        sarkmock export openapi-python-client -o config.yaml
        sarkmock export bruno -o sark-bruno && cd sark-bruno && bru run --env box
    """
    if "://" not in base_url:
        raise click.BadParameter(f"{base_url} has no scheme; did you mean https://{base_url}?", param_hint="--base-url")
    if "@" in base_url.partition("://")[2].partition("/")[0]:
        raise click.BadParameter("a base URL with a user and password would be written to the export",
                                 param_hint="--base-url")
    if not GOOD_BASE_URL.fullmatch(base_url):
        raise click.BadParameter(f"not an http or https URL without query, such as {BASE_URL}", param_hint="--base-url")
    if form == "openapi-python-client" and base_url != BASE_URL:
        raise click.UsageError(f"--base-url has no effect on {form}")
    if form in TEXT_FORMS:
        write_text(output, written(form, profile, base_url.rstrip("/")))
    elif output is None:
        raise click.UsageError(f"{form} is written to a directory: name it with -o")
    else:
        write_folder(output, written(form, profile, base_url.rstrip("/")))


def write_folder(folder: Path, texts: Mapping[str, str]) -> None:
    """Write the files of a folder; an older export is overwritten, other files stay."""
    is_free = not any(folder.iterdir()) if folder.is_dir() else not folder.exists()
    if not is_free and not any((folder / name).is_file() for name in texts):
        raise click.ClickException(f"{folder}: exists and is not an export")
    for name, text in texts.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.ClickException(f"{folder}: {error.strerror}") from None
        write_text(folder / name, text)


SEVERITY_STYLES = {"breaks": "bold red", "surprises": "yellow", "cosmetic": "dim"}
HEADINGS = ("name", "line", "framework", "date", "extends", "deviations", "title")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def profiles(as_json: bool) -> None:
    """List the profiles: the known versions of the API.

    A profile is the documentation with the deviations of one published version. A profile that extends another one
    inherits its deviations, except those that it excludes.

    \b
    Examples:
        sarkmock profiles
        sarkmock serve --profile L10
    """
    listed = [{**asdict(describe_profile(name)), "deviations": len(deviations_of(name))} for name in profile_names()]
    if as_json:
        print_json(listed)
        return
    table = Table(*HEADINGS, box=None, padding=(0, 2, 0, 0))
    for profile in listed:
        name = " = ".join([profile["name"], *profile["aliases"]])
        table.add_row(Text(name, style="bold"), *(str(profile[key] or "-") for key in HEADINGS[1:]))
    console().print(table)


@click.command()
@click.option("--profile", **{**PROFILE_OPTION, "show_default": "the published product"})  # type: ignore[arg-type]
@click.option("--matrix", is_flag=True, help="List every deviation and the published versions that have it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", is_flag=True, help="Print a Markdown table.")
def deviations(profile: str | None, matrix: bool, as_json: bool, markdown: bool) -> None:
    """List the differences between a published version and the documentation.

    \b
    Examples:
        sarkmock deviations --profile L10
        sarkmock deviations --matrix --markdown
        sarkmock deviations --json | jq -r '.[] | select(.severity == "breaks") | .summary'
    """
    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    if matrix and profile is not None:
        raise click.UsageError("--matrix and --profile exclude each other")
    if matrix:
        show_matrix(as_json, markdown)
        return
    profile = product() if profile is None else profile
    load(profile)
    listed = deviations_of(profile)
    if as_json:
        print_json([asdict(deviation) for deviation in listed])
    elif markdown:
        click.echo(markdown_table(listed), nl=False)
    else:
        for deviation in listed:
            console().print(_deviation(deviation), soft_wrap=True)


def _deviation(deviation: Deviation) -> Text:
    head = (deviation.id, "bold"), " ", (deviation.severity, SEVERITY_STYLES[deviation.severity])
    summary, reason = (" ".join(text.split()) for text in (deviation.summary, deviation.reason))
    return Text.assemble(*head, f"\n    {summary}\n    ", (reason, "dim"))


def markdown_table(listed: Iterable[Deviation]) -> str:
    """Return the deviations of one profile as a Markdown table."""
    rows = ([f"`{deviation.id}`", deviation.severity, deviation.summary] for deviation in listed)
    return _markdown(["deviation", "severity", "what happens"], rows)


def show_matrix(as_json: bool, markdown: bool) -> None:
    names, rows = matrix_of()
    if as_json:
        print_json([{**asdict(deviation), "profiles": [name for name in names if name in having]}
                    for deviation, having in rows])
    elif markdown:
        click.echo(markdown_matrix(), nl=False)
    else:
        table = Table("deviation", "severity", *names, box=None, padding=(0, 2, 0, 0))
        for deviation, having in rows:
            severity = Text(deviation.severity, style=SEVERITY_STYLES[deviation.severity])
            table.add_row(deviation.id, severity, *("x" if name in having else "" for name in names))
        console().print(table)


def markdown_matrix() -> str:
    """Return every deviation, and the published versions that have it, as a Markdown table."""
    names, rows = matrix_of()
    return _markdown(["deviation", "severity", *names, "what happens"], (
        [f"`{deviation.id}`", deviation.severity, *("yes" if name in having else "" for name in names),
         deviation.summary]
        for deviation, having in rows))


def matrix_of() -> tuple[list[str], list[tuple[Deviation, set[str]]]]:
    """Return the published versions, and every deviation, as its first version words it, with those that have it."""
    names = [name for name in profile_names() if deviations_of(name)]
    worded: dict[str, Deviation] = {}
    having: dict[str, set[str]] = {}
    for name in names:
        for deviation in deviations_of(name):
            having.setdefault(deviation.id, set()).add(name)
            if deviation.id not in worded or deviation.profile == name:
                worded[deviation.id] = deviation
    return names, [(worded[identity], names_of) for identity, names_of in having.items()]


def _markdown(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(headings)
    return "".join(_row(row) for row in [head, ["---"] * len(head), *rows])


def _row(cells: Iterable[str]) -> str:
    texts = (" ".join(text.split()).replace("|", "\\|") for text in cells)
    return "".join(f"| {text} " if text else "| " for text in texts) + "|\n"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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

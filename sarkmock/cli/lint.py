"""`sarkmock lint` and `schema`: the files that users write, checked without a server and while they are edited."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import click

from sarkmock.cli.output import names_or_file, write_text
from sarkmock.faults import Fault, FaultError
from sarkmock.http.engine import Program
from sarkmock.pbx.seed import Place
from sarkmock.pbx.seeds import seed_mistakes
from sarkmock.pbx.seeds.schema import seed_schema
from sarkmock.spec import overlay, yaml12
from sarkmock.spec.data_files import BASE
from sarkmock.spec.loading import load
from sarkmock.spec.profiles import layer, profiles, shape_mistakes, vocabulary
from sarkmock.spec.yaml12 import FileError

MOST_MISTAKES = 100  # mistakes that are listed of one file
Mistakes = Iterator[tuple[Place, str]]
SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {"seed": seed_schema, "overlay": vocabulary}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--profile", default=BASE, show_default=True, metavar="NAME", shell_complete=names_or_file(profiles),
              help="Which API seeds are for: a name that `sarkmock profiles` lists, or the path of an overlay file.")
def lint(files: tuple[Path, ...], profile: str) -> int:
    """Check seeds, overlays and lists of faults, and list every mistake with its line.

    The kind of a file is recognised by its content. Exit code 1 means that there are mistakes, 2 that a file cannot be
    read.

    \b
    Examples:
        sarkmock lint my-box.yaml box-overlay.yaml
        sarkmock lint --profile L11 seeds/*.yaml
    """
    load(profile)
    found = [line for file in files for line in _lines(file, profile)]
    for line in found:
        click.echo(line)
    return 1 if found else 0


@click.command()
@click.argument("kind", type=click.Choice(list(SCHEMAS)))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write to a file instead of standard output.")
def schema(kind: str, output: Path | None) -> None:
    """Print the JSON Schema of seed or overlay files, for editors.

    An editor that uses yaml-language-server reads it where a comment at the top of a file is
    `# yaml-language-server: $schema=seed.schema.json`.

    \b
    Examples:
        sarkmock schema seed -o seed.schema.json
        sarkmock schema overlay -o overlay.schema.json
    """
    write_text(output, json.dumps(SCHEMAS[kind](), indent=1, ensure_ascii=False) + "\n")


def _lines(file: Path, profile: str) -> list[str]:
    """What is wrong with a file, a line each, in the file's order."""
    text = yaml12.text_of(file)
    try:
        found = list(islice(_problems(file, yaml12.parse(text, file), profile), MOST_MISTAKES))
    except FileError as error:
        return [str(error)]
    placed = sorted((yaml12.line_in(text, place) or 1, problem) for place, problem in found)
    return [f"{file}:{line}: {problem}" for line, problem in dict.fromkeys(placed)]


def _problems(file: Path, content: Any, profile: str) -> Mistakes:
    if isinstance(content, list):
        return _of_faults(content)
    if isinstance(content, dict) and {"overlay", "actions", "x-deviations"} & content.keys():
        return _of_overlay(file, content)
    return ((place, f"{'.'.join(map(str, place)) or 'seed'}: {problem}")
            for place, problem in seed_mistakes(content, load(profile)))


def _of_faults(content: list[Any]) -> Mistakes:
    for index, item in enumerate(content):
        try:
            Fault.of(item)
        except FaultError as error:
            yield (index,), str(error)


def _of_overlay(file: Path, content: Any) -> Mistakes:
    """Mistakes of shape, or else actions that cannot be applied, or else what the whole document then lacks."""
    shape = list(shape_mistakes(content))
    yield from shape
    if shape:
        return
    whole = layer(str(file))
    wrong = [(whole.places[error.index][1], error) for error in overlay.mistakes(load(BASE), list(whole.actions))]
    for index, error in wrong:
        yield ("actions", index), error.said(index)
    if not wrong:
        Program.of(str(file))

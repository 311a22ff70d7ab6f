"""The suite's commands that combine reports: `sarkmock report merge` and `sarkmock fleet`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .cli import FILE_PATH, run_command
from .options import is_given


@click.command()
@click.argument("action", type=click.Choice(["merge"]))
@click.argument("directories", nargs=-1, required=True, metavar="DIR...",
                type=click.Path(file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the reports of the whole run to this directory.")
@run_command
def report(action: str, directories: tuple[Path, ...], output: Path | None) -> int:
    """Join the reports of all shards of a run (`check --shard`) into one, with the verdict of the whole run.

    Exit codes are those of `check`. If a shard has no report, the run counts as incomplete.

    \b
    Examples:
        sarkmock check --shard 1/2 --report one
        sarkmock check --shard 2/2 --report two
        sarkmock report merge one two -o whole
    """
    from rich.console import Console

    from .reports.merging import merge_reports

    return merge_reports(directories, output, Console())


@click.command()
@click.argument("boxes", type=FILE_PATH)
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), default="fleet", show_default=True,
              metavar="DIR", help="Directory for the reports of the boxes and the summary.")
@click.option("--box", "names", multiple=True, metavar="NAME", help="Check this box only. Can be given several times.")
@click.option("--matrix", is_flag=True, help="Print the names of the boxes as JSON, for a CI matrix.")
@click.option("--summary", "summarise", is_flag=True, help="Only write the summary of existing reports.")
@run_command
def fleet(boxes: Path, output: Path, names: tuple[str, ...], matrix: bool, summarise: bool) -> int:
    """Check every box in a list, and write a summary page.

    BOXES is YAML: `boxes` is a list of mappings with a name, a url and options of `sarkmock check` such as profile,
    accept, token-env and ca; `defaults` holds options for all boxes. Relative paths start at the current directory.

    Exit code 0: all conform. 1: one does not. 2: one could not be checked.

    \b
    Examples:
        sarkmock fleet boxes.yaml -o fleet
        sarkmock fleet boxes.yaml --matrix               for the jobs of a CI matrix
        sarkmock fleet boxes.yaml --box office -o fleet  one of these jobs
        sarkmock fleet boxes.yaml --summary -o fleet     and what all of them found
    """
    from . import fleet as many
    from .reports.data import EXIT_CODES

    if matrix and summarise:
        raise click.UsageError("--matrix and --summary exclude each other")
    if matrix and is_given("output"):
        raise click.UsageError("--matrix writes no files: omit -o")
    chosen = many.chosen_boxes(many.read_boxes(boxes), names)
    if matrix:
        click.echo(json.dumps([box.name for box in chosen]))
        return 0
    if not summarise:
        many.check_all(chosen, output)
    summary = many.fleet_summary(chosen, output)
    many.write_summary(summary, output)
    for line in many.fleet_markdown(summary):
        click.echo(line)
    return EXIT_CODES[summary["result"]]

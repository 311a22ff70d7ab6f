"""`sarkmock seeds`: the states that a mock can start from."""

from __future__ import annotations

import click
from rich.table import Table

from sarkmock.cli.output import console, print_json
from sarkmock.pbx.seeds import describe, seed_names


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
        print_json([{"name": name, "holds": describe(name)} for name in seed_names()])
        return
    table = Table("seed", "holds", box=None, pad_edge=False)
    for name in seed_names():
        table.add_row(name, describe(name))
    console().print(table)

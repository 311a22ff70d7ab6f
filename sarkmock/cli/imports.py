"""`sarkmock import`: a box's present state as a seed file. Knows no operation of the API and no secret."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sarkmock.cli.output import write_text
from sarkmock.cli.pacing import rate
from sarkmock.cli.permissions import access
from sarkmock.pbx.seed import Seed


@click.command("import")
@click.argument("url")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Where to write the seed; standard output unless given.")
@click.option("--with-secrets", is_flag=True,
              help="Keep passwords and PINs, and take backups and snapshots too; only you can read the file.")
@click.option("--tables-only", is_flag=True, help="Rows alone: no files, no runtime values of extensions.")
@rate
@access
def import_(url: str, output: Path | None, with_secrets: bool, tables_only: bool, rate: str, **reached: Any) -> None:
    """Read the present state of a box into a seed file, so that `sarkmock serve` answers as that box.

    Nothing but reads is sent: the lists, the downloads and one request for every extension's runtime values.
    Passwords and PINs are replaced by made-up ones, the same every time. What could not be read is told at the end,
    and in the file; there, the mock has what a factory-fresh box has.

    \b
    Examples:
        sarkmock import https://pbx.example:44300/api --ca pbx.pem -o box.yaml
        sarkmock serve --seed box.yaml
        sarkmock import https://pbx.example:44300/api --rate 30/m --tables-only -o rows.yaml
    """
    if output and not output.parent.is_dir():  # before a box is asked for an hour
        raise click.ClickException(f"{output}: there is no directory {output.parent}")
    suite = _suite()
    try:
        with telling() as tell:
            wanted = suite.Wanted(with_secrets, tables_only)
            seed, notes = suite.import_state(url, suite.Access(**reached), rate, wanted, tell)
    except suite.CannotRun as error:
        raise click.ClickException(str(error)) from None
    write_text(output, heading(url, notes) + seed.text(), private=with_secrets)
    for line in notes:
        click.echo(f"not read: {line}", err=True)
    click.echo(summary(seed, output), err=True)


def _suite() -> Any:
    """The suite's half of it: a package of its own, wherever it is installed."""
    return importlib.import_module("sarkmock_contracts.state_import.importing")


@contextmanager
def telling() -> Iterator[Any]:
    """A bar on a terminal, a line for each part elsewhere."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task, parts = progress.add_task("connecting", total=None), set()

        def tell(part: str, done: int, total: int) -> None:
            progress.update(task, description=part, completed=done, total=total)
            if part not in parts and not console.is_terminal:
                click.echo(f"reading {part}: {total}", err=True)
            parts.add(part)

        yield tell


def heading(url: str, notes: list[str]) -> str:
    """What the file says of itself."""
    read = f"# The state of {url} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, read by `sarkmock import`.\n"
    return read + "".join(f"# not read: {' '.join(line.split())}\n" for line in notes)


def summary(seed: Seed, output: Path | None) -> str:
    rows = sum(map(len, seed.tables.values()))
    text = f"{rows} rows, {len(seed.files)} files, {len(seed.astdb)} runtime values"
    return f"{text}; sarkmock serve --seed {output} answers by them" if output else text

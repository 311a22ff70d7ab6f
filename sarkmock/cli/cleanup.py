"""`sarkmock cleanup`: finishes what a run that was killed could not. Knows no format of ledgers."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from sarkmock.cli.pacing import rate


@click.command()
@click.argument("ledger", type=click.Path(dir_okay=False, path_type=Path))
@rate
@click.option("--header", "headers", multiple=True, metavar="'Name: value'",
              help="A header that the run has sent: a ledger holds its name, never its value.")
def cleanup(ledger: Path, rate: str, headers: tuple[str, ...]) -> int:
    """Take back what a run has made that could not do so itself, because it was killed.

    LEDGER is the file that `sarkmock check` named when it began. It says where the box is and how it is reached;
    a token is read from the same environment variable again.

    Exit code 0: all is as it was. 1: the lines say what is not. 2: it could not be tried.

    \b
    Examples:
        sarkmock cleanup sarkmock-pbx.example-zzk3f1.ledger
        sarkmock cleanup run.ledger --rate 60/m
    """
    suite = _suite()
    try:
        left = suite.finish(ledger, rate, headers)
    except suite.CannotRun as error:
        raise click.ClickException(str(error)) from None
    for line in left:
        click.echo(f"not as before: {line}", err=True)
    click.echo(f"{ledger}: {f'{len(left)} things are not as they were' if left else 'all is as it was'}")
    return 1 if left else 0


def _suite() -> Any:
    """The suite's half of it: a package of its own, wherever it is installed."""
    return importlib.import_module("sarkmock_contracts.safety.finishing")

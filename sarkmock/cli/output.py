"""How commands print: for people, coloured and wrapped on a terminal only; JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from sarkmock.atomic import write_whole

# What is piped or redirected is not wrapped: a line is a record for grep.
UNWRAPPED = 2000


def console() -> Console:
    """Standard output for people."""
    out = Console(highlight=False, markup=False)
    return out if out.is_terminal else Console(highlight=False, markup=False, width=UNWRAPPED)


def print_json(value: Any) -> None:
    """Standard output for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def write_text(output: Path | None, text: str, private: bool = False) -> None:
    """To a file, whole or not at all, or else to standard output."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_whole(output, text.encode(), private=private)
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None

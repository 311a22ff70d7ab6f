"""The options that say how fast a box is asked, how often and for how long. Knows no box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

rate = click.option("--rate", default="auto", show_default=True, metavar="RATE",
                    help="auto asks as fast as the box says it may be asked; or an even pace like 60/m.")
_BOUNDS = (
    click.option("--only", metavar="SECTION",
                 help="One section of the documentation, as `sarkmock routes` names them."),
    rate,
    click.option("--budget", type=click.IntRange(min=1), metavar="N",
                 help="Send at most N requests, what tells most first."),
    click.option("--max-time", metavar="TIME", help="Take at most so long: 90s, 5m, 1h."),
    click.option("--plan", is_flag=True, help="Only say what would be sent and how long it would take."),
)


def bounds(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds what a run is restricted to: --only, --rate, --budget, --max-time and --plan."""
    for option in reversed(_BOUNDS):
        command = option(command)
    return command

"""`sarkmock baseline`, `compare` and `overlay`: a box before and after an upgrade. Knows no format and no operation."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from sarkmock.cli.pacing import bounds, rate
from sarkmock.cli.permissions import asked, permissions

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("url")
@click.option("-o", "--output", type=FILE, required=True, metavar="FILE", help="Where to write the baseline.")
@click.option("--depth", type=click.Choice(["quick", "usual", "full"]), default="usual", show_default=True,
              help="How many values are tried on every variable.")
@bounds
@click.option("--force", is_flag=True, help="Replace a baseline that is there already.")
@permissions
def baseline(url: str, output: Path, depth: str, only: str | None, rate: str, budget: int | None,
             max_time: str | None, plan: bool, force: bool, **safety: Any) -> int:
    """Record how the box at URL behaves, to compare it with later.

    Behaviours are written down, never values: which operations there are, statuses, fields and their types, every
    rule with its message, what becomes of a row. Nothing but reads is sent unless you allow more; with
    --allow-writes, rules and rows are tried on rows of the run's own, which are removed at the end.

    A recording that was interrupted, by whatever, goes on where it was when the same command is given again.

    \b
    Examples:
        sarkmock baseline https://pbx.example:44300/api --ca pbx.pem -o before.sark
        sarkmock baseline https://pbx.example:44300/api --ca pbx.pem -o before.sark --allow-writes
        sarkmock baseline https://127.0.0.1:44300/api -o quick.sark --allow-writes --depth quick --only Tenants
        sarkmock baseline https://pbx.example:44300/api -o before.sark --allow-writes --plan
    """
    suite = _suite()
    wish = _wish(suite, url, safety, rate=rate, budget=budget, max_time=max_time, depth=depth, only=only)
    try:
        if plan:
            for line in suite.plan_lines(wish):
                click.echo(line)
            return 0
        return _tell(output, suite.record(wish, output, force))
    except suite.CannotRun as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on where it was", err=True)
        raise


@click.command()
@click.argument("before", type=FILE)
@click.argument("after")
@click.option("--fail-on", type=click.Choice(["breaking", "risky", "any"]), default="breaking", show_default=True,
              help="Exit with 1 if there is a difference as bad as that.")
@click.option("--clients", type=FILE, metavar="FILE",
              help="What a client uses (YAML, HAR or the mock's journal): that comes first, and alone fails.")
@click.option("--slower", type=click.FloatRange(min=1, min_open=True), default=2.0, show_default=True, metavar="FACTOR",
              help="Tell of answers that take longer by this factor.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the comparison there as JSON, text, Markdown and HTML.")
@rate
@permissions
def compare(before: Path, after: str, fail_on: str, clients: Path | None, slower: float, as_json: bool,
            report: Path | None, rate: str, **safety: Any) -> int:
    """Tell what is otherwise: between two baselines, or between a baseline and a box.

    AFTER is a second baseline, or the URL of a box that is recorded on the spot, with as many values as the baseline
    has and as much as you allow now. Every difference is breaking, risky or compatible for clients, with the reason.
    What only one of the two was asked is told apart: it is neither gone nor fixed.

    Exit code 0: nothing as bad as --fail-on. 1: something is. 2: they could not be compared.

    \b
    Examples:
        sarkmock compare before.sark after.sark
        sarkmock compare before.sark https://pbx.example:44300/api --ca pbx.pem --allow-writes
        sarkmock compare before.sark after.sark --clients my-app.har --report upgrade
        sarkmock compare before.sark after.sark --json | jq '.differences[] | select(.level == "breaking")'
    """
    suite = _suite()
    try:
        other, troubles = Path(after), []
        if "://" in after:
            found = suite.record_like(before, _wish(suite, after, safety, rate=rate))
            other, troubles = found.baseline, found.troubles
        comparison = suite.compare_with(before, other, clients, slower)
        data = suite.describe(comparison, str(clients) if clients else None)
        if report is not None:
            suite.write_reports(data, report)
    except suite.CannotRun as error:
        raise click.ClickException(str(error)) from None
    click.echo(suite.as_json(data) if as_json else suite.as_text(data), nl=False)
    for line in troubles:
        click.echo(f"not as before: {line}", err=True)
    return 1 if troubles or suite.fails(comparison, fail_on, clients is not None) else 0


@click.command()
@click.argument("baseline", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, metavar="FILE", help="Where to write the overlay; *.yaml.")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def overlay(baseline: Path, output: Path, force: bool) -> int:
    """Turn a baseline into a profile: an overlay that makes the documented API that very box.

    `serve` mocks it then, and `check` guards it. Known deviations are taken over where they explain what was seen;
    what none explains is written out. The lines at the end say what no overlay can.

    \b
    Examples:
        sarkmock overlay before.sark -o box.yaml
        sarkmock serve --profile box.yaml
        sarkmock check https://pbx.example:44300/api --ca pbx.pem --profile box.yaml
    """
    suite = _suite()
    try:
        for line in suite.make_profile(baseline, output, force):
            click.echo(line)
    except suite.CannotRun as error:
        raise click.ClickException(str(error)) from None
    return 0


def _tell(output: Path, found: Any) -> int:
    """What was recorded, what was not, what is left."""
    for line in found.unasked:
        click.echo(f"not asked: {line}", err=True)
    for line in found.troubles:
        click.echo(f"not as before: {line}", err=True)
    click.echo(f"{output}: {len(found.baseline.facts)} facts from {found.baseline.recorded['requests']} requests")
    return 1 if found.troubles else 0


def _wish(suite: Any, url: str, safety: dict[str, Any], **how: Any) -> Any:
    """What is asked for, and what the box may suffer."""
    if safety["allow_disruptive"] and not safety["yes_i_mean"]:
        safety["yes_i_mean"] = asked(url)
    caution = suite.caution_of(lambda name: safety[name.strip("-").replace("-", "_")])
    return suite.Wish(url, caution, **how)


def _suite() -> Any:
    """The suite's half of it: a package of its own, wherever it is installed."""
    return importlib.import_module("sarkmock_contracts.baselines.commands")

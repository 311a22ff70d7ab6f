"""The suite's commands: check, baseline, compare, overlay, import, cleanup. `sarkmock` loads them by entry point.

Their help needs only the table of options. The suite and its libraries are imported when a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from .options import Option, options_of

FILE_PATH = click.Path(dir_okay=False, path_type=Path)
OPTION_TYPES: dict[str, click.ParamType[Any]] = {
    "accept": click.Path(dir_okay=False), "report": click.Path(file_okay=False)}
EXTRA = "sarkmock[check]"
Command = Callable[..., Any]


def with_options(*groups: str) -> Callable[[Command], Command]:
    """Add the options of some groups to a command."""
    def decorate(command: Command) -> Command:
        for option in reversed(options_of(*groups)):
            command = as_click(option)(command)
        return command
    return decorate


def as_click(option: Option) -> Callable[[Command], Command]:
    if option.kind is bool:
        return click.option(f"--{option.name}", is_flag=True, help=option.help)
    number = int if option.least is None else click.IntRange(min=option.least)
    kind = OPTION_TYPES.get(option.name, number if option.kind is int else None)
    return click.option(f"--{option.name}", type=kind, multiple=option.kind is list, metavar=option.metavar,
                        default=None if option.kind is list else option.default, help=option.help,
                        show_default=option.default is not None, shell_complete=PROFILES.get(option.name))


def complete_profile(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[Any]:
    """Complete a profile option: names of profiles, or else a file path."""
    from click.shell_completion import CompletionItem

    from sarkmock.suite_api import profile_names

    names = [CompletionItem(name) for name in profile_names() if name.startswith(begun)]
    return names or [CompletionItem(begun, type="file")]


PROFILES = {"profile": complete_profile, "target-profile": complete_profile}


def run_command(command: Command) -> Command:
    """Report missing libraries and CannotRun as one-line errors."""
    @wraps(command)
    def run(*arguments: Any, **values: Any) -> Any:
        try:
            from .errors import CannotRun
            return command(*arguments, **values)
        except ModuleNotFoundError as error:
            raise click.ClickException(f"{error.name} is not installed: pip install '{EXTRA}'") from None
        except CannotRun as error:
            raise click.ClickException(str(error)) from None
    return run


def reports_interrupt(command: Command) -> Command:
    """Report an interrupt before the run starts, and return exit code 2."""
    @wraps(command)
    def run(*arguments: Any, **values: Any) -> Any:
        try:
            try:
                from .client import interrupts
            except ModuleNotFoundError:
                return command(*arguments, **values)  # the command reports the missing library
            with interrupts.signals_noted():
                return command(*arguments, **values)
        except KeyboardInterrupt:
            click.echo("stopped: interrupted, no findings so far; the run had not begun")
            return 2
    return run


def with_login(command: Command) -> Command:
    """Log in to the target for the command if --login is used, and log out afterwards in any case."""
    @wraps(command)
    def run(**values: Any) -> Any:
        from .run_options import options_signed_in

        with options_signed_in(values.get("url") or values.get("after"), values) as values:
            return command(**values)
    return run


def confirmed_values(url: str | None, values: dict[str, Any]) -> dict[str, Any]:
    """Return the option values. With --allow-disruptive, confirm the host on the terminal."""
    if url is None or not values["allow_disruptive"] or values["yes_i_mean"]:
        return values
    from .client.transports import split_url

    host = split_url(url).hostname
    if not sys.stdin.isatty():
        raise click.UsageError(f"--allow-disruptive needs a terminal to confirm the host; or pass --yes-i-mean {host}")
    confirmed = click.prompt(f"This may reboot, stop and restore {host}. Type its name to continue", err=True)
    return {**values, "yes_i_mean": str(confirmed).strip()}


@click.command()
@click.argument("url", required=False)
@with_options("check", "limits", "time", "rate")
@click.option("-n", "processes", metavar="N", help="Number of processes, each with its own mock (auto: one for "
              "each core; default for the embedded mock).")
@with_options("safety", "hostile", "access", "login", "header")
@reports_interrupt
@run_command
@with_login
def check(url: str | None, processes: str | None, **values: Any) -> int:
    """Judge the embedded mock, or the API at URL, by the documentation.

    URL ends in the base path of the API. Only reads are sent to it unless you allow more. Rows that the run creates
    are written to a ledger first and removed at the end; rows that were there before are never touched.

    Exit code 0: it conforms. 1: it does not, and the findings say where. 2: the check could not run.

    \b
    Examples:
        sarkmock check
        sarkmock check --quick --only Tenants
        sarkmock check --random-seed 7 --max-examples 500
        sarkmock check https://127.0.0.1:44300/api --profile shipped
        sarkmock check https://127.0.0.1:44300/api --profile auto
        sarkmock check https://127.0.0.1:44300/api --budget 300
        sarkmock check https://pbx.example:44300/api --ca pbx.pem --allow-writes
        sarkmock check --target-profile shipped     what a client of the documentation meets on the product
    """
    from .plugin import run_checks
    from .plugin.processes import processes_for
    from .run_options import RunOptions

    chosen = RunOptions.of({"url": url, **confirmed_values(url, values)})
    return run_checks(chosen, processes_for(chosen, processes))


@click.command()
@click.argument("ledger", type=FILE_PATH)
@with_options("rate", "login", "header")
@run_command
def cleanup(ledger: Path, rate: str, login: str | None, password_env: str | None, header: tuple[str, ...]) -> int:
    """Remove what an interrupted run left on a target.

    LEDGER is the file that `sarkmock check` named at its start. It holds the URL of the target and the options to
    reach it, but no secrets: repeat --header and --login if the run had them, and set the same environment variable
    for a token.

    Exit code 0: everything is restored. 1: the output lists what is not. 2: the clean-up could not run.

    \b
    Examples:
        sarkmock cleanup sarkmock-pbx.example-zzk3f1.ledger
        sarkmock cleanup run.ledger --rate 60/m
    """
    from .safety import finish_cleanup

    left = finish_cleanup(ledger, rate, header, login, password_env)
    report_residue(left)
    click.echo(f"{ledger}: {f'{len(left)} changes were not restored' if left else 'everything is restored'}")
    return 1 if left else 0


@click.command()
@click.argument("url")
@click.option("-o", "--output", type=FILE_PATH, metavar="FILE", help="File to write to; needed unless --plan is given.")
@click.option("--depth", type=click.Choice(["quick", "usual", "full"]), default="usual", show_default=True,
              help="How many values to try for each variable.")
@with_options("limits", "time", "rate")
@click.option("--force", is_flag=True, help="Replace an existing baseline.")
@with_options("safety", "access", "login", "header")
@run_command
@with_login
def baseline(url: str, output: Path | None, depth: str, force: bool, plan: bool, **values: Any) -> int:
    """Record how the API at URL behaves, to compare it with later.

    A baseline holds behaviour, never values: operations, statuses, fields and their types, every rule with its
    message, the lifecycle of a row. Only reads are sent unless you allow more; --allow-writes also records rules and
    lifecycles, on rows that the run creates and removes at the end.

    If a recording is interrupted, the same command resumes it.

    \b
    Examples:
        sarkmock baseline https://pbx.example:44300/api --ca pbx.pem -o before.sark --allow-writes
        sarkmock baseline https://127.0.0.1:44300/api -o quick.sark --allow-writes --depth quick --only Tenants
        sarkmock baseline https://pbx.example:44300/api --allow-writes --plan
    """
    from . import baselines
    from .errors import StaysAway

    chosen = recording_options(url, values, depth)
    if plan:
        click.echo("\n".join(baselines.recording_plan_lines(chosen)))
        return 0
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    try:
        recorded = baselines.record_baseline(chosen, output, force)
    except (KeyboardInterrupt, StaysAway) as ended:
        why = "interrupted" if isinstance(ended, KeyboardInterrupt) else "stopped"
        click.echo(f"{why}; the same command resumes the recording", err=True)
        raise
    echo_lines("not tested", recorded.unasked)
    report_residue(recorded.troubles)
    click.echo(f"{output}: {len(recorded.baseline.facts)} facts from {recorded.baseline.recorded['requests']} requests")
    return 1 if recorded.troubles else 0


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("--fail-on", type=click.Choice(["breaking", "risky", "any"]), default="breaking", show_default=True,
              help="Exit with 1 if there is a difference of this level or a worse one.")
@click.option("--clients", type=FILE_PATH, metavar="FILE",
              help="What a client uses (YAML, HAR or the mock's journal): only differences that concern it fail.")
@click.option("--slower", type=click.FloatRange(min=1, min_open=True), default=2.0, show_default=True, metavar="FACTOR",
              help="Report responses that take longer by this factor.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the comparison to this directory: JSON, text, Markdown and HTML.")
@with_options("rate", "time", "safety", "access", "login", "header")
@run_command
@with_login
def compare(before: str, after: str, fail_on: str, clients: Path | None, slower: float, as_json: bool,
            report: Path | None, **values: Any) -> int:
    """Report the differences between two baselines, profiles, or a baseline and a target.

    BEFORE and AFTER are baseline files or names of profiles. AFTER may also be the URL of a target that is recorded on
    the spot, with as many values as BEFORE has and with what you allow now. One of the two may be `auto`: the profile
    that is nearest to the other. Every difference is breaking, risky or compatible for clients, with the reason.
    Differences with one cause are shown as one, the worst first; --json and --report list each. What was tested in only
    one of the two is listed apart: it is neither removed nor fixed.

    Exit code 0: no difference of the level of --fail-on. 1: there is one. 2: they could not be compared.

    \b
    Examples:
        sarkmock compare before.sark after.sark
        sarkmock compare documented shipped         what another version changes, without any box
        sarkmock compare auto box.sark              how a box differs from its version
        sarkmock compare before.sark https://pbx.example:44300/api --ca pbx.pem --allow-writes
        sarkmock compare before.sark after.sark --clients my-app.har --report upgrade
        sarkmock compare before.sark after.sark --json | jq '.differences[] | select(.level == "breaking")'
    """
    from . import baselines
    from .baselines.report import describe_comparison, terminal_text
    from .reports.data import as_json as json_text
    from .run_options import OF_A_TARGET, reject_target_options

    if not baselines.is_target(after):
        reject_target_options(values, (*OF_A_TARGET, "time"))
    uses = baselines.checked_uses(clients, slower, report)
    first, second, troubles = baselines.compared_sides(before, after, lambda: recording_options(after, values, "usual"))
    comparison = baselines.compare_with(first, second, uses, slower)
    data = describe_comparison(comparison, str(clients) if clients else None)
    if report is not None:
        baselines.write_reports(data, report)
    click.echo(json_text(data) if as_json else terminal_text(data), nl=False)
    report_residue(troubles)
    return 1 if troubles or baselines.is_failure(comparison, fail_on, clients is not None) else 0


@click.command()
@click.argument("baseline", type=FILE_PATH)
@click.option("-o", "--output", type=FILE_PATH, required=True, metavar="FILE",
              help="File to write the overlay to; *.yaml.")
@click.option("--profile", default="auto", show_default=True, metavar="NAME", shell_complete=complete_profile,
              help="Profile whose deviations are used; `auto` for the one that is nearest to the recording.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@run_command
def overlay(baseline: Path, output: Path, profile: str, force: bool) -> int:
    """Turn a baseline into a profile: an overlay that makes the documented API behave like the recorded one.

    Pass the file to --profile of `serve` or `check`. Listed deviations are used where they explain a difference;
    other differences become new ones. The last lines name what an overlay cannot express.

    \b
    Examples:
        sarkmock overlay before.sark -o box.yaml
        sarkmock serve --profile box.yaml
        sarkmock check https://pbx.example:44300/api --ca pbx.pem --profile box.yaml
    """
    from .baselines import make_profile

    for line in make_profile(baseline, output, profile, force):
        click.echo(line)
    return 0


@click.command("import")
@click.argument("url")
@click.option("-o", "--output", type=FILE_PATH, metavar="FILE",
              help="File to write the seed to; default: standard output.")
@click.option("--with-secrets", is_flag=True,
              help="Keep passwords and PINs, and import backups and snapshots, too; only you can read the file.")
@click.option("--tables-only", is_flag=True, help="Import rows only: no files, no runtime values of extensions.")
@with_options("rate", "time", "access", "login", "header")
@run_command
@with_login
def import_(url: str, output: Path | None, with_secrets: bool, tables_only: bool, rate: str, max_time: str | None,
            **values: Any) -> None:
    """Import the state of the API at URL into a seed file, so that `sarkmock serve` answers from the same state.

    Only reads are sent: the lists, the downloads and one request for the runtime values of each extension. Passwords
    and PINs are replaced by made-up ones, the same in every import. The last lines, and the file, name what could
    not be read; the mock uses factory defaults for it.

    \b
    Examples:
        sarkmock import https://pbx.example:44300/api --ca pbx.pem -o box.yaml
        sarkmock serve --profile L10 --seed box.yaml
        sarkmock import https://pbx.example:44300/api --rate 30/m --tables-only -o rows.yaml
    """
    from .client.interrupts import parse_seconds
    from .errors import check_directory
    from .run_options import caution_from
    from .state_import import ImportOptions, import_to_file

    if output:
        check_directory(output)  # before the target is read for an hour
    wanted = ImportOptions(with_secrets, tables_only, seconds=parse_seconds(max_time))
    import_to_file(url, caution_from(values).access, rate, wanted, output)


def recording_options(url: str, values: dict[str, Any], depth: str) -> Any:
    from .baselines.session import RecordingOptions

    return RecordingOptions.of({**confirmed_values(url, values), "url": url, "depth": depth})


def report_residue(lines: list[str]) -> None:
    echo_lines("not restored", lines)


def echo_lines(what: str, lines: Iterable[str]) -> None:
    from sarkmock.suite_api import printable

    for line in lines:
        click.echo(printable(f"{what}: {line}"), err=True)

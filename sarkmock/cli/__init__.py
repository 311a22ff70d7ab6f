"""The command line: commands that are imported when they are used, and one line for a mistake of the user."""

from __future__ import annotations

import codecs
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import NoReturn, cast

import click

from sarkmock import __version__

OWN_MODULES = {  # command -> its module
    "serve": "serve", "seeds": "document", "routes": "document", "spec": "document", "profiles": "document",
    "deviations": "document", "export": "document", "lint": "lint", "schema": "lint", "completion": "output"}
SUMMARIES = {  # of all commands, so that nothing is imported to print them
    "baseline": "Record how the API at URL behaves, to compare it with later.",
    "check": "Judge the embedded mock, or the API at URL, by the documentation.",
    "cleanup": "Remove what a run that was killed has left on a target.",
    "compare": "Report the differences between two baselines, profiles, or a baseline and a target.",
    "completion": "Print a script that completes commands, options and names in a shell.",
    "deviations": "List the differences between a published version and the documentation.",
    "export": "Write every operation as a request with example values.",
    "fleet": "Check all boxes that a file lists, one after the other, and sum them up on one page.",
    "import": ("Import the state of the API at URL into a seed file, so that `sarkmock serve` answers from the same "
               "state."),
    "lint": "Check seeds, overlays and lists of faults, and list every mistake with its line.",
    "overlay": ("Turn a baseline into a profile: an overlay that makes the documented API behave like the recorded "
                "one."),
    "profiles": "List the profiles: the known versions of the API.",
    "proxy": "Pass requests on to the API at UPSTREAM, and judge every response.",
    "report": "Join the reports of all shares of a run (`check --shard`) into one, and give the verdict of the whole.",
    "routes": "List the operations, with hazard, rules and lines of the documentation.",
    "schema": "Print the JSON Schema of seed or overlay files, for editors.",
    "seeds": "List the built-in seeds.",
    "serve": "Answer the SARK V6 API on this machine until Ctrl-C.",
    "spec": "Print the effective OpenAPI 3.1 document: one file, no external references.",
}
# For consoles without these characters.
PLAIN_CHARACTERS = {"·": "-", "—": "-", "━": "-", "→": "->", "…": "...", "✓": "+"}
SUITE = "sarkmock.commands"  # entry points: the commands that are not our own


class Commands(click.Group):
    """Commands that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in OWN_MODULES:
            return cast(click.Command, getattr(import_module(f"sarkmock.cli.{OWN_MODULES[cmd_name]}"), cmd_name))
        from importlib.metadata import entry_points  # takes as long as all the rest of `--help`

        return next((cast(click.Command, entry.load()) for entry in entry_points(group=SUITE, name=cmd_name)), None)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None,
                                                                            list[str]]:
        if self.get_command(ctx, args[0]) is None:
            from sarkmock.suggest import unknown  # as above

            ctx.fail(unknown("command", args[0], SUMMARIES))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="sarkmock %(version)s")
def cli() -> None:
    """A mock of the SARK V6 API, and a contract suite that judges the mock or a real box.

    \b
    Develop a client against the mock:
        sarkmock serve
    Check the embedded mock, or a running SARK:
        sarkmock check
        sarkmock check https://127.0.0.1:44300/api
    Report what an upgrade changes:
        sarkmock baseline https://pbx.example:44300/api -o before.sark
        sarkmock compare before.sark after.sark
    Read the API description:
        sarkmock routes
        sarkmock spec > openapi.yaml
    """


def main() -> NoReturn:
    """Run the command line. A user's mistake is one line on stderr and exit code 2."""
    write_plainly()
    try:
        code = cli(prog_name="sarkmock", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        fail(error.format_message() + hint)
    except click.ClickException as error:
        fail(error.format_message())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:
        if not is_mistake(error):
            raise
        fail(str(error))
    sys.exit(code if isinstance(code, int) else 0)


def write_plainly() -> None:
    """Write another character where the console has none of that name, instead of failing."""
    codecs.register_error("sarkmock", plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="sarkmock")


def plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN_CHARACTERS.get(char, "?") for char in error.object[error.start:error.end]), error.end


def is_mistake(error: Exception) -> bool:
    """Whether an exception is for the user: a file that is not right, an address that is in use."""
    from sarkmock.server.listener import CannotListen
    from sarkmock.spec.yaml12 import FileError

    return isinstance(error, (FileError, CannotListen))


def fail(problem: str) -> NoReturn:
    """Tell a user what is wrong, on one line."""
    from sarkmock.redaction import printable, without_credentials

    click.echo(f"sarkmock: {printable(without_credentials(' '.join(problem.split())))}", err=True)
    sys.exit(2)

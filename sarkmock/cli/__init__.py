"""The command line: what a user types, and one line for what a user got wrong."""

from __future__ import annotations

import codecs
import os
import sys
from importlib import import_module
from importlib.metadata import entry_points, version
from io import TextIOWrapper
from typing import NoReturn, cast

import click

from sarkmock.redaction import printable, without_credentials

OWN_COMMANDS = {  # name -> where it is, and its summary, so that nothing is imported to print it
    "serve": ("serve", "serve", "Answer the SARK V6 API on this machine until Ctrl-C."),
    "seeds": ("profiles", "seeds", "List the built-in seeds."),
    "routes": ("document", "routes", "List the operations, with hazard, rules and lines of the documentation."),
    "spec": ("document", "spec", "Print the effective OpenAPI 3.1 document: one file, no external references."),
    "profiles": ("profiles", "profiles", "List the profiles: the known versions of the API."),
    "deviations": ("profiles", "deviations",
                   "List the differences between a published version and the documentation."),
    "export": ("document", "export", "Write every operation as a request with example values."),
    "lint": ("lint", "lint", "Check seeds, overlays and lists of faults, and list every mistake with its line."),
    "schema": ("lint", "schema", "Print the JSON Schema of seed or overlay files, for editors."),
    "completion": ("output", "completion", "Print a script that completes commands, options and names in a shell."),
}
# For consoles without these characters.
PLAIN_CHARACTERS = {"·": "-", "—": "-", "━": "-", "→": "->", "…": "...", "✓": "+"}
SUITE = "sarkmock.commands"  # entry points: commands of other packages


class Commands(click.Group):
    """Commands that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*OWN_COMMANDS, *(entry.name for entry in entry_points(group=SUITE))])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in OWN_COMMANDS:
            module, name, _ = OWN_COMMANDS[cmd_name]
            return cast(click.Command, getattr(import_module(f"sarkmock.cli.{module}"), name))
        return next((cast(click.Command, entry.load()) for entry in entry_points(group=SUITE, name=cmd_name)), None)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name)) for name in self.list_commands(ctx)])

    def _summary(self, ctx: click.Context, name: str) -> str:
        if name in OWN_COMMANDS:
            return OWN_COMMANDS[name][2]
        command = self.get_command(ctx, name)
        return command.get_short_help_str(limit=120) if command else ""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("sarkmock"), message="sarkmock %(version)s")
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
    click.echo(f"sarkmock: {printable(without_credentials(' '.join(problem.split())))}", err=True)
    sys.exit(2)

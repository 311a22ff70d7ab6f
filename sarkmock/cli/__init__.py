"""The command line: commands that are imported on use, and one-line messages for user errors."""

from __future__ import annotations

import codecs
import os
import re
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

import click

from sarkmock import __version__
from sarkmock.cli.output import OutputError, StandardOutput

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OWN_MODULES = {  # command -> its module
    "serve": "serve", "seeds": "document", "routes": "document", "spec": "document", "profiles": "document",
    "deviations": "document", "export": "document", "lint": "lint", "schema": "lint", "completion": "output"}
# Replacements for consoles without these characters.
PLAIN_CHARACTERS = {"·": "-", "—": "-", "━": "-", "→": "->", "…": "...", "✓": "+"}
NOT_ACCEPTED = re.compile("(.*) is not (?:a valid|in the range|one of|') ?", re.DOTALL)  # click's messages
STANDARD_STREAMS = 2  # the highest of their file descriptors
SUITE = "sarkmock.commands"  # entry points: commands of other packages


class Commands(click.Group):
    """A group of commands that are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*OWN_MODULES, *suite_modules()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in OWN_MODULES:
            return cast(click.Command, getattr(import_module(f"sarkmock.cli.{OWN_MODULES[cmd_name]}"), cmd_name))
        entry = suite_modules().get(cmd_name)
        return cast(click.Command, entry.load()) if entry else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None,
                                                                            list[str]]:
        if self.get_command(ctx, args[0]) is None:
            from sarkmock.suggest import unknown_name  # slow to import

            ctx.fail(unknown_name("command", args[0], self.list_commands(ctx)))
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, without_empty_values(command, rest)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(name)) for name in self.list_commands(ctx)])


def without_empty_values(command: click.Command | None, args: list[str]) -> list[str]:
    """Return the arguments; UsageError for an option with an empty value, as from a variable that is not set."""
    options = {name for option in command.params if isinstance(option, click.Option) and not option.is_flag
               for name in option.opts} if command else set()
    for arg, following in pairwise([*args, "-"]):
        name, equals, value = arg.partition("=")
        if name in options and not (value if equals else following):
            raise click.UsageError(f"The value of {name} is empty.")
    return args


@cache
def suite_modules() -> dict[str, EntryPoint]:
    """Return the entry points of commands from other packages, by name."""
    from importlib.metadata import entry_points  # doubles the start-up time

    return {entry.name: entry for entry in entry_points(group=SUITE)}


def summary(name: str) -> str:
    """Return the first paragraph of a command's docstring, read from its source: importing all takes half a second."""
    from importlib.util import find_spec

    entry = suite_modules().get(name)
    module, function = (entry.module, entry.attr) if entry else (f"sarkmock.cli.{OWN_MODULES[name]}", name)
    source = find_spec(module)
    assert source is not None, module
    text = Path(str(source.origin)).read_text(encoding="utf-8")
    docstring = text.partition(f"\ndef {function}(")[2].partition('"""')[2].partition('"""')[0]
    return " ".join(docstring.partition("\n\n")[0].split())


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
    """Run the command line. A user error is one line on stderr and exit code 2."""
    open_closed_streams()
    write_plainly()
    if os.environ.get("NO_COLOR"):
        os.environ.pop("FORCE_COLOR", None)  # Rich and pytest would still write other escape sequences
    code: object = 0
    try:
        code = cli(prog_name="sarkmock", standalone_mode=False)
        sys.stdout.flush()
    except OutputError as error:
        discard_unwritten(sys.stdout)
        if not error.is_unread:
            fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        fail(expected_value(error) + hint)
    except click.ClickException as error:
        fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:
        if not is_mistake(error):
            raise
        fail(str(error) or "not enough memory")
    finally:
        discard_unwritten(sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def expected_value(error: click.UsageError) -> str:
    """Return the message of an error; that of an invalid number or name says what is expected."""
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    text = error.format_message()
    given = NOT_ACCEPTED.match(error.message)
    if isinstance(kind, click.Choice) and given:
        from sarkmock.suggest import nearest_names  # slow to import

        nearest = nearest_names(given[1].strip("'"), kind.choices)
        return f"{text.rstrip('.')}; did you mean {nearest[0]}?" if nearest else text
    if not isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)) or given is None:
        return text
    return text.replace(error.message, f"{given[1]} is not {number_description(kind)}")


def number_description(kind: click.types.IntParamType | click.types.FloatParamType) -> str:
    """Describe the numbers that a type of option accepts."""
    name = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
    if not isinstance(kind, (click.IntRange, click.FloatRange)) or kind.min is None:
        return name
    if kind.max is not None:
        return f"{name} from {kind.min} to {kind.max}"
    return f"{name} greater than {kind.min}" if kind.min_open else f"{name} of at least {kind.min}"


def open_closed_streams() -> None:
    """Open the standard streams that are closed, or other files would get their numbers."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= STANDARD_STREAMS:
        pass
    os.close(handle)
    if sys.stdout is None or sys.stderr is None:
        nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere


def write_plainly() -> None:
    """Replace characters that the console cannot show, instead of failing. Errors of writing become OutputError."""
    codecs.register_error("sarkmock", plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="sarkmock")
    sys.stdout = StandardOutput(sys.stdout)


def discard_unwritten(stream: TextIO) -> None:
    """Write what a stream buffers, or discard it: Python would try it again at its end, and exit with 120."""
    try:
        stream.flush()
    except (OSError, OutputError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN_CHARACTERS.get(char, "?") for char in error.object[error.start:error.end]), error.end


def is_mistake(error: Exception) -> bool:
    """Whether an exception is a user error: an invalid or too large file, or an address in use."""
    from sarkmock.server.https_server import CannotListen
    from sarkmock.spec.yaml12 import FileError

    return isinstance(error, (FileError, CannotListen, MemoryError))


def fail(problem: str) -> NoReturn:
    """Print a user error on one line of stderr and exit with code 2."""
    from sarkmock.redaction import printable, without_credentials

    with suppress(OSError):
        click.echo(f"sarkmock: {printable(without_credentials(' '.join(problem.split())))}", err=True)
    sys.exit(2)

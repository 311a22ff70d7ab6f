"""The command line: what a user types, and one line for what a user got wrong. Knows no operation of the API."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import NoReturn

import click

from sarkmock.cli.baseline import baseline, compare, overlay
from sarkmock.cli.check import check
from sarkmock.cli.cleanup import cleanup
from sarkmock.cli.completion import completion
from sarkmock.cli.document import routes, spec
from sarkmock.cli.export import export
from sarkmock.cli.imports import import_
from sarkmock.cli.profiles import deviations, profiles
from sarkmock.cli.seeds import seeds
from sarkmock.cli.serve import serve
from sarkmock.server.https_server import CannotListen
from sarkmock.spec.yaml12 import FileError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("sarkmock"), message="sarkmock %(version)s")
def cli() -> None:
    """A mock of the SARK V6 API, and a contract suite that judges the mock or a real box.

    \b
    Develop a client against the mock:
        sarkmock serve
    See that the mock keeps its promises, or judge a running one:
        sarkmock check
        sarkmock check https://127.0.0.1:44300/api
    Tell what an upgrade changes:
        sarkmock baseline https://pbx.example:44300/api -o before.sark
        sarkmock compare before.sark after.sark
    Read what is promised:
        sarkmock routes
        sarkmock spec > openapi.yaml
    """


for command in (serve, seeds, import_, check, baseline, compare, overlay, cleanup, routes, spec, profiles,
                deviations, export, completion):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line. A user's mistake is one line on stderr and exit code 2."""
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
    except (FileError, CannotListen) as error:
        fail(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def fail(problem: str) -> NoReturn:
    """Tell a user what is wrong, on one line."""
    click.echo(f"sarkmock: {' '.join(problem.split())}", err=True)
    sys.exit(2)

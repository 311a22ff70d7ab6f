"""The options that say what a box may suffer and how it is reached, and the question before the worst. Knows no box."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import click

FLAGS = {
    "--allow-writes": "Let the run make, change and delete rows of its own on the box.",
    "--allow-operational": "Let it commit, take and send backups, replace firewall rules and settings (put back).",
    "--allow-disruptive": "Let it reboot, stop, restore and originate calls; asks for the name of the host.",
    "--hostile-input": "Send control characters, `..` and shell or AMI metacharacters in path values.",
    "--insecure": "Trust any certificate, and plain http beyond this machine.",
}
VALUES = {
    "--yes-i-mean": ("HOST", "The host that --allow-disruptive is meant for, where nobody can be asked."),
    "--ledger": ("FILE", "Where to write down what the run makes, for `sarkmock cleanup`."),
    "--ca": ("FILE", "Certificates (PEM) to trust, like the one `sarkmock serve` names."),
    "--cert": ("FILE", "Client certificate (PEM)."),
    "--key": ("FILE", "Its key (PEM)."),
    "--token-env": ("NAME", "Environment variable that holds a bearer token."),
}
ACCESS = ("--ca", "--cert", "--key", "--token-env")


def permissions(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command; it gets them as one mapping, `safety`."""
    command = click.option("--header", multiple=True, metavar="'Name: value'", help="Send this header too.")(command)
    for name, (metavar, text) in reversed(VALUES.items()):
        command = click.option(name, metavar=metavar, help=text)(command)
    for name, text in reversed(FLAGS.items()):
        command = click.option(name, is_flag=True, help=text)(command)
    return command


def access(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say how a box is reached to a command that only reads."""
    command = click.option("--header", "headers", multiple=True, metavar="'Name: value'",
                           help="Send this header too.")(command)
    for name in reversed(ACCESS):
        metavar, text = VALUES[name]
        command = click.option(name, metavar=metavar, help=text)(command)
    return click.option("--insecure", is_flag=True, help=FLAGS["--insecure"])(command)


def arguments(url: str | None, options: Mapping[str, Any]) -> list[str]:
    """The same options for the suite."""
    found = dict(options)
    if url is None:
        return []
    if found["allow_disruptive"] and not found["yes_i_mean"]:
        found["yes_i_mean"] = asked(url)
    return list(_written(found))


def _written(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            yield option
        elif isinstance(value, str):
            yield f"{option}={value}"
        elif value:
            yield from (f"{option}={item}" for item in value)


def asked(url: str) -> str:
    """The host as somebody at a terminal types it."""
    host = urlsplit(url).hostname
    if not sys.stdin.isatty():
        raise click.UsageError(f"--allow-disruptive asks for the host on a terminal; or give --yes-i-mean {host}")
    said = click.prompt(f"This may reboot, stop and restore {host}. Type its name to go on", err=True)
    return str(said).strip()

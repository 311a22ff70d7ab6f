"""Common parts of commands with a server: certificate, signals, options for faults and the control plane."""

from __future__ import annotations

import gc
import os
import re
import secrets
import signal
import ssl
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import click

from sarkmock.atomic import temporary_directory
from sarkmock.cli.background import BackgroundOutput, background_output
from sarkmock.control import Control
from sarkmock.faults import Fault, FaultError, Faults, read_faults
from sarkmock.http.engine import Engine
from sarkmock.journal import DEFAULT_KEPT, Journal
from sarkmock.server.addresses import is_loopback, is_wildcard
from sarkmock.server.http11 import Limits
from sarkmock.server.https_server import Listener, allow_open_files

ENDINGS = (signal.SIGINT, signal.SIGTERM)


class RunnableServer(Protocol):
    """A server whose `run` returns after `end` was called."""

    limits: Limits

    def run(self) -> None: ...

    def end(self) -> None: ...


def begin_listening(interrupted: Callable[[], object] = lambda: sys.exit(0)) -> None:
    """Disable garbage collection during start-up; SIGINT or SIGTERM calls ``interrupted``, which ends the process."""
    gc.disable()
    on_signal(interrupted)


def begin_serving(stack: ExitStack, server: RunnableServer, greeting: str) -> BackgroundOutput:
    """Print the greeting. From then on SIGINT and SIGTERM end `run`, even before it begins.

    Return standard output, which is written in the background until the end of the stack.
    """
    gc.freeze()
    gc.enable()
    allow_open_files(server.limits.connections)
    on_signal(server.end)
    click.echo(greeting)
    return stack.enter_context(background_output())


def on_signal(function: Callable[[], Any]) -> None:
    """Call a function on SIGINT (Ctrl-C) or SIGTERM."""
    for number in ENDINGS:
        signal.signal(number, lambda *_: function())


def server_tls(stack: ExitStack, host: str, cert: Path | None, key: Path | None, http: bool,
               prefix: str = "--") -> tuple[ssl.SSLContext | None, Path | None]:
    """Return the server's SSL context, with the user's certificate or one made for this run, and the latter's CA file.

    Plain HTTP has neither.
    """
    if bool(cert) != bool(key):
        raise click.UsageError(f"{prefix}cert and {prefix}key go together")
    if http and cert:
        raise click.UsageError(f"{prefix}cert and {prefix}key cannot be used with --http")
    if http:
        return None, None
    from sarkmock.server.certificates import generated_context, users_context  # slow to import

    if cert and key:
        return users_context(cert, key), None
    authority = stack.enter_context(temporary_directory()) / "ca.pem"
    return generated_context(authority, host), authority


def listening_line(server: Listener, path: str) -> str:
    """Return the greeting's line on where the server listens."""
    everywhere = "   and on all other addresses of this machine" if is_wildcard(server.host) else ""
    return f"listening on  {server.url}{path}{everywhere}\n"


def proxy_hint(url: str) -> str:
    """Return a hint for a user whose environment sends requests to the server through a proxy."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass  # slow to import

    parts = urlsplit(url)
    if parts.scheme not in getproxies() or proxy_bypass(parts.hostname or ""):
        return ""
    return f"proxy         {parts.scheme.upper()}_PROXY is set; add {parts.hostname} to your client's NO_PROXY\n"


TOKEN_PATTERN = re.compile(r"[!-~]{8,}")
ORIGIN_PATTERN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")


class FaultLine(click.ParamType):  # type: ignore[type-arg]  # generic only in its stubs
    """The value of `--fault`."""

    name = "fault"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        try:
            return Fault.parse(value)
        except FaultError as error:
            self.fail(str(error), param, ctx)


def set_faults(engine: Engine, file: Path | None, faults: tuple[Fault, ...]) -> Faults:
    """Return the faults of a file, then those of the command line."""
    try:
        return Faults(engine, [*(read_faults(file, Faults(engine)) if file else ()), *faults])
    except FaultError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None


def control_access(host: str, off: bool, token: str | None, directory: Path | None,
                   origins: tuple[str, ...] = ()) -> Control | None:
    """Decide who may use the control plane. If other machines can reach the mock, a token is required or generated."""
    if off and (token or directory or origins):
        raise click.UsageError("--control-token, --control-origin and --save-dir cannot be used with --no-control")
    for origin in origins:
        if not ORIGIN_PATTERN.fullmatch(origin):
            raise click.BadParameter(f"{origin!r} is not an origin like https://app.example:8443",
                                     param_hint="--control-origin")
    if token is not None and not TOKEN_PATTERN.fullmatch(token):
        raise click.BadParameter("must be at least 8 printable ASCII characters without spaces",
                                 param_hint="--control-token")
    if off:
        return None
    if token is None and (origins or not is_loopback(host)):
        token = secrets.token_urlsafe(18)
    return Control(token, (host.lower(),), directory, origins)


def chosen_journal(engine: Engine, entries: int, off: bool, verbose: bool) -> Journal | None:
    """Return the journal; None if it has no entries, or if neither the control plane nor the log shows it."""
    if off and not verbose and entries not in (0, DEFAULT_KEPT):
        raise click.UsageError("--journal has no effect with --no-control")
    return Journal(engine, entries) if entries and (verbose or not off) else None


def page_line(url: str, control: Control | None, given: str | None) -> str:
    """Return the greeting's line on the control plane and its page; a token that the user gave is not repeated."""
    if control is None:
        return "off"
    if control.token is None:
        return f"{url}/_mock/"
    if given:
        return f"{url}/_mock/   with your token"
    return f"{url}/_mock/#token={control.token}   for programs, Authorization: Bearer {control.token}"

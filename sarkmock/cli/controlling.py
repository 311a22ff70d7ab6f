"""The options of `serve` for faults and the control plane."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import click

from sarkmock.control import Control
from sarkmock.faults import Fault, FaultError, Faults, read_faults
from sarkmock.http.engine import Engine
from sarkmock.server.certificates import is_loopback

TOKEN_PATTERN = re.compile(r"[!-~]{8,}")
ORIGIN_PATTERN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")


class FaultLine(click.ParamType):  # type: ignore[type-arg]  # generic in its stubs alone
    """A fault as `--fault` takes it."""

    name = "fault"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Fault:
        try:
            return Fault.parse(value)
        except FaultError as error:
            self.fail(str(error), param, ctx)


def set_faults(engine: Engine, file: Path | None, faults: tuple[Fault, ...]) -> Faults:
    """The faults of a file, then those of the command line."""
    try:
        return Faults(engine, [*(read_faults(file) if file else ()), *faults])
    except FaultError as error:
        raise click.BadParameter(str(error), param_hint="--fault") from None


def control_of(host: str, off: bool, token: str | None, directory: Path | None,
               origins: tuple[str, ...] = ()) -> Control | None:
    """Who may use the control plane. A token is required, and made, where other machines can reach the mock."""
    if off and (token or directory or origins):
        raise click.UsageError("--no-control leaves no use for --control-token, --control-origin and --save-dir")
    for origin in origins:
        if not ORIGIN_PATTERN.fullmatch(origin):
            raise click.BadParameter(f"{origin!r} is not an origin like https://app.example:8443",
                                     param_hint="--control-origin")
    if token is not None and not TOKEN_PATTERN.fullmatch(token):
        raise click.BadParameter("must be 8 or more of ASCII's letters, digits and signs", param_hint="--control-token")
    if off:
        return None
    if token is None and (origins or not is_loopback(host)):
        token = secrets.token_urlsafe(18)
    return Control(token, (host.lower(),), directory, origins)


def page_line(url: str, control: Control | None, given: bool) -> str:
    """The greeting's line on the control plane and its page; a token that was given is not repeated."""
    if control is None:
        return "off"
    if control.token is None:
        return f"{url}/_mock/"
    if given:
        return f"{url}/_mock/   with your token"
    return f"{url}/_mock/#token={control.token}   for programs, Authorization: Bearer {control.token}"

"""Runs a proxy until it is stopped: the way, its guard, what listens to it; the verdict at the end."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import fields
from typing import Any

import click

from sarkmock.suite_api import FaultError, Listening, Pace, Patience, begin_listening, open_proxy, printable, run_server

from ..client.rate_limit import seconds_each
from ..client.transports import Access
from ..errors import CannotRun
from ..run_options import caution_of
from .guard import TrafficGuard, permitted


def run_proxy(upstream: str, values: Mapping[str, Any]) -> int:
    """Exit code of a proxy that was stopped."""
    begin_listening()
    access = caution_of(values).access
    base = access.check(upstream).path.rstrip("/")
    guard = TrafficGuard(base, permitted(values["read_only"], values["allow_disruptive"]))
    with ExitStack() as stack:
        try:
            proxy, greeting = open_proxy(stack, upstream, context_of(upstream, access), values["profile"],
                                         listening_of(values), guard, pace_of(values), None, tell)
        except FaultError as error:
            raise CannotRun(f"--fault: {error}") from None
        guard.prepare()
        click.echo(f"{greeting}stop          Ctrl-C")
        run_server(proxy)
    return 0


def listening_of(values: Mapping[str, Any]) -> Listening:
    """Where clients reach the proxy, from the values of the options."""
    own = {item.name: values[item.name] for item in fields(Listening) if item.name in values}
    own |= {"cert": values["listen_cert"], "key": values["listen_key"]}
    return Listening(**own, patience=Patience(answer=values["timeout"]))


def pace_of(values: Mapping[str, Any]) -> Pace:
    each = seconds_each(values["rate"]) if values["rate"] else 0.0
    return Pace(each, values["throttle"], values["queue"])


def context_of(url: str, access: Access) -> ssl.SSLContext | None:
    """How the upstream is trusted; CannotRun for files that are not certificates."""
    parts = access.check(url)
    if parts.scheme != "https":
        return None
    verify = access.verify(str(parts.hostname))
    try:
        context = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
        if verify is False:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if access.cert:
            context.load_cert_chain(access.cert, access.key)
    except (OSError, ssl.SSLError) as error:
        raise CannotRun(f"--ca, --cert or --key: {error.strerror or error}") from None
    return context


def tell(line: str) -> None:
    """A line for people, whatever the traffic put into it."""
    click.echo(printable(line), err=True)

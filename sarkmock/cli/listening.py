"""What commands that listen have in common: a certificate, signals, a hint for users behind a proxy."""

from __future__ import annotations

import gc
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import click

from sarkmock.server import certificates
from sarkmock.server.limits import Limits, allow_open_files

ENDINGS = (signal.SIGINT, signal.SIGTERM)


class Runs(Protocol):
    """A server: `run` returns after `end` was called."""

    limits: Limits

    def run(self) -> None: ...

    def end(self) -> None: ...


def begin_listening() -> None:
    """Nothing of what is loaded now is garbage; a signal meanwhile ends the process."""
    gc.disable()
    on_signal(lambda: sys.exit(0))


def run_server(server: Runs) -> None:
    """Serve until a signal comes."""
    gc.freeze()
    gc.enable()
    allow_open_files(server.limits.connections)
    on_signal(server.end)
    server.run()


def on_signal(function: Callable[[], Any]) -> None:
    """Have a function called when Ctrl-C or SIGTERM is to end the process."""
    for number in ENDINGS:
        signal.signal(number, lambda *_: function())


def pair_of(stack: ExitStack, host: str, cert: Path | None, key: Path | None) -> certificates.Pair:
    """The certificate to serve by: the user's own, or one that is made for this run."""
    if bool(cert) != bool(key):
        raise click.UsageError("--cert and --key go together")
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sarkmock-")))
    return certificates.checked_pair(cert, key, directory) if cert and key else certificates.make(directory, host)


def proxy_hint(url: str) -> str:
    """A line for a user whose environment sends requests for the server through a proxy."""
    parts = urlsplit(url)
    if parts.scheme not in getproxies() or proxy_bypass(parts.hostname or ""):
        return ""
    return f"proxy         {parts.scheme.upper()}_PROXY is set; add {parts.hostname} to your client's NO_PROXY\n"

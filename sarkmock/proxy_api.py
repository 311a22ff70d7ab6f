"""What the proxy of the contract suite may use as well. It loads the server, which other commands lack."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sarkmock.cli.listening import (
    begin_listening,
    begin_serving,
    chosen_journal,
    control_access,
    listening_line,
    page_line,
    proxy_hint,
    server_tls,
)
from sarkmock.cli.output import RequestLog, write_line
from sarkmock.control import MockControl
from sarkmock.faults import Fault, Faults, read_faults
from sarkmock.http.engine import Engine
from sarkmock.http.flask_app import ControlApp
from sarkmock.journal import Journal
from sarkmock.proxy.exchange import OnPassed, Pace, Passed, Record
from sarkmock.proxy.server import Guard, Proxy, ProxyParts
from sarkmock.proxy.upstream import Timeouts, Upstream
from sarkmock.server.addresses import is_same_address
from sarkmock.server.https_server import CannotListen, listen, unbracketed

OF_TRAFFIC = ("status", "html", "drop", "truncate", "throttle")  # faults that need no mock


@dataclass(frozen=True)
class ProxyListener:
    """The address of a proxy, and its options."""

    host: str = "127.0.0.1"
    port: int = 0
    http: bool = False
    cert: Path | None = None
    key: Path | None = None
    journal: int = 1000
    faults: tuple[str, ...] = ()
    fault_file: Path | None = None
    control_token: str | None = None
    no_control: bool = False
    verbose: bool = False
    patience: Timeouts = field(default_factory=Timeouts)

    def check(self, upstream: str) -> None:
        """Raise CannotListen if the address cannot be used now, or is that of the upstream."""
        listen(self.host, self.port).close()
        target = Upstream(upstream, None)
        if target.port == self.port and is_same_address(target.host, unbracketed(self.host)):
            raise CannotListen(f"{upstream} is the address of the proxy itself; choose another with --port")


def open_proxy(stack: ExitStack, url: str, context: ssl.SSLContext | None, profile: str, listening: ProxyListener,
               guard: Guard, pace: Pace, judge: OnPassed | None, report: Callable[[str], None]) -> tuple[Proxy, str]:
    """Open a listening proxy and return it with its greeting. FaultError or FileError for invalid options.

    ``profile`` names the document that explains the journal.
    """
    engine = Engine(profile=profile)
    file, trial = listening.fault_file, Faults(engine, effects=OF_TRAFFIC)
    active = [*(read_faults(file, trial) if file else ()), *map(Fault.parse, listening.faults)]
    faults = Faults(engine, active, effects=OF_TRAFFIC)
    journal = chosen_journal(engine, listening.journal, listening.no_control, listening.verbose)
    control = control_access(listening.host, listening.no_control, listening.control_token, None)
    app = ControlApp(MockControl(engine, faults, journal, control, upstream=url)) if control else None
    tls, authority = server_tls(stack, listening.host, listening.cert, listening.key, listening.http, "--listen-")
    log = RequestLog(journal) if listening.verbose else None
    around = ProxyParts(faults, journal, app, guard, pace, judge, report, log)
    proxy = Proxy(Upstream(url, context, listening.patience), around, listening.host, listening.port, tls=tls)
    stack.callback(proxy.stop)
    trust = f"--cacert {authority} " if authority else ""
    base = f"{proxy.url}{proxy.upstream.base}"
    baseless = "" if proxy.upstream.base else "   (without a base path; the API of a SARK usually is at /api)"
    return proxy, (f"forwards to   {proxy.upstream.url}{baseless}\n"
                   f"{listening_line(proxy, proxy.upstream.base)}"
                   f"try           curl {trust}{base}/tenants\n"
                   f"control       {page_line(proxy.url, control, listening.control_token)}\n"
                   f"{proxy_hint(proxy.url)}")

"""Runs a proxy with guard, judge and shadow until it is stopped, and reports the verdict."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import fields, replace
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from sarkmock.proxy_api import (
    Pace,
    Passed,
    ProxyListener,
    Timeouts,
    begin_listening,
    begin_serving,
    open_proxy,
    write_line,
)
from sarkmock.suite_api import BASE, FaultError, Notice, load, printable, redacted

from ..baselines.clients import ClientsFile
from ..client import interrupts
from ..client.http import Exchange
from ..client.rate_limit import RateLimit, seconds_each
from ..client.transports import Access, Http, tls_context
from ..errors import CannotRun, Unanswered, file_errors
from ..judge.verdicts import Classified, Outcome
from ..plugin.verdict import read_accepted_of
from ..reports import write_files
from ..reports.console import write_report
from ..run_options import RunOptions, options_signed_in
from ..safety.fingerprint import AUTO
from ..state_import import ImportOptions, guarded_reader, progress_bar, read_state, version_behind
from .guard import ExchangeQueue, TrafficGuard, exchange_of, permitted_hazards
from .shadow import Shadow, cause_line, shadow_lines, write_shadow
from .watched import WatchedRun

# Severities with which the page shows the levels of the shadow.
LEVELS_SHOWN = {"breaking": "breaks", "risky": "surprises", "compatible": "cosmetic", "informative": "cosmetic"}
SWITCHING = 1e-4  # interpreter switch interval in seconds, so that the judge does not delay the server
SHADOWED = ImportOptions(secrets=True, archives=False)  # the state that a shadow reads stays in memory


def run_proxy(upstream: str, values: Mapping[str, Any]) -> int:
    """Run a proxy until it is stopped; return the exit code: 1 if the traffic does not conform."""
    sends = bool(values["shadow"]) or AUTO in (values["profile"], values["target_profile"])
    for name in ("login", "token_env", "header"):
        if values[name] and not sends:
            raise CannotRun(f"--{name.replace('_', '-')} needs --shadow or --profile {AUTO}: "
                            "it applies to requests that the proxy itself sends")
    if isnan(values["timeout"]):
        raise CannotRun("--timeout nan: not a number of seconds")
    if values["read_only"] and values["allow_disruptive"]:
        raise CannotRun("--read-only and --allow-disruptive exclude each other")
    for name in {values["profile"], values["target_profile"]} - {AUTO} | {values["shadow"]}:
        load(name or BASE)  # FileError for an unknown one, before anything is sent
    with options_signed_in(upstream, values) as signed:
        return run_signed_in(upstream, signed)


def run_signed_in(upstream: str, values: Mapping[str, Any]) -> int:
    """Run the proxy after the user of --login has logged in."""
    interrupts.raise_if_stopped()
    begin_listening(end_early)
    options = recognised_options(RunOptions.of({**values, "url": upstream}), shadowed=bool(values["shadow"]))
    access = options.caution.access
    base = access.check(upstream).path.rstrip("/")
    options = replace(options, caution=replace(options.caution, access=replace(access, headers=(), token_env=None)))
    guard = TrafficGuard(base, permitted_hazards(values["read_only"], values["allow_disruptive"]))
    listening, pace, context = listening_of(values), pace_of(values), upstream_context(upstream, access)
    accepted, clients = read_accepted_of(options), ClientsFile(values["clients"]) if values["clients"] else None
    listening.check(upstream)  # before a shadow reads the state, which may take minutes
    shadow = open_shadow(values["shadow"], upstream, access, values["rate"] or "auto", str(options.target_profile),
                         write_line) if values["shadow"] else None
    watched = WatchedRun(options, base, accepted, values["exclusive"])
    with ExitStack() as stack:
        judging = TrafficJudge(watched, clients, shadow)
        try:
            proxy, greeting = open_proxy(stack, upstream, context, options.profile, listening, guard, pace,
                                         judging.listener, write_line)
        except FaultError as error:
            raise CannotRun(f"--fault: {error}") from None
        guard.prepare()
        sys.setswitchinterval(SWITCHING)
        output = begin_serving(stack, proxy, f"{greeting}stop          Ctrl-C")
        proxy.run()
        code = judging.end()
    if output.error is not None and not output.error.is_unread:
        raise output.error
    return code


def end_early() -> NoReturn:
    """End a proxy that does not listen yet."""
    write_line("sarkmock: interrupted; the proxy had not begun to listen")
    sys.exit(2)


def recognised_options(options: RunOptions, shadowed: bool = False) -> RunOptions:
    """Return the options with `auto` replaced by the detected version, which a shadow needs, too."""
    if AUTO not in (options.profile, options.target_profile) and (options.target_profile or not shadowed):
        return options
    version = recognised_upstream(str(options.url), options.caution.access, options.rate)
    profile = version if options.profile == AUTO else options.profile
    return replace(options, profile=profile, target_profile=options.target_profile if options.target_profile not in (
        None, AUTO) else version)


def recognised_upstream(url: str, access: Access, rate: str) -> str:
    """Return the profile nearest to the upstream's version. Sends a few reads."""
    try:
        version = version_behind(guarded_reader(RateLimit(Http(url, access), rate)), access)
    except Unanswered as reason:
        raise CannotRun(str(reason)) from None
    for line in version.lines():
        write_line(f"{redacted(url)} {line}" if line.startswith("answers") else line)
    return version.nearest


def open_shadow(name: str, url: str, access: Access, rate: str, version: str,
                echo: Callable[[str], None]) -> Shadow:
    """Return a shadow that starts from the state of the box; ``version`` is the profile of the box."""
    document = load(name)
    echo(f"reading the state of {redacted(url)} for the shadow {name}")
    with progress_bar(Console(stderr=True, highlight=False, markup=False)) as on_progress:
        reader = guarded_reader(RateLimit(Http(url, access), rate), on_progress)
        reader.profile = version
        try:
            seed = read_state(reader, SHADOWED)
        except Unanswered as reason:
            raise CannotRun(str(reason)) from None
    echo(f"{name} runs beside {redacted(url)}, which runs as {version} ({reader.target.requests} requests)")
    return Shadow(name, document, load(version), seed, reader.target.get)


class TrafficJudge:
    """Judges the traffic and reports findings, at once and at the end. ``say`` is called with each line."""

    def __init__(self, watched: WatchedRun, clients: ClientsFile | None = None, shadow: Shadow | None = None,
                 say: Callable[[str], None] = click.echo) -> None:
        self.watched, self._clients, self._shadow, self._say = watched, clients, shadow, say
        self._problems: list[str] = []
        self.listener = ExchangeQueue(self.receive)

    def receive(self, passed: Passed) -> None:
        exchange = exchange_of(passed, self.watched.target.transport.base)
        if passed.gap or exchange is None:
            self.watched.forget_rows()  # other pages of the box may change them, too
        if exchange is None:
            return
        if not passed.whole:
            self.listener.missed += 1
            self.watched.miss(exchange.request, pending=True)
            return
        if self._clients is not None:
            self._note(exchange)
        for judged in self.watched.judge_exchange(exchange, passed.seconds, passed.alone):
            self._say(printable(finding_line(judged)))
            if passed.entry is not None:
                passed.entry.notices.append(notice_of(judged))
        if self._shadow is not None:
            self._compare(self._shadow, exchange, passed)

    def _compare(self, shadow: Shadow, exchange: Exchange, passed: Passed) -> None:
        """Report differences of the shadow when they first occur."""
        for cause in shadow.receive(exchange):
            line = printable(cause_line(shadow, cause))
            self._say(line)
            if passed.entry is not None:
                passed.entry.notices.append(Notice(line, shadow.name, LEVELS_SHOWN[cause.difference.level]))

    def _note(self, exchange: Exchange) -> None:
        """Add an exchange to the clients file; report each write error once."""
        assert self._clients is not None
        try:
            self._clients.observe(exchange)
        except CannotRun as problem:
            if str(problem) not in self._problems:
                self._problems.append(str(problem))
                write_line(str(problem))

    def end(self) -> int:
        """Write the reports and return the exit code."""
        self.listener.close()
        watched = self.watched
        for count, why in ((self.listener.missed, "too many at once, too large or incomplete"),
                           (watched.skipped, "not of the API, or pages for browsers")):
            if count:
                watched.gaps.unavailable.add(f"{why}: {count} exchanges")
        outcome = watched.outcome()
        write_report(watched, outcome, whole=False)
        watched.close()
        if self._shadow is not None:
            for line in shadow_lines(self._shadow, watched.target.url):
                self._say(printable(line))
        problems = []
        writers: list[Callable[[], None]] = [partial(self._write_reports, outcome)]
        if self._clients is not None:
            writers.append(self._clients.save)
        for write in writers:  # both, even if one cannot be written
            try:
                write()
            except CannotRun as problem:
                problems.append(str(problem))
        if problems:
            raise CannotRun("; ".join(problems))
        return 1 if outcome.failures else 0

    def _write_reports(self, outcome: Outcome) -> None:
        """Write the files of --report; raise CannotRun if one of them, or the traffic, could not be written."""
        if not self.watched.options.report:
            return
        directory = Path(self.watched.options.report)
        with file_errors(f"--report {directory}"):
            write_files(self.watched, outcome, directory)
            write_shadow(self._shadow, self.watched.target.url, directory)
        if self.watched.report_problem:
            raise CannotRun(f"--report {directory}: {self.watched.report_problem}")


def finding_line(judged: Classified) -> str:
    """Return the line for a finding, with the deviations that explain it."""
    status = judged.status.upper() if judged.status == "new" else judged.status
    why = f" ({', '.join(judged.deviations)})" if judged.deviations else ""
    return f"{status} {judged.severity} {judged.finding.identity}: {redacted(judged.finding.message)}{why}"


def notice_of(judged: Classified) -> Notice:
    """Return a finding as the notice that the journal and the page show."""
    deviation = ", ".join(judged.deviations) or judged.status
    return Notice(f"{judged.finding.identity}: {judged.finding.message}", deviation, judged.severity)


def listening_of(values: Mapping[str, Any]) -> ProxyListener:
    """Return the listener settings from the values of the options."""
    own = {item.name: values[item.name] for item in fields(ProxyListener) if item.name in values}
    own |= {"cert": values["listen_cert"], "key": values["listen_key"]}
    connect = min(Timeouts().connect, values["timeout"])
    return ProxyListener(**own, patience=Timeouts(connect, values["timeout"]))


def pace_of(values: Mapping[str, Any]) -> Pace:
    if values["rate"] == "auto":
        raise CannotRun("--rate auto: a proxy needs a number a second, minute or hour like 60/m")
    each = seconds_each(values["rate"]) if values["rate"] else 0.0
    return Pace(each, values["throttle"], values["queue"])


def upstream_context(url: str, access: Access) -> ssl.SSLContext | None:
    """Return the TLS context for the upstream, None for plain HTTP. Raise CannotRun as `Access.check`."""
    parts = access.check(url)
    if parts.scheme != "https":
        return None
    context = tls_context(access.verify(str(parts.hostname)))
    if access.cert:
        context.load_cert_chain(access.cert, access.key)
    return context

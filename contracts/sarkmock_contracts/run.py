"""One run: the document, the target, and the layers that every request passes through. Sends and judges requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import TypeVar, cast
from urllib.parse import urlsplit

from sarkmock.suite_api import BASE, Deviation, Operation, deviations_of, load, profile_names, unknown_name

from .client.formats import Cassette, CassetteRecorder
from .client.http import Exchange, Request, Response, is_read
from .client.interrupts import Admission, Budget, Interrupts, Speed, parse_seconds
from .client.rate_limit import RateLimit, Timer
from .client.target import Client, Target
from .client.transports import Http, Transport, embedded_transport
from .errors import BadLedger, CannotRun, NewFindings, StaysAway, Unanswered, Unavailable, Withheld
from .fixtures import Fixtures
from .fixtures.keys import Keys
from .judge.examples import Examples
from .judge.findings import known_deviations, operations_changed_by
from .judge.judge import Judge, Judged
from .judge.oracle import Problem
from .judge.rows import RowTracker
from .judge.verdicts import Accepted, Lists, Outcome, conclude_run
from .run_options import RunOptions
from .safety import Safety, target_snapshot
from .safety.fingerprint import AUTO, Fingerprint, fingerprint
from .safety.gate import Gate
from .safety.preflight import preflight, why_token_ended
from .safety.routing import is_repeatable
from .spec.contract import Contract, contract_of, in_section
from .spec.operation_data import LiveTables, creator_of

SPARE = 1.1  # removals that fail at first are tried a second time
T = TypeVar("T")


class Watcher:
    """Receives progress messages, judged exchanges, and every wait for the target. This base class ignores them."""

    def on_judged(self, judged: Judged) -> None: ...  # called with each exchange after it is judged

    def announce(self, text: str) -> None: ...

    def waiting(self, seconds: float) -> None: ...


class Run(Client):
    """One run, shared by the checks. A problem becomes a finding; a run raises nothing for it."""
    listens = False  # whether the run judges the requests of clients, as the proxy's does
    gate: Gate | None = None  # these three are only used for a box
    rate_limit: RateLimit | None = None
    admission: Admission | None = None

    def __init__(self, contract: Contract, transport: Transport, options: RunOptions | None = None, *,
                 accepted: Accepted | None = None, watcher: Watcher | None = None, clock: Timer | None = None) -> None:
        self.contract = contract
        self.options = options or RunOptions()
        self.watcher = watcher or Watcher()
        self.began = time.monotonic()
        self.fingerprint = Fingerprint()
        self.examples = Examples(self.options.example_database)
        self.cassette = Cassette(self.options.traffic) if self.options.traffic else None
        self.report_problem = ""  # why the report could not be written, if so
        self.safety = self.open_safety(transport.url)
        self.target = self.open_target(transport, clock)
        self.live = self.tables()
        self.rows = RowTracker(contract)
        lists = Lists((), accepted or Accepted(), self.options.strict)
        self.judge = Judge(contract, self.live, self, lists, self.options.only, self.version, self.options.profile,
                           self.confirm, self.rows.stored)
        self.findings, self.coverage, self.gaps = self.judge.findings, self.judge.coverage, self.judge.gaps
        self.identify(Fingerprint())
        unrestorable = self.safety.unrestorable if self.safety else None
        self.fixtures = Fixtures(contract, self, self.live, self.keys(), unrestorable,
                                 lambda: contract_of(self.version()))
        self._shared: dict[tuple[object, ...], object] = {}

    def tables(self) -> LiveTables:
        """Return the live tables that rules such as `exists` and `unique` are judged by."""
        return LiveTables(self.contract, self)

    def keys(self) -> Keys:
        """Return the keys of rows that the run creates."""
        return self.safety.keys if self.safety else Keys()

    def open_safety(self, url: str) -> Safety | None:
        options = self.options
        return Safety(self.contract, url, options.caution, options.profile, self) if options.url else None

    def open_target(self, transport: Transport, clock: Timer | None) -> Target:
        """Return the target behind the layers of its transport. The last layer added is the outermost."""
        seconds = parse_seconds(self.options.max_time)
        limits = (self.options.budget, seconds, self._spent, self._owed)
        recorder = CassetteRecorder(transport, self.cassette) if self.cassette else transport
        if self.safety is None:
            self.budget = Budget(recorder, *limits, is_read=self._is_read)
        else:
            limited = RateLimit(recorder, self.options.rate, clock, self._may_repeat, self.watcher.waiting)
            admission = Admission(limited, why_token_ended) if self.options.caution.access.credential else None
            self.rate_limit, self.admission = limited, admission
            self.gate = self.safety.gate(admission or limited)
            self.budget = Budget(self.gate, *limits, wait=limited.wait, is_read=self._is_read)
        return Target(Interrupts(self.budget))

    # sending

    def send(self, request: Request) -> Judged:
        """Send a request and judge the response."""
        began = time.perf_counter()
        exchange, seconds = self.target.send(request), time.perf_counter() - began
        operation = self.contract.operation_of(request)
        self.judge.observe(exchange)
        shown = self.judge.attribution.shown(exchange)
        row_problems = [*self.rows.observe(exchange)] if shown is exchange.response else []  # before lists are read
        judged = self.judge.judge(exchange, shown)
        self.watcher.on_judged(judged)
        if operation is not None:
            self.coverage.seconds[operation.id,] += seconds  # type: ignore[assignment]
        creator = operation or creator_of(self.contract, exchange)
        if creator is not None:
            self.fixtures.observe(creator, judged)
            self.live.observe(creator, Exchange(request, shown))
        for blamed, problem, evidence in row_problems:
            if problem.check == "unrequested" and self.judge.listings.is_shown_wrongly(blamed, problem.field):
                continue
            if evidence[-1] is not exchange:
                self.findings.withdraw(problem.field, evidence[-1])
            self.report(blamed.id, problem, *evidence)
        return judged

    def get(self, path: str) -> Response:
        """Return the response to a GET; if it is a list, with the keys that its rows really have."""
        return self.send(Request("GET", path)).shown

    def look(self, path: str) -> Response:
        return self.target.get(path)

    def report(self, operation: str, problem: Problem | None, *evidence: Exchange) -> bool:
        """Add a problem that a check has found, if any, to the findings."""
        return problem is not None and self.judge.report(operation, problem, *evidence)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Run a case in the block and remove the rows that it made. Raise NewFindings if it adds new findings."""
        with self.findings.fresh() as fresh:
            try:
                try:
                    with self.findings.fresh() as wrong:
                        yield
                    if any(map(self.judge.is_new, wrong)):
                        self._read_otherwise()
                finally:
                    with self.budget.removing():
                        self.fixtures.sweep()
            except Withheld:
                pass  # the gate counts these
            except Unavailable as reason:
                self.gaps.unavailable.add(str(reason))
            except Unanswered as reason:
                self.gaps.unanswered.append(str(reason))
            except (StaysAway, BadLedger) as reason:
                self.gaps.stopped = str(reason)
        news = [finding for finding in fresh if self.judge.is_new(finding)]
        for finding in news:
            if finding.evidence:
                self.examples.save(finding.identity.operation, finding.evidence[-1].request)
        if news:
            raise NewFindings("\n".join(map(str, news)))

    def _read_otherwise(self) -> None:
        """Read rows with wrong values by another operation: it shows whether the write or the first read is wrong."""
        for path in list(self.rows.other_reads()):
            self.send(Request("GET", path))

    def confirm(self) -> None:
        """Raise StaysAway if the target no longer admits the run, so that its responses mean nothing.

        Nothing is checked while the version is being recognised, since the run has just been admitted.
        """
        if self.admission is not None and self.fingerprint.facts:
            self.admission.confirm()

    def shared(self, make: Callable[..., T], *subject: Operation) -> T:
        """Return an object that cases share, those of one operation if it is given; it is made on first use."""
        key = make, *(operation.id for operation in subject)
        if key not in self._shared:
            self._shared[key] = make(self, *subject)
        return cast(T, self._shared[key])

    # what is judged

    def identify(self, fingerprint: Fingerprint) -> None:
        """Set the version of the target. Its known deviations are expected from now on."""
        self.fingerprint = fingerprint
        own = self.options.url is None and self.options.target_profile in (None, self.options.profile)
        self.judge.expect(() if own else known_deviations(self.options.profile, self.version()))

    def version(self) -> str:
        """Return the profile of the target: --target-profile, or the one recognised from its responses."""
        named = self.options.target_profile or self.fingerprint.version
        return named if named in profile_names() else self.options.profile

    def chosen(self) -> list[Operation]:
        """Return the operations of the run: all, or those of the section of --only."""
        only = self.options.only
        return [operation for operation in self.contract.operations if only is None or in_section(operation, only)]

    def permits(self, *operations: Operation) -> bool:
        """Whether requests of these operations may be sent."""
        return self.gate is None or all(map(self.gate.allows, operations))

    def is_first_of_path(self, operation: Operation) -> bool:
        """Whether this is the first operation of its path. Each path is tested once."""
        return next(other for other in self.chosen() if other.path == operation.path) is operation

    @property
    def lost(self) -> str:
        """Why the run cannot go on: the target stopped responding, no longer admits it, or was harmed; or empty."""
        away, lost = self.rate_limit and self.rate_limit.away, self.admission and self.admission.lost
        return away or lost or (self.gate.harm if self.gate else "")

    @property
    def speed(self) -> Speed:
        """The rate at which the target responds, as far as it is known."""
        return Speed(latency=0.001) if self.rate_limit is None else self.rate_limit.speed

    # callbacks of its layers

    def _may_repeat(self, request: Request) -> bool:
        self.rows.lost(request)
        return is_repeatable(self.contract, self.fixtures, self.contract.operation_of(request), request)

    def _is_read(self, request: Request) -> bool:
        """Whether a request changes nothing. Some operations with GET create a file."""
        operation = self.contract.operation_of(request)
        return is_read(request) if operation is None else operation.hazard == "read"

    def _spent(self) -> int:
        """Return the number of requests really sent, repeated ones included."""
        return max(self.target.requests, self.rate_limit.attempts if self.rate_limit else 0)

    def _owed(self) -> int:
        """Return the number of requests that the clean-up will take."""
        ledger = self.safety.ledger if self.safety is not None and self.safety.begun else None
        return (ceil(SPARE * ledger.cleanup_cost()) if ledger else len(self.fixtures.made)) + self.snapshot_cost

    @property
    def snapshot_cost(self) -> int:
        """The number of requests for a snapshot of all lists, taken before the first write and after the last."""
        writes = self.safety is not None and self.options.caution.permissions.writes
        return len(target_snapshot.lists(self.safety.contracts)) if self.safety is not None and writes else 0

    # the end of the run

    @property
    def residue(self) -> list[str]:
        """What differs from before the run, one line each."""
        return self.safety.troubles if self.safety is not None else []

    def outcome(self, accepted: Accepted | None = None) -> Outcome:
        """Return the result of the run so far.

        A deviation is fixed only if the target was expected to have it, no case that could show it was left out, and
        some response differed from that of the target's version.
        """
        if self.gate is not None:
            self.coverage.withheld |= {name for name, _ in self.gate.withheld}
        self.judge.conclude()
        lists = self.judge.lists if accepted is None else replace(self.judge.lists, accepted=accepted)
        outcome = conclude_run(self.contract, self.findings, self.coverage, lists)
        # Deviations that the target is expected to have. The documented mock has none.
        own = deviations_of(self.version()) if self.options.profile == BASE else self.judge.lists.known
        expected = {deviation.id for deviation in own}
        for number, listed in enumerate(outcome.listed):
            if listed.status in ("fixed", "untested") and listed.deviation.id not in expected:
                outcome.listed[number] = replace(listed, status="absent")
            elif listed.status == "fixed" and (reason := self._doubt(listed.deviation)):
                outcome.listed[number] = replace(listed, status="untested", reason=reason)
        return outcome

    def _doubt(self, deviation: Deviation) -> str:
        """Return why a deviation without a finding is not fixed: cases were left out, or no response contradicts it."""
        concerned, only = operations_changed_by(self.contract, deviation), self.options.only
        whole = only is None or (bool(concerned) and all(in_section(operation, only) for operation in concerned))
        if self.gaps.untested or self.options.shard or not whole:
            return "the run did not test all cases"
        spoke = self.judge.attribution.is_refuted(deviation)
        return "" if spoke else f"every response was that of the mock of {self.version()}"

    def close(self) -> None:
        """Close the record of the traffic."""
        if self.cassette is not None:
            self.cassette.close()
            self.report_problem = self.report_problem or self.cassette.problem


def open_run(options: RunOptions, accepted: Accepted | None = None, watcher: Watcher | None = None) -> Run:
    """Open a run on the target of the options. Raise CannotRun if it does not respond."""
    if options.url is not None:  # an empty URL, as from an unset variable, does not mean the embedded mock
        options.caution.check(options.url)
    if options.profile == AUTO and (options.plan or not (options.url or options.target_profile)):
        raise CannotRun(f"--profile {AUTO} needs the URL of a target, and excludes --plan")
    transport = (Http(options.url, options.caution.access, parse_seconds(options.max_time)) if options.url
                 else embedded_transport(options.target_profile or options.profile))
    recognised = None
    if options.profile == AUTO:
        recognised = recognised_version(options, transport, watcher)
        options = replace(options, profile=recognised.nearest)
    contract = Contract(load(options.profile))
    run = Run(contract, transport, options, accepted=accepted, watcher=watcher)
    if not run.chosen():
        raise CannotRun(unknown_name("section", options.only, contract.sections))
    if recognised is not None:
        run.identify(recognised)
    elif not options.plan:
        try:
            run.identify(version_of(run, run))
        except CannotRun:
            run.close()
            raise
    if watcher is not None and run.fingerprint.facts:
        for line in run.fingerprint.lines():
            watcher.announce(line)
    return run


def recognised_version(options: RunOptions, transport: Transport, watcher: Watcher | None) -> Fingerprint:
    """Recognise the version of a target before the judging document is known."""
    plain = replace(options, profile=BASE, report=None, example_database=())
    run = Run(Contract(load(BASE)), transport, plain, watcher=watcher)
    return version_of(run, run.target)


def version_of(run: Run, client: Client) -> Fingerprint:
    """Recognise the version of the target; the embedded mock's is known. Raise CannotRun if nothing responds."""
    options = run.options
    verify = options.caution.access.verify(urlsplit(options.url).hostname or "") if options.url else False
    with run.budget.removing():
        first = preflight(run.target, verify, client)
        if options.url:
            return fingerprint(client, first).check(options.url)
    return Fingerprint(options.target_profile or options.profile)

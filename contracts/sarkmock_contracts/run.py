"""One run: the document, the target, and the layers through which every request leaves. It sends and judges."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from typing import TypeVar, cast
from urllib.parse import urlsplit

from sarkmock.suite_api import BASE, Deviation, Engine, Operation, deviations_of, load, profiles

from .client.formats import Cassette, CassetteRecorder
from .client.http import Exchange, Request, Response
from .client.interrupts import Admission, Budget, Interrupts, Speed, parse_seconds
from .client.rate_limit import RateLimit, Timer
from .client.target import Client, Target
from .client.transports import Http, Transport, embedded_mock
from .errors import BadLedger, CannotRun, NewFindings, StaysAway, Unanswered, Unavailable, Withheld
from .fixtures import Fixtures
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
from .spec.contract import Contract, in_section
from .spec.operation_data import LiveTables

SPARE = 1.1  # what cannot be removed at once takes a second attempt
T = TypeVar("T")


class Watcher:
    """Called with what goes on before and after the cases, and with every wait for the target. This one ignores it."""

    def on_judged(self, judged: Judged) -> None: ...  # an exchange, once it is judged

    def tell(self, text: str) -> None: ...

    def waiting(self, seconds: float) -> None: ...


class Run(Client):
    """What the checks share. A problem becomes a finding; nothing here raises for one."""
    listens = False  # to requests of clients
    gate: Gate | None = None  # these three stand before a box alone
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
        self.safety = (Safety(contract, transport.url, self.options.caution, self.options.profile, self)
                       if self.options.url else None)
        self.target = Target(self._way_out(transport, clock))
        self.live = self.tables()
        self.rows = RowTracker(contract)
        lists = Lists((), accepted or Accepted(), self.options.strict)
        self.judge = Judge(contract, self.live, self, lists, self.options.only, self.version, self.options.profile,
                           self.confirm, self.rows.stored)
        self.findings, self.coverage, self.gaps = self.judge.findings, self.judge.coverage, self.judge.gaps
        self.identify(Fingerprint())
        texts, spared = (self.safety.keys, self.safety.spared) if self.safety else (None, None)
        self.fixtures = Fixtures(contract, self, self.live, texts, spared)
        self._shared: dict[Callable[[Run], object], object] = {}

    def tables(self) -> LiveTables:
        """What rules that ask tables are judged by."""
        return LiveTables(self.contract, self)

    def _way_out(self, transport: Transport, clock: Timer | None) -> Transport:
        """The layers of every request, the outermost first."""
        seconds = parse_seconds(self.options.max_time)
        limits = (self.options.budget, seconds, self._spent, self._owed)
        recorder = CassetteRecorder(transport, self.cassette) if self.cassette else transport
        if self.safety is None:
            self.budget = Budget(recorder, *limits)
        else:
            limited = RateLimit(recorder, self.options.rate, clock, self._may_repeat, self.watcher.waiting)
            admission = Admission(limited, why_token_ended) if self.options.caution.access.credential else None
            self.rate_limit, self.admission = limited, admission
            self.gate = self.safety.gate(admission or limited)
            self.budget = Budget(self.gate, *limits, wait=limited.wait)
        return Interrupts(self.budget)

    # sending

    def send(self, request: Request) -> Judged:
        """Send a request and judge the answer."""
        began = time.perf_counter()
        exchange, seconds = self.target.send(request), time.perf_counter() - began
        row_problems = [*self.rows.observe(exchange)]  # before the judge asks for lists
        judged = self.judge.judge(exchange)
        self.watcher.on_judged(judged)
        operation = self.contract.operation_of(request)
        if operation is not None:
            self.coverage.seconds[operation.id,] += seconds  # type: ignore[assignment]
            self.fixtures.observe(operation, judged)
            self.live.observe(operation, judged)
        for blamed, problem, evidence in row_problems:
            self.report(blamed.id, problem, *evidence)
        return judged

    def look(self, path: str) -> Response:
        return self.target.get(path)

    def report(self, operation: str, problem: Problem, *evidence: Exchange) -> bool:
        """Enter a problem that a check has found by itself."""
        return self.judge.report(operation, problem, *evidence)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """A case: NewFindings if it adds a finding for which the run fails. What it made is removed at its end."""
        with self.findings.fresh() as found:
            try:
                try:
                    yield
                finally:
                    with self.budget.removing():
                        self.fixtures.sweep()
            except Withheld:
                pass  # the gate counts them
            except Unavailable as reason:
                self.gaps.unavailable.add(str(reason))
            except Unanswered as reason:
                self.gaps.unanswered.append(str(reason))
            except (StaysAway, BadLedger) as reason:
                self.gaps.stopped = str(reason)
        news = [finding for finding in found if self.judge.is_new(finding)]
        for finding in news:
            if finding.evidence:
                self.examples.save(finding.identity.operation, finding.evidence[-1].request)
        if news:
            raise NewFindings("\n".join(map(str, news)))

    def confirm(self) -> None:
        """StaysAway if the target no longer lets the run in, so that its answers mean nothing.

        Not yet asked while it is being found out which version answers: the run has just been let in.
        """
        if self.admission is not None and self.fingerprint.facts:
            self.admission.confirm()

    def shared(self, make: Callable[[Run], T]) -> T:
        """What all cases of a check share, made for the first of them."""
        if make not in self._shared:
            self._shared[make] = make(self)
        return cast(T, self._shared[make])

    # what the run is about

    def identify(self, fingerprint: Fingerprint) -> None:
        """Say which version answers: what it is known to do is expected from now on."""
        self.fingerprint = fingerprint
        own = self.options.url is None and self.options.target_profile in (None, self.options.profile)
        self.judge.expect(() if own else known_deviations(self.options.profile, self.version()))

    def version(self) -> str:
        """The profile that the target should have: the one of --target-profile, or the one that its answers suggest."""
        named = self.options.target_profile or self.fingerprint.version
        return named if named in profiles() else self.options.profile

    def chosen(self) -> list[Operation]:
        """The operations of the run: all, or those of a section."""
        only = self.options.only
        return [operation for operation in self.contract.operations if only is None or in_section(operation, only)]

    def permits(self, *operations: Operation) -> bool:
        """Whether requests of these operations may leave."""
        return self.gate is None or all(map(self.gate.allows, operations))

    def is_first_of_path(self, operation: Operation) -> bool:
        """Whether it is the first operation of its path: a path is tested once."""
        return next(other for other in self.chosen() if other.path == operation.path) is operation

    @property
    def lost(self) -> str:
        """Why the run cannot go on: the target answers no more, lets it in no more, or was harmed; empty if it can."""
        away, lost = self.rate_limit and self.rate_limit.away, self.admission and self.admission.lost
        return away or lost or (self.gate.harm if self.gate else "")

    @property
    def speed(self) -> Speed:
        """The rate at which the target answers, as far as it is known."""
        return Speed(latency=0.001) if self.rate_limit is None else self.rate_limit.speed

    # for its layers

    def _may_repeat(self, request: Request) -> bool:
        self.rows.lost(request)
        return is_repeatable(self.contract, self.fixtures, self.contract.operation_of(request), request)

    def _spent(self) -> int:
        """Requests that really left, those that had to be repeated included."""
        return max(self.target.requests, self.rate_limit.attempts if self.rate_limit else 0)

    def _owed(self) -> int:
        """The requests that cleaning up will take."""
        ledger = self.safety.ledger if self.safety is not None and self.safety.begun else None
        return (ceil(SPARE * ledger.cleanup_cost()) if ledger else len(self.fixtures.made)) + self.snapshot_cost

    @property
    def snapshot_cost(self) -> int:
        """The requests that a look at all lists takes: before the first write, and after the last."""
        writes = self.safety is not None and self.options.caution.permissions.writes
        return len(target_snapshot.lists(self.safety.contracts)) if self.safety is not None and writes else 0

    # its end

    @property
    def residue(self) -> list[str]:
        """What is not as it was before the run, one line each."""
        return self.safety.troubles if self.safety is not None else []

    def outcome(self, accepted: Accepted | None = None) -> Outcome:
        """The verdict as it stands.

        A deviation is fixed only where the target was expected to have it, no case that shows it was left out, and some
        answer was not that of the target's version.
        """
        if self.gate is not None:
            self.coverage.withheld |= {name for name, _ in self.gate.withheld}
        self.judge.conclude()
        lists = self.judge.lists if accepted is None else replace(self.judge.lists, accepted=accepted)
        outcome = conclude_run(self.contract, self.findings, self.coverage, lists)
        expected = {deviation.id for deviation in self._expected()}
        for number, listed in enumerate(outcome.listed):
            if listed.status in ("fixed", "untested") and listed.deviation.id not in expected:
                outcome.listed[number] = replace(listed, status="absent")
            elif listed.status == "fixed" and (reason := self._doubt(listed.deviation)):
                outcome.listed[number] = replace(listed, status="untested", reason=reason)
        return outcome

    def _expected(self) -> Iterable[Deviation]:
        """The deviations that the target is expected to have; the documented mock has none."""
        return deviations_of(self.version()) if self.options.profile == BASE else self.judge.lists.known

    def _doubt(self, deviation: Deviation) -> str:
        """Why a deviation that was not met is not fixed: cases that could show it were left out, or no answer spoke."""
        concerned, only = operations_changed_by(self.contract, deviation), self.options.only
        whole = only is None or (bool(concerned) and all(in_section(operation, only) for operation in concerned))
        if self.gaps.untested or self.options.shard or not whole:
            return "the run left cases out"
        spoke = self.judge.attribution.is_refuted(deviation)
        return "" if spoke else f"every answer was that of the mock of {self.version()}"

    def close(self) -> None:
        """The record of its traffic is complete."""
        if self.cassette is not None:
            self.cassette.close()


def embedded_transport(profile: str) -> Transport:
    """The mock in this process."""
    return embedded_mock(Engine(profile=profile))


def open_run(options: RunOptions, accepted: Accepted | None = None, watcher: Watcher | None = None) -> Run:
    """A run on the target that the options name; CannotRun if it does not answer."""
    if options.url is not None:  # an empty one, as of a variable that is not set, does not stand for the embedded mock
        options.caution.check(options.url)
    if options.profile == AUTO and (options.plan or not (options.url or options.target_profile)):
        raise CannotRun(f"--profile {AUTO} needs the URL of a target, and excludes --plan")
    transport = (Http(options.url, options.caution.access, parse_seconds(options.max_time)) if options.url
                 else embedded_transport(options.target_profile or options.profile))
    found = None
    if options.profile == AUTO:
        found = recognised_version(options, transport, watcher)
        options = replace(options, profile=found.nearest)
    contract = Contract(load(options.profile))
    run = Run(contract, transport, options, accepted=accepted, watcher=watcher)
    if not run.chosen():
        raise CannotRun(f"no section {options.only!r}; known: {', '.join(contract.sections)}")
    if found is not None:
        run.identify(found)
    elif not options.plan:
        try:
            run.identify(version_of(run, run))
        except CannotRun:
            run.close()
            raise
    if watcher is not None and run.fingerprint.facts:
        for line in run.fingerprint.lines():
            watcher.tell(line)
    return run


def recognised_version(options: RunOptions, transport: Transport, watcher: Watcher | None = None) -> Fingerprint:
    """Which version answers, asked before it is known what to judge it by."""
    plain = replace(options, profile=BASE, report=None, example_database=())
    run = Run(Contract(load(BASE)), transport, plain, watcher=watcher)
    return version_of(run, run.target)


def version_of(run: Run, client: Client) -> Fingerprint:
    """Which version answers to a client; of the embedded mock it is known. CannotRun if nothing does."""
    options = run.options
    verify = options.caution.access.verify(urlsplit(options.url).hostname or "") if options.url else False
    with run.budget.removing():
        first = preflight(run.target, verify, client)
        return fingerprint(client, first) if options.url else Fingerprint(options.target_profile or options.profile)

"""One run: the document, the target and what was found. Every exchange is judged here, whoever sent it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from urllib.parse import urlsplit

from sarkmock import Deviation, Engine, MethodNotAllowed, Operation, PageNotFound, create_app, load

from .checks.examples import Examples
from .client import interrupts
from .client.budget import Budget, Speed, seconds_of
from .client.har import Cassette, Recorded
from .client.http import Exchange, Request
from .client.rate_limit import Paced
from .client.target import Target, Unanswered, Withheld
from .client.transports import CannotRun, InProcess, OverHttp
from .fixtures.rows import Stock, Unavailable
from .judge.attribution import concerns, explain, known_deviations
from .judge.conformance import Problem, conforms
from .judge.coverage import Tally
from .judge.findings import Finding, Findings, Identity
from .judge.oracle import Verdict, differs, verdict
from .judge.verdicts import Lists, Outcome, judge
from .safety import target_snapshot
from .safety.fingerprint import Fingerprint, fingerprint
from .safety.gate import PBX_DOWN
from .safety.guards import Caution, Safety
from .safety.preflight import preflight
from .safety.retry_safety import undone
from .spec.contract import Contract
from .spec.live_tables import LiveTables

SPARE = 1.1  # what cannot be removed at once takes a second attempt


@dataclass(frozen=True)
class Settings:
    """How a run was asked for."""

    profile: str = "documented"
    target_profile: str | None = None
    url: str | None = None
    seed: int = 1
    max_examples: int | None = None
    quick: bool = False
    only: str | None = None
    rate: str = "auto"
    budget: int | None = None
    max_time: str | None = None
    plan: bool = False
    traffic: Path | None = None  # where all traffic is written
    strict: bool = False
    caution: Caution = field(default_factory=Caution)
    example_databases: tuple[str, ...] = ()

    def examples(self, full: int, quick: int) -> int:
        """How many random examples a test may take."""
        if self.max_examples is not None:
            return self.max_examples
        return quick if self.quick else full


class Suite:
    """What the tests share. A finding goes to the ledger; nothing here raises for one."""

    def __init__(self, contract: Contract, target: Target, settings: Settings | None = None) -> None:
        self.contract = contract
        self.target = target
        self.settings = settings or Settings()
        self.ledger = Findings()
        self.lists = Lists(known_deviations(self.settings.profile), strict=self.settings.strict)
        self.fingerprint = Fingerprint()
        self.live = LiveTables(contract, target)
        self.stock = Stock(contract, target, self.live)
        self.tally = Tally(contract.operations)
        self.samples: dict[tuple[str, int], Exchange] = {}
        self.crashing: set[Identity] = set()  # operations that crash whatever is sent
        self.unasked: set[str] = set()  # why something could not be asked at all
        self.problems = 0
        self.excused = False  # whether the last answer is a crash that the document foretells
        self.examples = Examples(self.settings.example_databases)
        self.cassette = Cassette(self.settings.traffic) if self.settings.traffic else None
        if self.cassette:
            record(target, self.cassette)
        self.unjudged: list[str] = []  # requests without an answer
        self.untested: list[str] = []  # cases left out, or cut short for want of an answer
        self.tell: Callable[[str], None] = lambda text: None  # what goes on, for who watches
        self.stopped = ""  # why nothing more is asked, before everything was
        self.began = time.monotonic()
        self.budget = Budget(target, self.settings.budget, seconds_of(self.settings.max_time), self._owed)
        target.guards += [interrupts.check, self.budget.guard]
        target.witnesses.append(self.judge)
        self.safety = self._safety(target) if self.settings.url else None
        if self.paced is not None:
            self.paced.undone = lambda request: undone(contract, self.stock, self.operation_of(request), request)

    def chosen(self) -> list[Operation]:
        """The operations that the run was asked for: all, or those of a section of the page."""
        only = self.settings.only
        return [operation for operation in self.contract.operations if only is None or in_section(operation, only)]

    def _safety(self, target: Target) -> Safety:
        return Safety(self.contract, target, self.settings.caution, self.settings.profile)

    @property
    def residue(self) -> list[str]:
        """What is not as it was before the run, one line each."""
        return self.safety.troubles if self.safety is not None else []

    def permits(self, *operations: Operation) -> bool:
        """Whether requests of these operations may leave."""
        return self.safety is None or all(map(self.safety.gate.allows, operations))

    def first_of_path(self, operation: Operation) -> bool:
        """Whether it stands for its path: what is asked of a path is asked once."""
        return next(one for one in self.chosen() if one.path == operation.path) is operation

    # judging

    def operation_of(self, request: Request) -> Operation | None:
        """The operation that a request means, if it means one."""
        try:
            return self.contract.router.find(request.method, request.path)[0]
        except (PageNotFound, MethodNotAllowed):
            return None

    def judge(self, exchange: Exchange) -> None:
        """Compare an exchange with the document and keep account of it."""
        self.last = exchange
        operation = self.operation_of(exchange.request)
        if operation is None or exchange.request.method != operation.method:
            return
        given = self._verdict(operation, exchange)
        for problem in self._problems(operation, exchange, given):
            self.report(operation.id, self._blamed(operation, problem, given), exchange)
        self.samples.setdefault((operation.id, exchange.response.status), exchange)
        self.tally.saw(operation, exchange, given)
        self.stock.saw(operation, exchange)
        self.live.saw(operation, exchange)

    def _verdict(self, operation: Operation, exchange: Exchange) -> Verdict | None:
        if not operation.rules or exchange.response.status in (404, 405):
            return None  # no rules, or they were never asked
        return verdict(self.contract, operation, exchange.request, self.live)

    def _problems(self, operation: Operation, exchange: Exchange, given: Verdict | None) -> Iterator[Problem]:
        """The verdict first: a crash that it explains is at most one finding, and says nothing of the answer's form."""
        self.excused = False
        if given is not None:
            yield from differs(self.contract, operation, given, exchange.response)
            self.excused = exchange.response.status >= 500 and (given.crash is not None or bool(given.may_crash))
            if self.excused:
                return
        yield from conforms(self.contract, operation, exchange)

    def _blamed(self, operation: Operation, problem: Problem, given: Verdict | None) -> Problem:
        """A crash is blamed on a variable that is known to bring it about, or on the only one of the body that can.

        A required one can if its rules refuse the value.
        """
        if problem.check != "status" or int(problem.kind) < 500 or given is None:
            return problem
        bare = Identity(operation.id, *problem[:3])
        required = self.contract.required(operation)
        suspects = [name for name in given.sent if name not in required or name in given.errors]
        guilty = [name for name in suspects if bare._replace(field=name) in self.ledger.findings]
        if not suspects:
            self.crashing.add(bare)
        elif not guilty and len(suspects) == 1 and bare not in self.crashing:
            self.ledger.findings.pop(bare, None)  # met before with several variables at once
            guilty = suspects
        return problem._replace(field=guilty[0]) if guilty else problem

    def report(self, operation: str, problem: Problem, *evidence: Exchange) -> None:
        """Enter a problem in the ledger, unless it lies outside of what the run was asked for."""
        found = self.contract.by_id.get(operation)
        if found is not None and self.settings.only is not None and not in_section(found, self.settings.only):
            return
        if problem.check != "run-state" and self.pbx_is_down(evidence):
            self.unasked.add("the PBX is stopped, and says so where it is needed")
            return
        self.problems += 1
        identity = Identity(operation, problem.check, problem.field, problem.kind)
        finding = self.ledger.add(identity, problem.message, *evidence)
        if finding.count == 1:
            finding.deviations = explain(self.contract, self.lists.known, finding)
            if evidence and not self.lists.tolerates(finding):
                self.examples.save(operation, evidence[-1].request)

    def pbx_is_down(self, evidence: Iterable[Exchange]) -> bool:
        """Whether a 503 among the answers is right, as the box itself says that its PBX does not run."""
        asked = self.contract.by_id.get("syscommands.pbxrunstate")
        if asked is None or all(exchange.response.status != PBX_DOWN for exchange in evidence):
            return False
        with suppress(Unanswered):
            return bool(self.target.get(asked.path).json == {"pbxrunstate": False})
        return False

    def first_crash(self, operation: Operation, status: int) -> bool:
        """Whether a crash has just been met for the first time, with nothing to explain it."""
        finding = self.ledger.findings.get(Identity(operation.id, "status", "", str(status)))
        return finding is not None and finding.count == 1 and not self.lists.tolerates(finding)

    def outcome(self) -> Outcome:
        """The verdict as it stands. A run that left cases out cannot say that a deviation is gone."""
        if self.safety is not None:
            self.tally.withheld = {name for name, _ in self.safety.gate.withheld}
        outcome = judge(self.contract, self.ledger, self.tally, self.lists)
        chosen = self.chosen()
        outcome.listed = [one if one.status != "fixed" or self._looked_at(one.deviation, chosen) else
                          replace(one, status="untested", reason="the run left cases out") for one in outcome.listed]
        return outcome

    def _looked_at(self, deviation: Deviation, chosen: Sequence[Operation]) -> bool:
        """Whether all cases that could show a deviation were among those of the run."""
        if self.untested or self.settings.only is None:
            return not self.untested
        concerned = concerns(self.contract, deviation)
        return bool(concerned) and all(operation in chosen for operation in concerned)

    @property
    def looking(self) -> int:
        """The requests that a look at all lists takes: before the first write, and after the last."""
        writes = self.safety is not None and self.settings.caution.permissions.writes
        return len(target_snapshot.lists(self.safety.contracts)) if self.safety is not None and writes else 0

    def close(self) -> None:
        """The record of its traffic is complete."""
        if self.cassette is not None:
            self.cassette.close()

    def _owed(self) -> int:
        """The requests that cleaning up will take."""
        ledger = self.safety.journal if self.safety is not None else None
        return (ceil(SPARE * ledger.owed()) if ledger else len(self.stock.made)) + self.looking

    @property
    def paced(self) -> Paced | None:
        """The pace of a box behind a URL."""
        return self.target.transport if isinstance(self.target.transport, Paced) else None

    @property
    def speed(self) -> Speed:
        """How fast the target can be asked, as far as it has told."""
        return Speed(latency=0.001) if self.paced is None else self.paced.speed

    @contextmanager
    def watch(self) -> Iterator[None]:
        """A block that may not add a finding of its own; what it made is removed at its end."""
        with self.ledger.fresh() as found:
            try:
                yield
            except Withheld:
                pass  # the gate counts them
            except Unavailable as reason:
                self.unasked.add(str(reason))
            except Unanswered as reason:
                self.unjudged.append(str(reason))
            finally:
                with self.budget.removing():
                    self.stock.sweep()
        news = [finding for finding in found if not self.lists.tolerates(finding)]
        if news:
            raise FoundSomething(news)


def in_section(operation: Operation, name: str) -> bool:
    """Whether a section's title, or the first segment of the path, is that name."""
    return name.lower() in (operation.section.lower(), operation.path.split("/")[1].lower())


class FoundSomething(AssertionError):
    """The findings of a test, one line each."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))


def record(target: Target, cassette: Cassette) -> None:
    """Write down what leaves from now on, every attempt of a paced target included."""
    last = target.transport if isinstance(target.transport, Paced) else target
    last.transport = Recorded(last.transport, cassette)


def embedded(profile: str) -> Target:
    """The mock in this process."""
    return Target(InProcess(create_app(Engine(profile=profile))))


def remote(settings: Settings) -> Target:
    """A box behind a URL, at the pace that it takes."""
    assert settings.url is not None
    return Target(Paced(OverHttp(settings.url, settings.caution.access), settings.rate))


def open_suite(settings: Settings) -> Suite:
    """The suite for a run; CannotRun if the target does not answer."""
    if settings.url:
        settings.caution.check(settings.url)
    contract = Contract(load(settings.profile))
    target = remote(settings) if settings.url else embedded(settings.target_profile or settings.profile)
    suite = Suite(contract, target, settings)
    if not suite.chosen():
        raise CannotRun(f"no section {settings.only!r}; there is {', '.join(contract.sections)}")
    if not settings.plan:
        verify = settings.caution.access.verify(urlsplit(settings.url).hostname or "") if settings.url else False
        try:
            with suite.budget.removing():
                suite.fingerprint = fingerprint(target, preflight(target, verify))
        except CannotRun:
            suite.close()
            raise
    return suite

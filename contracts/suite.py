"""One run: the document, the target and what was found. Every exchange is judged here, whoever sent it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from contracts.conformance import Problem, conforms
from contracts.document import Contract
from contracts.ledger import Finding, Identity, Ledger
from contracts.live import LiveTables
from contracts.messages import Exchange, Request
from contracts.oracle import Verdict, differs, verdict
from contracts.stock import Stock, Unavailable
from contracts.tally import Tally
from contracts.target import Target
from contracts.transports import CannotRun, InProcess, OverHttp
from sarkmock import Engine, MethodNotAllowed, Operation, PageNotFound, create_app, load


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
        self.ledger = Ledger()
        self.live = LiveTables(contract, target)
        self.stock = Stock(contract, target, self.live)
        self.tally = Tally(contract.operations)
        self.samples: dict[tuple[str, int], Exchange] = {}
        self.crashing: set[Identity] = set()  # operations that crash whatever is sent
        self.unasked: set[str] = set()  # why something could not be asked at all
        self.problems = 0
        self.excused = False  # whether the last answer is a crash that the document foretells
        self.began = time.monotonic()
        target.witnesses.append(self.judge)

    def chosen(self) -> list[Operation]:
        """The operations that the run was asked for: all, or those of a section of the page."""
        only = self.settings.only
        return [operation for operation in self.contract.operations if only is None or in_section(operation, only)]

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
        self.live.saw(operation)

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
        """A crash is blamed on a variable that is known to bring it about, or on the only optional one of the body."""
        if problem.check != "status" or int(problem.kind) < 500 or given is None:
            return problem
        bare = Identity(operation.id, *problem[:3])
        optional = [name for name in given.sent if name not in self.contract.required(operation)]
        guilty = [name for name in optional if bare._replace(field=name) in self.ledger.findings]
        if not optional:
            self.crashing.add(bare)
        elif not guilty and len(optional) == 1 and bare not in self.crashing:
            self.ledger.findings.pop(bare, None)  # met before with several variables at once
            guilty = optional
        return problem._replace(field=guilty[0]) if guilty else problem

    def report(self, operation: str, problem: Problem, *evidence: Exchange) -> None:
        """Enter a problem in the ledger; who wants to see it again must first make the row that this run made."""
        self.problems += 1
        origin = self.stock.origin(evidence[0].request.path)
        steps = (origin, *evidence) if origin and origin not in evidence else evidence
        self.ledger.add(Identity(operation, *problem[:3]), problem.message, *steps)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """A block that may not add a finding of its own; what it made is removed at its end."""
        with self.ledger.fresh() as found:
            try:
                yield
            except Unavailable as error:
                self.unasked.add(str(error))
            finally:
                self.stock.sweep()
        if found:
            raise FoundSomething(found)


def in_section(operation: Operation, name: str) -> bool:
    """Whether a section's title, or the first segment of the path, is that name."""
    return name.lower() in (operation.section.lower(), operation.path.split("/")[1].lower())


class FoundSomething(AssertionError):
    """The findings of a test, one line each."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))


def embedded(profile: str) -> Target:
    """The mock in this process."""
    return Target(InProcess(create_app(Engine(load(profile)))))


def open_suite(settings: Settings) -> Suite:
    """The suite for a run; CannotRun if the target does not answer."""
    contract = Contract(load(settings.profile))
    target = Target(OverHttp(settings.url)) if settings.url else embedded(settings.target_profile or settings.profile)
    suite = Suite(contract, target, settings)
    if not suite.chosen():
        raise CannotRun(f"no section {settings.only!r}; there is {', '.join(contract.sections)}")
    if target.get("/tenants").status >= 500:
        raise CannotRun(f"{target.url}/tenants answers an error: no SARK API is running there")
    return suite

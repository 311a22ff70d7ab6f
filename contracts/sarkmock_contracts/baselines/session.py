"""Records a box behind a URL: gate, rate limit, budget, ledger, and resuming after a kill."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from sarkmock.suite_api import BASE, product, redacted

from ..client.http import Exchange, Request, Response
from ..client.interrupts import Admission, Budget, Interrupts, Speed, parse_seconds
from ..client.rate_limit import USUAL_LIMIT, RateLimit
from ..client.target import Target
from ..client.transports import Layer, OverHttp, Transport
from ..errors import BadLedger, CannotRun
from ..run import embedded
from ..safety.finishing import finish
from ..safety.guards import Caution, Safety
from ..safety.ledger import read_ledger
from ..safety.preflight import preflight, why_shut_out
from ..safety.routing import HAZARDS, is_undone
from ..spec.contract import contract_of
from .catalogue import catalogue
from .facts import Baseline, Facts, Partial
from .observer import DEPTHS, Observer
from .recording import BoxRecorder, RecordingCase

AROUND = "what is there, before and after"
MEMORY = Path("/dev/shm")  # a temporary ledger costs no time there


@dataclass(frozen=True)
class Wish:
    """The options of a recording."""

    url: str
    caution: Caution = field(default_factory=Caution)
    rate: str = "auto"
    budget: int | None = None
    max_time: str | None = None
    depth: str = "usual"
    only: str | None = None

    @property
    def hazards(self) -> frozenset[str]:
        return self.caution.permissions.hazards

    def check(self) -> None:
        """CannotRun for what would ask nothing, or not safely."""
        self.caution.check(self.url)
        parse_seconds(self.max_time)
        sections = dict.fromkeys(known.first.section for known in catalogue().values())
        if not any(known.is_in(self.only) for known in catalogue().values()):
            raise CannotRun(f"no section {self.only!r}; known: {', '.join(sections)}")

    def head(self) -> Baseline:
        """The baseline that it will be, without facts."""
        allowed = tuple(hazard for hazard in HAZARDS if hazard in self.hazards)
        return Baseline(str(redacted(self.url.rstrip("/"))), self.depth, allowed, self.only, Facts())


class Timed(Layer):
    """A transport that knows how long the last answer took, waiting for our turn aside."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner)
        self.seconds = 0.0

    def send(self, request: Request) -> Response:
        began = time.monotonic()
        response = self.inner.send(request)
        self.seconds = time.monotonic() - began
        return response


@dataclass(frozen=True)
class RecordingPlan:
    """The requests of each case, counted on a mock in this process; looking around before and after."""

    costs: dict[str, int]
    around: int
    speed: Speed

    @property
    def requests(self) -> int:
        return sum(self.costs.values()) + self.around

    def seconds_after(self, number: int) -> float:
        """Seconds until the end, after a number of cases."""
        return self.speed.seconds(sum(list(self.costs.values())[number:]) + self.around // 2)


def recording_plan(wish: Wish, speed: Speed | None = None) -> RecordingPlan:
    """What a recording will send, the gate's own looks included: a box is expected to be the published product."""
    with TemporaryDirectory(prefix="sarkmock-", dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        caution = replace(wish.caution, ledger=str(Path(scratch) / "ledger"))
        rehearsal = Rehearsal(replace(wish, caution=caution))
        costs = rehearsal.run()
    return RecordingPlan(costs, costs.pop(AROUND), speed or Speed(USUAL_LIMIT))


class Rehearsal:
    """A recording of the mock in this process, whose requests are counted."""

    def __init__(self, wish: Wish) -> None:
        mock = embedded(product())
        self.safety = Safety(contract_of(BASE), mock.url, wish.caution, BASE, self)
        self.target = Target(self.safety.gate(mock))
        self.recorder = BoxRecorder(self, DEPTHS[wish.depth], wish.hazards, wish.only, self.safety.keys,
                                 self.safety.spared, self._prepare)
        self.counts: list[tuple[str, int]] = []  # the requests sent when something began

    def send(self, request: Request) -> Exchange:
        return self.target.send(request)

    def get(self, path: str) -> Response:
        return self.target.get(path)

    def _prepare(self, observer: Observer) -> None:
        self.counts.append((AROUND, self.target.requests))
        self.safety.begin()

    def run(self) -> dict[str, int]:
        """The requests of each case, and of looking around."""
        self.recorder.run(lambda case, *_: self.counts.append((str(case), self.target.requests)))
        recorded = self.target.requests
        self.safety.end()
        ends = [count for _, count in self.counts[1:]] + [recorded]
        costs = {name: end - count for (name, count), end in zip(self.counts, ends, strict=True)}
        costs[AROUND] += self.target.requests - recorded
        return costs


Watch = Callable[[RecordingCase, int, int, RecordingPlan], None]


class RecordingSession:
    """One run of a recording; what was done by an earlier one counts."""

    def __init__(self, wish: Wish, partial: Partial | None = None) -> None:
        self.wish, self.partial = wish, partial
        wish.check()
        self.began = time.monotonic()
        self.times: dict[str, list[float]] = {}
        self.troubles: list[str] = []
        self.unasked: dict[str, str] = {}
        self.safety = Safety(contract_of(BASE), wish.url, wish.caution, BASE, self)
        self.timed = Timed(OverHttp(wish.url, wish.caution.access, parse_seconds(wish.max_time)))
        self.rate_limit = RateLimit(self.timed, wish.rate, may_repeat=self._may_repeat)
        self.admission = Admission(self.rate_limit, why_shut_out) if wish.caution.access.credential else None
        self.budget = Budget(self.safety.gate(self.admission or self.rate_limit), wish.budget,
                             parse_seconds(wish.max_time), self._spent, self._owed, wait=self.rate_limit.wait)
        self.target = Target(Interrupts(self.budget))
        self.recorder = BoxRecorder(self, DEPTHS[wish.depth], wish.hazards, wish.only, self.safety.keys,
                                 self.safety.spared, self._prepare, self._fits)

    def send(self, request: Request) -> Exchange:
        exchange = self.target.send(request)
        self._time(exchange)
        return exchange

    def get(self, path: str) -> Response:
        return self.send(Request("GET", path)).response

    def run(self, watch: Watch = lambda *_: None) -> Baseline:
        """The finished recording; CannotRun where it could not be finished, and what is done is kept."""
        self._clean_up_before()
        with self.budget.removing():
            preflight(self.target, self.wish.caution.access.verify(urlsplit(self.wish.url).hostname or ""))
        self.plan = recording_plan(self.wish, self.rate_limit.speed)
        if self.partial is not None:
            self.recorder.done.update(self.partial.done)
        with self._ending():
            facts = self.recorder.run(lambda *progress: self._before(watch, *progress))
            if self.admission is not None:
                self.admission.confirm()
        self._note()
        self.unasked = self.recorder.unasked
        return self._baseline(facts)

    def _baseline(self, facts: Facts) -> Baseline:
        found = self.wish.head()
        found.facts = facts
        medians = {name: round(statistics.median(seconds) * 1000, 1) for name, seconds in sorted(self.times.items())}
        found.recorded = {"recorded": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                          "seconds": round(time.monotonic() - self.began, 1), "requests": self._spent(),
                          "milliseconds": medians}
        return found

    # before

    def _clean_up_before(self) -> None:
        """What a run that was killed has left is taken back first."""
        ledger = Path(self.partial.ledger) if self.partial is not None and self.partial.ledger else None
        if ledger is None or not ledger.is_file():
            return
        with suppress(BadLedger):
            if not read_ledger(ledger).complete:
                self.troubles = finish(ledger, self.wish.rate, access=self.wish.caution.access)
                if not self.troubles and self.wish.caution.ledger is None:
                    ledger.unlink()

    def _prepare(self, observer: Observer) -> None:
        """Between the first look and the first write: the ledger, and the keys of this run."""
        with self.budget.removing():
            self.safety.begin()
        if self.partial is not None and self.safety.begun:
            self.partial.note_ledger(self.safety.ledger.file)

    # for its layers

    def _may_repeat(self, request: Request) -> bool:
        observer = self.recorder.observer
        return is_undone(observer.contract, observer.fixtures, observer.contract.operation_of(request), request)

    def _fits(self, case: RecordingCase) -> bool:
        """Whether a case can still be afforded."""
        limited = self.wish.budget or self.wish.max_time
        return not limited or self.plan.costs.get(str(case), 0) <= self.budget.left

    def _spent(self) -> int:
        return max(self.target.requests, self.rate_limit.attempts)

    def _owed(self) -> int:
        """The requests that cleaning up will take."""
        return len(self.recorder.observer.fixtures.made) + len(self.safety.before)

    # meanwhile

    def _before(self, watch: Watch, case: RecordingCase, number: int, total: int) -> None:
        self._note()
        watch(case, number, total, self.plan)

    def _note(self) -> None:
        """Write down the cases that were done since, once it is certain that the target lets the run in."""
        if self.partial is not None and not (self.admission is not None and self.admission.doubts):
            for name, facts in list(self.recorder.done.items()):
                if name not in self.partial.done:
                    self.partial.note(name, facts)
                    self.partial.done[name] = facts

    def _time(self, exchange: Exchange) -> None:
        operation = self.recorder.observer.contract.operation_of(exchange.request)
        if operation is not None:
            self.times.setdefault(f"{operation.method} {operation.path}", []).append(self.timed.seconds)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Removes everything of the run, however it ends."""
        try:
            yield
        finally:
            with self.budget.removing():
                self.troubles += self.safety.end()

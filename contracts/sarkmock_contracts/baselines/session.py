"""Records the box at a URL: a run without judging, which has a plan and resumes after being killed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from urllib.parse import urlsplit

from sarkmock.suite_api import BASE, product, redacted, unknown_name

from ..client.http import Request, Response
from ..client.interrupts import Speed, parse_seconds
from ..client.rate_limit import USUAL_LIMIT
from ..client.transports import Access, Http, Layer, Transport, embedded_transport
from ..errors import BadLedger, CannotRun
from ..judge.judge import Judged
from ..run import Run
from ..run_options import RunOptions
from ..safety import Safety, finish_cleanup
from ..safety.gate import READ_ONLY
from ..safety.ledger import read_ledger
from ..safety.preflight import preflight
from ..safety.routing import HAZARDS, is_repeatable
from ..spec.contract import contract_of
from .catalogue import catalogue
from .facts import Baseline, Checkpoint, Facts
from .observer import DEPTHS, Observer
from .recording import BoxRecorder, RecordingCase

AROUND = "lists before and after"
MEMORY = Path("/dev/shm")  # in memory, so that a temporary ledger is fast


@dataclass(frozen=True)
class RecordingOptions(RunOptions):
    """The options of a recording."""

    depth: str = "usual"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        chosen = super().of(values)
        if chosen.depth != "usual" and chosen.caution.permissions.hazards == READ_ONLY:
            raise CannotRun("--depth needs --allow-writes: a recording that only reads tries no values")
        return chosen

    def check(self) -> None:
        """Raise CannotRun for options that are unsafe, invalid, or select no operation."""
        self.caution.check(str(self.url))
        parse_seconds(self.max_time)
        sections = dict.fromkeys(entry.first.section for entry in catalogue().values())
        if not any(entry.is_in(self.only) for entry in catalogue().values()):
            raise CannotRun(unknown_name("section", self.only, sections))

    def head(self) -> Baseline:
        """Return the baseline of this recording, without facts."""
        allowed = tuple(hazard for hazard in HAZARDS if hazard in self.caution.permissions.hazards)
        return Baseline(str(redacted(str(self.url).rstrip("/"))), self.depth, allowed, self.only, Facts())


class Timed(Layer):
    """A transport that measures the time of the last response, without waiting for the rate limit."""

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
    """The number of requests of each case, counted on a mock in this process, and of the snapshots before and after."""

    costs: dict[str, int]
    around: int
    speed: Speed

    @property
    def requests(self) -> int:
        return sum(self.costs.values()) + self.around

    def seconds_after(self, number: int) -> float:
        """Return the estimated seconds until the end, after a number of cases."""
        return self.speed.seconds(sum(list(self.costs.values())[number:]) + self.around // 2)


def recording_plan(options: RecordingOptions, speed: Speed | None = None) -> RecordingPlan:
    """Count the requests of a recording, including those of the gate, on a mock of the published product."""
    with TemporaryDirectory(prefix="sarkmock-", dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        caution = replace(options.caution, ledger=str(Path(scratch) / "ledger"), access=Access())
        freely = replace(options, caution=caution, rate="auto", budget=None, max_time=None)
        costs = RecordingSession(freely, transport=embedded_transport(product())).rehearse()
    return RecordingPlan(costs, costs.pop(AROUND), speed or Speed(USUAL_LIMIT))


Watch = Callable[[RecordingCase, int, int, RecordingPlan], None]


class RecordingSession(Run):
    """One run of a recording. It skips the cases that an earlier run has finished."""

    options: RecordingOptions
    safety: Safety

    def __init__(self, options: RecordingOptions, partial: Checkpoint | None = None,
                 transport: Transport | None = None) -> None:
        options.check()
        url, access = str(options.url), options.caution.access
        self.timed = Timed(transport or Http(url, access, parse_seconds(options.max_time)))
        super().__init__(contract_of(BASE), self.timed, options)
        self.partial, self.head = partial, options.head()
        self.access, self.host = access, urlsplit(url).hostname or ""
        self.times: dict[str, list[float]] = {}
        self.troubles: list[str] = []
        self.counts: list[tuple[str, int]] = []  # the number of requests sent at the start of each case
        self.recorder = BoxRecorder(self, DEPTHS[options.depth], options.caution.permissions.hazards, options.only,
                                    self.safety.keys, self.safety.unrestorable, self._prepare, self._fits)

    @property
    def observer(self) -> Observer:
        return self.recorder.observer

    def send(self, request: Request) -> Judged:
        """Send a request and record its time. No verdict is made: it has no findings."""
        exchange = self.target.send(request)
        operation = self.observer.contract.operation_of(request)
        if operation is not None:
            self.times.setdefault(operation.name, []).append(self.timed.seconds)
        return Judged(request, exchange.response)

    def record(self, watch: Watch = lambda *_: None) -> Baseline:
        """Return the recording. Raise CannotRun if it cannot be finished; the checkpoint keeps finished cases."""
        self._clean_up_before()
        with self.budget.removing():
            preflight(self.target, self.access.verify(self.host))
        self.plan = recording_plan(self.options, self.speed)
        if self.partial is not None:
            self.recorder.done.update(self.partial.done)
        with self._ending():
            facts = self.recorder.run(lambda *progress: self._before(watch, *progress))
            if self.admission is not None:
                self.admission.confirm()
        self._note()
        return self._baseline(facts)

    def rehearse(self) -> dict[str, int]:
        """Run the recording on a mock; return the number of requests of each case and of the snapshots."""
        self.recorder.run(lambda case, *_: self.counts.append((str(case), self.target.requests)))
        recorded = self.target.requests
        self.safety.end()
        ends = [count for _, count in self.counts[1:]] + [recorded]
        costs = {name: end - count for (name, count), end in zip(self.counts, ends, strict=True)}
        costs[AROUND] += self.target.requests - recorded
        return costs

    def _baseline(self, facts: Facts) -> Baseline:
        medians = {name: round(statistics.median(seconds) * 1000, 1) for name, seconds in sorted(self.times.items())}
        return replace(self.head, facts=facts, recorded={
            "recorded": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "seconds": round(time.monotonic() - self.began, 1), "requests": self._spent(), "milliseconds": medians})

    # preparation

    def _clean_up_before(self) -> None:
        """Finish the clean-up of an earlier run that was killed."""
        ledger = Path(self.partial.ledger) if self.partial is not None and self.partial.ledger else None
        if ledger is None or not ledger.is_file():
            return
        with suppress(BadLedger):
            if not read_ledger(ledger).complete:
                self.troubles = finish_cleanup(ledger, self.options.rate, access=self.access)
                if not self.troubles and self.options.caution.ledger is None:
                    ledger.unlink()

    def _prepare(self, observer: Observer) -> None:
        """Open the ledger and choose keys, after the first look and before the first write."""
        self.counts.append((AROUND, self.target.requests))
        with self.budget.removing():
            self.safety.begin()
        if self.partial is not None and self.safety.begun:
            self.partial.note_ledger(self.safety.ledger.file)

    # callbacks of the layers

    def _may_repeat(self, request: Request) -> bool:
        contract = self.observer.contract
        return is_repeatable(contract, self.observer.fixtures, contract.operation_of(request), request)

    def _fits(self, case: RecordingCase) -> bool:
        """Whether a case fits into the remaining budget."""
        limited = self.options.budget or self.options.max_time
        return not limited or self.plan.costs.get(str(case), 0) <= self.budget.left

    # during the recording

    def _before(self, watch: Watch, case: RecordingCase, number: int, total: int) -> None:
        self._note()
        watch(case, number, total, self.plan)

    def _note(self) -> None:
        """Save newly finished cases in the checkpoint, unless it is in doubt that the target accepts the run."""
        if self.partial is not None and not (self.admission is not None and self.admission.doubts):
            for name, facts in list(self.recorder.done.items()):
                if name not in self.partial.done:
                    self.partial.note(name, facts)
                    self.partial.done[name] = facts

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Clean up at the end of the block, however it ends."""
        try:
            yield
        finally:
            with self.budget.removing():
                self.troubles += self.safety.end()

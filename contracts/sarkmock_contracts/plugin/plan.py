"""The plan of a run: its cases are rehearsed on a mock in this process, so their requests are counted, not guessed.

The cases, the seed and the documents are those of the run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

import pytest

from sarkmock.suite_api import product, profiles

from ..checks import BY_NAME, Case
from ..client import interrupts
from ..client.budget import Speed, parse_seconds, total_line
from ..run import Run, open_run

NAMES_IN_A_LINE = 6  # as many names fit in a line


@dataclass(frozen=True)
class Plan:
    """The requests of every case that fits, in the order of the run; the cases that do not; what removing takes."""

    costs: Mapping[str, int]
    checks: Mapping[str, str]
    beyond: tuple[str, ...]
    opening: int
    closing: int

    @property
    def requests(self) -> int:
        return self.opening + sum(self.costs.values()) + self.closing

    def after(self, name: str) -> int:
        """The requests that are left once a case begins."""
        names = list(self.costs)
        return sum(list(self.costs.values())[names.index(name):]) + self.closing if name in self.costs else self.closing

    def by_check(self) -> Iterator[tuple[str, int, int, int]]:
        """Check, cases that fit, requests of them, cases beyond."""
        for check in dict.fromkeys(self.checks.values()):
            fitting = [cost for name, cost in self.costs.items() if self.checks[name] == check]
            yield check, len(fitting), sum(fitting), sum(self.checks[name] == check for name in self.beyond)


def rehearse(run: Run, cases: Iterable[Case], budget: float = inf) -> Plan:
    """Run the cases on the mock until the budget is spent."""
    cases = list(cases)
    mock = rehearsal_of(run)
    opening = mock.target.requests + run.looking
    costs: dict[str, int] = {}
    for case in cases:
        before = mock.target.requests
        attempt(case, mock)
        spent = mock.target.requests + len(mock.fixtures.made) + 2 * run.looking
        if spent > budget:
            break
        costs[str(case)] = mock.target.requests - before
    before = mock.target.requests
    mock.fixtures.sweep(keep_fixtures=False)
    beyond = tuple(str(case) for case in cases if str(case) not in costs)
    return Plan(costs, {str(case): case.check.name for case in cases}, beyond, opening,
                mock.target.requests - before + run.looking)


def rehearsal_of(run: Run) -> Run:
    """The same run against a mock of the version that answers; before it was asked, that is the published product."""
    options, version = run.options, run.fingerprint.version
    published = version if version in profiles() else product()
    profile = options.target_profile or (published if options.url else options.profile)
    return open_run(replace(options, url=None, target_profile=profile, budget=None, max_time=None, plan=False,
                            example_database=(), report=None))


def attempt(case: Case, run: Run) -> None:
    """Do a case for its requests alone: what it finds, or fails with, is reported when the run does it."""
    try:
        case.run(run)
    except Exception:
        return


def plan_lines(plan: Plan, speed: Speed, settled: bool) -> Iterator[str]:
    """The plan for people."""
    for check, cases, requests, beyond in plan.by_check():
        left_out = f", {beyond} beyond the budget" if beyond else ""
        yield f"{BY_NAME[check].title:38} {cases:5} cases {requests:6} requests{left_out}"
    yield total_line(len(plan.costs), plan.requests, speed, settled)


def untested_lines(run: Run) -> Iterator[str]:
    """What was left out, by check: all of it, or the names of a few."""
    by_check: dict[str, list[str]] = {}
    for name in run.gaps.untested:
        check, _, subject = name.partition(":")
        by_check.setdefault(check, []).append(subject or name)
    for check, cases in by_check.items():
        more = len(cases) - NAMES_IN_A_LINE
        shown = ", ".join(cases[:NAMES_IN_A_LINE]) + (f" and {more} more" if more > 0 else "")
        names = "" if run.gaps.stopped else f": {shown}"
        yield f"untested: {BY_NAME[check].title}: {len(cases)} cases{names}"


class Planning:
    """Leaves out the cases that do not fit, and ends a run whose target is gone."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.plan: Plan | None = None

    @property
    def wanted(self) -> bool:
        """A plan is worth its time if requests are limited: by the user, or by the target."""
        options, speed = self.run.options, self.run.speed
        return bool(options.plan or options.budget or options.max_time or speed.limit or speed.each)

    def budget(self) -> float:
        """The requests that the run may send, those that were sent to look at the target included."""
        seconds = parse_seconds(self.run.options.max_time)
        by_time = inf if seconds is None else self.run.speed.requests(seconds)
        return min(self.run.options.budget or inf, by_time)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.wanted:
            self.plan = rehearse(self.run, map(case_of, items), self.budget())
        if self.run.options.plan:
            items.clear()

    def lines(self) -> Iterator[str]:
        """The plan for people."""
        if self.plan is not None:
            settled = self.run.rate_limit is None or self.run.rate_limit.answered
            yield from plan_lines(self.plan, self.run.speed, settled)

    def eta(self, case: str) -> float | None:
        """Seconds until the end, from the beginning of a case."""
        return None if self.plan is None else self.run.speed.seconds(self.plan.after(case))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        interrupts.raise_if_stopped()
        cost = self.plan.costs.get(str(case_of(item)), inf) if self.plan is not None else 0
        stopped = self.run.gaps.stopped
        if stopped or cost > self.run.budget.left or cost == inf:
            self.leave_out(item)
            pytest.skip(stopped or "beyond the budget")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """A run that has to stop goes on without sending anything, so that it ends as others do: with a report."""
        gaps = self.run.gaps
        before = len(gaps.unanswered)
        try:
            result = yield
        except KeyboardInterrupt:
            result, gaps.stopped = True, "interrupted"
        gaps.stopped = gaps.stopped or self.run.lost
        if gaps.stopped or len(gaps.unanswered) > before:
            self.leave_out(item)
        return result

    def leave_out(self, item: pytest.Item) -> None:
        """A case that was not, or not wholly, tested."""
        name = str(case_of(item))
        if name not in self.run.gaps.untested:
            self.run.gaps.untested.append(name)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.run.options.plan:
            session.exitstatus = 0
        elif self.run.gaps.stopped:
            session.exitstatus = 2

    def untested(self) -> Iterator[str]:
        """What is left untested, and why."""
        if self.run.gaps.stopped:
            yield f"stopped: {self.run.gaps.stopped}"
        yield from untested_lines(self.run)


def case_of(item: pytest.Item) -> Case:
    """The case of an item."""
    case: Case = item.callspec.params["case"]  # type: ignore[attr-defined]
    return case

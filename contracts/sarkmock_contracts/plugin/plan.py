"""The plan of a run: the number of requests of its cases, by their measured costs."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

import pytest

from ..checks import BY_NAME, Case
from ..client import interrupts
from ..client.interrupts import Speed, parse_seconds, total_line
from ..reports.console import listed_names
from ..run import Run

INTERRUPTED = "interrupted"
NAMES_IN_A_LINE = 6  # most names shown in a line


@dataclass(frozen=True)
class Plan:
    """The cases that fit the budget with their requests, in order; the cases beyond it; requests before and after."""

    costs: Mapping[str, float]
    checks: Mapping[str, str]
    beyond: tuple[str, ...]
    opening: int
    closing: int

    @property
    def requests(self) -> int:
        return self.opening + round(sum(self.costs.values())) + self.closing

    def after(self, name: str) -> int:
        """Return the number of requests left when a case begins."""
        names = list(self.costs)
        left = list(self.costs.values())[names.index(name):] if name in self.costs else []
        return round(sum(left)) + self.closing

    def by_check(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield for each check: its name, the cases that fit, their requests, the cases beyond the budget."""
        for check in dict.fromkeys(self.checks.values()):
            fitting = [cost for name, cost in self.costs.items() if self.checks[name] == check]
            yield check, len(fitting), round(sum(fitting)), sum(self.checks[name] == check for name in self.beyond)


def plan_of(run: Run, cases: Iterable[Case], budget: float = inf) -> Plan:
    """Plan cases by their measured costs until the budget is spent."""
    cases = list(cases)
    opening = run.target.requests + run.snapshot_cost
    costs: dict[str, float] = {}
    made: set[str] = set()
    spent = float(opening + run.snapshot_cost)
    for case in cases:
        spent += case.cost(run.options)
        if case.operation is not None and case.operation.method == "POST" and case.operation.rules:
            made.add(case.operation.id)
        if spent + len(made) > budget:
            break
        costs[str(case)] = case.cost(run.options)
    beyond = tuple(str(case) for case in cases if str(case) not in costs)
    return Plan(costs, {str(case): case.check.name for case in cases}, beyond, opening, len(made) + run.snapshot_cost)


def plan_lines(plan: Plan, speed: Speed, settled: bool) -> Iterator[str]:
    for check, cases, requests, beyond in plan.by_check():
        left_out = f", {beyond} beyond the budget" if beyond else ""
        yield f"{BY_NAME[check].title:38} {cases:5} cases {requests:6} requests{left_out}"
    yield total_line(len(plan.costs), plan.requests, speed, settled)


class Planning:
    """Skips cases beyond the budget, and ends a run whose target is gone."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.plan: Plan | None = None

    @property
    def wanted(self) -> bool:
        """Whether requests are limited, by the user or by the target."""
        options, speed = self.run.options, self.run.speed
        return bool(options.plan or options.budget or options.max_time or speed.limit or speed.each)

    def budget(self) -> float:
        """Return the number of requests that the run may send, including those already sent."""
        seconds = parse_seconds(self.run.options.max_time)
        by_time = inf if seconds is None else self.run.speed.requests(seconds)
        return min(self.run.options.budget or inf, by_time)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.wanted:
            self.plan = plan_of(self.run, map(case_of, items), self.budget())
        if self.run.options.plan:
            items.clear()

    def lines(self) -> Iterator[str]:
        """Format the plan, if there is one."""
        if self.plan is not None:
            settled = self.run.rate_limit is None or self.run.rate_limit.answered
            yield from plan_lines(self.plan, self.run.speed, settled)

    def eta(self, case: str) -> float | None:
        """Return the seconds from the start of a case to the end of the run; None without a plan."""
        return None if self.plan is None else self.run.speed.seconds(self.plan.after(case))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        interrupts.raise_if_stopped()
        stopped = self.run.gaps.stopped
        if stopped or self.run.budget.left <= 0:
            self.leave_out(item)
            pytest.skip(stopped or "beyond the budget")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Skip the remaining cases of a run that has to stop, so that it ends with a report."""
        gaps = self.run.gaps
        before = len(gaps.unanswered)
        try:
            result = yield
        except KeyboardInterrupt:
            result, gaps.stopped = True, INTERRUPTED
        gaps.stopped = gaps.stopped or self.run.lost
        if gaps.stopped or len(gaps.unanswered) > before:
            self.leave_out(item)
        return result

    def leave_out(self, item: pytest.Item) -> None:
        """Record a case as untested or only partly tested."""
        name = str(case_of(item))
        if name not in self.run.gaps.untested:
            self.run.gaps.untested.append(name)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.run.options.plan:
            session.exitstatus = 0

    def untested(self) -> Iterator[str]:
        """Yield the untested cases and the reason."""
        if self.run.gaps.ending:
            yield self.run.gaps.ending
        by_check: dict[str, list[str]] = {}
        for name in self.run.gaps.untested:
            check, _, subject = name.partition(":")
            by_check.setdefault(check, []).append(subject or name)
        for check, cases in by_check.items():
            names = "" if self.run.gaps.stopped else f": {listed_names(cases, NAMES_IN_A_LINE)}"
            yield f"untested: {BY_NAME[check].title}: {len(cases)} cases{names}"


def case_name(nodeid: str) -> str:
    """Return the case name from a node id; empty if it is not a case."""
    return nodeid.partition("[")[2].rpartition("]")[0]


def case_of(item: pytest.Item) -> Case:
    case: Case = item.callspec.params["case"]  # type: ignore[attr-defined]
    return case

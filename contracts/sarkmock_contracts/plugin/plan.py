"""What a run will send, before anything leaves: its cases are rehearsed on a mock in this process. Knows no pytest.

The cases, the seed and the documents are those of the run, so the counts are counted, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

from sarkmock import product

from ..checks.fuzz import Fuzzer
from ..client.budget import Speed
from ..run import Suite, open_suite

NAMED = 6  # so many names are enough for a line


@dataclass(frozen=True)
class Case:
    """One thing that a run can do: its part, its name, and how to do it with a suite."""

    part: str
    name: str
    run: Callable[[Suite, Fuzzer], None]


@dataclass(frozen=True)
class Plan:
    """The requests of every case that fits, in the order of the run; the cases that do not; what removing takes."""

    costs: Mapping[str, int]
    parts: Mapping[str, str]
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

    def by_part(self) -> Iterator[tuple[str, int, int, int]]:
        """Part, cases that fit, requests of them, cases beyond."""
        for part in dict.fromkeys(self.parts.values()):
            fitting = [cost for name, cost in self.costs.items() if self.parts[name] == part]
            yield part, len(fitting), sum(fitting), sum(self.parts[name] == part for name in self.beyond)


def rehearse(suite: Suite, cases: Iterable[Case], budget: float = inf) -> Plan:
    """Run the cases on the mock until the budget is spent."""
    cases = list(cases)
    mock = rehearsal_of(suite)
    fuzzer = Fuzzer(mock)
    opening = mock.target.requests + suite.looking
    costs: dict[str, int] = {}
    for case in cases:
        before = mock.target.requests
        attempt(case, mock, fuzzer)
        spent = mock.target.requests + len(mock.stock.made) + 2 * suite.looking
        if spent > budget:
            break
        costs[case.name] = mock.target.requests - before
    before = mock.target.requests
    mock.stock.sweep(keep_fixtures=False)
    beyond = tuple(case.name for case in cases if case.name not in costs)
    return Plan(costs, {case.name: case.part for case in cases}, beyond, opening,
                mock.target.requests - before + suite.looking)


def rehearsal_of(suite: Suite) -> Suite:
    """The same run against the mock: a box is expected to be the published product."""
    settings = suite.settings
    profile = settings.target_profile or (product() if settings.url else settings.profile)
    return open_suite(replace(settings, url=None, target_profile=profile, budget=None, max_time=None, plan=False,
                              example_databases=(), traffic=None))


def attempt(case: Case, suite: Suite, fuzzer: Fuzzer) -> None:
    """Do a case for its requests alone: what it finds, or dies of, is said when it is judged."""
    try:
        case.run(suite, fuzzer)
    except Exception:
        return


def plan_lines(plan: Plan, titles: Mapping[str, str], speed: Speed, settled: bool) -> Iterator[str]:
    """The plan for people."""
    for part, cases, requests, beyond in plan.by_part():
        left_out = f", {beyond} beyond the budget" if beyond else ""
        yield f"{titles.get(part, part):32} {cases:5} cases {requests:6} requests{left_out}"
    pace = f"{speed.limit} requests a minute" if speed.limit else "no limit known"
    pace = f"one request every {speed.each:g} s" if speed.each else pace
    guess = "" if settled else ", unless the target tells otherwise"
    duration = minutes(speed.seconds(plan.requests))
    yield f"{'plan':32} {len(plan.costs):5} cases {plan.requests:6} requests, about {duration} ({pace}{guess})"


def untested_lines(suite: Suite, titles: Mapping[str, str]) -> Iterator[str]:
    """What was left out, by part: all of it, or the names of a few."""
    by_part: dict[str, list[str]] = {}
    for name in suite.untested:
        part, _, case = name.partition("::")
        by_part.setdefault(part, []).append(case.partition("[")[2].rstrip("]") or case)
    for part, cases in by_part.items():
        shown = ", ".join(cases[:NAMED]) + (f" and {len(cases) - NAMED} more" if len(cases) > NAMED else "")
        names = "" if suite.stopped else f": {shown}"
        yield f"untested: {titles.get(part, part)}: {len(cases)} cases{names}"


def minutes(seconds: float) -> str:
    """A time for people."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f}:{seconds % 60:02.0f} min"
    return f"{seconds // 3600:.0f}:{seconds % 3600 // 60:02.0f} h"

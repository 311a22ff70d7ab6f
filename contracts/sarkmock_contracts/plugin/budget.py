"""A pytest plugin: the plan before the first request, what does not fit left out, an end when the target is gone."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator
from math import inf
from typing import Any

import pytest

from ..checks.fuzz import Fuzzer
from ..client import interrupts
from ..client.budget import seconds_of
from ..run import Suite
from .phases import PARTS
from .plan import Case, Plan, plan_lines, rehearse, untested_lines


class Planning:
    """Knows what each case costs, and what is left."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.plan: Plan | None = None

    @property
    def wanted(self) -> bool:
        """A plan is worth its time where somebody counts requests: the user, or the target."""
        settings, speed = self.suite.settings, self.suite.speed
        return bool(settings.plan or settings.budget or settings.max_time or speed.limit or speed.each)

    def budget(self) -> float:
        """The requests that the run may send, those that were sent to look at the target included."""
        seconds = seconds_of(self.suite.settings.max_time)
        by_time = inf if seconds is None else self.suite.speed.requests(seconds)
        return min(self.suite.settings.budget or inf, by_time)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.wanted:
            self.plan = rehearse(self.suite, map(case_of, items), self.budget())
        if self.suite.settings.plan:
            items.clear()

    def lines(self) -> Iterator[str]:
        """The plan for people."""
        if self.plan is not None:
            settled = self.suite.paced is None or self.suite.paced.answered
            yield from plan_lines(self.plan, PARTS, self.suite.speed, settled)

    def eta(self, item: str) -> float | None:
        """Seconds until the end, from the beginning of a case."""
        return None if self.plan is None else self.suite.speed.seconds(self.plan.after(item))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        interrupts.check()
        cost = self.plan.costs.get(name_of(item), inf) if self.plan is not None else 0
        if self.suite.stopped or cost > self.suite.budget.left or cost == inf:
            self.leave_out(item)
            pytest.skip(self.suite.stopped or "beyond the budget")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """A run that has to stop goes on without sending anything, so that it ends as others do: with a report."""
        before = len(self.suite.unjudged)
        try:
            result = yield
        except KeyboardInterrupt:
            result, self.suite.stopped = True, "interrupted"
        if self.suite.paced is not None and self.suite.paced.away:
            self.suite.stopped = self.suite.paced.away
        if self.suite.stopped or len(self.suite.unjudged) > before:
            self.leave_out(item)
        return result

    def leave_out(self, item: pytest.Item) -> None:
        """A case that was not, or not wholly, tested."""
        if name_of(item) not in self.suite.untested:
            self.suite.untested.append(name_of(item))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.suite.settings.plan:
            session.exitstatus = 0
        elif self.suite.stopped:
            session.exitstatus = 2

    def untested(self) -> Iterator[str]:
        """What is left untested, and why."""
        if self.suite.stopped:
            yield f"stopped: {self.suite.stopped}"
        yield from untested_lines(self.suite, PARTS)


def name_of(item: pytest.Item) -> str:
    return f"{item.path.stem}::{item.name}"


def case_of(item: pytest.Item) -> Case:
    """What a test does, as a function of the suite."""
    function: Any = getattr(item, "function")  # noqa: B009
    parameters = dict(item.callspec.params) if hasattr(item, "callspec") else {}
    wanted = set(inspect.signature(function).parameters) - set(parameters)

    def run(suite: Suite, fuzzer: Fuzzer) -> None:
        given = {"suite": suite, "fuzzer": fuzzer}
        if wanted <= set(given):  # else it has a fixture of its own, and sends nothing
            function(**parameters, **{name: given[name] for name in wanted})
    return Case(item.path.stem, name_of(item), run)

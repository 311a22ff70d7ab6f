"""Cells of the matrix of profiles: one profile judges a mock of another, and missing deviations are examined.

A deviation that separates two profiles is found, or no request of the run can show it: a mock of the target with the
deviation toggled gives the same responses, except for those that equal the judging profile's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from sarkmock_contracts.checks import CHECKS
from sarkmock_contracts.client.http import Exchange
from sarkmock_contracts.client.transports import Transport, embedded_mock
from sarkmock_contracts.judge.agreement import differing_parts
from sarkmock_contracts.judge.judge import Judged
from sarkmock_contracts.run import Run, Watcher
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, Seed, State
from sarkmock.suite_api import Document, load, load_toggled
from tests.contract_runs import NOW, TOKEN, Recording, run_cases


def mock_of(document: Document) -> Transport:
    state = State(Seed.factory(document["x-database"]), now=NOW, token=TOKEN)
    return embedded_mock(Engine(document, state))


class Cell(Watcher):
    """One profile judged by another."""

    def __init__(self, judge: str, target: str, left_out: Collection[str]) -> None:
        self.judge, self.target = judge, target
        self.sent = Recording(mock_of(load(target)))
        self._foreign: dict[int, set[str]] = {}  # the differences from responses of the judging profile's mock
        self.run = Run(contract_of(judge), self.sent, RunOptions(judge, target, max_examples=6), watcher=self)
        run_cases(self.run, (case for check in CHECKS if check.name not in left_out for case in check.cases(self.run)))
        self.outcome = self.run.outcome()

    def on_judged(self, judged: Judged) -> None:
        expected = self.run.judge.attribution.expected(judged)
        self._foreign[id(judged.response)] = differing_parts(judged.response, expected)

    @property
    def expected(self) -> set[str]:
        """The deviations that only one of the two documents has."""
        return {deviation.id for deviation in self.run.judge.lists.known}

    @cached_property
    def met(self) -> set[str]:
        """The deviations that findings name."""
        return {name for finding in self.run.findings for name in finding.deviations}

    @property
    def troubles(self) -> list[str]:
        """Findings that no deviation explains, and deviations that are reported as fixed."""
        outcome = self.outcome
        return [*(f"new: {judged.finding}" for judged in outcome.of("new")),
                *(f"explained by {', '.join(finding.deviations)}: {finding}" for finding in self.run.findings
                  if not self.expected.issuperset(finding.deviations)),
                *(f"fixed: {listed.deviation.id}" for listed in outcome.deviations("fixed"))]

    def shown(self) -> Iterator[str]:
        """The deviations that were not found although the target's responses would differ without them."""
        unmet = sorted(self.expected - self.met)
        if self._answer(unmet) is not None:
            for name in unmet:
                answer = self._answer([name])
                if answer is not None:
                    yield f"{name}: {answer.request.method} {answer.request.target} {answer.response.status}"

    def _answer(self, toggled: Collection[str]) -> Exchange | None:
        """The first response that distinguishes both mocks from the target with some deviations toggled."""
        twin = mock_of(load_toggled(self.target, *toggled))
        for exchange in self.sent.exchanges:
            other = differing_parts(exchange.response, twin.send(exchange.request))
            if other & self._foreign.get(id(exchange.response), set()):
                return exchange
        return None

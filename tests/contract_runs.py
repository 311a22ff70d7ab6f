"""Helpers for tests of the suite: runs at a mock in this process, without pytest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from sarkmock_contracts.checks import CHECKS, Case
from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.client.transports import Layer, Transport, embedded_mock
from sarkmock_contracts.errors import NewFindings
from sarkmock_contracts.judge.judge import Judged
from sarkmock_contracts.run import Run, Watcher
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import Engine, Seed, State
from sarkmock.suite_api import load

NOW = 1717236000
TOKEN = "1|0123456789abcdef"  # an administrator's token, for profiles with tokens


class Recording(Layer):
    """A target whose exchanges are recorded."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner)
        self.exchanges: list[Exchange] = []

    def send(self, request: Request) -> Response:
        response = self.inner.send(request)
        self.exchanges.append(Exchange(request, response))
        return response


class Listener(Watcher):
    """Calls a function for every exchange of a run."""

    def __init__(self, hear: Callable[[Exchange], object]) -> None:
        self._hear = hear

    def on_judged(self, judged: Judged) -> None:
        self._hear(judged)


def suite_of(judge: str, target: str, state: State | None = None, watcher: Watcher | None = None,
             **options: Any) -> Run:
    """A run that judges a mock of one profile by another profile, with a frozen clock."""
    document = load(target)
    seed = Seed.factory(document["x-database"])
    engine = Engine(document, state or State(seed, now=NOW, token=TOKEN))
    options = {"max_examples": 6, **options}
    transport = embedded_mock(engine)
    return Run(contract_of(judge), transport, RunOptions(judge, target, **options), watcher=watcher)


def run(suite: Run, random_examples: int = 0) -> Run:
    """Run every check with few random examples; Schemathesis only on request."""
    left_out = set() if random_examples else {"fuzz"}
    return run_cases(suite, (case for check in CHECKS if check.name not in left_out for case in check.cases(suite)))


def run_cases(suite: Run, cases: Iterable[Case]) -> Run:
    """Run cases; the findings remain in the run."""
    for case in cases:
        with suppress(NewFindings), suite.watch():
            case.run(suite)
    return suite


def checked(suite: Run, *names: str) -> Run:
    """The cases of some checks."""
    return run_cases(suite, (case for check in CHECKS if check.name in names for case in check.cases(suite)))

"""The same seed sends the same requests, byte by byte; another seed sends others."""

from __future__ import annotations

import pytest
from sarkmock_contracts.client.http import Request

from tests.contract_runs import Listener, run, suite_of

pytestmark = pytest.mark.slow


def requests(section: str, seed: int) -> list[Request]:
    """Everything that leaves for one section."""
    sent: list[Request] = []
    listener = Listener(lambda exchange: sent.append(exchange.request))
    suite = suite_of("documented", "documented", watcher=listener, random_seed=seed, only=section)
    run(suite, random_examples=5)
    return sent


@pytest.mark.parametrize("section", ["agents", "greetings"])
def test_a_seed_is_a_run(section: str) -> None:
    first = requests(section, seed=1)
    assert len(first) > 100
    assert requests(section, seed=1) == first
    assert requests(section, seed=2) != first

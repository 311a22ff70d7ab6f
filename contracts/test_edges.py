"""Every boundary value once, packed into requests that make nothing."""

from __future__ import annotations

from contracts.edges import check_edges
from contracts.suite import Suite
from sarkmock import Operation


def test_edges(suite: Suite, judged: Operation) -> None:
    with suite.watch():
        check_edges(suite, judged)

"""Every boundary value once, packed into requests that make nothing."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.boundary_sweep import check_edges
from sarkmock_contracts.run import Suite


def test_edges(suite: Suite, judged: Operation) -> None:
    with suite.watch():
        check_edges(suite, judged)

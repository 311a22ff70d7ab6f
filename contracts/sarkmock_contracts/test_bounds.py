"""Every rule of every operation accepts and refuses at its boundaries, and names exactly what it refuses."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.boundaries import check_arrays, check_bounds
from sarkmock_contracts.run import Suite


def test_bounds(suite: Suite, judged: Operation) -> None:
    with suite.watch():
        check_bounds(suite, judged)


def test_arrays(suite: Suite, judged: Operation) -> None:
    with suite.watch():
        check_arrays(suite, judged)

"""HEAD, OPTIONS, 405, 404, and every way in which input may be sent."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.protocol import check_protocol, check_unknown_paths
from sarkmock_contracts.run import Suite


def test_protocol(suite: Suite, operation: Operation) -> None:
    with suite.watch():
        check_protocol(suite, operation)


def test_unknown_paths(suite: Suite) -> None:
    with suite.watch():
        check_unknown_paths(suite)

"""What the document does not have is not there, and has no effect."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.undocumented import check_strange_fields, check_strange_paths, check_unknown_names
from sarkmock_contracts.run import Suite


def test_strange_paths(suite: Suite) -> None:
    if suite.settings.only is None:
        with suite.watch():
            check_strange_paths(suite)


def test_strange_fields(suite: Suite, judged: Operation) -> None:
    with suite.watch():
        check_strange_fields(suite, judged)


def test_unknown_names(suite: Suite, operation: Operation) -> None:
    if operation.method == "GET" and operation.hazard == "read" and operation.parameters:
        with suite.watch():
            check_unknown_names(suite, operation)

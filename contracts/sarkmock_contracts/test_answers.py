"""Every operation, asked as the document says, succeeds."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.smoke import check_answers
from sarkmock_contracts.run import Suite


def test_answers(suite: Suite, operation: Operation) -> None:
    with suite.watch():
        check_answers(suite, operation)

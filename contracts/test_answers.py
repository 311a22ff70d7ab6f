"""Every operation, asked as the document says, succeeds."""

from __future__ import annotations

from contracts.answers import check_answers
from contracts.suite import Suite
from sarkmock import Operation


def test_answers(suite: Suite, operation: Operation) -> None:
    with suite.watch():
        check_answers(suite, operation)

"""Requests that once found something are sent again, at rows that exist now."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.examples import aimed
from sarkmock_contracts.run import Suite


def test_examples(suite: Suite, operation: Operation) -> None:
    with suite.watch():
        for request in suite.examples.requests(operation.id):
            ours = operation.parameters and operation.hazard != "read"
            suite.target.send(aimed(request, suite.stock.request(operation).path) if ours else request)

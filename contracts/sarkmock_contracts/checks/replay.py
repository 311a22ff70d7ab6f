"""Requests that found something in an earlier run are sent again, to rows that exist now."""

from __future__ import annotations

from dataclasses import replace

from sarkmock.suite_api import Operation

from ..run import Run


def check_examples(run: Run, operation: Operation) -> None:
    """Every stored request of an operation."""
    for request in run.examples.requests(operation.id):
        ours = operation.parameters and operation.hazard != "read"
        run.send(replace(request, path=run.fixtures.request(operation).path) if ours else request)

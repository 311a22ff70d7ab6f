"""What was sent is what is stored: the response to a write, and the GET after it, show every value as PHP stores it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request
from ..fixtures import path_along
from ..judge.row_model import stored_problems
from ..run import Run
from ..spec.contract import Contract


def check_stored(run: Run, operation: Operation, exchange: Exchange, sent: Mapping[str, Any]) -> None:
    """Compare what a successful write was sent with what a GET then shows."""
    if not exchange.response.ok or not isinstance(exchange.response.json, dict):
        return
    path = shown_at(run.contract, operation, exchange)
    if path is None:
        return
    shown = run.send(Request("GET", path))
    if isinstance(shown.response.json, dict):
        for problem in stored_problems(operation, sent, shown.response.json):
            run.report(operation.id, problem, exchange, shown)


def shown_at(contract: Contract, operation: Operation, exchange: Exchange) -> str | None:
    """The path of the GET that shows what an operation wrote: the same path, or the one its link leads to."""
    item = contract.document["paths"][operation.path]
    if operation.method == "PUT" and "get" in item:
        return exchange.request.path
    for link in contract.links_from(operation).values():
        target = contract.by_id[link.target]
        if target.method == "GET" and target.table is not None:
            return path_along(contract, link, exchange.response.json)
    return None

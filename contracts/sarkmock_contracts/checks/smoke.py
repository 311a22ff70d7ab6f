"""Every operation, asked as the document says, succeeds; and what stops the PBX stops it, until it is started again."""

from __future__ import annotations

from sarkmock import Operation

from ..client.http import Exchange, Request
from ..judge.conformance import Problem
from ..run import Suite
from ..spec.operation_data import open_fields


def check_answers(suite: Suite, operation: Operation) -> None:
    """One request with what the operation needs. Reads may have nothing to show: another documented status will do."""
    if suite.tally.statuses[operation.id, operation.status]:
        return  # it did already
    body = suite.stock.minimal(operation) if operation.rules else None
    request = suite.stock.request(operation, body)
    before = suite.problems
    exchange = suite.target.send(request)
    status = exchange.response.status
    failed = status != operation.status and operation.hazard in ("write", "operational")
    if failed and suite.problems == before and not excused(suite, operation, exchange):
        text = f"{operation.method} {operation.path} answers {status}, not {operation.status}, though nothing is wrong"
        suite.report(operation.id, Problem("answer", "", str(status), text), exchange)
    if operation.hazard == "disruptive":
        settle(suite)


def excused(suite: Suite, operation: Operation, exchange: Exchange) -> bool:
    """Whether the document foretells another answer: a crash, a check of which nothing is known, no row to be had."""
    answer = exchange.response
    if answer.status == 422 and isinstance(answer.json, dict):
        return open_fields(operation).issuperset(answer.json)
    nothing_there = answer.status == 404 and bool(operation.parameters) and not suite.stock.fixture(operation)
    return nothing_there or (answer.status == 500 and "500" in operation.spec["responses"])


def settle(suite: Suite) -> None:
    """Start the PBX again if something stopped it."""
    asked, start = (suite.contract.by_id.get(f"syscommands.{name}") for name in ("pbxrunstate", "pbxstart"))
    if asked is None or start is None:
        return
    state = suite.target.get(asked.path).json
    if isinstance(state, dict) and state.get("pbxrunstate") is False:
        suite.target.get(start.path)


def check_run_state(suite: Suite) -> None:
    """Stopped, the PBX says so, AMI functions answer 503, and it cannot be stopped again; started, all is well."""
    for stopped in (True, False):
        command(suite, "pbxstop" if stopped else "pbxstart", 200)
        command(suite, "pbxstop" if stopped else "pbxstart", 503)
        exchange = suite.target.send(Request("GET", "/syscommands/pbxrunstate"))
        if exchange.response.json != {"pbxrunstate": not stopped}:
            tell(suite, "syscommands.pbxrunstate", "wrong", f"says {exchange.response.json} after {stopped=}", exchange)
        exchange = suite.target.send(Request("GET", "/astamis/CoreStatus"))
        if exchange.response.status != (503 if stopped else 200):
            text = f"answers {exchange.response.status} with {stopped=}"
            tell(suite, "astamis.CoreStatus", str(exchange.response.status), text, exchange)


def command(suite: Suite, name: str, status: int) -> None:
    exchange = suite.target.send(Request("GET", f"/syscommands/{name}"))
    if exchange.response.status != status:
        text = f"{name} answers {exchange.response.status}, not {status}"
        tell(suite, f"syscommands.{name}", str(exchange.response.status), text, exchange)


def tell(suite: Suite, operation: str, kind: str, text: str, *evidence: Exchange) -> None:
    suite.report(operation, Problem("run-state", "", kind, text), *evidence)

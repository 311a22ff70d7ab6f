"""Every operation, asked as the document says, succeeds; and what stops the PBX stops it, until it is started again."""

from __future__ import annotations

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request
from ..judge.conformance import Problem
from ..run import Run
from ..spec.operation_data import open_fields


def check_answers(run: Run, operation: Operation) -> None:
    """One request with what the operation needs. Reads may have nothing to show: another documented status will do."""
    if run.coverage.statuses[operation.id, operation.status]:
        return  # it did already
    body = run.fixtures.minimal(operation) if operation.rules else None
    exchange = run.send(run.fixtures.request(operation, body))
    if exchange.response.status == 404 and operation.hazard != "read" and operation.parameters:
        again = run.fixtures.request(operation, body)
        if again.path != exchange.request.path:  # another check has removed the row
            exchange = run.send(again)
    status = exchange.response.status
    # a version in which it always fails may do so in several ways
    never = operation.status >= 400 and str(status) in run.contract.responses(operation)
    failed = status != operation.status and not never and operation.hazard in ("write", "operational")
    if failed and not exchange.problems and not excused(run, operation, exchange):
        text = f"{operation.method} {operation.path} answers {status}, not {operation.status}, though nothing is wrong"
        run.report(operation.id, Problem("answer", "", str(status), text), exchange)
    if operation.hazard == "disruptive":
        start_pbx_again(run)


def excused(run: Run, operation: Operation, exchange: Exchange) -> bool:
    """Whether the document foretells another answer: a crash, a check of which nothing is known, no row to be had."""
    answer = exchange.response
    if answer.refused:
        return (open_fields(operation) | run.contract.unlisted(operation)).issuperset(answer.refused)
    nothing_there = answer.status == 404 and bool(operation.parameters) and not run.fixtures.fixture(operation)
    return nothing_there or (answer.status == 500 and "500" in operation.spec["responses"])


def start_pbx_again(run: Run) -> None:
    """Start the PBX again if something stopped it."""
    asked, start = (run.contract.by_id.get(f"syscommands.{name}") for name in ("pbxrunstate", "pbxstart"))
    if asked is None or start is None:
        return
    state = run.get(asked.path).json
    if isinstance(state, dict) and state.get("pbxrunstate") is False:
        run.get(start.path)


def check_run_state(run: Run) -> None:
    """Stopped, the PBX says so, AMI functions answer 503, and it cannot be stopped again; started, all is well."""
    for stopped, name in ((True, "pbxstop"), (False, "pbxstart")):
        operation = run.contract.by_id[f"syscommands.{name}"]
        command(run, operation, 200)
        command(run, operation, 503)
        exchange = run.send(Request("GET", "/syscommands/pbxrunstate"))
        if exchange.response.json != {"pbxrunstate": not stopped}:
            tell(run, "syscommands.pbxrunstate", "wrong", f"says {exchange.response.json} after {stopped=}", exchange)
        exchange = run.send(Request("GET", "/astamis/CoreStatus"))
        if exchange.response.status != (503 if stopped else 200):
            text = f"answers {exchange.response.status} with {stopped=}"
            tell(run, "astamis.CoreStatus", str(exchange.response.status), text, exchange)


def command(run: Run, operation: Operation, status: int) -> None:
    exchange = run.send(Request("GET", operation.path))
    if exchange.response.status != status:
        text = f"{operation.path} answers {exchange.response.status}, not {status}"
        tell(run, operation.id, str(exchange.response.status), text, exchange)


def tell(run: Run, operation: str, kind: str, text: str, *evidence: Exchange) -> None:
    run.report(operation, Problem("run-state", "", kind, text), *evidence)

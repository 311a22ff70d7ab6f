"""The simplest checks: the document, every read, requests of earlier findings, every operation once, every link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from sarkmock.suite_api import Operation, profile_names

from ..client.http import Exchange, Request, fill_path, request_for
from ..errors import NoBounds, Unavailable, Withheld
from ..fixtures import Body, Parameters, linked_path
from ..judge.judge import RUN_STATE
from ..judge.oracle import Problem
from ..run import Run
from ..safety.restorable import is_stopped, start_again
from ..spec.boundary_values import bounds_of
from ..spec.contract import Contract, Link, contract_of
from ..spec.operation_data import LiveTables, open_fields, recipe


def check_answers(run: Run, operation: Operation) -> None:
    """Send one valid request. For reads, other documented statuses are accepted, since there may be nothing to show.

    An update is sent with the required variables only; all other columns must keep their values.
    """
    is_update = operation.method == "PUT" and operation.key is not None
    is_unshown = operation.method == "POST" and not run.judge.listings.is_tracked(operation)
    if run.coverage.statuses[operation.id, operation.status] and not (is_update or is_unshown):
        return  # already tested
    if operation.hazard == "disruptive":
        store_sound_settings(run, operation)
    body = run.fixtures.minimal(operation) if operation.rules else None
    exchange = run.send(run.fixtures.request(operation, body))
    if exchange.response.status == 404 and operation.hazard != "read" and operation.parameters:
        again = run.fixtures.request(operation, body)
        if again.path != exchange.request.path:  # another check has removed the row
            exchange = run.send(again)
    status = exchange.response.status
    # a version in which the operation always fails may do so in several ways
    never = operation.status >= 400 and str(status) in run.contract.responses(operation)
    failed = status != operation.status and not never and operation.hazard in ("write", "operational")
    if failed and not exchange.problems and not is_excused(run, operation, exchange):
        text = f"{operation.name} returned {status} for a valid request, expected {operation.status}"
        rejected = [*exchange.response.rejected]
        field = rejected[0] if len(rejected) == 1 else ""
        run.report(operation.id, Problem("answer", field, str(status), text), exchange)
    if exchange.response.ok:  # the run compares rows that are shown
        shown = [exchange.request.path] if is_update else []
        for path in paths_of_lists(run.contract, operation) if is_unshown else shown:
            run.send(Request("GET", path))
    if operation.hazard == "disruptive":
        start_pbx_again(run)


def paths_of_lists(contract: Contract, operation: Operation) -> Iterator[str]:
    """Yield the paths of the lists that show the rows of an operation."""
    for listing in contract.operations:
        if listing.action == "index" and listing.table == operation.table:
            yield listing.path


def store_sound_settings(run: Run, operation: Operation) -> None:
    """Store valid settings if the run has replaced those that an operation applies, such as firewall rules."""
    for writer in run.contract.operations:
        if (writer.path, writer.hazard) == (operation.path, "operational") and \
                run.coverage.statuses[writer.id, writer.status]:
            run.send(run.fixtures.request(writer, run.fixtures.minimal(writer)))


def is_excused(run: Run, operation: Operation, exchange: Exchange) -> bool:
    """Whether the document predicts another response: a crash, a check that is not described, or no usable row."""
    response = exchange.response
    if response.rejected:
        return (open_fields(operation) | run.contract.unlisted(operation)).issuperset(response.rejected)
    is_of_others = response.status in (404, 409) and bool(operation.parameters) and not run.fixtures.fixture(operation)
    return is_of_others or (response.status == 500 and "500" in operation.spec["responses"])


def start_pbx_again(run: Run) -> None:
    """Start the PBX if something has stopped it."""
    if RUN_STATE in run.contract.by_id and is_stopped(run, [run.contract]):
        start_again(run, (run.contract, *map(contract_of, profile_names())))


def check_run_state(run: Run) -> None:
    """Stop and start the PBX, and compare the state that it reports.

    While it is stopped, operations that need it must answer 503, and stopping it again must fail. A command that fails
    is a finding; its consequences are not tested.
    """
    requests = [*requests_needing_pbx(run)]
    commands = [(name == "pbxstop", run.contract.by_id[f"syscommands.{name}"]) for name in ("pbxstop", "pbxstart")]
    for stopped, operation in commands:
        if not command(run, operation, 200):
            continue
        command(run, operation, 503)
        exchange = run.send(Request("GET", "/syscommands/pbxrunstate"))
        if exchange.response.json != {"pbxrunstate": not stopped}:
            text = f"returned {exchange.response.json} after {stopped=}"
            run.report("syscommands.pbxrunstate", Problem("run-state", "", "wrong", text), exchange)
        exchange = run.send(Request("GET", "/astamis/CoreStatus"))
        if exchange.response.status != (503 if stopped else 200):
            text = f"returned {exchange.response.status} with {stopped=}"
            run.report("astamis.CoreStatus", Problem("run-state", "", str(exchange.response.status), text), exchange)
        elif stopped:
            for request in requests:
                run.send(request)
    start_pbx_again(run)


def requests_needing_pbx(run: Run) -> Iterator[Request]:
    """Yield a request for every operation that answers 503 while the PBX is stopped, except system commands."""
    for operation in run.contract.operations:
        is_command = operation.id.startswith("syscommands.")
        if not is_command and "503" in operation.spec["responses"] and run.permits(operation):
            with suppress(Unavailable, NoBounds):
                yield run.fixtures.request(operation, run.fixtures.minimal(operation) if operation.rules else None)


def command(run: Run, operation: Operation, status: int) -> bool:
    exchange = run.send(Request("GET", operation.path))
    if exchange.response.status != status:
        text = f"{operation.path} returned {exchange.response.status}, expected {status}"
        run.report(operation.id, Problem("run-state", "", str(exchange.response.status), text), exchange)
    return exchange.response.status == status


def check_read(run: Run, operation: Operation) -> None:
    """Send one GET. Lists are kept for the keys of their rows. The exchange is judged like all others."""
    if operation.table is not None and not operation.parameters:
        run.live.rows(operation.table.name)
    path = readable_path(run, operation)
    if path is not None and not run.coverage.statuses[operation.id, operation.status]:
        run.send(Request("GET", path))


def readable_path(run: Run, operation: Operation) -> str | None:
    """Return the path of something that exists; None if there is nothing to read."""
    if not operation.parameters:
        return operation.path
    listed = run.fixtures.standing(operation) if recipe("rows_of", operation.id) else {}
    parameters = listed or existing_path(run.contract, run.live, operation)
    return fill_path(operation.path, parameters) if parameters else None


def existing_path(contract: Contract, live: LiveTables, operation: Operation) -> Parameters:
    """Return the path of the first row that a list shows; without a table, the one of operations.yaml or the document.

    Empty if a row or file would have to be created first.
    """
    if operation.table is not None:
        keys = live.keys(operation.table.name, operation.table.key)
        return {operation.parameters[0]: keys[0]} if keys else {}
    files = recipe("uploaded", operation.id) or any(link.target == operation.id for link in contract.links)
    return {} if files else dict(recipe("parameters", operation.id)) or contract.examples(operation)


def check_examples(run: Run, operation: Operation) -> None:
    """Send every stored request of an operation."""
    for request in run.examples.requests(operation.id):
        ours = operation.parameters and operation.hazard != "read"
        run.send(replace(request, path=run.fixtures.request(operation).path) if ours else request)


def check_document(run: Run) -> None:
    """Assert that every rule has boundary values, and that every link leads to an operation."""
    missing = []
    for operation in run.contract.operations:
        for name, rules in operation.rules.items():
            try:
                bounds_of(rules)
            except NoBounds as error:
                missing.append(f"{operation.id} {name}: no boundary values for {error}")
    missing += [f"{link.source}: the link {link.name} leads to no operation"
                for link in run.contract.links if link.target not in run.contract.by_id]
    assert not missing, "\n".join(missing)


def check_links(run: Run, operation: Operation) -> None:
    """Create a row and follow its links in the document's order, DELETE last; then the row must be gone."""
    fixtures = run.fixtures
    made = run.send(fixtures.request(operation, fixtures.minimal(operation) or None))
    if not made.response.ok:
        return  # judged as a response
    links = sorted(run.contract.links_from(operation).values(), key=lambda link: target_method(run, link) == "DELETE")
    for link in links:
        with suppress(Withheld):
            follow_link(run, operation, link, made)


def target_method(run: Run, link: Link) -> str:
    return run.contract.by_id[link.target].method


def lacks_field(link: Link) -> Problem:
    """Return the problem of a response without a field that a link needs."""
    text = f"the response lacks {', '.join(link.parameters.values())}, required by the link {link.name}"
    return Problem("link", link.name, "no field", text)


def follow_link(run: Run, operation: Operation, link: Link, made: Exchange) -> None:
    """Send the request of a link; it must succeed."""
    target = run.contract.by_id[link.target]
    path = linked_path(run.contract, link, made.response.fields)
    if path is None:
        run.report(operation.id, lacks_field(link), made)
        return
    exchange = run.send(request_for(target.method, path, body_for(run, target)))
    if exchange.problems:
        return  # the cause is reported already
    if exchange.response.status != target.status:
        text = f"{target.method} {path} returned {exchange.response.status}, expected {target.status}"
        run.report(operation.id, Problem("link", link.name, str(exchange.response.status), text), made, exchange)
    elif target.method == "DELETE":
        check_deleted(run, operation, target, made, exchange)


def body_for(run: Run, target: Operation) -> Body | None:
    """Return the smallest body for a link's target. An update without required variables is sent its first variable."""
    if not target.rules:
        return None
    body = run.fixtures.minimal(target)
    values = {name: run.fixtures.bounds(target, name).accept for name in target.rules
              if target.table is None or name != target.table.key}
    return body or next({name: run.fixtures.value(target, name, accepted[0])} for name, accepted in values.items()
                        if accepted)


def check_deleted(run: Run, operation: Operation, delete: Operation, made: Exchange, deleted: Exchange) -> None:
    """Report a row that a GET still finds after DELETE."""
    for link in run.contract.links_from(operation).values():
        if target_method(run, link) == "GET":
            path = linked_path(run.contract, link, made.response.json)
            assert path is not None
            exchange = run.send(request_for("GET", path, None))
            if exchange.response.ok:
                text = f"GET {path} returned {exchange.response.status} after DELETE"
                run.report(delete.id, Problem("presence", "", "still there", text), made, deleted, exchange)

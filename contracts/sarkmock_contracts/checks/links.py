"""The document's links: what an operation makes can be reached by every link that its answer promises."""

from __future__ import annotations

from contextlib import suppress

from sarkmock.suite_api import Operation

from ..client.http import Exchange, request_for
from ..errors import Withheld
from ..fixtures.rows import Body, path_along
from ..judge.conformance import Problem
from ..run import Run
from ..spec.contract import Link


def check_links(run: Run, operation: Operation) -> None:
    """Make one, follow every link in the document's order with DELETE last, and find it gone."""
    stock = run.fixtures
    made = run.send(stock.request(operation, stock.minimal(operation) or None))
    if not made.response.ok:
        return  # judged as a response
    links = sorted(run.contract.links_from(operation).values(), key=lambda link: target_method(run, link) == "DELETE")
    for link in links:
        with suppress(Withheld):
            follow_link(run, operation, link, made)


def target_method(run: Run, link: Link) -> str:
    return run.contract.by_id[link.target].method


def follow_link(run: Run, operation: Operation, link: Link, made: Exchange) -> None:
    """Send the link's target for what was made; it must succeed."""
    target = run.contract.by_id[link.target]
    path = path_along(run.contract, link, made.response.json if isinstance(made.response.json, dict) else {})
    if path is None:
        text = f"the answer lacks {', '.join(link.parameters.values())}, which the link {link.name} needs"
        run.report(operation.id, Problem("link", link.name, "no field", text), made)
        return
    exchange = run.send(request_for(target.method, path, body_for(run, target)))
    if exchange.problems:
        return  # the cause is entered
    if exchange.response.status != target.status:
        text = f"{target.method} {path} answers {exchange.response.status}, not {target.status}"
        run.report(operation.id, Problem("link", link.name, str(exchange.response.status), text), made, exchange)
    elif target.method == "DELETE":
        gone(run, operation, target, made, exchange)


def body_for(run: Run, target: Operation) -> Body | None:
    """What the link's target needs at least; an update is sent its first variable."""
    if not target.rules:
        return None
    body = run.fixtures.minimal(target)
    values = {name: run.fixtures.bounds(target, name).accept for name in target.rules
              if target.table is None or name != target.table.key}
    return body or next({name: run.fixtures.value(target, name, accepted[0])} for name, accepted in values.items()
                        if accepted)


def gone(run: Run, operation: Operation, delete: Operation, made: Exchange, deleted: Exchange) -> None:
    """After DELETE, no GET finds it."""
    for link in run.contract.links_from(operation).values():
        if target_method(run, link) == "GET":
            path = path_along(run.contract, link, made.response.json)
            assert path is not None
            exchange = run.send(request_for("GET", path, None))
            if exchange.response.ok:
                text = f"GET {path} answers {exchange.response.status} after DELETE"
                run.report(delete.id, Problem("presence", "", "still there", text), made, deleted, exchange)

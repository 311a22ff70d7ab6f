"""The document's links: what an operation makes can be reached by every link that its answer promises."""

from __future__ import annotations

from contextlib import suppress

from sarkmock import Operation

from ..client.bodies import request_for
from ..client.http import Exchange
from ..client.target import Withheld
from ..fixtures.rows import Body, path_along
from ..judge.conformance import Problem
from ..run import Suite
from ..spec.contract import Link


def check_links(suite: Suite, operation: Operation) -> None:
    """Make one, follow every link in the document's order with DELETE last, and find it gone."""
    stock = suite.stock
    made = suite.target.send(stock.request(operation, stock.minimal(operation) or None))
    if not made.response.ok:
        return  # judged as a response
    links = sorted(suite.contract.links_from(operation).values(), key=lambda link: method_of(suite, link) == "DELETE")
    for link in links:
        with suppress(Withheld):
            follow(suite, operation, link, made)


def method_of(suite: Suite, link: Link) -> str:
    return suite.contract.by_id[link.target].method


def follow(suite: Suite, operation: Operation, link: Link, made: Exchange) -> None:
    """Send the link's target for what was made; it must succeed."""
    target = suite.contract.by_id[link.target]
    path = path_along(suite.contract, link, made.response.json if isinstance(made.response.json, dict) else {})
    if path is None:
        text = f"the answer lacks {', '.join(link.parameters.values())}, which the link {link.name} needs"
        suite.report(operation.id, Problem("link", link.name, "no field", text), made)
        return
    request, before = request_for(target.method, path, body_for(suite, target)), suite.problems
    exchange = suite.target.send(request)
    if suite.problems > before:
        return  # the cause is entered
    if exchange.response.status != target.status:
        text = f"{target.method} {path} answers {exchange.response.status}, not {target.status}"
        suite.report(operation.id, Problem("link", link.name, str(exchange.response.status), text), made, exchange)
    elif target.method == "DELETE":
        gone(suite, operation, made)


def body_for(suite: Suite, target: Operation) -> Body | None:
    """What the link's target needs at least; an update is sent its first variable."""
    if not target.rules:
        return None
    body = suite.stock.minimal(target)
    first = next(name for name in target.rules if target.table is None or name != target.table.key)
    return body or {first: suite.stock.value(target, first, suite.stock.bounds(target, first).accept[0])}


def gone(suite: Suite, operation: Operation, made: Exchange) -> None:
    """After DELETE, no GET finds it."""
    for link in suite.contract.links_from(operation).values():
        if method_of(suite, link) == "GET":
            path = path_along(suite.contract, link, made.response.json)
            assert path is not None
            exchange = suite.target.send(request_for("GET", path, None))
            if exchange.response.ok:
                text = f"GET {path} answers {exchange.response.status} after DELETE"
                suite.report(link.target, Problem("presence", "", "still there", text), made, exchange)

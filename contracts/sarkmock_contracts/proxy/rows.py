"""Compare what clients wrote with what they read. Sound only if no other client changes the box (`--exclusive`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sarkmock.suite_api import Operation

from ..checks.row_lifecycle import TENANT
from ..client.http import SAFE_METHODS, Exchange
from ..judge.oracle import Problem
from ..judge.row_model import RowModel
from ..judge.rows import BlamedProblem, RowPlace, RowTracker, duplicate_problem, last_segment
from ..spec.contract import Contract
from ..spec.operation_data import Resource, key_text

MOST_ROWS, MOST_BYTES = 10_000, 64 << 20  # tracked rows, and bytes of the exchanges with them
OF_COLUMNS_NOT_SENT = frozenset(("default", "unrequested"))  # a box sets some later by itself, such as `lastseen`


class ClientRows(RowTracker):
    """Tracks the rows that clients create or update. Columns that no client sent are not compared."""

    def __init__(self, contract: Contract, max_bytes: int = MOST_BYTES) -> None:
        super().__init__(contract)
        self._of = {name: resource for name, resource in self._of.items()
                    if resource.show.table and len(contract.primary_key(resource.show.table.name)) == 1}
        self._max_bytes, self._size = max_bytes, 0

    def observe(self, exchange: Exchange) -> Iterator[BlamedProblem]:
        """Update the rows with an exchange, and yield where its response contradicts earlier ones."""
        self._bound(exchange)
        operation = self._contract.operation_of(exchange.request)
        resource = self._of.get(operation.id) if operation is not None else None
        if operation is not None and resource is not None:
            yield from self._refuted(resource, operation, exchange)
        if exchange.response.status >= 500 and exchange.request.method not in SAFE_METHODS:
            self.forget()  # it may have had an effect
        yield from (found for found in super().observe(exchange) if self._is_sure(found[1], found[2]))

    def _bound(self, exchange: Exchange) -> None:
        """Stop tracking all rows when they become too many."""
        self._size += 0 if exchange.request.method in SAFE_METHODS else exchange.weight
        if self._size > self._max_bytes or len(self.alive) > MOST_ROWS:
            self.forget()
            self._size = 0

    def _is_sure(self, problem: Problem, evidence: tuple[Exchange, ...]) -> bool:
        """Whether only the box can be the cause. A list may leave out rows that clients have not created."""
        created, is_missing = evidence[0].request.method == "POST", (problem.check, problem.kind) == ("list", "missing")
        return len(evidence) > 1 and problem.check not in OF_COLUMNS_NOT_SENT and (created or not is_missing)

    def _refuted(self, resource: Resource, operation: Operation, exchange: Exchange) -> Iterator[BlamedProblem]:
        """Yield what contradicts the rows: a taken key is accepted, a row in use deleted, a row that exists unknown."""
        request, creates = exchange.request, operation in resource.creates
        key = request.post.get(resource.key) if creates else last_segment(request)
        row = self.alive.get((resource.name, key_text(key)))
        if row is None:
            return
        if creates:
            made, created = row.history[0], row.history[0].request.method == "POST"
            problem = duplicate_problem(self._contract, resource, operation, made, exchange) if created else None
            yield from [(operation, problem, (made, exchange))] if problem else []
        elif operation.method == "GET":
            return
        elif exchange.response.status == 404:
            text = f"{operation.method} {request.path} returned 404 for a row that exists"
            yield operation, Problem("answer", "", "404", text), (*row.history, exchange)
            self.lost(request)
        elif operation == resource.delete and exchange.response.ok and "tenant_is_unused" in operation.checks:
            for user in [other for other in self.alive.values() if other.holds(TENANT) == row.key][:1]:
                text = f"deleted although {user.resource.name}/{user.key} depends on it"
                yield operation, Problem("dependency", "", "ignored", text), (*row.history, user.history[-1], exchange)

    def _wrote(self, resource: Resource | None, operation: Operation, exchange: Exchange) -> Iterator[BlamedProblem]:
        self.gone.clear()  # it may have created one of these rows again, or given another row its key
        yield from super()._wrote(resource, operation, exchange)

    def _changed(self, resource: Resource, operation: Operation, exchange: Exchange,
                 sent: dict[str, Any]) -> RowModel | None:
        place = resource.name, last_segment(exchange.request)
        self._forget_namesakes(place)
        if place not in self.alive:
            self.alive[place] = RowModel(resource, place[1], operation, {})
        return super()._changed(resource, operation, exchange, sent)

    def _removed(self, resource: Resource, exchange: Exchange) -> None:
        self._forget_namesakes((resource.name, last_segment(exchange.request)))
        super()._removed(resource, exchange)

    def _forget_namesakes(self, place: RowPlace) -> None:
        """Stop tracking rows of other resources with this key: resources may share a table."""
        for other in [other for other in self.alive if other[1] == place[1] and other != place]:
            del self.alive[other]

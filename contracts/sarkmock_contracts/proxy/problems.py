"""What the checks of `sarkmock check` find in the traffic, besides what its judge finds in every exchange.

A single exchange is checked without the state of the box: the row of a write's own response, links, forms, methods and
paths that no operation has, requests without a token. `ClientRows` compares what clients wrote with what they read,
which is sound only if no other client changes the box (`--exclusive`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sarkmock.suite_api import Operation

from ..checks.authentication import answer_text, judging_mock, token_problem
from ..checks.protocol import TRIED_METHODS, form_problems, method_problem, options_problem, unknown_path_problem
from ..checks.row_lifecycle import TENANT
from ..checks.smoke import lacks_field
from ..checks.undocumented import other_profiles
from ..client.http import FORM, NO_TOKEN, SAFE_METHODS, Exchange, Request, header
from ..fixtures import has_link_values
from ..judge.oracle import Problem
from ..judge.row_model import BlamedProblem, RowModel, is_same_value, number_in_text
from ..judge.rows import RowPlace, RowTracker, duplicate_problem, last_segment
from ..run import Run
from ..spec.contract import Contract, contract_of
from ..spec.operation_data import Resource, key_text

SingleProblem = tuple[str, Problem]  # with the id of an operation; "" for a path that no operation has
TOKENS = ("access_token", "api_token", "token")
PREFLIGHT = "Access-Control-Request-Method"


def single_problems(run: Run, exchange: Exchange) -> Iterator[SingleProblem]:
    operation = run.contract.operation_of(exchange.request)
    if operation is None:
        yield from of_no_operation(run, exchange)
        return
    if operation.guard and (kind := invalid_token(exchange.request)):
        problem = token_problem(kind, exchange, without_token(run, exchange))
        yield from [(operation.id, problem)] if problem else []
        return
    yield from ((blamed.id, problem) for blamed, problem, evidence in run.rows.observe(exchange) if len(evidence) == 1)
    run.rows.forget()
    yield from ((operation.id, problem) for problem in of_write(run, operation, exchange))
    yield from ((operation.id, problem) for problem in of_row(operation, exchange))


def of_row(operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Yield problems of the row that the path addresses: another one is shown, or one that must stay was deleted."""
    request, response, key = exchange.request, exchange.response, last_segment(exchange.request)
    if operation.action == "show" and operation.table is not None and operation.key and response.ok:
        shown = key_text(response.fields.get(operation.table.key))
        if shown and not is_same_value(operation, key.casefold(), number_in_text(shown) or shown.casefold()):
            text = f"{request.method} {request.path} returned the row {shown!r}"
            yield Problem("unknown-key", "", str(response.status), text)
    if "default_tenant_stays" in operation.checks and key == "default" and response.ok:
        yield Problem("behaviour", "", "deleted", f"DELETE {request.path} returned {response.status}, expected 409")


def of_write(run: Run, operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Yield problems of a form's values, and of fields that links need."""
    request, response = exchange.request, exchange.response
    if not response.ok or operation.method == "GET":
        return
    if request.media_type == FORM and FORM in operation.spec["requestBody"]["content"]:
        texts = {name: value for name, value in request.post.items() if isinstance(value, str)}
        yield from form_problems(operation, {name: texts[name] for name in texts.keys() & operation.rules}, response)
    for link in run.contract.links_from(operation).values():
        if not has_link_values(link, response.fields):
            yield lacks_field(link)


def of_no_operation(run: Run, exchange: Exchange) -> Iterator[SingleProblem]:
    """Yield the problems of a response to a method that the path does not have, or to a path that does not exist.

    Operations of the box's version are left out, as their responses depend on its state, and so are paths of which a
    token may not permit every method.
    """
    contract, theirs, request = run.contract, contract_of(run.version()), exchange.request
    known = operations_at(contract, request.path)
    at_path = (*known, *operations_at(theirs, request.path))
    if theirs.operation_of(request) or any(operation.abilities for operation in at_path):
        return
    if answer_text(exchange) == answer_text(Exchange(request, run.shared(judging_mock).send(request))):
        return
    problem: Problem | None = None
    if request.method == "OPTIONS" and header(request.headers, PREFLIGHT) is None:
        problem = options_problem(contract, exchange) if known else undocumented_method(run, exchange)
    elif request.method in TRIED_METHODS:
        problem = method_problem(contract, exchange) if known else unknown_path_problem(contract, exchange)
    if problem is not None and known:
        yield known[0].id, problem
    elif problem is not None:
        yield "", problem._replace(field=template(run, problem.kind, request.path))


def operations_at(contract: Contract, path: str) -> list[Operation]:
    candidates = (contract.operation_of(Request(method, path)) for method in contract.router.allowed(path))
    return [operation for operation in candidates if operation is not None]


def undocumented_method(run: Run, exchange: Exchange) -> Problem | None:
    """Return the problem of a path that is there though the document does not have it, as OPTIONS shows."""
    path = exchange.request.path
    for method in sorted(exchange.response.allow - set(run.contract.router.allowed(path))):
        return Problem("unknown-path", "", method, f"{method} {path} exists, but is not documented")
    return None


def template(run: Run, method: str, path: str) -> str:
    """Return the path of another profile's operation, as that profile writes it; "" if none has it."""
    candidates = (contract.operation_of(Request(method, path)) for contract in other_profiles(run.options.profile))
    return next((operation.path for operation in candidates if operation is not None), "")


def invalid_token(request: Request) -> str:
    """Return in which way a request has no bearer token; "" if it has one."""
    credential = header(request.headers, "Authorization")
    if credential:
        return "" if credential.lower().startswith("bearer ") else "other scheme"
    return "no token" if request.read()[0].keys().isdisjoint(TOKENS) else "token in query"


def without_token(run: Run, exchange: Exchange) -> Exchange:
    """Return the exchange that a mock of the judging document has for a request without a valid token."""
    request = exchange.request
    marked = request if header(request.headers, "Authorization") else replace(
        request, headers=(*request.headers, NO_TOKEN))
    return Exchange(request, run.shared(judging_mock).send(marked))


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
        yield from (blamed for blamed in super().observe(exchange) if self._is_sure(blamed[1], blamed[2]))

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
        """Yield contradictions: a taken key is accepted, a row in use is deleted, an existing row is unknown."""
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

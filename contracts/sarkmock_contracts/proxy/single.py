"""What the checks of `sarkmock check` find in a single exchange, besides what its judge finds in every one.

Nothing here depends on the state of the box: the row of a write's own response, links, forms, methods and paths that no
operation has, requests without a token.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sarkmock.suite_api import Operation

from ..checks.authentication import answer_text, judging_mock, token_problem
from ..checks.protocol import TRIED_METHODS, form_problems, method_problem, options_problem, unknown_path_problem
from ..checks.smoke import lacks_field
from ..checks.undocumented import other_profiles
from ..client.http import FORM, NO_TOKEN, Exchange, Request, header
from ..fixtures import has_link_values
from ..judge.oracle import Problem
from ..judge.row_model import is_same_value, number_in_text
from ..judge.rows import last_segment
from ..run import Run
from ..spec.contract import Contract, contract_of
from ..spec.operation_data import key_text

SingleProblem = tuple[str, Problem]  # with the id of an operation; "" for a path that no operation has
TOKENS = ("access_token", "api_token", "token")
PREFLIGHT = "Access-Control-Request-Method"


def single_problems(run: Run, exchange: Exchange) -> Iterator[SingleProblem]:
    """Yield the problems of an exchange."""
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
    if theirs.operation_of(request) or any(one.abilities for one in (*known, *operations_at(theirs, request.path))):
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
    """Return the operations of a path."""
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

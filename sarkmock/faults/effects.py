"""What each effect does to a request: a table of functions from a fault and a request to the reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from http.client import responses

from sarkmock.faults.fault import Fault
from sarkmock.http.engine import Engine, Request
from sarkmock.http.replies import Conflict, Disturbed, Invalid, PbxUnavailable, Reply, RowNotFound, debug_body
from sarkmock.http.throttle import TooManyAttempts, limits
from sarkmock.laravel.validation import display
from sarkmock.pbx.database import DatabaseLocked, LockedDatabase
from sarkmock.pbx.state import State
from sarkmock.spec.deviations import deviating
from sarkmock.spec.operations import Operation, Rules

Effect = Callable[[Fault, Request, Engine], Reply]
THROTTLE_LIMIT = 60  # requests a minute, where the product itself has no limit
HTTP_EXCEPTION = "Symfony\\Component\\HttpKernel\\Exception\\HttpException"
PROXY_ERROR_PAGE = ("<html>\r\n<head><title>{0} {1}</title></head>\r\n<body>\r\n<center><h1>{0} {1}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")


def late(fault: Fault, request: Request, engine: Engine) -> Reply:
    return engine.handle(request)


def answer_status(fault: Fault, request: Request, engine: Engine) -> Reply:
    """The body that the API or Laravel gives that status, or the fault's own."""
    assert fault.status is not None
    reply = Reply(fault.body, fault.status) if fault.body is not None else usual_reply(fault.status, request, engine)
    return replace(reply, headers={**reply.headers, **(fault.headers or {})})


def usual_reply(code: int, request: Request, engine: Engine) -> Reply:
    operation = engine.program.meant(request.method, request.path)
    if code == HTTPStatus.NOT_FOUND:
        return missing_row(operation, request, engine)
    if code == HTTPStatus.CONFLICT:
        return Conflict("Key already exists").reply(engine.program.framework)
    if code == HTTPStatus.UNPROCESSABLE_ENTITY:
        field = blamed(operation.rules) if operation else "fault"
        return Invalid({field: [f"The selected {display(field)} is invalid."]}).reply(engine.program.framework)
    if code == HTTPStatus.SERVICE_UNAVAILABLE and (operation and asks_pbx(operation)):
        return PbxUnavailable("PBX not running").reply(engine.program.framework)
    return Reply(debug_body(phrase(code), HTTP_EXCEPTION), code, framework=True)


def missing_row(operation: Operation | None, request: Request, engine: Engine) -> Reply:
    """As for a row that is not there; of a path without rows, as for the model of the product's own name."""
    table = operation.table if operation else None
    key = request.path.rstrip("/").rpartition("/")[2]
    return RowNotFound(table.model if table else "", key).reply(engine.program.framework)


def blamed(rules: Rules) -> str:
    """A field that may well be wrong: the first that is required, or else the first there is."""
    required = (name for name, rule in rules.items() if "required" in rule)
    return next(required, None) or next(iter(rules), "fault")


def phrase(code: int) -> str:
    return responses.get(code, "Unknown Status")


def html(fault: Fault, request: Request, engine: Engine) -> Reply:
    assert fault.html is not None
    return Reply(PROXY_ERROR_PAGE.format(fault.html, phrase(fault.html)).encode(), fault.html, content_type="text/html")


def drop(fault: Fault, request: Request, engine: Engine) -> Reply:
    if fault.drop == "after":
        engine.handle(request)
    return Disturbed(keep=0)


def truncate(fault: Fault, request: Request, engine: Engine) -> Reply:
    reply = engine.handle(request)
    return Disturbed.of(reply, keep=fault.truncate)


def throttle(fault: Fault, request: Request, engine: Engine) -> Reply:
    assert fault.throttle is not None
    headers = limits(engine.program.framework.throttle or THROTTLE_LIMIT, 0)
    return TooManyAttempts(headers, fault.throttle, int(engine.state.clock.now())).reply


def pbx(fault: Fault, request: Request, engine: Engine) -> Reply:
    return engine.handle_under(request, pbx_stopped)


@contextmanager
def pbx_stopped(state: State) -> Iterator[None]:
    """The PBX looks stopped; a start or stop meanwhile takes effect."""
    before, state.pbx.up_since = state.pbx.up_since, None
    try:
        yield
    finally:
        if state.pbx.up_since is None:
            state.pbx.up_since = before


def lock_database(fault: Fault, request: Request, engine: Engine) -> Reply:
    """Where the product catches what the database refuses, it is 409; elsewhere Laravel's page of the exception."""
    try:
        return engine.handle_under(request, database_locked)
    except DatabaseLocked as error:
        message = f"SQLSTATE[HY000]: General error: {error.sqlite_errorcode} {error}"
        return Reply(debug_body(message, "Illuminate\\Database\\QueryException"), 500, framework=True)


@contextmanager
def database_locked(state: State) -> Iterator[None]:
    before = state.tables
    state.tables = LockedDatabase(before)
    try:
        yield
    finally:
        state.tables = before


def deviate(fault: Fault, request: Request, engine: Engine) -> Reply:
    assert fault.deviation is not None
    return engine.handle_by(deviating(fault.deviation), request)


EFFECT_FUNCTIONS: dict[str | None, Effect] = {
    None: late, "status": answer_status, "html": html, "drop": drop, "truncate": truncate, "throttle": throttle,
    "pbx": pbx, "locked": lock_database, "deviation": deviate,
}


def is_felt_in(fault: Fault, operation: Operation) -> bool:
    """Whether a fault can be felt in an operation: no reader finds the database locked, few ask the PBX.

    Deviations are felt where the document says so, not here.
    """
    if fault.pbx:
        return asks_pbx(operation)
    if fault.locked:
        return operation.table is not None and operation.method != "GET"
    return fault.deviation is None


def asks_pbx(operation: Operation) -> bool:
    return "503" in operation.spec["responses"]

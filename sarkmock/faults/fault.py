"""A fault, as written on the command line or in a file, and a function for each effect."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sarkmock.http.engine import ApiRequest, Engine, Program
from sarkmock.http.middleware import TooManyAttempts, limit_headers
from sarkmock.http.replies import Conflict, FaultyReply, Invalid, Reply, RowNotFound, debug_body
from sarkmock.laravel.validation import display_name
from sarkmock.pbx.actions.ami import not_running
from sarkmock.pbx.database import DatabaseLocked, LockedDatabase
from sarkmock.pbx.state import State
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import BASE, openapi_dir
from sarkmock.spec.loading import METHODS, Document, deviations_of, load, load_with_deviation
from sarkmock.spec.operations import Operation, Rules
from sarkmock.spec.pointers import dotted, follow, pointer, reach
from sarkmock.spec.profiles import profile_names
from sarkmock.suggest import nearest_names, shortened, unknown_name

if TYPE_CHECKING:
    import jsonschema_rs

SECONDS_PATTERN = r"(\d+(?:\.\d+)?)"
UNIFORM = re.compile(rf"{SECONDS_PATTERN}\.\.{SECONDS_PATTERN}")
LOGNORMAL = re.compile(rf"{SECONDS_PATTERN}~{SECONDS_PATTERN}")
LONGEST_DELAY = 3600.0


def latency_problem(latency: object) -> str | None:
    """Return what is wrong with a latency, or None."""
    if isinstance(latency, str) and not (UNIFORM.fullmatch(latency) or LOGNORMAL.fullmatch(latency)):
        return "must be seconds, MIN..MAX (uniform) or MEDIAN~SIGMA (log-normal)"
    if isinstance(latency, str) and (match := UNIFORM.fullmatch(latency)) and float(match[1]) > float(match[2]):
        return f"{match[1]} is more than {match[2]}"
    if isinstance(latency, float | int) and not 0 <= latency <= LONGEST_DELAY:
        return f"must be 0 to {LONGEST_DELAY:.0f} seconds"
    return None


def draw_latency(latency: float | str, rng: random.Random) -> float:
    """Return the delay in seconds, fixed or random."""
    if not isinstance(latency, str):
        return float(latency)
    if match := UNIFORM.fullmatch(latency):
        return rng.uniform(float(match[1]), float(match[2]))
    median, _, sigma = latency.partition("~")
    return min(rng.lognormvariate(math.log(float(median) or 1e-9), float(sigma)), LONGEST_DELAY)


# The effects besides latency. A fault has at most one.
EFFECTS = ("status", "html", "drop", "truncate", "throttle", "pbx", "locked", "deviation")
# Values of keys without a value, as in `tenants.list:drop`.
BARE = {"html": 502, "drop": "before", "throttle": 60, "pbx": "stopped", "locked": True}


class FaultError(ValueError):
    """An invalid fault; the message explains the error and lists the valid values."""


@dataclass(frozen=True)
class Fault:
    """A failure, the requests it applies to, and how often it occurs.

    Requests: ``operation`` is an operation's id, a pattern (``tenants.*``) or ``*``. Frequency: with ``probability``
    for each request, until it has occurred ``times`` times. The effect is one of

    - ``status``: that status, with the API's usual body or ``body``, and with optional ``headers``;
    - ``html``: that status, with a page of a web server in front of the API;
    - ``drop``: the connection is closed without a response, ``before`` or ``after`` the request is processed;
    - ``truncate``: sends this many bytes of the body, then closes the connection;
    - ``throttle``: 429 with Laravel's headers, Retry-After in seconds;
    - ``pbx`` (``stopped``): the PBX is not running for the request;
    - ``locked``: the database is locked by another program, so that the request cannot write;
    - ``deviation``: the response is that of a firmware with only this deviation from the documentation.

    ``latency`` delays the response: seconds, ``MIN..MAX`` (uniform) or ``MEDIAN~SIGMA`` (log-normal), with or without
    an effect.
    """

    operation: str = "*"
    latency: float | str | None = None
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] | None = None
    html: int | None = None
    drop: str | None = None
    truncate: int | None = None
    throttle: int | None = None
    pbx: str | None = None
    locked: bool | None = None
    deviation: str | None = None
    times: int | None = None
    probability: float = 1.0
    id: str = ""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Fault:
        """Create the fault that a mapping describes. FaultError for the first error."""
        if not isinstance(content, Mapping):
            raise FaultError("a fault must be a mapping")
        for name in content:
            if name not in FAULT_KEYS:
                raise FaultError(unknown_name("key", name, FAULT_KEYS))
        for error in _schema().iter_errors(dict(content)):
            place = dotted(error.instance_path, "fault")
            wrong = latency_problem(error.instance) if place == "latency" else None
            raise FaultError(f"{place}: {wrong or shortened(error.message)}")
        whole: dict[str, Any] = {name: int(value) if isinstance(value, float) and value.is_integer() else value
                                 for name, value in content.items()}  # to JSON Schema, 503.0 is an integer
        fault = cls(**whole)
        fault._check()
        return fault

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse a line such as ``tenants.create:status=500,times=2``; the operation is optional."""
        operation, colon, rest = text.rpartition(":")
        content: dict[str, Any] = {"operation": operation} if colon else {}
        for part in rest.split(","):
            name, equals, value = part.strip().partition("=")
            if not equals and name not in BARE:
                raise FaultError(word_problem(name, alone=not colon))
            content[name] = yaml12.scalar(value) if equals else BARE[name]
        return cls.of(content)

    @property
    def effect(self) -> str | None:
        """The name of its effect; None if it only has latency."""
        return next((name for name in EFFECTS if getattr(self, name) is not None), None)

    def content(self) -> dict[str, Any]:
        """Return the mapping that `of` accepts."""
        return {name: value for name in FAULT_KEYS if (value := getattr(self, name)) not in (None, "")}

    def _check(self) -> None:
        effects = [name for name in EFFECTS if getattr(self, name) is not None]
        if len(effects) > 1:
            raise FaultError(f"a fault has exactly one effect, but here are {' and '.join(effects)}")
        if not effects and self.latency is None:
            raise FaultError(f"no effect: give latency or one of {', '.join(EFFECTS)}")
        if (self.body is not None or self.headers) and self.status is None:
            raise FaultError("body and headers need status")
        if self.latency is not None and (wrong := latency_problem(self.latency)):
            raise FaultError(f"latency: {wrong}")


FAULT_KEYS = tuple(field.name for field in fields(Fault))


def word_problem(word: str, *, alone: bool) -> str:
    """Explain why a word without a value is not valid in a fault."""
    if word in FAULT_KEYS:
        return f"{word!r} needs a value, as in {word}=...; words without a value: {', '.join(BARE)}"
    if alone and not nearest_names(word, FAULT_KEYS):
        return f"{word!r} is neither an effect nor OPERATION:EFFECT, such as tenants.create:status=503"
    return unknown_name("key", word, FAULT_KEYS)


@cache
def _schema() -> jsonschema_rs.Validator:
    import jsonschema_rs  # slow to import, and not needed without faults

    document = yaml12.read(openapi_dir() / "control.yaml")
    return jsonschema_rs.validator_for({"components": document["components"], "$ref": "#/components/schemas/Fault"})


Effect = Callable[[Fault, ApiRequest, Engine], Reply]
THROTTLE_LIMIT = 60  # requests per minute, if the product itself has no limit
HTTP_EXCEPTION = "Symfony\\Component\\HttpKernel\\Exception\\HttpException"
PROXY_ERROR_PAGE = ("<html>\r\n<head><title>{0} {1}</title></head>\r\n<body>\r\n<center><h1>{0} {1}</h1></center>\r\n"
                    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n")


def late(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    return engine.handle(request)


def answer_status(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    """Return a response with the fault's status, and its body or the API's or Laravel's usual one."""
    assert fault.status is not None
    reply = Reply(fault.body, fault.status) if fault.body is not None else usual_reply(fault.status, request, engine)
    return replace(reply, headers={**reply.headers, **(fault.headers or {})})


def usual_reply(code: int, request: ApiRequest, engine: Engine) -> Reply:
    operation = engine.program.router.operation(request.method, request.path)
    if code == HTTPStatus.NOT_FOUND:
        return missing_row(operation, request, engine)
    if code == HTTPStatus.CONFLICT:
        return Conflict("Key already exists").reply(engine.program.framework)
    if code == HTTPStatus.UNPROCESSABLE_ENTITY:
        field = plausible_field(operation.rules) if operation else "fault"
        return Invalid({field: [f"The selected {display_name(field)} is invalid."]}).reply(engine.program.framework)
    if code == HTTPStatus.SERVICE_UNAVAILABLE and (operation and asks_pbx(operation)):
        return not_running(operation).reply(engine.program.framework)
    return Reply(debug_body(status_phrase(code), HTTP_EXCEPTION), code, framework=True)


def missing_row(operation: Operation | None, request: ApiRequest, engine: Engine) -> Reply:
    """Return the 404 of a missing row; without a table, that of the model with an empty name."""
    table = operation.table if operation else None
    key = request.path.rstrip("/").rpartition("/")[2]
    return RowNotFound(table.model if table else "", key).reply(engine.program.framework)


def plausible_field(rules: Rules) -> str:
    """Return a field that a 422 can name: the first required one, else the first one."""
    required = (name for name, rule in rules.items() if "required" in rule)
    return next(required, None) or next(iter(rules), "fault")


def status_phrase(code: int) -> str:
    return HTTPStatus(code).phrase if code in set(HTTPStatus) else "Unknown Status"


def html(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    assert fault.html is not None
    page = PROXY_ERROR_PAGE.format(fault.html, status_phrase(fault.html))
    return Reply(page.encode(), fault.html, content_type="text/html")


def drop(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    if fault.drop == "after":
        engine.handle(request)
    return FaultyReply(keep=0)


def truncate(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    reply = engine.handle(request)
    return FaultyReply.of(reply, keep=fault.truncate)


def throttle(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    assert fault.throttle is not None
    headers = limit_headers(engine.program.framework.throttle or THROTTLE_LIMIT, 0)
    return TooManyAttempts(headers, fault.throttle, int(engine.state.clock.now())).reply


def pbx(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    return engine.handle(request, under=pbx_stopped)


@contextmanager
def pbx_stopped(state: State) -> Iterator[None]:
    """Make the PBX look stopped. Starting or stopping it meanwhile takes effect."""
    before, state.pbx.up_since = state.pbx.up_since, None
    try:
        yield
    finally:
        if state.pbx.up_since is None:
            state.pbx.up_since = before


def lock_database(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    """Lock the database. Where the product catches database errors the response is 409, elsewhere Laravel's 500."""
    try:
        return engine.handle(request, under=database_locked)
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


def deviate(fault: Fault, request: ApiRequest, engine: Engine) -> Reply:
    assert fault.deviation is not None
    return engine.handle(request, program=deviating_program(fault.deviation))


EFFECT_FUNCTIONS: dict[str | None, Effect] = {
    None: late, "status": answer_status, "html": html, "drop": drop, "truncate": truncate, "throttle": throttle,
    "pbx": pbx, "locked": lock_database, "deviation": deviate,
}


def can_affect(fault: Fault, operation: Operation) -> bool:
    """Whether a fault can affect an operation: only writes notice a locked database, and few operations need the PBX.

    False for deviations: the document determines the operations that they affect.
    """
    if fault.pbx:
        return asks_pbx(operation)
    if fault.locked:
        return operation.table is not None and operation.method != "GET"
    return fault.deviation is None


def asks_pbx(operation: Operation) -> bool:
    return "503" in operation.spec["responses"]


@cache
def deviating_program(name: str) -> Program:
    """Return the documentation's program with this one deviation. FileError if it is unknown."""
    return Program(load_with_deviation(name)[1], name)


@cache
def affected_operations(name: str) -> frozenset[str]:
    """Return the ids of the operations that a deviation changes, adds or removes."""
    documents = load_with_deviation(name)
    before = base_parts() if documents[0] is load(BASE) else operation_parts(documents[0])
    after = operation_parts(documents[1])
    return frozenset(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


@cache
def base_parts() -> dict[str, list[Any]]:
    return operation_parts(load(BASE))


def operation_parts(document: Document) -> dict[str, list[Any]]:
    """Map each operation's id to everything that the document defines for it."""
    return {item[method]["operationId"]: [
        document["x-crashes"], document["x-laravel"], path, method, item.get("x-table"),
        [follow(document, place) for place in sorted(reach(document, pointer("paths", path, method)))]]
            for path, item in document["paths"].items() for method in METHODS if method in item}


def deviation_names() -> list[str]:
    return list(dict.fromkeys(deviation.id for profile in profile_names() for deviation in deviations_of(profile)))

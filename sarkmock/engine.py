"""The way of a request: operation, row, rules, checks, action. Knows no operation by name and no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sarkmock import php
from sarkmock.actions import ACTIONS, CHECKS, Action, Check
from sarkmock.calls import Call
from sarkmock.database import Row
from sarkmock.operations import Operation, Router, compile_document
from sarkmock.replies import Invalid, NotFound, PhpError, Refusal, Reply, debug_body
from sarkmock.spec import Document, load
from sarkmock.state import State
from sarkmock.validation import display


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived: path below /api (decoded), query string and body undecoded."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Engine:
    """Answers requests by a document and a state, one at a time."""

    def __init__(self, document: Document | None = None, state: State | None = None) -> None:
        self.document = load() if document is None else document
        self.state = state or State()
        self.operations = compile_document(self.document)
        self.lock = Lock()
        self._router = Router(self.operations)
        self._debug = self.document["x-crashes"] == "debug"
        self._plans = {operation.id: _plan(operation) for operation in self.operations}

    def handle(self, request: Request) -> Reply:
        """The reply to a request. Never raises for anything a client can send."""
        with self.lock:
            try:
                return self._answer(request)
            except Refusal as refusal:
                return refusal.reply
            except PhpError as error:
                return self._crash(error)

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """The operation a method and path mean, and its path parameters; raises PageNotFound or MethodNotAllowed."""
        return self._router.find(method, path)

    def _answer(self, request: Request) -> Reply:
        if request.method == "OPTIONS":
            return Reply(None, 200, {"Allow": ",".join(self._router.allowed(request.path))})
        operation, path = self._router.find(request.method, request.path)
        row = bind(operation, path, self.state)
        content_type = request.headers.get("Content-Type", "")
        everything, post = php.read_input(request.method, content_type, request.query, request.body)
        call = Call(operation, self.state, path, everything, post, {}, row)
        action, checks = self._plans[operation.id]
        validate(call, checks)
        reply = action(call)
        return complete(operation, reply)

    def _crash(self, error: PhpError) -> Reply:
        if self._debug or error.field is None:
            return Reply(debug_body(error.message, error.exception), 500, framework=True)
        return Reply({error.field: [f"The {display(error.field)} must be a string."]}, 422)


def _plan(operation: Operation) -> tuple[Action, tuple[Check, ...]]:
    """The functions behind the document's names; refuses a name that is not known."""
    try:
        return ACTIONS[operation.action], tuple(CHECKS[name] for name in operation.checks)
    except KeyError as error:
        raise ValueError(f"{operation.id}: unknown action or check {error}") from None


def bind(operation: Operation, path: dict[str, str], state: State) -> Row | None:
    """Laravel's route model binding: the row that the path names, or 404."""
    table = operation.table
    if table is None:
        return None
    key = path[operation.key] if operation.key else table.fixed
    if key is None:
        return None
    row = state.tables.first(table.name, table.key, key)
    if row is None:
        raise NotFound
    return row


def validate(call: Call, checks: tuple[Check, ...]) -> None:
    """Rules, then every check (also when rules failed, as Laravel's after hooks); Invalid if any field is named."""
    call.errors = call.operation.validator.errors(call.input, call.state.tables)
    for check in checks:
        check.run(call)
    if call.errors:
        raise Invalid(call.errors)


def complete(operation: Operation, reply: Reply) -> Reply:
    """The declared success status, where the action leaves it open."""
    if reply.status is not None:
        return reply
    body: Any = reply.body
    return Reply(body, operation.status, reply.headers, reply.content_type)

"""Handle a request: operation, row, rules, checks, action. Independent of single operations and of HTTP."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote

from sarkmock.http.context import ANONYMOUS, GUARDS, Caller, Context, bind_row, caller_of
from sarkmock.http.replies import BadMethod, Framework, Invalid, Later, NotEncodable, PhpError, Rejection, Reply
from sarkmock.http.web_server import HTML, BeforePhp, apache_answer, framework_page, path_info
from sarkmock.laravel import php
from sarkmock.laravel.validation import MALFORMED, RuleError, display_name
from sarkmock.pbx import accounts
from sarkmock.pbx.actions import ACTION_FUNCTIONS, AFTER_CHECKS, Action, AfterCheck, try_operations, unknown
from sarkmock.pbx.actions.crud import crash, debug_page
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.state import State, database_image
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import BASE
from sarkmock.spec.loading import Document, incomplete, line_naming, load
from sarkmock.spec.operations import Operation, Router, compile_document, path_segments
from sarkmock.spec.profiles import canonical_name, describe_profile, profile_names
from sarkmock.suggest import UnknownName

API_TOKEN = re.compile(r"[1-9][0-9]{0,8}\|[A-Za-z0-9]{8,}")
METHOD_WORD = re.compile("[A-Z]+")
WEB_SERVERS: Mapping[str, BeforePhp] = {"apache": apache_answer}
LARGE_BODY = 2**18  # bytes
GivenInput = tuple[dict[str, Any], dict[str, Any]]
TRIES = 3  # attempts to change the state while requests are served
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to the mock: path below /api (decoded, without a trailing slash), undecoded query string and body.

    ``raw_path`` is the whole undecoded path. If ``encoded`` is set, the reply's body may already be JSON, as bytes.
    ``foreign`` is set if the Origin header names another origin. ``outside`` is the whole path, decoded, of a request
    that does not concern the API.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw_path: str = ""
    encoded: bool = False
    foreign: bool = False
    outside: str = ""


class Program:
    """A compiled document: its operations, router, and the functions that its names refer to."""

    def __init__(self, document: Document, profile: str) -> None:
        self.document, self.profile = document, profile
        self.is_base = profile == BASE  # the base of all deviations
        self.operations = compile_document(document)
        self.by_id = {operation.id: operation for operation in self.operations}
        self.router = Router(self.operations)
        self.database = document["x-database"]
        self.guarded = any(operation.guard for operation in self.operations)
        self.framework = Framework.of(document["x-laravel"])
        self.debug = document["x-crashes"] == "debug"
        self.before_php = WEB_SERVERS[document["x-web-server"]]
        self.plans = {operation.id: _plan(operation) for operation in self.operations}
        self._abilities = sorted({operation.abilities for operation in self.operations} - {()})
        self._routers: dict[tuple[tuple[str, ...], ...], Router] = {(): self.router}

    @cached_property
    def yaml(self) -> str:
        """The document as YAML."""
        return yaml12.dump(self.document)

    @classmethod
    @cache
    def of(cls, profile: str) -> Program:
        """Return the cached program of a profile. FileError if it does not exist or cannot be compiled."""
        document, name = load(profile), canonical_name(profile)
        try:
            program, parent = cls(document, name), describe_profile(profile).extends
            if parent is not None and name not in profile_names():
                try_operations(program.operations, cls.of(parent).operations, program.database)
            return program
        except (AttributeError, LookupError, TypeError):
            raise incomplete(profile, "served") from None
        except ValueError as error:
            place = line_naming(profile, error.name) if isinstance(error, (UnknownName, RuleError)) else (name, None)
            raise yaml12.FileError(*place, f"its document cannot be served: {error}") from None

    def router_for(self, sender: Caller) -> Router:
        """Return the router for a caller. It has no routes that need an ability the token lacks."""
        hidden = tuple(wanted for wanted in self._abilities if not sender.has(wanted))
        if hidden not in self._routers:
            visible = (operation for operation in self.operations if operation.abilities not in hidden)
            self._routers[hidden] = Router(visible)
        return self._routers[hidden]


class DatabaseMismatch(ValueError):
    """The profile uses another database than the state."""


class Engine:
    """Respond to requests based on a document and a state, one at a time. The default state is a factory-fresh SARK.

    ``profile`` is the document's profile; without a document it is loaded. ``program`` replaces both, compiled.
    """

    def __init__(self, document: Document | None = None, state: State | None = None, *, profile: str = BASE,
                 program: Program | None = None) -> None:
        if program is None:
            program = Program.of(profile) if document is None else Program(document, profile)
        self.state = state or State(Seed.factory(program.database), token=api_token_of(program, None))
        self.program = self.fitting(program)
        self.lock = Lock()

    @property
    def document(self) -> Document:
        return self.program.document

    @property
    def operations(self) -> list[Operation]:
        return self.program.operations

    def handle(self, request: ApiRequest, *, program: Program | None = None,
               under: Callable[[State], AbstractContextManager[Any]] = nullcontext) -> Reply:
        """Return the reply to a request, using another program if given. Never raises for any client input.

        ``under`` is a context manager that changes the state while the request is handled.
        """
        program = program or self.program
        read = read_ahead(program, request)
        with self.lock, under(self.state):
            reply = answer(program, self.state, request, read)
        return self._made(reply)

    def _made(self, reply: Reply) -> Reply:
        """Build a postponed body outside the lock."""
        if not isinstance(reply.body, Later):
            return reply
        body = reply.body.make()
        with self.lock:
            reply.body.keep(body)
        return replace(reply, body=body)

    def takes_long(self, path: str, size: int) -> bool:
        """Whether other requests should not have to wait for a request with this path and body size."""
        return size > LARGE_BODY or (path.count("/") == "/api/tenants".count("/") and self.state.tables.is_large)

    def copy(self) -> State:
        """Return a copy of the state, to read while requests are served."""
        with self.lock:
            return self.state.copy()

    def rewrite(self, work: Callable[[State], Result]) -> Result:
        """Change a copy of the state while requests are served, then replace the state with it.

        If a request changes the state meanwhile, ``work`` is repeated; the last attempt blocks requests.
        """
        for _ in range(TRIES):
            with self.lock:
                before, twin = self.state.revision(), self.state.copy()
            result = work(twin)
            with self.lock:
                if self.state.revision() == before:
                    self.state.copy_from(twin)
                    return result
        with self.lock:
            twin = self.state.copy()
            result = work(twin)
            self.state.copy_from(twin)
        return result

    def hold(self, seed: Seed) -> None:
        """Call `State.hold`. Requests are served while the tables are built."""
        image = database_image(seed, self.state.clock.now(), self.state.token)
        with self.lock:
            self.state.hold(seed, image)

    def reseed(self, seed: Seed) -> None:
        """Call `State.reseed`. Requests are served while the tables are built."""
        image = database_image(seed, self.state.clock.start(), self.state.token)
        with self.lock:
            self.state.reseed(seed, image)

    def use(self, profile: str) -> None:
        """Switch to another profile with the same state. FileError if there is no such profile."""
        program = self.fitting(Program.of(profile))
        with self.lock:
            self.program = program

    def fitting(self, program: Program) -> Program:
        """Return the program if it uses the state's database. Raises DatabaseMismatch."""
        if program.database != self.state.tables.name:
            raise DatabaseMismatch(f"profile {program.profile} needs the database {program.database}, but this mock "
                                   f"has {self.state.tables.name}; start another mock with that profile")
        return program


def api_token_of(program: Program, token: str | None) -> str | None:
    """Return an administrator's token for a state, random if none is given; None if the profile needs none.

    ValueError if the token does not have the product's format.
    """
    if token is not None and not API_TOKEN.fullmatch(token):
        raise ValueError("the API token must be a number, a bar and at least 8 letters or digits, such as "
                         "1|0123456789abcdef")
    if not program.guarded:
        return None
    return token or f"1|{accounts.new_secret(random.SystemRandom())}"


def read_ahead(program: Program, request: ApiRequest) -> GivenInput | PhpError | None:
    """Parse a large body before the lock is taken. Return the input or the PhpError; None for a small body."""
    if len(request.body) <= LARGE_BODY:
        return None
    try:
        return php_input_of(program, request)
    except PhpError as error:
        return error


def php_input_of(program: Program, request: ApiRequest) -> GivenInput:
    return php.read_input(request.method, request.headers.get("Content-Type", ""), request.query, request.body,
                          program.framework.trim, limited=program.framework.query_limits == "crash")


def answer(program: Program, state: State, request: ApiRequest, read: GivenInput | PhpError | None = None) -> Reply:
    try:
        return run_operation(program, state, request, read)
    except Rejection as rejection:
        return rejection.reply(program.framework, laravel_path(request))
    except PhpError as error:
        return crash_reply(program, error)


def laravel_path(request: ApiRequest) -> str:
    """Return the whole path as in Laravel's messages: as it was sent, without slashes at both ends."""
    whole = request.raw_path or quote(f"api/{request.path.removeprefix('/')}", errors="surrogateescape")
    return path_info(whole).strip("/").encode("latin-1").decode("utf-8", "surrogateescape") or "/"


def run_operation(program: Program, state: State, request: ApiRequest, read: GivenInput | PhpError | None) -> Reply:
    sender = caller_of(request.headers.get("Authorization", ""), state) if program.guarded else ANONYMOUS
    router = program.router_for(sender)
    if isinstance(read, PhpError):
        raise read
    everything, post = read or php_input_of(program, request)
    method = method_of_request(program, request, everything, post)
    if request.method == "POST" and not METHOD_WORD.fullmatch(method):
        raise BadMethod
    if request.outside:
        paths = (f"/api{operation.path}" for operation in program.operations)
        return framework_page(program.framework, method, request.outside, paths)
    if method == "OPTIONS":
        return Reply(b"", 200, {"Allow": ",".join(router.allowed(request.path))}, HTML)
    if method == "HEAD" != request.method:
        path_segments(request.path)  # a path without any route has a body
        return replace(answer(program, state, replace(request, method=method)), body=b"")
    operation, path = router.find(method, request.path)
    user = GUARDS[operation.guard](sender, state) if operation.guard else None
    row = bind_row(operation, path, state)
    context = Context(operation, state, path, everything, post, {}, row, user, request.encoded, program.debug)
    action, checks = program.plans[operation.id]
    is_json_alone = not request.query and php.means_json(request.headers.get("Content-Type", ""))
    validate(context, checks, readable := is_json_alone or php.is_readable(everything))
    reply = action(context)
    if reply.status is None:
        reply = Reply(reply.body, operation.status, reply.headers, reply.content_type)
    if (state.tables.has_bytes or not readable) and not php.is_readable(reply.body):
        raise unreadable(operation, reply.body)  # Laravel fails only after the action
    return reply


def unreadable(operation: Operation, body: Any) -> PhpError:
    """Return the error for a row or other value that is not UTF-8."""
    if operation.table is None or not isinstance(body, dict):
        return PhpError(MALFORMED, "InvalidArgumentException")
    return NotEncodable(MALFORMED, operation.table.model, php.to_text(body.get(operation.table.key)))


def method_of_request(program: Program, request: ApiRequest, everything: dict[str, Any], post: dict[str, Any]) -> str:
    """Return the effective method: a POST can be overridden.

    The CORS middleware that names origins reads the method of a foreign request, before input is trimmed. It does not
    concern paths without a segment after /api, where Laravel rejects an array alone.
    """
    named, framework = request.headers.get("X-HTTP-Method-Override", ""), program.framework
    lenient = framework.method_override == "lenient"
    if request.method != "POST" or (
            lenient and not (request.path and request.foreign and framework.cors == "origin")):
        return php.overridden_method(request.method, named, everything, post)
    if php.is_truthy(named):
        return named.upper()
    content_type = request.headers.get("Content-Type", "")
    try:
        untrimmed = php.untrimmed_method(content_type, request.query, request.body, arrays=lenient)
    except PhpError as error:
        raise BadMethod(error) from None
    return untrimmed if request.path else php.overridden_method(request.method, named, everything, post)


def crash_reply(program: Program, error: PhpError) -> Reply:
    if program.debug or error.field is None:
        return error.page(program.framework)
    return Reply({error.field: [f"The {display_name(error.field)} must be a string."]}, 422)


def _plan(operation: Operation) -> tuple[Action, tuple[AfterCheck, ...]]:
    """Return the functions for an operation's action and check names. Raises UnknownName."""
    if operation.action not in ACTION_FUNCTIONS:
        raise unknown(operation, "action", operation.action, ACTION_FUNCTIONS)
    for name in operation.checks:
        if name not in AFTER_CHECKS:
            raise unknown(operation, "check", name, AFTER_CHECKS)
    action = ACTION_FUNCTIONS[operation.action]
    if action is crash:
        debug_page(operation)
    return action, tuple(AFTER_CHECKS[name] for name in operation.checks)


def validate(context: Context, checks: tuple[AfterCheck, ...], readable: bool) -> None:
    """Apply the rules, then every check (even if rules failed, as Laravel's after hooks). Invalid if there are errors.

    PhpError for text that is not UTF-8, which JSON cannot contain. With debug pages, the product stores it first.
    """
    context.errors = context.operation.validator.errors(context.input, context.state.tables)
    for check in checks:
        check.run(context)
    if context.errors and php.is_readable(context.errors):
        raise Invalid(context.errors)
    if not readable and (context.errors or not context.debug):
        context.operation.validator.check_readable(context.input)

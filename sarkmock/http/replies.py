"""The results of operations: a Reply, part of a reply, or an exception that provides its reply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

Errors = dict[str, list[str]]
JSON = "application/json"
NOT_FOUND_EXCEPTION = "Symfony\\Component\\HttpKernel\\Exception\\NotFoundHttpException"
# Key of the WSGI environ: a function that takes seconds. The server delays this response by that time.
DELAY = "sarkmock.delay"
RANGE_END = re.compile(r"\s*[+-]?[0-9]{1,18}")
NO_CACHE = "no-cache, private"
# Of errors before a route is found, and of pages: Laravel does not prepare them for the request's protocol.
UNPREPARED = {"Cache-Control": NO_CACHE}
BAD_REQUEST = "Symfony\\Component\\HttpKernel\\Exception\\BadRequestHttpException"
METHOD_NOT_ALLOWED = "Symfony\\Component\\HttpKernel\\Exception\\MethodNotAllowedHttpException"


@dataclass(slots=True, frozen=True)
class Later:
    """A body that takes long to build. ``make`` runs without the lock; ``keep`` receives its result."""

    make: Callable[[], bytes]
    keep: Callable[[bytes], None]


@dataclass(slots=True, frozen=True)
class Reply:
    """A response: a JSON value (or the bytes of a download), status, and headers besides Content-Type.

    ``status=None`` is the success status that the document declares. ``framework`` marks Laravel's own
    errors, which are HTML pages unless the client expects JSON. ``browser`` is an alternative reply for such clients.
    ``early`` marks a reply that is sent before any middleware adds headers. ``sent`` is JSON that was sent before the
    product crashed: the body follows it.
    """

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = JSON
    framework: bool = False
    browser: Reply | None = None
    early: bool = False
    sent: Any = None


@dataclass(slots=True, frozen=True)
class Framework:
    """The framework's own responses and its handling of input: the document's ``x-laravel``.

    Templates contain placeholders in braces. ``row_not_found`` is either a body for all clients, or the message of a
    framework error, which is an HTML page unless the client expects JSON.
    """

    messages: str
    trim: str
    fallback: Any
    row_not_found: Any
    route_not_found: str
    method_not_allowed: str
    query_error: str
    array_in_query: str
    not_encodable: str
    method_override: str
    throttle: int | None
    cors: str
    query_limits: str = "ignored"
    pages: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Framework:
        return cls(**{name.replace("-", "_"): value for name, value in facts.items()})


@dataclass(slots=True, frozen=True)
class FaultyReply(Reply):
    """A reply changed by a fault: the fault, the delay in seconds, and the number of body bytes to send.

    ``keep=None`` sends everything; ``keep=0`` drops the connection before the status line.
    """

    fault: str = ""
    delay: float = 0.0
    keep: int | None = None

    @classmethod
    def of(cls, reply: Reply, **hand: Any) -> Self:
        """Copy a reply and add a fault's effects."""
        return cls(**{name.name: getattr(reply, name.name) for name in fields(Reply)}, **hand)


class Rejection(Exception):
    """An error response to a request. Raised anywhere below the engine and caught in one place."""

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(f"{status} {body}")
        self._reply = Reply(body, status)

    def reply(self, framework: Framework, path: str = "") -> Reply:
        """Return the response, with the framework's messages if it is a framework error; ``path`` is not decoded."""
        return self._reply


class NotFound(Rejection):
    """404 in an operation's own format."""

    def __init__(self, body: Any) -> None:
        super().__init__(404, body)


class RowNotFound(Rejection):
    """No row of the model has the key in the path."""

    def __init__(self, model: str, key: str) -> None:
        super().__init__(404)
        self.model, self.key = model, key

    def reply(self, framework: Framework, path: str = "") -> Reply:
        wording = framework.row_not_found
        if not isinstance(wording, str):
            return Reply(wording, 404)
        return error_reply(404, wording.format(model=self.model, key=self.key), NOT_FOUND_EXCEPTION)


class PageNotFound(Rejection):
    """No route has that path: the product's fallback route responds."""

    def __init__(self) -> None:
        super().__init__(404)

    def reply(self, framework: Framework, path: str = "") -> Reply:
        return Reply(framework.fallback, 404)


class NoRoute(PageNotFound):
    """Not even the fallback route matches: the root, or a path that is not UTF-8."""

    def reply(self, framework: Framework, path: str = "") -> Reply:
        return error_reply(404, framework.route_not_found.format(path=path), NOT_FOUND_EXCEPTION, UNPREPARED)


class NoPage(NoRoute):
    """No route has that path outside the API. A header says where the API is, and which path may be meant."""

    def __init__(self, similar: list[str]) -> None:
        super().__init__()
        self.similar = similar

    def reply(self, framework: Framework, path: str = "") -> Reply:
        hint = "the API is under /api" + (f"; did you mean {self.similar[0]}?" if self.similar else "")
        return replace(super().reply(framework, path), headers={**UNPREPARED, "X-Sarkmock-Hint": hint})


class BadMethod(Rejection):
    """A POST names something else than a word as its method. Symfony rejects it before any middleware has run.

    ``crash`` is the error for an array. Laravel's message names the host, which Symfony rejects by the same exception.
    """

    def __init__(self, crash: PhpError | None = None) -> None:
        super().__init__(404)
        self.crash = crash

    def reply(self, framework: Framework, path: str = "") -> Reply:
        if framework.method_override == "rejected":
            reply = error_reply(400, "Bad request.", BAD_REQUEST)
        elif self.crash is not None:
            reply = self.crash.page(framework)
        else:
            reply = error_reply(404, "Bad hostname provided.", NOT_FOUND_EXCEPTION)
        return replace(reply, headers=UNPREPARED, early=True)


class MethodNotAllowed(Rejection):
    """The path exists, but only with other methods."""

    def __init__(self, method: str, allowed: list[str]) -> None:
        super().__init__(405)
        self.method, self.supported = method, ", ".join(allowed)

    def reply(self, framework: Framework, path: str = "") -> Reply:
        message = framework.method_not_allowed.format(method=self.method, path=path, allowed=self.supported)
        return error_reply(405, message, METHOD_NOT_ALLOWED, {**UNPREPARED, "Allow": self.supported})


class Invalid(Rejection):
    """Laravel's validator, or a check after it, reported errors."""

    def __init__(self, errors: Mapping[str, Any]) -> None:
        super().__init__(422, dict(errors))


class Summarised(Invalid):
    """Invalid input reported by the framework itself: a summary with the errors, or a redirect to / for browsers."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(errors)
        home = Reply(b"", 302, {"Location": "/"}, "text/html; charset=utf-8")
        self._reply = Reply({"message": errors_summary(errors), "errors": errors}, 422, browser=home)


def errors_summary(errors: Errors) -> str:
    """Return Laravel's summary of errors: the first message and the number of further ones."""
    first, *more = [message for messages in errors.values() for message in messages]
    return first + (f" (and {len(more)} more error{'s' if more[1:] else ''})" if more else "")


class Unauthenticated(Rejection):
    """No valid token. A client that does not expect JSON is redirected to a login route that does not exist: a 500."""

    def __init__(self) -> None:
        super().__init__(401, {"message": "Unauthenticated."})
        exception = "Symfony\\Component\\Routing\\Exception\\RouteNotFoundException"
        crash = Reply(debug_body("Route [login] not defined.", exception), 500, framework=True)
        self._reply = Reply({"message": "Unauthenticated."}, 401, browser=crash)


class MalformedToken(Rejection):
    """A token without a bar, on which the product crashes before routing."""

    def __init__(self) -> None:
        super().__init__(500)
        body = debug_body("Undefined array key 1", "ErrorException")
        self._reply = Reply(body, 500, UNPREPARED, framework=True, early=True)


class Conflict(Rejection):
    """The request is well formed, but the current state does not allow it."""

    def __init__(self, reason: Any) -> None:
        super().__init__(409, {"Error": reason} if isinstance(reason, str) else reason)


class QueryRejected(Rejection):
    """The database rejects a statement, and the product responds with the framework's error message."""

    def __init__(self, error: QueryError) -> None:
        super().__init__(409)
        self.error = error

    def reply(self, framework: Framework, path: str = "") -> Reply:
        return Reply({"Error": self.error.worded(framework)}, 409)


class PbxUnavailable(Rejection):
    """The PBX cannot do this now. ``crash`` is the message and exception of a crash that follows."""

    def __init__(self, message: str, crash: Mapping[str, str] | None = None) -> None:
        super().__init__(503, {"message": message})
        if crash:
            page = error_reply(503, crash["message"], crash["exception"], UNPREPARED)
            self._reply = replace(page, early=True, sent=self._reply.body)


class PhpError(Exception):
    """An error that crashes PHP or Laravel. The document's ``x-crashes`` decides whether the client gets 422 or 500."""

    def __init__(self, message: str, exception: str = "ErrorException", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.exception = exception
        self.field = field

    def worded(self, framework: Framework) -> str:
        """Return the message of the debug page."""
        return self.message

    def page(self, framework: Framework) -> Reply:
        """Return the debug page."""
        message = self.worded(framework).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        return error_reply(500, message, self.exception)


class QueryError(PhpError):
    """The database rejects a statement, or an array in it crashes PHP. The message quotes the statement."""

    def __init__(self, reason: str, sql: str, *, array: bool = False, field: str | None = None) -> None:
        super().__init__(reason, "Illuminate\\Database\\QueryException", field)
        self.sql, self.array = sql, array

    def worded(self, framework: Framework) -> str:
        template = framework.array_in_query if self.array else framework.query_error
        return template.format(reason=self.message, sql=self.sql)


class NotEncodable(PhpError):
    """JSON cannot represent a row. The message names its model and key."""

    def __init__(self, reason: str, model: str, key: str, field: str | None = None) -> None:
        super().__init__(reason, "Illuminate\\Database\\Eloquent\\JsonEncodingException", field)
        self.model, self.key = model, key

    def worded(self, framework: Framework) -> str:
        return framework.not_encodable.format(model=self.model, key=self.key, reason=self.message)


def to_json(value: Any) -> bytes:
    """PHP's json_encode: no blanks; slashes and non-ASCII characters escaped."""
    return encode_json(value).replace("/", "\\/").encode()


encode_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def error_reply(status: int, message: str, exception: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return one of the framework's own error responses."""
    return Reply(debug_body(message, exception), status, headers or {}, framework=True)


def debug_body(message: str, exception: str) -> dict[str, Any]:
    """Return Laravel's error body with APP_DEBUG=true (sark-v6-api.txt line 82)."""
    file = "/opt/sark/sark6api/vendor/laravel/framework/src/Illuminate/Foundation/Exceptions/Handler.php"
    return {"message": message, "exception": exception, "file": file, "line": 0, "trace": []}


class Dropped(ConnectionResetError):
    """Close the connection: at once, or after the part of the body that was already yielded."""


def range_reply(reply: Reply, wanted: str) -> Reply:
    """Apply a Range header: 206 with that part, 416, or the whole file if the header is not a valid range."""
    if not wanted.startswith("bytes=") or not isinstance(reply.body, bytes):
        return reply
    size = len(reply.body)
    first, _, last = wanted[6:].partition("-")
    end = range_end(last) if last else size - 1
    start, end = (range_end(first), end) if first else (size - end, size - 1)
    if "-" not in wanted[6:]:
        end = 0
    if start > end:
        return reply
    end = min(end, size - 1)
    if start < 0 or start > end:
        return replace(reply, status=416, headers={**reply.headers, "Content-Range": f"bytes */{size}"})
    if end - start >= size - 1:
        return reply
    headers = {**reply.headers, "Content-Range": f"bytes {start}-{end}/{size}"}
    return replace(reply, status=206, headers=headers, body=reply.body[start:end + 1])


def range_end(text: str) -> int:
    """PHP's (int) of a text."""
    match = RANGE_END.match(text)
    return int(match[0]) if match else 0

"""What an operation answers: a Reply, a part of one, or an exception that knows its reply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

Errors = dict[str, list[str]]
JSON = "application/json"
NOT_FOUND_EXCEPTION = "Symfony\\Component\\HttpKernel\\Exception\\NotFoundHttpException"
# Key of the WSGI environ: a function that takes seconds. The server sends this response so much later.
DELAY = "sarkmock.delay"
RANGE_END = re.compile(r"\s*[+-]?[0-9]{1,18}")
METHOD_NOT_ALLOWED = "Symfony\\Component\\HttpKernel\\Exception\\MethodNotAllowedHttpException"


@dataclass(slots=True, frozen=True)
class Later:
    """A body that takes long to make: ``make`` needs no lock, ``keep`` gets what it made."""

    make: Callable[[], bytes]
    keep: Callable[[bytes], None]


@dataclass(slots=True, frozen=True)
class Reply:
    """An answer: a JSON value (or the bytes of a download), its status, and headers beside Content-Type.

    ``status=None`` means the success status that the document declares for the operation. ``framework`` marks
    Laravel's own errors, which are HTML pages for clients that do not ask for JSON; ``browser`` is another answer to
    such clients. ``early`` marks what is answered before any middleware runs.
    """

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = JSON
    framework: bool = False
    browser: Reply | None = None
    early: bool = False


@dataclass(slots=True, frozen=True)
class Framework:
    """How the framework answers where no operation does, and how it reads input: the document's ``x-laravel``.

    Templates are filled with what stands in braces. ``row_not_found`` is an answer for everyone, or a text of an error
    of the framework's own, which is a page for clients that do not ask for JSON.
    """

    messages: str
    trim: str
    fallback: Any
    row_not_found: Any
    route_not_found: str
    method_not_allowed: str
    query_error: str
    array_in_query: str
    method_override: str
    throttle: int | None
    cors: str
    pages: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Framework:
        return cls(**{name.replace("-", "_"): value for name, value in facts.items()})


@dataclass(slots=True, frozen=True)
class FaultyReply(Reply):
    """An answer that a fault has had its hand in: which one, how many seconds late, how many bytes of it arrive.

    ``keep=None`` means all of it, ``keep=0`` a connection that is dropped before the status line.
    """

    fault: str = ""
    delay: float = 0.0
    keep: int | None = None

    @classmethod
    def of(cls, reply: Reply, **hand: Any) -> Self:
        """A reply that a fault has had its hand in."""
        return cls(**{name.name: getattr(reply, name.name) for name in fields(Reply)}, **hand)


class Refusal(Exception):
    """A request that is answered with an error; raised anywhere below the engine, caught in one place."""

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(f"{status} {body}")
        self._reply = Reply(body, status)

    def reply(self, framework: Framework, path: str = "") -> Reply:
        """The answer, in the words of a framework where they are its own; ``path`` is the request's, undecoded."""
        return self._reply


class NotFound(Refusal):
    """What the path names is not there, as an operation says it."""

    def __init__(self, body: Any) -> None:
        super().__init__(404, body)


class RowNotFound(Refusal):
    """No row of the model with the key in the path."""

    def __init__(self, model: str, key: str) -> None:
        super().__init__(404)
        self.model, self.key = model, key

    def reply(self, framework: Framework, path: str = "") -> Reply:
        wording = framework.row_not_found
        if not isinstance(wording, str):
            return Reply(wording, 404)
        return error_reply(404, wording.format(model=self.model, key=self.key), NOT_FOUND_EXCEPTION)


class PageNotFound(Refusal):
    """No route of that path: the product's fallback route answers."""

    def __init__(self) -> None:
        super().__init__(404)

    def reply(self, framework: Framework, path: str = "") -> Reply:
        return Reply(framework.fallback, 404)


class NoRoute(PageNotFound):
    """What not even the fallback route takes: the root, a path that is not UTF-8, a method that is not a word."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__()
        self.message = message

    def reply(self, framework: Framework, path: str = "") -> Reply:
        message = framework.route_not_found.format(path=path) if self.message is None else self.message
        return error_reply(404, message, NOT_FOUND_EXCEPTION)


class MethodNotAllowed(Refusal):
    """The path exists with other methods."""

    def __init__(self, method: str, allowed: list[str]) -> None:
        super().__init__(405)
        self.method, self.supported = method, ", ".join(allowed)

    def reply(self, framework: Framework, path: str = "") -> Reply:
        message = framework.method_not_allowed.format(method=self.method, path=path, allowed=self.supported)
        return error_reply(405, message, METHOD_NOT_ALLOWED, {"Allow": self.supported})


class Invalid(Refusal):
    """Laravel's validator, or a check beside it, named fields."""

    def __init__(self, errors: Mapping[str, Any]) -> None:
        super().__init__(422, dict(errors))


class Summarised(Invalid):
    """Invalid input where the framework itself answers: a summary beside the fields, or back to the start page."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(errors)
        first, *more = [message for messages in errors.values() for message in messages]
        rest = f" (and {len(more)} more error{'s' if more[1:] else ''})" if more else ""
        home = Reply(b"", 302, {"Location": "/"}, "text/html; charset=utf-8")
        self._reply = Reply({"message": first + rest, "errors": errors}, 422, browser=home)


class Unauthenticated(Refusal):
    """No valid token. A client that does not want JSON is sent to a login page that does not exist."""

    def __init__(self) -> None:
        super().__init__(401, {"message": "Unauthenticated."})
        exception = "Symfony\\Component\\Routing\\Exception\\RouteNotFoundException"
        crash = Reply(debug_body("Route [login] not defined.", exception), 500, framework=True)
        self._reply = Reply({"message": "Unauthenticated."}, 401, browser=crash)


class MalformedToken(Refusal):
    """A token without a bar, of which the product dies before it knows any route."""

    def __init__(self) -> None:
        super().__init__(500)
        self._reply = Reply(debug_body("Undefined array key 1", "ErrorException"), 500, framework=True, early=True)


class Conflict(Refusal):
    """The request is well formed but the state forbids it."""

    def __init__(self, reason: Any) -> None:
        super().__init__(409, {"Error": reason} if isinstance(reason, str) else reason)


class QueryRefused(Refusal):
    """The database refuses a statement, and the product answers with the framework's exception."""

    def __init__(self, error: QueryError) -> None:
        super().__init__(409)
        self.error = error

    def reply(self, framework: Framework, path: str = "") -> Reply:
        return Reply({"Error": self.error.worded(framework)}, 409)


class PbxUnavailable(Refusal):
    """The PBX cannot do this now."""

    def __init__(self, message: str) -> None:
        super().__init__(503, {"message": message})


class PhpError(Exception):
    """What PHP or Laravel would die of. The document's ``x-crashes`` decides whether a client sees 422 or 500."""

    def __init__(self, message: str, exception: str = "ErrorException", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.exception = exception
        self.field = field

    def worded(self, framework: Framework) -> str:
        """The message of the debug page."""
        return self.message


class QueryError(PhpError):
    """The database rejects a statement, or an array in it crashes PHP; the framework quotes the statement."""

    def __init__(self, reason: str, sql: str, *, array: bool = False, field: str | None = None) -> None:
        super().__init__(reason, "Illuminate\\Database\\QueryException", field)
        self.sql, self.array = sql, array

    def worded(self, framework: Framework) -> str:
        template = framework.array_in_query if self.array else framework.query_error
        return template.format(reason=self.message, sql=self.sql)


def to_json(value: Any) -> bytes:
    """PHP's json_encode: no blanks, slashes and everything beyond ASCII escaped."""
    return encode_json(value).replace("/", "\\/").encode()


encode_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def error_reply(status: int, message: str, exception: str, headers: Mapping[str, str] | None = None) -> Reply:
    """One of the framework's own errors."""
    return Reply(debug_body(message, exception), status, headers or {}, framework=True)


def debug_body(message: str, exception: str) -> dict[str, Any]:
    """Laravel's error body with APP_DEBUG=true (sark-v6-api.txt line 82)."""
    file = "/opt/sark/sark6api/vendor/laravel/framework/src/Illuminate/Foundation/Exceptions/Handler.php"
    return {"message": message, "exception": exception, "file": file, "line": 0, "trace": []}


class Dropped(ConnectionResetError):
    """The application wants the connection closed: at once, or after the part of the body that it has yielded."""


def range_reply(reply: Reply, wanted: str) -> Reply:
    """What a Range header asks for: 206 with that part, 416, or the whole file where it asks for nothing sensible."""
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

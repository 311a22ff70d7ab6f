"""What an operation answers: a Reply, or an exception that knows the reply it stands for. Knows no HTTP server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Errors = dict[str, list[str]]
JSON = "application/json"


@dataclass(slots=True, frozen=True)
class Reply:
    """An answer: a JSON value (or the bytes of a download), its status, and headers beside Content-Type.

    ``status=None`` stands for the success status that the document declares for the operation. ``framework`` marks
    Laravel's own errors, which are HTML pages for clients that do not ask for JSON.
    """

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = JSON
    framework: bool = False


@dataclass(slots=True, frozen=True)
class Disturbed(Reply):
    """An answer that a fault has had its hand in: which one, how many seconds late, how many bytes of it arrive.

    ``keep=None`` stands for all of it, ``keep=0`` for a connection that is dropped before the status line.
    """

    fault: str = ""
    delay: float = 0.0
    keep: int | None = None


class Refusal(Exception):
    """A request that is answered with an error; raised anywhere below the engine, caught in one place."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.reply = Reply(body, status)


class NotFound(Refusal):
    """No row with the key in the path."""

    def __init__(self, body: Any = None) -> None:
        super().__init__(404, {"reason": "Not Found!"} if body is None else body)


class PageNotFound(Refusal):
    """No route of that path: the product's fallback route answers."""

    def __init__(self) -> None:
        super().__init__(404, {"message": "Page Not Found. Check your URI for correctness"})


class NoRoute(PageNotFound):
    """What not even the fallback route takes: the root, a path that is no UTF-8, a method that is no word."""

    def __init__(self, message: str = "") -> None:
        super().__init__()
        body = debug_body(message, "Symfony\\Component\\HttpKernel\\Exception\\NotFoundHttpException")
        self.reply = Reply(body, 404, framework=True)


class MethodNotAllowed(Refusal):
    """The path exists with other methods; the wording is Symfony's."""

    def __init__(self, method: str, allowed: list[str]) -> None:
        supported = ", ".join(allowed)
        message = f"The {method} method is not supported for this route. Supported methods: {supported}."
        exception = "Symfony\\Component\\HttpKernel\\Exception\\MethodNotAllowedHttpException"
        super().__init__(405, debug_body(message, exception))
        self.reply = Reply(debug_body(message, exception), 405, {"Allow": supported}, framework=True)


class Invalid(Refusal):
    """Laravel's validator, or a check beside it, named fields."""

    def __init__(self, errors: Mapping[str, Any]) -> None:
        super().__init__(422, dict(errors))


class Conflict(Refusal):
    """The request is well formed but the state forbids it."""

    def __init__(self, reason: Any) -> None:
        super().__init__(409, {"Error": reason} if isinstance(reason, str) else reason)


class Unavailable(Refusal):
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


def debug_body(message: str, exception: str) -> dict[str, Any]:
    """Laravel's error body with APP_DEBUG=true (sark-v6-api.txt line 82)."""
    file = "/opt/sark/sark6api/vendor/laravel/framework/src/Illuminate/Foundation/Exceptions/Handler.php"
    return {"message": message, "exception": exception, "file": file, "line": 0, "trace": []}

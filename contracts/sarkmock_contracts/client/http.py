"""HTTP messages as plain values: Request, Response, Exchange; with limits for what a box may send."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from urllib3 import encode_multipart_formdata

from sarkmock.suite_api import JSON, read_input

MOST_BYTES = 64 << 20  # of a body; a backup may be large
JSON_LEVELS = 100
LARGEST_NUMBER = 10**9  # in a header: seconds, requests
LONG_INTEGER = 300  # digits
SENT_BEFORE_CRASH = 503
_LONG_INTEGER = re.compile(rb"[0-9]{%d}" % LONG_INTEGER)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

Computed = TypeVar("Computed")
_read = lru_cache(1)(read_input)  # several parts of the judge read the same request in turn


class TooSlow(Exception):
    """A response was not complete in time."""


def call_with_timeout(seconds: float, call: Callable[[], Computed]) -> Computed:
    """Return or raise what a call does; raise TooSlow if it takes longer. The call then continues in its thread."""
    outcome = Future[Computed]()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    if not wait([outcome], seconds).done:
        raise TooSlow
    return outcome.result()


def first_bytes(chunks: Iterable[bytes]) -> bytes:
    """Read a body up to MOST_BYTES."""
    parts, size = [], 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            break
    return b"".join(parts)[:MOST_BYTES]


def bounded_json(body: bytes) -> Any:
    """Parse JSON. Return None if it is invalid or too deeply nested.

    The same for integers of hundreds of digits, and for text that is not UTF-8, which JSON can escape.
    """
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_int=_short_integer if _LONG_INTEGER.search(body) else None)
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError for half of a pair
    except (ValueError, RecursionError):
        return None
    return None if body.count(b"[") + body.count(b"{") > JSON_LEVELS and _is_deep(value) else value


def _short_integer(digits: str) -> int:
    if len(digits) >= LONG_INTEGER:
        raise ValueError(digits)
    return int(digits)


def _is_deep(value: Any) -> bool:
    members = [value]
    for _ in range(JSON_LEVELS):
        members = [inner for member in members if isinstance(member, (dict, list))
                   for inner in (member.values() if isinstance(member, dict) else member)]
    return any(isinstance(member, (dict, list)) for member in members)


def header_number(text: str | None) -> int | None:
    """Parse the integer in a header; None if it is not one. A huge number gives LARGEST_NUMBER."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text) < 10 else LARGEST_NUMBER


Header = tuple[str, str]
Headers = tuple[Header, ...]
OCTETS = "application/octet-stream"
FORM = "application/x-www-form-urlencoded"
ACCEPT = ("Accept", JSON)  # without it the framework's own errors (405, 500) are HTML pages
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SUMMARY = {"message", "errors"}  # of Laravel's own response to invalid input
NO_TOKEN = ("Authorization", "")  # marks a request without the header although the run has a token
VALID_TOKEN = ("Authorization", "Bearer valid")  # stands for a client's token that the target accepts


def header(headers: Headers, name: str) -> str | None:
    """Return the first header of that name, ignoring case."""
    return next((value for key, value in headers if key.lower() == name.lower()), None)


def bare_media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` is relative to the base path of the API, and percent-encoded."""

    method: str
    path: str
    query: str = ""
    headers: Headers = (ACCEPT,)
    body: bytes = b""

    @property
    def content_type(self) -> str:
        return header(self.headers, "Content-Type") or ""

    @property
    def media_type(self) -> str:
        """The content type without parameters such as the charset."""
        return bare_media_type(self.content_type)

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def read(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parse the input as PHP does. Return all variables, and those of the body. Do not change them."""
        return _read(self.method, self.content_type, self.query, self.body)

    @property
    def variables(self) -> dict[str, Any]:
        return self.read()[0]

    @property
    def post(self) -> dict[str, Any]:
        return self.read()[1]


@dataclass(frozen=True)
class Response:
    """One response. ``json`` is None if the body is not JSON."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return header(self.headers, name)

    @property
    def content_type(self) -> str:
        return bare_media_type(self.header("Content-Type") or "")

    @cached_property
    def json(self) -> Any:
        return bounded_json(self.body)

    @cached_property
    def error_and_page(self) -> tuple[Response, bytes]:
        """The response with its error alone, and the debug page of a crash after the error was sent, if any."""
        end = self.body.find(b"}") + 1 if self.status == SENT_BEFORE_CRASH and self.json is None else 0
        return (replace(self, body=self.body[:end]), self.body[end:]) if end else (self, b"")

    @property
    def fields(self) -> dict[str, Any]:
        """The body if it is a JSON object, else an empty dict."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def rejected(self) -> dict[str, Any]:
        """The messages of a 422 by field, else an empty dict. Laravel's default form nests them in ``errors``."""
        fields = self.fields if self.status == 422 else {}
        return fields["errors"] if fields.keys() == SUMMARY and isinstance(fields["errors"], dict) else fields

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The objects of a JSON list, or the object of the body as the only one."""
        return [row for row in (self.json if isinstance(self.json, list) else [self.json]) if isinstance(row, dict)]

    @property
    def names(self) -> list[str]:
        """The texts of a JSON list, or the keys of an object."""
        return [name for name in self.json if isinstance(name, str)] if isinstance(self.json, (dict, list)) else []

    @property
    def allow(self) -> set[str]:
        """The methods of the Allow header."""
        return {method.strip() for method in (self.header("Allow") or "").split(",") if method.strip()}

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Exchange:
    """A request and its response."""

    request: Request
    response: Response

    @property
    def size(self) -> int:
        return len(self.request.target) + len(self.request.body)

    @property
    def weight(self) -> int:
        """The bytes of both bodies, for limits of memory."""
        return len(self.request.body) + len(self.response.body)


def is_read(request: Request) -> bool:
    """Whether the method is one that HTTP defines as safe."""
    return request.method in SAFE_METHODS


def with_json(method: str, path: str, value: Any, query: str = "") -> Request:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Request(method, path, query, (ACCEPT, ("Content-Type", JSON)), body)


def with_form(method: str, path: str, fields: dict[str, str]) -> Request:
    return Request(method, path, "", (ACCEPT, ("Content-Type", FORM)), urlencode(fields).encode())


def fill_path(template: str, parameters: dict[str, Any]) -> str:
    """Fill a path template. Each parameter is percent-encoded as one segment."""
    for name, value in parameters.items():
        template = template.replace("{" + name + "}", quote(str(value).encode("utf-8", "surrogatepass"), safe=""))
    return template


_BOUNDARY = "----------------------------sark"


@dataclass(frozen=True)
class UploadFile:
    """A file to upload."""

    name: str
    content: bytes


def request_for(method: str, path: str, body: dict[str, Any] | None) -> Request:
    """Return a request with a JSON body, or with a multipart form if a value is a file."""
    if body is None:
        return Request(method, path)
    if any(isinstance(value, UploadFile) for value in body.values()):
        fields = {name: (value.name, value.content, OCTETS) if isinstance(value, UploadFile) else str(value)
                  for name, value in body.items()}
        data, content_type = encode_multipart_formdata(fields, _BOUNDARY)
        return Request(method, path, "", (ACCEPT, ("Content-Type", content_type)), data)
    return with_json(method, path, body)

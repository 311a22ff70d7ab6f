"""One request and its answer, as the journal keeps them and as HTTP Archive has them, without secrets."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl, unquote

import harfile

from sarkmock.http.engine import Program, Request
from sarkmock.http.replies import Refusal
from sarkmock.http.wsgi import API_PATH, Answer
from sarkmock.laravel.php import read_input
from sarkmock.redaction import redacted


@dataclass(frozen=True)
class Notice:
    """One sentence; ``deviation`` and its ``severity`` if it is one that does it."""

    text: str
    deviation: str = ""
    severity: str = ""


@dataclass(slots=True, eq=False)
class Entry:
    """A request and its answer. Bodies are bytes, and cut if they were long; ``sizes`` has the true lengths.

    ``number`` counts from 1 since the start, ``time`` is the PBX's clock and ``received`` the real one (epoch seconds),
    ``seconds`` is the real time that the answer took, ``delay`` what a fault added to it, ``fault`` the fault's id.
    ``reason`` says why a proxy answered in place of its upstream, ``notices`` what a judge found.
    """

    number: int
    time: float
    received: float
    seconds: float
    request: Request
    answer: Answer
    program: Program
    fields: Mapping[str, str]
    sizes: tuple[int, int]
    fault: str = ""
    delay: float = 0.0
    weight: int = 0  # bytes, about
    reason: str = ""
    notices: list[Notice] = field(default_factory=list)

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> str:
        """The path of the request, with /api."""
        decoded = unquote(self.request.raw_path, errors="surrogateescape")
        return decoded or f"{API_PATH}/{self.request.path}"

    @property
    def query(self) -> str:
        return self.request.query

    @property
    def operation(self) -> str | None:
        """The id of the operation, such as ``tenants.create``; None if there is none of that method and path."""
        try:
            return self.program.router.find(self.request.method, self.request.path)[0].id
        except Refusal:
            return None

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def request_headers(self) -> dict[str, str]:
        """The headers of the request, each name as ``Content-Type``."""
        return {header_name(name): value for name, value in self.fields.items()}

    @property
    def request_body(self) -> bytes:
        return self.request.body

    @property
    def request_json(self) -> Any:
        """The request's body as the API reads it: JSON, or the variables of a form; None if it has none."""
        body, content_type = self.request.body, self.request.headers.get("Content-Type", "")
        if not body:
            return None
        return parsed(body) if "json" in content_type else read_input("POST", content_type, "", body)[1]

    @property
    def response_headers(self) -> dict[str, str]:
        return dict(self.answer.headers)

    @property
    def response_body(self) -> bytes:
        return self.answer.body

    @property
    def response_json(self) -> Any:
        """The answer's body, if it is JSON and was kept whole; or else None."""
        return parsed(self.answer.body)

    @property
    def whole(self) -> bool:
        """Whether both bodies were kept whole."""
        return self.sizes == (len(self.request.body), len(self.answer.body))

    def __str__(self) -> str:
        target = f"{self.path}?{self.query}" if self.query else self.path
        return f"#{self.number} {self.method} {target} -> {self.status}"


def header_name(name: str) -> str:
    """A header by its name in a WSGI environ."""
    return name.removeprefix("HTTP_").replace("_", "-").title()


def parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


HTTP_VERSION = "HTTP/1.1"
DROPPED_COMMENT = "older requests were dropped from the journal"


def to_har(entries: Iterable[Entry], origin: str, dropped: int = 0) -> str:
    """The text of an archive; ``origin`` is the mock's address, such as ``https://127.0.0.1:44300``.

    ``dropped`` is how many older requests the journal no longer has; the archive's comment says so.
    """
    stream = io.StringIO()
    comment = f"{dropped} {DROPPED_COMMENT}" if dropped else None
    with harfile.HarFile(stream, creator=harfile.Creator(name="sarkmock", version="1"), comment=comment) as archive:
        for entry in entries:
            began = datetime.fromtimestamp(entry.received - entry.seconds, UTC)
            taken = (entry.seconds + entry.delay) * 1000
            archive.add_entry(startedDateTime=began, time=taken, request=har_request(entry, origin),
                              response=har_response(entry), timings=harfile.Timings(send=0, wait=taken, receive=0))
    return stream.getvalue()


def har_request(entry: Entry, origin: str) -> harfile.Request:
    query = parse_qsl(entry.query, keep_blank_values=True)
    target = f"{entry.path}?{entry.query}" if entry.query else entry.path
    body = harfile.PostData(mimeType=entry.request_headers.get("Content-Type", ""),
                            text=redacted(entry.request_body.decode("utf-8", "replace")))
    return harfile.Request(
        method=entry.method, url=origin + redacted(target), httpVersion=HTTP_VERSION,
        headers=har_records(entry.request_headers),
        queryString=har_records(dict(query)), postData=body if entry.request_body else None, bodySize=entry.sizes[0])


def har_response(entry: Entry) -> harfile.Response:
    return harfile.Response(
        status=entry.status, statusText=responses.get(entry.status, ""), httpVersion=HTTP_VERSION, redirectURL="",
        headers=har_records(entry.response_headers), content=har_content(entry), bodySize=len(entry.response_body))


def har_content(entry: Entry) -> harfile.Content:
    """The response's body: text, or base64 if it is not text."""
    body, kind = entry.response_body, entry.response_headers.get("Content-Type", "")
    try:
        return harfile.Content(size=entry.sizes[1], mimeType=kind, text=redacted(body.decode()))
    except UnicodeDecodeError:
        text = base64.b64encode(body).decode()
        return harfile.Content(size=entry.sizes[1], mimeType=kind, text=text, encoding="base64")


def har_records(fields: Mapping[str, str]) -> list[harfile.Record]:
    return [harfile.Record(name=name, value=str(value)) for name, value in redacted(fields).items()]

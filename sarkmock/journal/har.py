"""Journal entries as HTTP Archive."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from http.client import responses
from urllib.parse import parse_qsl

import harfile

from sarkmock.journal.entries import Entry
from sarkmock.redaction import redacted, shown_body

HTTP_VERSION = "HTTP/1.1"
DROPPED_COMMENT = "older requests were dropped from the journal"


def to_har(entries: Iterable[Entry], origin: str, dropped: int) -> str:
    """Return entries as HTTP Archive; ``origin`` is the mock's address, such as ``https://127.0.0.1:44300``.

    ``dropped`` is the number of older requests that the journal has dropped, for the archive's comment.
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
    target = f"{entry.path}?{entry.query}" if entry.query else entry.path
    body = harfile.PostData(mimeType=entry.request_headers.get("Content-Type", ""),
                            text=shown_body(entry.request_body))
    return harfile.Request(
        method=entry.method, url=origin + redacted(target), httpVersion=HTTP_VERSION,
        headers=har_records(entry.request_headers.items()),
        queryString=har_records(parse_qsl(entry.query, keep_blank_values=True)),
        postData=body if entry.request_body else None, bodySize=entry.sizes[0])


def har_response(entry: Entry) -> harfile.Response:
    content = harfile.Content(size=entry.sizes[1], mimeType=entry.response_headers.get("Content-Type", ""),
                              text=shown_body(entry.response_body))
    return harfile.Response(
        status=entry.status, statusText=responses.get(entry.status, ""), httpVersion=HTTP_VERSION, redirectURL="",
        headers=har_records(entry.response_headers.items()), content=content, bodySize=len(entry.response_body))


def har_records(pairs: Iterable[tuple[str, str]]) -> list[harfile.Record]:
    """Return pairs of name and value without secrets; a name may occur several times."""
    return [harfile.Record(name=name, value=str(value)) for name, value in redacted(tuple(pairs))]

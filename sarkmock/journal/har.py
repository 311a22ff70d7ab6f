"""Entries of the journal as an HTTP Archive, for browsers and other tools. Secrets are taken out."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http.client import responses
from urllib.parse import parse_qsl

import harfile

from sarkmock.journal.entries import Entry
from sarkmock.redaction import redacted

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

"""All traffic as HTTP Archive, written while it happens, so that memory does not grow. Secrets are taken out."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from http.client import responses
from pathlib import Path
from urllib.parse import parse_qsl

import harfile

from contracts.messages import Exchange, Headers
from contracts.redaction import redacted
from contracts.reports.data import text
from contracts.target import Target

VERSION = "HTTP/1.1"
_WORKER = "PYTEST_XDIST_WORKER"


class Cassette:
    """A witness of every exchange of a target. Workers that share a run write a file each."""

    def __init__(self, file: Path, target: Target) -> None:
        worker = os.environ.get(_WORKER)
        self.file = file.with_stem(f"{file.stem}-{worker}") if worker else file
        self._url = str(redacted(target.url))
        self._stream = self.file.open("w", encoding="utf-8", errors="replace")
        self._har = harfile.HarFile(self._stream, creator=harfile.Creator(name="sarkmock", version="1"))
        target.witnesses.insert(0, self.saw)  # before the judge, who may send again

    def saw(self, exchange: Exchange) -> None:
        now = datetime.now(UTC)
        self._har.add_entry(startedDateTime=now, time=0, request=self._request(exchange), response=_response(exchange),
                            timings=harfile.Timings(send=0, wait=0, receive=0))

    def _request(self, exchange: Exchange) -> harfile.Request:
        request = exchange.request
        body = harfile.PostData(mimeType=request.content_type, text=text(request.body)) if request.body else None
        query = [harfile.Record(name=name, value=str(redacted({name: value})[name]))
                 for name, value in parse_qsl(request.query, keep_blank_values=True)]
        return harfile.Request(method=request.method, url=self._url + str(redacted(request.target)),
                               httpVersion=VERSION, headers=_records(request.headers), queryString=query,
                               postData=body, bodySize=len(request.body))

    def close(self) -> None:
        self._har.close()
        self._stream.close()


def _response(exchange: Exchange) -> harfile.Response:
    response = exchange.response
    content = harfile.Content(size=len(response.body), mimeType=response.content_type, text=text(response.body))
    return harfile.Response(status=response.status, statusText=responses.get(response.status, ""), httpVersion=VERSION,
                            headers=_records(response.headers), content=content, bodySize=len(response.body),
                            redirectURL=response.header("Location") or "")


def _records(headers: Headers) -> list[harfile.Record]:
    return [harfile.Record(name=name, value=str(value)) for name, value in redacted(headers)]

"""All traffic as HTTP Archive, written while it happens, so that memory does not grow. Secrets are taken out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from http.client import responses
from pathlib import Path
from urllib.parse import parse_qsl

import harfile

from sarkmock.suite_api import body_text, redacted

from ..errors import CannotRun, NoAnswer
from .http import Headers, Request, Response
from .transports import Layer, Transport

HTTP_VERSION_1 = "HTTP/1.1"
_WORKER = "PYTEST_XDIST_WORKER"


class Cassette:
    """A HAR file that grows with every exchange. Processes that share a run write one each; `close` joins them."""

    def __init__(self, file: Path) -> None:
        worker = os.environ.get(_WORKER)
        self._is_part = worker is not None
        self.file = file.with_stem(f"{file.stem}-{worker}") if worker else file
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.file.open("w", encoding="utf-8", errors="replace")
        except OSError as error:
            raise CannotRun(f"--report {file.parent}: {error.strerror}") from None
        self._har = harfile.HarFile(self._stream, creator=harfile.Creator(name="sarkmock", version="1"))

    def add(self, url: str, request: Request, response: Response, seconds: float, comment: str | None = None) -> None:
        """Enter an exchange that has just ended; status 0 means no response, and a comment says why."""
        began, milliseconds = time.time() - seconds, round(seconds * 1000, 3)
        self._har.add_entry(startedDateTime=datetime.fromtimestamp(began, UTC), time=milliseconds,
                            request=_request(url, request), response=_response(response),
                            timings=harfile.Timings(send=0, wait=milliseconds, receive=0), comment=comment)

    def close(self) -> None:
        """The file is complete; that of the main process takes in what the others have written."""
        self._har.close()
        self._stream.close()
        if not self._is_part:
            parts = sorted(self.file.parent.glob(f"{self.file.stem}-gw*{self.file.suffix}"))
            if parts:
                join_archives([self.file, *filter(is_archive, parts)], self.file)
            for part in parts:
                part.unlink()


class CassetteRecorder(Layer):
    """Enters every attempt in a cassette, those without an answer included."""

    def __init__(self, inner: Transport, cassette: Cassette) -> None:
        super().__init__(inner)
        self.cassette = cassette
        self._url = str(redacted(inner.url))

    def send(self, request: Request) -> Response:
        began = time.perf_counter()
        try:
            response = self.inner.send(request)
        except (NoAnswer, CannotRun) as error:
            reason = str(redacted(str(error)))
            self.cassette.add(self._url, request, Response(0), time.perf_counter() - began, reason)
            raise
        self.cassette.add(self._url, request, response, time.perf_counter() - began)
        return response


def is_archive(file: Path) -> bool:
    """Whether a file is whole: that of a process that was killed is cut off."""
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def join_archives(parts: Sequence[Path], file: Path) -> None:
    """Write the entries of several archives to one, in the order of time."""
    found = [json.loads(part.read_text(encoding="utf-8")) for part in parts]
    entries = [entry for one in found for entry in one["log"]["entries"]]
    whole = {**found[0]["log"], "entries": sorted(entries, key=lambda entry: str(entry["startedDateTime"]))}
    file.write_text(json.dumps({**found[0], "log": whole}, indent=1), encoding="utf-8")


def _request(url: str, request: Request) -> harfile.Request:
    body = harfile.PostData(mimeType=request.content_type, text=body_text(request.body)) if request.body else None
    query = [harfile.Record(name=name, value=str(redacted({name: value})[name]))
             for name, value in parse_qsl(request.query, keep_blank_values=True)]
    return harfile.Request(method=request.method, url=url + str(redacted(request.target)), httpVersion=HTTP_VERSION_1,
                           headers=_records(request.headers), queryString=query, postData=body,
                           bodySize=len(request.body))


def _response(response: Response) -> harfile.Response:
    content = harfile.Content(size=len(response.body), mimeType=response.content_type, text=body_text(response.body))
    return harfile.Response(status=response.status, statusText=responses.get(response.status, ""),
                            httpVersion=HTTP_VERSION_1, headers=_records(response.headers),
                            content=content, bodySize=len(response.body),
                            redirectURL=response.header("Location") or "")


def _records(headers: Headers) -> list[harfile.Record]:
    return [harfile.Record(name=name, value=str(value)) for name, value in redacted(headers)]

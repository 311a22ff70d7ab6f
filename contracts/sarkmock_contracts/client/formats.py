"""Exchanges in other formats: curl commands, and an HTTP Archive written during the run, without secrets."""

from __future__ import annotations

import base64
import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.client import responses
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import harfile

from sarkmock.suite_api import body_text, har_records, lock_exclusively, redacted

from ..errors import CannotRun, NoAnswer, file_errors
from .http import Exchange, Request, Response
from .transports import Layer, Transport

BUFFER = 1 << 13  # bytes of a cassette, lost by a run that is killed; the default of Python 3.14 is 16 times as many
_PLAIN_CONTROL = {"\n": r"\n", "\t": r"\t", "\r": r"\r"}
_VALUE = r"""s/.*"{}": *"\{{0,1\}}\([^",}}]*\).*/\1/p"""


def with_run_headers(request: Request, line: str, headers: Mapping[str, str]) -> str:
    """Add the headers of the run to a curl line. Headers of the request itself take precedence."""
    own = {name.lower() for name, _ in request.headers}
    added = "".join(f'-H "{name}: {value}" ' for name, value in headers.items() if name.lower() not in own)
    return line.replace("curl -sk ", f"curl -sk {added}", 1)


def without_secrets(request: Request) -> Request:
    """Return a request with its secrets masked, which is not possible in a line for a shell, as that quotes them."""
    return replace(request, path=redacted(request.path), query=redacted(request.query),
                   headers=redacted(request.headers), body=redacted(request.body))


def curl_script(url: str, exchanges: Sequence[Exchange], headers: Mapping[str, str]) -> list[str]:
    """Return bash lines that repeat exchanges. Names that the server generates are read from its responses.

    ``headers`` are added to every request, as shell text.
    """
    lines: list[str] = []
    variables: dict[str, str] = {}
    for number, exchange in enumerate(exchanges):
        line = with_run_headers(exchange.request, curl_line(url, exchange.request, variables), headers)
        named = next(invented_values(exchange, exchanges[number + 1:], variables), None)
        if named is not None:
            field, value = named
            variables[value] = f"{re.sub('[^a-z0-9]', '_', field.lower())}{len(variables) + 1}"
            line = f"{variables[value]}=$({line} | sed -n {shlex.quote(_VALUE.format(field))})"
        lines.append(line)
    return lines


def invented_values(exchange: Exchange, later: Sequence[Exchange],
                    credentials: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield field and value of names that the server generated and later requests use in their paths."""
    paths = {unquote(part) for other in later for part in other.request.path.split("/")[2:]}
    sent = exchange.request.path.encode() + exchange.request.body
    for field, value in exchange.response.fields.items():
        text = str(value)
        if isinstance(value, (str, int)) and text in paths and text not in credentials and text.encode() not in sent:
            yield field, text


def curl_line(url: str, request: Request, variables: Mapping[str, str] | None = None) -> str:
    """Return a bash line that sends a request with any body. Path segments may be shell variables."""
    words = ["curl", "-sk", "--path-as-is", *_method(request.method), _address(url, request, variables or {})]
    for name, value in request.headers:
        words += ["-H", shell_word(f"{name}: {value}")]
    if not request.body:
        return " ".join(words)
    text = _argument(request.body)
    if text is None:
        return f"echo {base64.b64encode(request.body).decode()} | base64 -d | {' '.join(words)} --data-binary @-"
    return " ".join([*words, "--data-binary", shell_word(text)])


def _method(method: str) -> list[str]:
    return ["-I"] if method == "HEAD" else ["-X", method]


def _address(url: str, request: Request, variables: Mapping[str, str]) -> str:
    parts = [url]
    words = []
    for part in request.target.split("/")[1:]:
        name = variables.get(unquote(part))
        if name is None:
            parts.append(part)
        else:
            words += [shell_word("/".join([*parts, ""])), f'"${name}"']
            parts = [""]
    return "".join([*words, shell_word("/".join(parts))] if parts != [""] else words)


def _argument(body: bytes) -> str | None:
    """Return the body as a command-line argument; None for a NUL, invalid UTF-8, or a leading @ (a file for curl)."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or text.startswith("@") else text


def shell_word(text: str) -> str:
    """Quote a word for the shell on one line, with ANSI-C quoting for control characters."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_ansi_c(char) for char in text) + "'"


def _ansi_c(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char in _PLAIN_CONTROL:
        return _PLAIN_CONTROL[char]
    return char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


HTTP_VERSION_1 = "HTTP/1.1"


class Cassette:
    """A HAR file that grows with every exchange. It is locked: another run must not write to it.

    ``problem`` is why it could not be written, if so; further exchanges are not recorded then.
    """

    def __init__(self, file: Path) -> None:
        self.problem = ""
        with file_errors(f"--report {file.parent}"):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._stream = file.open("a", BUFFER, encoding="utf-8", errors="replace")
            try:
                lock_exclusively(self._stream.fileno())
            except BlockingIOError:
                raise CannotRun(f"--report {file.parent}: another run writes to it") from None
            self._stream.truncate(0)
        self._har = harfile.HarFile(self._stream, creator=harfile.Creator(name="sarkmock", version="1"))

    def add(self, url: str, request: Request, response: Response, seconds: float, comment: str | None = None) -> None:
        """Add an exchange that has just ended. Status 0 means no response, with the reason in the comment."""
        if self.problem:
            return
        began, milliseconds = time.time() - seconds, round(seconds * 1000, 3)
        with self._noting_problems():
            self._har.add_entry(startedDateTime=datetime.fromtimestamp(began, UTC), time=milliseconds,
                                request=_request(url, request), response=_response(response),
                                timings=harfile.Timings(send=0, wait=milliseconds, receive=0), comment=comment)

    def close(self) -> None:
        """Complete the file."""
        with self._noting_problems():
            self._har.close()
        with self._noting_problems():
            self._stream.close()

    @contextmanager
    def _noting_problems(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.problem = str(error.strerror)


class CassetteRecorder(Layer):
    """Adds every attempt to a cassette, including those without a response."""

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
    """Whether a file is a whole archive; that of a killed process is missing or truncated."""
    try:
        read_archive(file)
    except (CannotRun, OSError):
        return False
    return True


def read_archive(file: Path) -> dict[str, Any]:
    """Return an archive of a run's traffic; raise CannotRun if the file is not one."""
    try:
        archive: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if all(isinstance(entry["startedDateTime"], str) for entry in archive["log"]["entries"]):
            return archive
    except (ValueError, RecursionError, LookupError, TypeError):
        pass
    raise CannotRun(f"{file}: not the traffic of a run")


def join_archives(parts: Sequence[Path], file: Path) -> None:
    """Write the entries of several archives to one file, sorted by time."""
    archives = list(map(read_archive, parts))
    entries = [entry for archive in archives for entry in archive["log"]["entries"]]
    whole = {**archives[0]["log"], "entries": sorted(entries, key=lambda entry: entry["startedDateTime"])}
    file.write_text(json.dumps({**archives[0], "log": whole}, indent=1), encoding="utf-8")


def _request(url: str, request: Request) -> harfile.Request:
    body = harfile.PostData(mimeType=request.content_type, text=body_text(request.body)) if request.body else None
    query = har_records(parse_qsl(request.query, keep_blank_values=True))
    return harfile.Request(method=request.method, url=url + str(redacted(request.target)), httpVersion=HTTP_VERSION_1,
                           headers=har_records(request.headers), queryString=query, postData=body,
                           bodySize=len(request.body))


def _response(response: Response) -> harfile.Response:
    content = harfile.Content(size=len(response.body), mimeType=response.content_type, text=body_text(response.body))
    return harfile.Response(status=response.status, statusText=responses.get(response.status, ""),
                            httpVersion=HTTP_VERSION_1, headers=har_records(response.headers),
                            content=content, bodySize=len(response.body),
                            redirectURL=str(redacted(response.header("Location") or "")))

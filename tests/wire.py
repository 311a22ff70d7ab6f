"""Replays recordings of whole exchanges, including headers, against the WSGI application.

tests/replay.py compares the replies of the engine. Here a request has a target with its query, header fields and a
body of any type; status, body, content type and the header fields in HEADERS of the response are compared.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode

from sarkmock.http.engine import Engine
from sarkmock.http.flask_app import create_app
from sarkmock.http.wsgi import API_PATH
from sarkmock.pbx.pbx_files import MAC_VENDORS
from sarkmock.pbx.state import PbxFile
from tests import replay
from tests.engines import direct

FILE = Path(__file__).parent / "cases" / "wire.jsonl.gz"
BOUNDARY = "sarkboundary7f3a"
HEADERS = ("Allow", "Content-Type", "Content-Disposition", "Location", "Cache-Control", "Retry-After",
           "WWW-Authenticate", "Accept-Ranges", "Content-Range")
VOLATILE_FIELDS = {"z_created", "z_updated", "passwd", "filesize", "date", "created_at", "updated_at", "accessToken",
                   "CoreStartupDate", "CoreStartupTime", "CoreReloadDate", "CoreReloadTime"}
VOLATILE = [(re.compile(pattern), name) for pattern, name in (
    (r"dateSeg\d{6}", "dateSeg<n>"), (r"sched\d{6}", "sched<n>"), (r"sarkbak\.\d{9,}\.zip", "sarkbak.<t>.zip"),
    (r"sark\.db\.\d{9,}", "sark.db.<t>"), (r"Master\.\d{9,}", "Master.<t>"),
    (r"\b\d+\|[A-Za-z0-9]{40,56}\b", "<token>"), (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "<time>"),
    (r"\b[2346789bcdfghjkmnpqrtvwxyzBCDFGHJKLMNPQRTVWXYZ]{12}(?=[,)'\"])", "<password>"))]
LONGEST_TEXT = 4000

RecordedResponse = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """An exchange whose response differs from the recorded one in one aspect."""

    exchange: Mapping[str, Any]
    aspect: str
    got: RecordedResponse

    @property
    def resource(self) -> str:
        return replay.resource_of(self.exchange["request"])

    def __str__(self) -> str:
        step = f"{self.exchange['scenario']}/{self.exchange['step']}"
        return (f"{step} {self.aspect}: {json.dumps(self.exchange['request'])[:1000]}\n"
                f"  expected {json.dumps(mask(self.exchange['response']))[:1000]}\n"
                f"  got      {json.dumps(mask(self.got))[:1000]}")


def files_of(recording: Path) -> dict[str, bytes]:
    """Files of the recorded box: SARK's list of vendors is empty unless the recording is about it."""
    return {} if any(word in recording.name for word in ("vendors", "manuf")) else {MAC_VENDORS: b""}


def is_from_outside(request: Mapping[str, Any], status: int) -> bool:
    """Whether the response came from the box's Asterisk or Shorewall, whose output varies."""
    path = request["path"]
    return status == 200 and (path.startswith("/astamis/SIPpeers") or
                              (request["method"] == "PUT" and path.startswith("/firewalls/")))


def differences(exchanges: Iterable[Mapping[str, Any]], engine: Engine, *, files: Mapping[str, bytes] | None = None,
                ) -> Iterator[Difference]:
    """Send every exchange in order. Each scenario starts in the factory state with these files."""
    client, scenario = Client(engine), None
    for exchange in exchanges:
        if exchange["scenario"] != scenario:
            scenario, client.saved = exchange["scenario"], {}
            replay.factory_fresh(engine.state)
            del engine.state.files[MAC_VENDORS]
            engine.state.files |= {path: PbxFile(content, 0) for path, content in (files or {}).items()}
        got = client.send(exchange["request"])
        aspect = difference(exchange["response"], got)
        if aspect and not is_from_outside(exchange["request"], exchange["response"]["status"]):
            yield Difference(exchange, aspect, got)


def difference(expected: Mapping[str, Any], got: RecordedResponse) -> str | None:
    """The first aspect in which two responses differ."""
    if got["status"] != expected["status"]:
        return "status"
    if expected["status"] < 500 and canonical(got["body"]) != canonical(expected["body"]):
        return "body"
    fields = expected.get("headers", {}), got["headers"]
    return next((name for name in HEADERS if mask(fields[0].get(name)) != mask(fields[1].get(name))), None)


class Saved:
    """Values of earlier responses that later recorded requests refer to."""

    def __init__(self) -> None:
        self.saved: dict[str, str] = {}

    def remember(self, recorded: Mapping[str, Any], body: bytes) -> None:
        """Save the fields of a response that later requests refer to."""
        for name, field in recorded.get("save", {}).items():
            with suppress(ValueError):
                response = json.loads(body)
                if isinstance(response, dict) and field in response:
                    self.saved[name] = str(response[field])

    def filled(self, text: str) -> str:
        for name, value in self.saved.items():
            text = text.replace("{" + name + "}", value)
        return text


class Client(Saved):
    """Sends recorded requests to the WSGI application of an engine."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.application = direct(create_app(engine, control=None, web_server=False))

    def send(self, recorded: Mapping[str, Any]) -> RecordedResponse:
        status, headers, body = call(self.application, self.environ(recorded))
        response = {"status": status, "headers": {name: headers[name] for name in HEADERS if name in headers},
                    "body": recorded_body(headers.get("Content-Type", ""), body)}
        self.remember(recorded, body)
        return response

    def environ(self, recorded: Mapping[str, Any]) -> dict[str, Any]:
        path = self.filled(recorded["path"])
        base = "" if recorded.get("abs") else API_PATH
        target = base + (path if recorded.get("verbatim") else quote(path, safe="/%"))
        content_type, body = payload(recorded)
        fields = {"Accept": "application/json", "Host": "127.0.0.1:8000"}
        fields |= {"Content-Type": content_type} if content_type else {}
        fields |= {} if body is None else {"Content-Length": str(len(body))}
        fields |= {name: value and self.filled(value) for name, value in recorded.get("headers", {}).items()}
        return environ_of(recorded["method"], target, fields, body or b"")


def environ_of(method: str, target: str, fields: Mapping[str, str | None], body: bytes) -> dict[str, Any]:
    path, _, query = target.partition("?")
    environ = {"REQUEST_METHOD": method, "PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "QUERY_STRING": query,
               "wsgi.input": BytesIO(body), "REQUEST_URI": target, "wsgi.url_scheme": "http"}
    for name, value in fields.items():
        key = name.upper().replace("-", "_")
        if value is not None:
            text = value.encode().decode("latin-1")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = text
    return environ


def call(application: Any, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Call a WSGI application; an exception becomes status 0."""
    started: list[Any] = []
    try:
        body = b"".join(application(environ, lambda status, headers: started.extend((status, headers))))
    except Exception as error:
        return 0, {"Content-Type": "application/json"}, json.dumps({"raised": repr(error)}).encode()
    return int(started[0].partition(" ")[0]), dict(started[1]), body


def payload(recorded: Mapping[str, Any]) -> tuple[str, bytes | None]:
    """Content type and body; None for no body."""
    if "json" in recorded:
        return "application/json", json.dumps(recorded["json"]).encode()
    if "form" in recorded:
        return "application/x-www-form-urlencoded", urlencode(recorded["form"]).encode()
    if "parts" in recorded or "files" in recorded:
        files = [(name, *file) for name, file in recorded.get("files", {}).items()]
        return f"multipart/form-data; boundary={BOUNDARY}", multipart(recorded.get("parts", files))
    if "raw64" in recorded:
        return "", base64.b64decode(recorded["raw64"])
    if "rawgen" in recorded:
        pattern = recorded["rawgen"]
        return "", (pattern["pre"] + pattern["unit"] * pattern["times"] + pattern["post"]).encode()
    return "", recorded["raw"].encode("utf-8", "surrogatepass") if "raw" in recorded else None


def multipart(parts: Iterable[tuple[str, str | None, str | None, str]]) -> bytes:
    return b"".join(map(part, parts)) + f"--{BOUNDARY}--\r\n".encode()


def part(item: tuple[str, str | None, str | None, str]) -> bytes:
    name, filename, content_type, content = item
    file = "" if filename is None else f'; filename="{filename}"'
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{kind}\r\n'
    return head.encode() + base64.b64decode(content) + b"\r\n"


def recorded_body(content_type: str, body: bytes) -> Any:
    """A body in the format of the recording."""
    try:
        return cut(json.loads(body)) if body else None
    except ValueError:
        return not_json(content_type, body)


def not_json(content_type: str, body: bytes) -> Any:
    if "html" in content_type:
        return {"<html>": True}
    if "zip" in content_type or "sqlite" in content_type or body.startswith((b"PK\3\4", b"SQLite format 3")):
        return {"<bytes>": "volatile"}
    try:
        return {"<text>": body.decode()[:300]}
    except UnicodeDecodeError:
        return {"raw64": base64.b64encode(body[:4096]).decode(), "bytes": len(body)}


def cut(value: Any) -> Any:
    """Debug pages without their trace, long texts as their digests."""
    if isinstance(value, dict) and "trace" in value:
        value = {name: value[name] for name in ("message", "exception")}
    return shortened(value)


def shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {shortened(name): shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        digest = hashlib.sha256(value.encode("utf8", "surrogatepass")).hexdigest()[:16]
        return f"<string of {len(value)} characters, sha256 {digest}>"
    return value


def mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {mask(name): "volatile" if name in VOLATILE_FIELDS and item not in (None, "") else mask(item)
                for name, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    if isinstance(value, str):
        for pattern, name in VOLATILE:
            value = pattern.sub(name, value)
    return value


def canonical(value: Any) -> str:
    return replay.canonical(mask(value))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.wire", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=FILE, help="recorded exchanges, .jsonl or .jsonl.gz")
    parser.add_argument("--profile", default="shipped")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every difference")
    options = parser.parse_args(arguments)
    exchanges = replay.read(options.file)
    differing = list(differences(exchanges, replay.engine_for(options.profile), files=files_of(options.file)))
    wrong = Counter(item.exchange["scenario"] for item in differing)
    total = Counter(exchange["scenario"] for exchange in exchanges)
    sys.stdout.writelines(f"{item}\n" for item in differing if options.verbose)
    sys.stdout.writelines(f"{replay.agreement(name, total[name], wrong[name])}\n" for name in wrong)
    sys.stdout.write(f"{replay.agreement('all', len(exchanges), len(differing))}\n")
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())

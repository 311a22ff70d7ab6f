"""Hostile input at every entry point: the API, the control plane, files. No exception, valid HTTP, no hang.

A few hundred of each here; `tox -e hostile` sends a million requests in process and 200,000 over a socket.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from sarkmock_contracts.baselines import facts as baselines
from sarkmock_contracts.baselines.clients import read_clients
from sarkmock_contracts.errors import SuiteError
from sarkmock_contracts.fleet import read_boxes
from sarkmock_contracts.judge.verdicts import read_accepted
from sarkmock_contracts.safety import finish_cleanup
from sarkmock_contracts.safety.ledger import read_ledger

from sarkmock import create_app, profile_names
from sarkmock.control.bodies import endpoints
from sarkmock.faults import Faults, read_faults
from sarkmock.http.engine import Engine, Program
from sarkmock.journal import Journal
from sarkmock.pbx.seeds import load_seed
from sarkmock.server.http11 import Limits
from sarkmock.spec import yaml12
from tests import hostile_messages as messages
from tests.nasty_values import VALUES
from tests.serving import serving

pytestmark = pytest.mark.slow

IN_PROCESS = int(os.environ.get("SARKMOCK_HOSTILE", "1500"))
OVER_SOCKET = int(os.environ.get("SARKMOCK_HOSTILE_WIRE", "300"))
SEED = os.environ.get("SARKMOCK_HOSTILE_SEED", "1")
PARTS = 1 + IN_PROCESS // 50_000  # distributed over the cores
SOCKET_PARTS = 1 + OVER_SOCKET // 5_000
LIMITS = Limits()
KEPT = 100  # entries of the journal: listing more would take most of the time
LONGEST = 2.0  # CPU seconds of one request
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "post", "X\u00e9", "TRACE"]
TYPES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/yaml",
         "multipart/form-data;" + "boundary" * 50, "text/plain", "", "application/vnd.api+json", "\xff",
         "multipart/form-data; boundary=x; boundary=y", "application/json; charset=utf-7",
         "application/json, text/yaml", "application/x-www-form-urlencoded, application/json"]
BITS = [
    "9" * 5000, "-" + "9" * 30, "\xff", "\x00", "\r\n", "\u202e", "\ud83d", "%ff", "%", "&", "=", "[", "]", "[]", "{",
    "a[9]", "a[" + "9" * 5000 + "]", "--x", "--x--", "boundary", "$1", "\\0", "${0}", "1e999", "NaN", "!!timestamp x",
    "!!binary x", "&a [*a]", "<<: *a", "*a", "? ", "- ", ": ", "\t", "a@b", "@", "(", "::1", "|", ",", "secret=", "#",
    "username=", "passwd", '{"a":' * 40, "[" * 1500, "_method=PUT", "cluster=default|max:1", "\u4e2d" * 70, "pkey",
    '"', "\\", "a[b]" + "[c]" * 70 + "=1", "a[]=1&" * 200, "a[][]=1&a=2&a[b]=3&", "&_method=DELETE&", "_method[]=PUT&",
    "_method=%00", "x.y z[=1&", "!!python/object:x ", "%TAG ! x\n---\n", "? [a, b]\n: c\n", "|2-\n   x\n",
    "--- \n...\n"]
CONTROL_NAMES = ["tables", "files", "astdb", "operation", "status", "now", "seconds", "file", "pkey"]
HEADERS = {"HTTP_ORIGIN": ["http://[", "null", "http://localhost", "\xff", "x" * 3000, "http://a:b@[::1"],
           "HTTP_HOST": ["localhost", "[", "a:b:c", "127.0.0.1:99999", "[::1", "\xff"],
           "HTTP_ACCEPT": ["application/json", "*/*", "text/html", "a;q=" + "9" * 400, ",;,=", "\xff"],
           "HTTP_X_HTTP_METHOD_OVERRIDE": ["PUT", "\xff", "x" * 999, "delete",
                                           "HEAD", "OPTIONS", "PUT,GET", "", "0", "CONNECT"],
           "HTTP_AUTHORIZATION": ["Bearer \xff", "Bearer " + "9" * 5000 + "|x", "Basic x", "Bearer 1|2"],
           "HTTP_RANGE": ["bytes=0-", "bytes=" + "9" * 5000 + "-", "bytes=-1,0-0,", "x"],
           "HTTP_X_REQUESTED_WITH": ["XMLHttpRequest"], "HTTP_SEC_FETCH_SITE": ["cross-site", "\xff"],
           "HTTP_IF_RANGE": ['"x"', "Sun, 06 Nov 1994 08:49:37 GMT", "\xff"],
           "HTTP_IF_NONE_MATCH": ["*", '"' + "x" * 3000, 'W/"\xff", ""', ",,,"],
           "HTTP_IF_MODIFIED_SINCE": ["Sun, 99 Nov 99999 99:99:99 GMT", "9" * 5000, "\xff", "0"],
           "HTTP_IF_MATCH": ["*", '"\xff"'], "HTTP_IF_UNMODIFIED_SINCE": ["-1", "Thu, 01 Jan 1970 00:00:00 +9999"],
           "HTTP_COOKIE": ["a=b; a=c", "x" * 8000, "=;=;=", 'a="\xff', "$Version=1; \x01=2", "a=%ff; b=%00"],
           "HTTP_UPGRADE": ["websocket", "h2c", "TLS/1.0, HTTP/1.1", "\xff"],
           "HTTP_CONTENT_ENCODING": ["gzip", "br, x"],
           "HTTP_ACCESS_CONTROL_REQUEST_METHOD": ["GET", "x" * 999, "\xff", ""],
           "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": ["a, b", "\xff", ",;,"],
           "HTTP_X_FORWARDED_HOST": ["a, b", "[", "\xff"], "HTTP_FORWARDED": ['for="[::1%25x]";host=', "\xff"],
           "HTTP_ACCEPT_LANGUAGE": ["*;q=" + "9" * 400, "x" * 3000], "HTTP_X_PJAX": ["1", "\xff"]}


# Header lines that two servers could interpret differently (request smuggling).
LINES = ["Content-Length: 3", "Content-Length: 3, 3", "Content-Length: +3", "Content-Length: 0x3", "Content-Length : 3",
         "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked",
         "Host: localhost",
         "Transfer-Encoding:\x0bchunked", "transfer-encoding: Chunked", "Transfer_Encoding: chunked", " folded: x",
         "Host: other", "Cookie: a=b", "Cookie: c", "Expect: 100-continue", "Expect: x", "Connection: close, Host",
         "Upgrade: h2c", "X-HTTP-Method-Override: PUT", "X-HTTP-Method-Override: DELETE", "Content-Type: text/plain"]
TRAILERS = ["", "", "X: y\r\n", "Content-Length: 3\r\n", "X: y\r\n" * 2000, "broken\r\n", "Host: x\r\n"]
EXTENSIONS = ["", "", ";x=y", ";" + "x" * 5000, " ", "\n", "g"]
HOSTS = ["localhost", "[fe80::1%25eth0]", "[fe80::1%eth0]:80", "[::ffff:127.0.0.1]", "[v1.x]", "localhost:0", "",
         "localhost:", "localhost:99999999999", "0x7f.1", "user:pass@localhost", "localhost/x", "localhost#", ".", "-",
         "a" * 255 + ".x", "%6c%6fcalhost", "xn--", "127.0.0.1.", "\u0131", "local host"]
TARGETS = ["*", "http://localhost{}", "HTTPS://[::1%25lo]:443{}", "//localhost{}", "localhost:80", "ftp://x{}", "{}%",
           "{}%00", "{}%zz", "{}%2e%2e/%2e%2e/etc/passwd", "/..{}", "/.{}", "/{}", "{}//", "{}/", "{};x=y", "{}%2f",
           "{}%252f", "{}%5c..", "{}%c0%ae%c0%ae", "{}%f0%9f%98%80", "{}%ed%a0%80", "{}?", "{}??", "{}#x", "{}\\",
           "{}?" + "a&" * 3000, "{}?%", "{}" + "/x" * 3000, "http://@{}", "http://:80{}", "?x", "{}%0d%0aX:%20y",
           "{}?%0d%0aX:%20y", "\t{}"]
VERSIONS = ["HTTP/1.0", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.9", "http/1.1", "HTTP/1.1 ", "HTTP/11", "",
            "HTTP/1.1\r"]
UPGRADES = ["Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Version: 13\r\n")]
# Not HTTP/1: the preface of HTTP/2, the beginning of TLS, SOCKS, the PROXY protocol, others.
OTHER_PROTOCOLS = [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" + b"x" * 500,
    b"\5\1\0", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"\r\n\r\n\0\r\nQUIT\n" + b"\0" * 90, b"SSH-2.0-x\r\n",
    b"GET /\r\n", b"\n\nGET / HTTP/1.1\n\n", b"\r\n" * 5000, b"\0" * 70_000, b"A" * 70_000, b"GET " + b"/" * 70_000,
    b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 9000, b"OPTIONS sip:x SIP/2.0\r\nVia: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"x" * 300 + b": y\r\n\r\n"]
PIPELINED = b"GET /_mock/health HTTP/1.1\r\nHost: localhost\r\n\r\n"  # in the same packet


class RequestGenerator:
    """Generates random requests, half of them nearly valid."""

    def __init__(self, engine: Engine, seed: str) -> None:
        self.rng = random.Random(seed)
        self.engine = engine
        self.operations = list(engine.operations)
        self.control = [endpoint for endpoint in endpoints() if endpoint.id != "seed.start"]

    def bit(self) -> str:
        chosen = self.rng.choice(VALUES) if self.rng.random() < 0.3 else self.rng.choice(BITS)
        return chosen if isinstance(chosen, str) else str(chosen)

    def text(self, most: int = 4) -> str:
        return "".join(self.bit() for _ in range(self.rng.randint(0, most)))

    def value(self, levels: int = 2) -> Any:
        kind = self.rng.random()
        if kind < 0.15 and levels:
            return [self.value(levels - 1) for _ in range(self.rng.randint(0, 3))]
        if kind < 0.25 and levels:
            return {self.text(1): self.value(levels - 1) for _ in range(self.rng.randint(0, 3))}
        return self.rng.choice(VALUES) if kind < 0.7 else self.text(2)

    def content(self, names: list[str]) -> tuple[str, bytes]:
        """A content type and a body."""
        kind = self.rng.random()
        if kind < 0.1:
            return messages.multipart(self.rng, names)
        if kind < 0.15:
            return "application/x-www-form-urlencoded", messages.form(self.rng, names)
        if kind < 0.2:
            return "application/json", messages.json_text(self.rng, names)
        content_type = self.rng.choice(TYPES[:4]) if kind < 0.85 else self.rng.choice(TYPES)
        return content_type, self.body(names, content_type)

    def query(self, names: list[str]) -> str:
        text = messages.form(self.rng, names) if self.rng.random() < 0.3 else self.text(2).encode("utf-8", "replace")
        return text.decode("latin-1")

    def body(self, names: list[str], content_type: str) -> bytes:
        kind = self.rng.random()
        if kind < 0.2:
            return self.text(9).encode("utf-8", "replace")
        fields = {self.rng.choice(names) if names and self.rng.random() < 0.9 else self.text(1): self.value()
                  for _ in range(self.rng.randint(0, 6))}
        if "form-data" in content_type:
            return "".join(f'--x\r\nContent-Disposition: form-data; name="{name}"{self.filename()}\r\n\r\n{value}\r\n'
                           for name, value in fields.items()).encode("utf-8", "replace") + b"--x--"
        if "urlencoded" in content_type:
            return "&".join(f"{name}={value}" for name, value in fields.items()).encode("utf-8", "replace")
        if "yaml" in content_type and kind < 0.6:
            return "".join(f"{name}: {self.text(2)}\n" for name in fields).encode("utf-8", "replace")
        text = json.dumps(fields, ensure_ascii=self.rng.random() < 0.5).encode("utf-8", "replace")
        if kind < 0.4:
            place = self.rng.randint(0, len(text))
            text = text[:place] + self.bit().encode("utf-8", "replace") + text[place + self.rng.randint(0, 3):]
        return text

    def filename(self) -> str:
        names = ["usergreeting1234.wav", "usergreeting\xff.mp3", "sark.db.1.zip", "sark.db.\xff", "sarkbak.1.zip",
                 self.text(1)]
        return f'; filename="{self.rng.choice(names)}"' if self.rng.random() < 0.4 else ""

    def environ(self, control: bool = False) -> dict[str, Any]:
        target = self.rng.choice(self.control if control else self.operations)
        path = ("/_mock" if control else "/api") + target.path
        while "{" in path:
            before, _, rest = path.partition("{")
            step = self.rng.choice(["1", "default", "1001", "cluster", "x", self.text(1)])
            path = before + step.replace("{", "") + rest.partition("}")[2]
        names = CONTROL_NAMES if control else list(target.rules)
        content_type, body = self.content(names)
        query = self.query(names) if self.rng.random() < 0.3 else ""
        chosen = {name: self.rng.choice(values) for name, values in HEADERS.items() if self.rng.random() < 0.1}
        if self.engine.state.token and self.rng.random() < 0.8:
            chosen["HTTP_AUTHORIZATION"] = f"Bearer {self.engine.state.token}"
        method = target.method if self.rng.random() < 0.9 else self.rng.choice(METHODS)
        uri = path.encode("utf-8", "replace")
        if self.rng.random() < 0.3:
            uri = messages.escaped(self.rng, uri)
        return {"REQUEST_METHOD": method, "REQUEST_URI": uri.decode("latin-1"),
                "PATH_INFO": unquote_to_bytes(uri).decode("latin-1"), "SCRIPT_NAME": "",
                "QUERY_STRING": query, "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
                "CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
                "wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost",
                "wsgi.errors": io.StringIO(), "body": body, **chosen}


def send_to(app: Callable[..., Any], environ: dict[str, Any]) -> int:
    """The status of a response, which must be valid HTTP. Exceptions are propagated."""
    started: list[Any] = []
    began = time.process_time()
    body = b"".join(app(environ, lambda *status: started.append(status)))
    assert time.process_time() - began < LONGEST, "the request takes too long"
    status, headers = started[-1][:2]
    for name, value in headers:
        assert (name + value).encode("latin-1").translate(None, b"\r\n\0") == (name + value).encode("latin-1")
    if ("Content-Type", "application/json") in headers and body and environ["REQUEST_METHOD"] != "HEAD":
        json.loads(body)
    return int(status[:3])


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("profile", profile_names())
def test_hostile_requests_in_process(profile, part):
    engine = Engine(profile=profile)
    app = create_app(engine, journal=Journal(engine, limit=KEPT))
    app.testing = True  # exceptions in a view are propagated
    seed = f"{SEED} {profile} {part}"
    generator = RequestGenerator(engine, seed)
    for number in range(IN_PROCESS // PARTS // len(profile_names())):
        control = number % 5 == 0
        environ = generator.environ(control)
        try:
            send_to(app, environ)
        except Exception as error:
            error.add_note(f"request {number} of seed {seed}: " + repr({**environ, "wsgi.input": ""})[:4000])
            raise
        if number % 400 == 399:
            for path in ("/_mock/journal", "/_mock/journal.har", "/_mock/state"):
                send_to(app, generator.environ() | {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "",
                                                    "HTTP_HOST": "localhost", "HTTP_ORIGIN": "http://localhost"})
            engine.state.reset()


def mutations(text: bytes, count: int) -> Iterator[bytes]:
    """A file as other tools write it, and with bytes replaced, lines repeated, or the end missing."""
    rng = random.Random(SEED)
    yield from (change(text) for change in messages.REWRITTEN)
    for _ in range(count):
        place, length = rng.randint(0, len(text)), rng.choice([0, 1, 1, 5, 80])
        changed = text[:place] + rng.choice(BITS).encode("utf-8", "replace") + text[place + length:]
        yield changed[:rng.randint(0, len(changed))] if rng.random() < 0.1 else changed
        yield b"".join(with_replacement(line, rng) for line in (text.splitlines(True) if text[:1] == b"{" else [text]))


DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]
ODD: list[Any] = [[], {}, [[]], [{}], {"a": {}}, [None], "", "x", -1, 1e308, 2**70, True, {"": None}, "a" * 70_000,
                  DEEP, 10**4299, -1e-320, float("nan"), "\ud800", "\0", "../../etc/passwd", "/", "\u202e", "{{7*7}}",
                  {"<<": 1}, {"*": {"*": []}}, ["x"] * 3000, {str(number): number for number in range(3000)}]


def with_replacement(text: bytes, rng: random.Random) -> bytes:
    """A well-formed file with one value replaced."""
    document = [yaml12.parse(text.decode(), "x")]
    holder: Any = document
    while True:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = rng.choice(keys)
        if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.2:
            break
        holder = holder[key]
    kind = rng.random()
    value = rng.choice(VALUES if kind < 0.5 else ODD)
    if kind < 0.75 or holder is document:
        holder[key] = value
    elif kind < 0.85:
        del holder[key]
    elif isinstance(holder, dict):
        holder[rng.choice([str(value), "x", "", "*", *keys])] = holder.pop(key)
    else:
        holder.extend(holder)
    return json.dumps(document[0]).encode() + b"\n"


SEED_FILE = b"""\
tables:
  cluster:
    - {pkey: default, z_created: '2020-01-01'}
  ipphone:
    - {pkey: '1001', cluster: default}
files: {/a: x, /b: {base64: eA==}}
astdb: {cfim: {'1001': '1'}}
pbx: running
"""
OVERLAY = b"""\
overlay: 1.0.0
info: {title: x, version: '1', x-extends: documented}
actions:
  - target: $.paths['/tenants'].post
    update: {x-hazard: operational}
    x-deviation: reboots
x-deviations:
  reboots: {summary: it reboots the box, severity: breaks, reason: a reason of some length}
"""
CLIENTS = json.dumps([{"operation": "tenants.create", "sends": ["pkey"], "reads": ["pkey"]}]).encode()
JOURNAL = json.dumps({"count": 1, "kept": 1, "entries": [{
    "method": "GET", "path": "/api/tenants", "query": "", "status": 200,
    "request": {"headers": {}, "body": "", "size": 0}, "response": {"body": "[]", "size": 2}}]}).encode()
HAR = json.dumps({"log": {"version": "1.2", "creator": {}, "entries": [{
    "request": {"method": "POST", "url": "https://x/api/tenants?a=b", "queryString": [{"name": "a", "value": "b"}],
                "postData": {"text": "pkey=a", "params": [{"name": "pkey", "value": "a"}]}},
    "response": {"status": 201, "content": {"text": "{}", "size": 2}}}]}}).encode()
LEDGER = b"""\
{"sarkmock": 1, "url": "https://x/api", "profile": "shipped", "prefix": "zza", "hazards": ["read", "write"], \
"access": {"insecure": false, "ca": null, "cert": null, "key": null, "headers": [], "token_env": null}}
{"begin": {"operation": "tenants.create", "collection": "tenants", "key": "a", \
"undo": [{"any": [["DELETE", "/tenants/a"]]}]}}
{"settle": 1, "state": "made", "key": "a", "until": 5}
{"begin": {"operation": "trunks.create", "collection": "trunks", \
"undo": [{"list": "/trunks", "holds": "zza", "key": "pkey"}]}}
{"begin": {"operation": "syscommands.update", "collection": "", \
"undo": [{"put": ["PUT", "/a", {"b": 1}], "sent": {"b": 2}}]}}
{"inventory": {"/tenants": {"default": "0123"}}}
"""
RECORDED = Path(__file__).with_name("cases") / "baselines" / "first-release.sark"
BASELINE = b"".join([*RECORDED.read_bytes().splitlines(True)[:9], b'{"end": 7}\n'])
ALLOWLIST = b"- id: a\n  reason: b\n  expires: 2030-01-01\n"
BOXES = b"""\
defaults: {quick: true, budget: 100}
boxes:
  - {name: a, url: 'https://a.example/api', ca: ca.pem, only: tenants}
  - {name: b, url: 'https://b.example/api', accept: b.yaml}
"""
FAULTS = b"- {operation: tenants.create, status: 500, times: 2}\n- {operation: '*', latency: 0.5, probability: 0.1}\n"
FILES: dict[str, tuple[str, bytes, Callable[[Path], Any]]] = {
    "seed": ("x.yaml", SEED_FILE, load_seed), "overlay": ("x.yaml", OVERLAY, lambda file: Program.of(str(file))),
    "clients": ("x.json", CLIENTS, read_clients), "journal of clients": ("x.json", JOURNAL, read_clients),
    "HAR of clients": ("x.har", HAR, read_clients),
    "ledger": ("x.jsonl", LEDGER, read_ledger), "baseline": ("x.sark", BASELINE, baselines.read_baseline),
    "allowlist": ("x.yaml", ALLOWLIST, read_accepted), "boxes": ("x.yaml", BOXES, read_boxes),
    "faults": ("x.yaml", FAULTS, lambda file: read_faults(file, Faults(Engine()))),
}


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_raise_documented_errors(kind, tmp_path):
    name, text, read = FILES[kind]
    for number, changed in enumerate([text, *mutations(text, max(IN_PROCESS // 50, 30))]):
        file = tmp_path / f"{number}-{name}"  # a new name each time, because overlays are cached by file
        file.write_bytes(changed)
        if not number:
            assert read(file)
        try:
            read(file)
        except (yaml12.FileError, SuiteError):
            continue
        except Exception as error:
            error.add_note(repr(changed[:3000]))
            raise


@pytest.mark.parametrize("kind", FILES)
def test_long_values_in_files_give_short_errors(kind, tmp_path):
    name, text, read = FILES[kind]
    words = [match.span() for match in re.finditer(rb"[\w.:/-]+", text[:5000])]
    messages = []
    for number, (start, end) in enumerate(random.Random(SEED).choices(words, k=10)):
        file = tmp_path / f"{number}-{name}"
        file.write_bytes(text[:start] + b"a." * 50_000 + text[end:])
        try:
            read(file)
        except (yaml12.FileError, SuiteError) as error:
            messages.append(str(error))
    assert all(len(message) < 1500 for message in messages), [message[:200] for message in messages]


def test_clean_up_with_damaged_ledger(tmp_path):
    rng, head, *lines = random.Random(SEED), *LEDGER.splitlines(True)
    with serving("--http", "--profile", "shipped") as server:
        for number in range(max(IN_PROCESS // 150, 10)):
            changed = [head.replace(b"https://x/api", server.url.encode()), *lines]
            index = rng.randrange(len(changed))
            changed[index] = with_replacement(changed[index], rng)
            if b"127.0.0.1" not in changed[0]:
                continue  # only the mock is contacted
            file = tmp_path / f"{number}.ledger"
            file.write_bytes(b"".join(changed))
            try:
                finish_cleanup(file, "9999/s")
            except (yaml12.FileError, SuiteError):
                continue
            except Exception as error:
                error.add_note(repr(changed[index][:3000]))
                raise


@pytest.mark.parametrize("part", range(SOCKET_PARTS))
def test_hostile_requests_over_socket(part):
    profile = profile_names()[part % len(profile_names())]
    generator = RequestGenerator(Engine(profile=profile), f"{SEED} {part}")
    with serving("--http", "--profile", profile, "--journal", str(KEPT)) as server:
        for number in range(OVER_SOCKET // SOCKET_PARTS):
            sent = raw_requests(generator, number)
            try:
                check_responses(send_bytes(server.address, sent, generator.rng), sent)
            except Exception as error:
                error.add_note(f"request {number} of part {part}: {sent[:4000]!r}")
                raise
        assert b"ok" in server.get("/_mock/health")
    assert not any("Traceback" in line for line in server.errors), server.errors[-20:]


def send_bytes(address: tuple[str, int], sent: bytes, rng: random.Random) -> bytes:
    """All bytes received in response to bytes that are sent at once or in pieces."""
    received = b""
    places = sorted(rng.randint(0, len(sent)) for _ in range(rng.choice([0, 0, 0, 1, 5])))
    # the server may close the connection before it has read everything
    with socket.create_connection(address, timeout=10) as connection, suppress(ConnectionError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin, end in pairwise([0, *places, len(sent)]):
            connection.sendall(sent[begin:end])
        with suppress(OSError):  # closed already
            connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(1 << 16):
            received += part
    return received


def check_responses(received: bytes, request_bytes: bytes) -> None:
    """The received bytes are complete HTTP responses, at most as many as there can have been requests."""
    count = 0
    while received:
        head, blank, received = received.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        assert blank, "incomplete response head"
        assert re.fullmatch(rb"HTTP/1\.[01] [1-5][0-9]{2} [ -~]*", line), line
        assert all(re.fullmatch(rb"[!-9;-~]+: [^\r\n\0]*", field) for field in fields), fields
        status = int(line[9:12])
        lengths = [field[16:] for field in fields if field.lower().startswith(b"content-length:")]
        if status < 200:
            continue
        count += 1
        assert len(lengths) == (status not in (204, 304)), head
        size = int(lengths[0]) if lengths else 0
        if b"HEAD" in request_bytes.upper() and (not received or received.startswith(b"HTTP/1.")):
            continue
        assert len(received) >= size, "incomplete response body"
        received = received[size:]
    assert count <= request_bytes.count(b"\n") + 1


def raw_requests(generator: RequestGenerator, number: int) -> bytes:
    """One request, several pipelined requests, or bytes that are not HTTP."""
    kind = generator.rng.random()
    if kind < 0.02:
        return generator.rng.choice(OTHER_PROTOCOLS)
    if kind < 0.1:
        kept = [raw_request(generator, 1 + 4 * index, "keep-alive") for index in range(generator.rng.choice([1, 2, 9]))]
        return b"".join(kept) + raw_request(generator, number)
    return raw_request(generator, number)


def raw_request(generator: RequestGenerator, number: int, connection: str = "close") -> bytes:
    """A request as bytes. One in four is damaged."""
    rng, environ = generator.rng, generator.environ(number % 6 == 0)
    target = environ["REQUEST_URI"].encode("latin-1").translate(None, b" \r\n\0")
    method, version, extra = environ["REQUEST_METHOD"].encode("utf-8"), "HTTP/1.1", ""
    if rng.random() < 0.15:
        target = rng.choice(TARGETS).encode().replace(b"{}", target)
    if rng.random() < 0.05:
        version = rng.choice(VERSIONS)
    if rng.random() < 0.03:
        method = rng.choice([b"CONNECT", b"PRI", b"M" * 64, b"M" * 65, b"get", b"G\0T", b"", b"PROPFIND"])
    if rng.random() < 0.05:
        extra = rng.choice(UPGRADES)
    if rng.random() < 0.1:
        environ["HTTP_HOST"] = rng.choice(HOSTS)
    fields = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    head = b"%b %b %b\r\n" % (method, target, version.encode()) + b"".join(
        f"{name}: {value}\r\n".encode("utf-8", "replace") for name, value in fields.items())
    body = messages.chunked(rng, environ["body"]) if rng.random() < 0.15 else framed(rng, environ["body"])
    if rng.random() < 0.03:
        body = messages.edge_of_head(rng, LIMITS.head - len(head) - len(body), LIMITS.fields - len(fields) - 3) + body
    last = extra.encode() or b"Connection: %b\r\n" % connection.encode()
    request = head + last + b"Content-Type: %b\r\n%b" % (environ["CONTENT_TYPE"].encode("latin-1"), body)
    if number % 4:
        return request
    place = rng.randint(0, len(request))
    return request[:place] + generator.bit().encode("utf-8", "replace") + request[place + rng.randint(0, 9):]


def framed(rng: random.Random, body: bytes) -> bytes:
    """The end of a head, and a body: with Content-Length, chunked, or with contradictory header lines."""
    lines = "".join(f"{rng.choice(LINES)}\r\n" for _ in range(rng.choice([0, 0, 0, 1, 2]))).encode()
    second = PIPELINED if rng.random() < 0.1 else b""
    if rng.random() < 0.7:
        return b"%bContent-Length: %d\r\n\r\n%b%b" % (lines, len(body), body, second)
    chunks, size = [], rng.choice([1, 7, 4096])
    for place in range(0, min(len(body), 100 * size), size):
        piece = body[place:place + size]
        chunks.append(b"%x%b\r\n%b\r\n" % (len(piece), rng.choice(EXTENSIONS).encode(), piece))
    trailers = rng.choice(TRAILERS).encode()
    return b"%bTransfer-Encoding: chunked\r\n\r\n%b0\r\n%b\r\n%b" % (lines, b"".join(chunks), trailers, second)

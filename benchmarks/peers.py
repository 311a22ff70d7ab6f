"""Compares the mock with other mock servers for the same requests. Only the ratios are meaningful.

A peer and the mock are asked in turns. A ratio is that of the processor time that they take for a request, which hardly
changes on a busy machine.

`npm --prefix benchmarks/peers install`, then
`python benchmarks/peers.py [--seconds 1] [--only TEXT] [--json FILE] [--markdown FILE]`. Peers that are not
installed are skipped. Columns that a peer does not support (HTTPS, validation) are empty.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sarkmock.server.certificates import CertificatePair, make_certificate
from sarkmock.suite_api import load

HERE = Path(__file__).parent
NODE = HERE / "peers" / "node_modules"
WORK = ("list of 20", "show", "valid POST", "invalid POST", "PUT")
JSON = {"Content-Type": "application/json", "Accept": "application/json"}
# moto selects the service by the scope of a signature.
SCOPE = "mock/20240101/us-east-1/iam/aws4_request"
IAM = {"Content-Type": "application/x-www-form-urlencoded",
       "Authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=, Signature="}
TENANTS = [{"pkey": f"tenant{number:02}", "description": f"Tenant {number}"} for number in range(19)]
SHOWN = "/tenants/tenant01"
PATIENCE = 60.0
ROUNDS = 5
STARTS = 5


class Call(NamedTuple):
    """A numbered request: method, path, body, headers and expected status."""

    method: str
    path: str
    body: Callable[[int], str] | None = None
    status: int = 200
    headers: Mapping[str, str] = JSON


Side = tuple[str, int, Call]  # URL, process group and request


class Peer(NamedTuple):
    """A server: its command for a port, a folder and a certificate, and the requests to send."""

    name: str
    release: str | None
    command: Callable[[int, Path, CertificatePair | None], list[str]]
    calls: Mapping[str, Call]
    https: bool = False
    kind: str = ""


def row(number: int) -> str:
    return json.dumps({"pkey": f"bench{number}", "description": "Bench"})


def tenant_calls(prefix: str = "", key: str = "tenant01", invalid: tuple[str, int] | None = ('{"pkey": "bench"}', 422),
                 ) -> dict[str, Call]:
    """The requests for tenants, as in the API; ``invalid`` is a body and the status of its rejection."""
    calls = {"list of 20": Call("GET", f"{prefix}/tenants"), "show": Call("GET", f"{prefix}/tenants/{key}"),
             "valid POST": Call("POST", f"{prefix}/tenants", row, 201),
             "PUT": Call("PUT", f"{prefix}/tenants/{key}", lambda n: f'{{"description": "bench{n}"}}')}
    if invalid is not None:
        body, status = invalid
        calls["invalid POST"] = Call("POST", f"{prefix}/tenants", lambda _: body, status)
    return calls


def user_calls() -> dict[str, Call]:
    """The equivalent requests for users of moto's IAM."""
    def call(text: str, status: int = 200) -> Call:
        return Call("POST", "/", lambda n: f"Version=2010-05-08&Action={text.format(n)}", status, IAM)
    return {"list of 20": call("ListUsers&MaxItems=20"), "show": call("GetUser&UserName=tenant01"),
            "valid POST": call("CreateUser&UserName=bench{}"),
            "invalid POST": call("CreateUser&UserName=tenant01", 409),
            "PUT": call("UpdateUser&UserName=tenant01&NewPath=/bench{}/")}


def serve(port: int, folder: Path, pair: CertificatePair | None) -> list[str]:
    seed = folder / "seed.yaml"
    seed.write_text(json.dumps({"base": "factory", "tables": {"cluster": TENANTS}}))
    tls = ["--cert", str(pair.certificate), "--key", str(pair.key)] if pair else ["--http"]
    return [sys.executable, "-m", "sarkmock", "serve", "--port", str(port), "--seed", str(seed), *tls]


def document(folder: Path) -> Path:
    """The document without the base path."""
    file = folder / "openapi.json"
    file.write_text(json.dumps({**load(), "servers": [{"url": "/"}]}))
    return file


def older_document(folder: Path) -> Path:
    """The same four operations in OpenAPI 3.0, for connexion."""
    body = {"required": True, "content": {"application/json": {"schema": {
        "type": "object", "required": ["description"], "properties": {"description": {"type": "string"}}}}}}
    key = {"name": "tenant", "in": "path", "required": True, "schema": {"type": "string"}}

    def operation(name: str, answer: Any, status: str = "200", **more: Any) -> dict[str, Any]:
        content = {"application/json": {"schema": {}, "example": answer}}
        return {"operationId": name, "responses": {status: {"description": name, "content": content}}, **more}

    file = folder / "older.json"
    file.write_text(json.dumps({"openapi": "3.0.3", "info": {"title": "Tenants", "version": "1"}, "paths": {
        "/tenants": {"get": operation("list", TENANTS), "post": operation("make", TENANTS[0], "201", requestBody=body)},
        "/tenants/{tenant}": {"parameters": [key], "get": operation("show", TENANTS[0]),
                              "put": operation("change", TENANTS[0], requestBody=body)}}}))
    return file


def node_package(name: str) -> str | None:
    """The version of an installed package."""
    file = NODE / name / "package.json"
    return json.loads(file.read_text())["version"] if file.is_file() else None


def python_package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def json_server(port: int, folder: Path, _: Any) -> list[str]:
    (folder / "db.json").write_text(json.dumps({"tenants": [{"pkey": "default", "description": "x"}, *TENANTS]}))
    return [str(NODE / ".bin" / "json-server"), "--quiet", "--id", "pkey", "--port", str(port), str(folder / "db.json")]


def wiremock(port: int, folder: Path, pair: CertificatePair | None) -> list[str]:
    """Stubs with the same responses. A body without a description matches the stub that rejects it."""
    described = {"bodyPatterns": [{"matchesJsonPath": "$.description"}]}
    stubs = [({"method": "GET", "url": "/tenants"}, 200, TENANTS), ({"method": "GET", "url": SHOWN}, 200, TENANTS[1]),
             ({"method": "POST", "url": "/tenants", **described}, 201, TENANTS[1]),
             ({"method": "POST", "url": "/tenants"}, 422, {"description": ["The description field is required."]}),
             ({"method": "PUT", "url": SHOWN, **described}, 200, TENANTS[1])]
    (folder / "mappings").mkdir()
    (folder / "mappings" / "stubs.json").write_text(json.dumps({"mappings": [
        {"priority": number, "request": request, "response": {"status": status, "jsonBody": body}}
        for number, (request, status, body) in enumerate(stubs, 1)]}))
    where = ["--https-port", str(port), "--disable-http"] if pair else ["--port", str(port)]
    jar = next((NODE / "wiremock" / "build").glob("*.jar"))
    return ["java", "-jar", str(jar), "--root-dir", str(folder), "--no-request-journal", "--disable-banner", *where]


def moto(port: int, _: Path, pair: CertificatePair | None) -> list[str]:
    tls = ["--ssl", "--ssl-cert", str(pair.certificate), "--ssl-key", str(pair.key)] if pair else []
    return [sys.executable, "-m", "moto.server", "-p", str(port), *tls]


def mockoon(port: int, folder: Path, pair: CertificatePair | None) -> list[str]:
    """The document; for TLS, Mockoon's own file, which it generates from the document."""
    command, data = str(NODE / ".bin" / "mockoon-cli"), document(folder)
    if pair:
        subprocess.run([command, "import", "--input", str(data), "--output", str(folder / "mockoon.json")], check=True,
                       capture_output=True)
        data = folder / "mockoon.json"
        tls = {"enabled": True, "type": "CERT", "certPath": str(pair.certificate), "keyPath": str(pair.key),
               "pfxPath": "", "caPath": "", "passphrase": ""}
        data.write_text(json.dumps({**json.loads(data.read_text()), "tlsOptions": tls}))
    return [command, "start", "--port", str(port), "--disable-log-to-file", "--data", str(data)]


PEERS = (
    Peer("sarkmock serve", version("sarkmock"), serve, tenant_calls("/api"), True, "rules, state"),
    Peer("Prism", node_package("@stoplight/prism-cli"), lambda port, folder, _: [
        str(NODE / ".bin" / "prism"), "mock", "--port", str(port), "--verboseLevel", "silent", str(document(folder))],
        tenant_calls(), kind="our document: validates, no state"),
    Peer("Mockoon", node_package("@mockoon/cli"), mockoon, tenant_calls(invalid=None), True,
         "our document: neither"),
    Peer("WireMock", node_package("wiremock") if shutil.which("java") else None, wiremock, tenant_calls(), True,
         "five stubs: one rule, no state"),
    Peer("json-server", node_package("json-server"), json_server, tenant_calls(invalid=None),
         kind="state, no validation"),
    Peer("connexion", python_package("connexion"), lambda port, folder, _: [
        sys.executable, "-m", "connexion", "run", str(older_document(folder)), "--mock=all", "--port", str(port)],
        tenant_calls(invalid=('{"pkey": 5}', 400)),
        kind="four operations: validates, no state"),
    Peer("moto (IAM users)", python_package("moto") if find_spec("moto") else None, moto, user_calls(), True,
         "another API: rules, state"),
)


@contextmanager
def running(peer: Peer, folder: Path, pair: CertificatePair | None) -> Iterator[tuple[str, int, float]]:
    """URL, process group and seconds until the first response of a peer."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command, start = peer.command(port, folder, pair), time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    url = f"http{'s' if pair else ''}://127.0.0.1:{port}"
    try:
        wait_for(url, peer.calls["list of 20"])
        yield url, process.pid, time.perf_counter() - start
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(url: str, call: Call) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            with closing(connect(url)) as connection:
                send(connection, call, 0)
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"{url} does not answer")


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "http":
        return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=10, context=context)


def send(connection: http.client.HTTPConnection, call: Call, number: int) -> int:
    connection.request(call.method, call.path, call.body(number) if call.body else None, dict(call.headers))
    response = connection.getresponse()
    response.read()
    return response.status


def timed(url: str, call: Call, seconds: float, numbers: Iterator[int]) -> list[float]:
    """The seconds that each request takes over one persistent connection."""
    times: list[float] = []
    with closing(connect(url)) as connection:
        for _ in range(5):
            status = send(connection, call, next(numbers))
            if status != call.status:
                raise SystemExit(f"{url} {call.method} {call.path}: {status}, expected {call.status}")
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            before = time.perf_counter()
            send(connection, call, next(numbers))
            times.append(time.perf_counter() - before)
    return times


def members(group: int) -> Iterator[Path]:
    """The folders in /proc of the processes of a group."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getpgid(int(process.name)) == group:
                yield process


def processor(group: int) -> float:
    """Seconds of processor time that the processes of a group have taken."""
    fields = [(process / "stat").read_text().rpartition(")")[2].split() for process in members(group)]
    return sum(int(values[11]) + int(values[12]) for values in fields) / os.sysconf("SC_CLK_TCK")


def memory(group: int) -> float:
    """Memory of the processes of a group in megabytes."""
    lines = [line for process in members(group) for line in (process / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def compared(sides: tuple[Side, Side], seconds: float, numbers: Iterator[int]) -> dict[str, float]:
    """Requests per second, p50 and p99 in milliseconds, and the ratio to ours, which is the second side."""
    times: list[list[float]] = [[], []]
    spent = [0.0, 0.0]
    for _ in range(ROUNDS):
        for number, (url, group, call) in enumerate(sides):
            before = processor(group)
            times[number] += timed(url, call, seconds / ROUNDS, numbers)
            spent[number] += processor(group) - before
    theirs, ours = (spent[number] / len(times[number]) for number in (0, 1))
    cuts = quantiles(times[0], n=100)
    return {"requests/s": len(times[0]) / sum(times[0]), "p50 ms": cuts[49] * 1000, "p99 ms": cuts[98] * 1000,
            "ratio": theirs / ours}


def started(peer: Peer, pair: CertificatePair | None) -> tuple[float, float]:
    """Seconds until a peer's first response, and its processor time."""
    with tempfile.TemporaryDirectory() as folder, running(peer, Path(folder), pair) as (_, group, seconds):
        return seconds, processor(group)


def cold_start(peer: Peer, pair: CertificatePair | None) -> dict[str, float]:
    """The fastest of some starts, in turns with ours, and how many times our processor time it takes."""
    starts = [(started(peer, pair), started(PEERS[0], pair)) for _ in range(STARTS)]
    (seconds, theirs), (_, ours) = (map(min, *side) for side in zip(*starts, strict=True))
    return {"cold start s": seconds, "cold start ratio": theirs / ours}


def measure(peer: Peer, seconds: float, pair: CertificatePair | None) -> dict[str, Any]:
    ours = PEERS[0]
    start = cold_start(peer, pair)
    with (tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as second,
          running(peer, Path(folder), pair) as (url, group, _),
          running(ours, Path(second), pair) as (beside, other, _)):
        numbers = iter(range(1, 10_000_000))
        prepare(peer, url)
        work = {name: compared(((url, group, call), (beside, other, ours.calls[name])), seconds, numbers)
                for name, call in peer.calls.items()}
        return {"peer": peer.name, "release": peer.release, "https": pair is not None, "kind": peer.kind,
                **start, "memory MB": memory(group), "work": work}


def prepare(peer: Peer, url: str) -> None:
    """Create the rows: moto starts empty."""
    if peer.calls["show"].headers is IAM:
        with closing(connect(url)) as connection:
            for call in TENANTS:
                body = f"Version=2010-05-08&Action=CreateUser&UserName={call['pkey']}"
                send(connection, Call("POST", "/", lambda _, body=body: body, headers=IAM), 0)  # type: ignore[misc]


def markdown(report: Mapping[str, Any]) -> str:
    """A table of requests per second with the ratios to sarkmock over the same transport."""
    machine, results = report["machine"], report["results"]
    head = (f"{machine['python']}, {machine['cores']} cores, load {machine['load']:.1f}, {machine['system']}. "
            "Requests per second over one connection (how many times our processor time; p50 and p99 in ms).")
    lines = [head, "", f"| | cold start | memory | {' | '.join(WORK)} |", f"|{' --- |' * (len(WORK) + 3)}"]
    for result in results:
        cells = [cell(result["work"].get(name), ours=result["peer"] == PEERS[0].name) for name in WORK]
        name = f"{result['peer']} {result['release']}, {'HTTPS' if result['https'] else 'HTTP'}"
        ratio = "" if result["peer"] == PEERS[0].name else f" ({result['cold start ratio']:.1f}x)"
        lines.append(f"| {name} ({result['kind']}) | {result['cold start s']:.2f} s{ratio} | "
                     f"{result['memory MB']:.0f} MB | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(figures: Mapping[str, float] | None, *, ours: bool) -> str:
    if figures is None:
        return ""
    ratio = "" if ours else f"{figures['ratio']:.1f}x; "
    return f"{figures['requests/s']:,.0f} ({ratio}{figures['p50 ms']:.1f}, {figures['p99 ms']:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="The mock compared with other mock servers.")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each peer and request")
    parser.add_argument("--only", default="", help="peers whose name contains this text, and ours")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to this file, too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = []
    with tempfile.TemporaryDirectory() as directory:
        pair = make_certificate(Path(directory), "127.0.0.1")
        for peer in PEERS:
            if peer.release is None or not (peer is PEERS[0] or options.only in peer.name):
                print(f"left out: {peer.name}", file=sys.stderr)
                continue
            results += [measure(peer, options.seconds, tls) for tls in ((None, pair) if peer.https else (None,))]
    machine = {"python": f"Python {platform.python_version()}", "system": platform.platform(terse=True),
               "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    report = {"machine": machine, "results": results}
    print(markdown(report), end="")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(report))


if __name__ == "__main__":
    main()

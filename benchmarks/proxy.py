"""Latency and throughput of proxies in front of `sarkmock serve`, compared in one run.

`python benchmarks/proxy.py [--seconds 1] [--rounds 3] [--json] [--mitmdump COMMAND] [--prism COMMAND]`
Plain HTTP on both sides, because Prism has no TLS; `sarkmock proxy` also with TLS on both sides.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shlex
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from load import Shot, rate
from rich.console import Console
from rich.table import Table
from servers import Candidate, running

from sarkmock.server.certificates import make_certificate
from sarkmock.spec.loading import load

SHOW = Shot("show", 200, "GET", "/api/tenants/default")
SARKMOCK = [sys.executable, "-m", "sarkmock"]


def serve(tls: bool) -> Candidate:
    own = [] if tls else ["--http"]
    return Candidate("sarkmock serve", lambda port, pair: [
        *SARKMOCK, "serve", "--port", str(port), *own,
        *(["--cert", str(pair.certificate), "--key", str(pair.key)] if tls else [])], tls)


def ours(upstream: str, tls: bool, *options: str) -> Candidate:
    name = " ".join(["sarkmock proxy", *options, "" if not tls else "(TLS)"]).strip()
    return Candidate(name, lambda port, _: [*SARKMOCK, "proxy", f"{upstream}/api", "--port", str(port), *options,
                                            *([] if tls else ["--http"])], tls)


def mitmdump(command: str, upstream: str) -> Candidate:
    return Candidate("mitmdump", lambda port, _: [
        *shlex.split(command), "--mode", f"reverse:{upstream}", "--listen-port", str(port), "--quiet"], False)


def prism(command: str, upstream: str, document: Path) -> Candidate:
    document.write_text(json.dumps(load()))
    return Candidate("prism proxy", lambda port, _: [
        *shlex.split(command), "proxy", str(document), f"{upstream}/api", "--port", str(port)], False, "")


@contextmanager
def connected(url: str) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    made = (http.client.HTTPSConnection(parts.netloc, context=context) if parts.scheme == "https"
            else http.client.HTTPConnection(parts.netloc))
    try:
        yield made
    finally:
        made.close()


def latencies(url: str, path: str, seconds: float) -> list[float]:
    """Milliseconds of consecutive requests over one connection."""
    times = []
    with connected(url) as connection:
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            start = time.perf_counter()
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            response.read()
            times.append((time.perf_counter() - start) * 1000)
            if response.status != SHOW.status:
                raise SystemExit(f"{url}{path}: {response.status}")
    return times


def throughput(url: str, prefix: str, seconds: float) -> float | None:
    """Requests per second over four connections; None if the load generator cannot read the responses."""
    try:
        return rate(url, SHOW._replace(path=SHOW.path.removeprefix("/api") if not prefix else SHOW.path), seconds)
    except (SystemExit, ValueError):
        return None


def measure(options: argparse.Namespace) -> dict[str, dict[str, float | None]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pair = make_certificate(folder, "127.0.0.1")
        plain, secure = (stack.enter_context(running(serve(tls), pair)).url for tls in (False, True))
        proxies = [ours(plain, False), ours(plain, False, "--shadow", "L10"), ours(secure, True)]
        proxies += [mitmdump(options.mitmdump, plain)] if options.mitmdump else []
        proxies += [prism(options.prism, plain, folder / "openapi.json")] if options.prism else []
        urls = {"direct": (plain, "/api"), "direct (TLS)": (secure, "/api")}
        urls |= {proxy.name: (stack.enter_context(running(proxy, pair)).url, proxy.prefix) for proxy in proxies}
        times: dict[str, list[float]] = {name: [] for name in urls}
        rates: dict[str, list[float | None]] = {name: [] for name in urls}
        for _ in range(options.rounds):
            for name, (url, prefix) in urls.items():
                times[name] += latencies(url, f"{prefix}/tenants/default", options.seconds)
                rates[name].append(throughput(url, prefix, options.seconds))
    results: dict[str, dict[str, float | None]] = {}
    for name, all_times in times.items():
        direct = median(times["direct (TLS)" if "TLS" in name else "direct"])
        values = [value for value in rates[name] if value is not None]
        results[name] = {"p50": median(all_times), "p99": quantiles(all_times, n=100)[-1],
                         "added": median(all_times) - direct, "requests/s": median(values) if values else None}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--mitmdump", default="", metavar="COMMAND")
    parser.add_argument("--prism", default="", metavar="COMMAND")
    options = parser.parse_args()
    results = measure(options)
    if options.json:
        print(json.dumps(results, indent=2))
        return
    table = Table("way", "p50 ms", "p99 ms", "added ms", "requests/s", box=None)
    for name, numbers in results.items():
        table.add_row(name, *("" if numbers[key] is None else f"{numbers[key]:,.{digits}f}" for key, digits in
                              (("p50", 2), ("p99", 2), ("added", 2), ("requests/s", 0))))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()

"""Requests per second of several servers, compared in one run: on a busy machine only the ratios are meaningful.

`python benchmarks/servers.py [--seconds 0.5] [--rounds 3] [--processor] [--only TEXT] [--json]
    [--before CHECKOUT] [--prism COMMAND]`
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

from candidates import CANDIDATES
from load import Shot, rate
from rich.console import Console
from rich.table import Table

from sarkmock.server.certificates import CertificatePair, make_certificate
from sarkmock.spec.loading import load

SCRIPT = Path(__file__).with_name("candidates.py")
REFERENCE = next(iter(CANDIDATES))
SHOTS = [
    Shot("list of 20", 200, "GET", "/api/tenants"), Shot("show", 200, "GET", "/api/tenants/default"),
    Shot("invalid POST", 422, "POST", "/api/tenants", lambda _: '{"pkey": "bench"}'),
    Shot("valid POST", 201, "POST", "/api/tenants", lambda n: f'{{"pkey": "bench{n}", "description": "Bench"}}'),
    Shot("PUT", 200, "PUT", "/api/tenants/default", lambda n: f'{{"description": "bench{n}"}}')]
Rates = dict[str, dict[str, float]]


class Candidate(NamedTuple):
    """A server to measure; ``command`` takes a port and a certificate."""

    name: str
    command: Callable[[int, CertificatePair], list[str]]
    tls: bool = True
    prefix: str = "/api"
    environment: Mapping[str, str] = {}


class Running(NamedTuple):
    url: str
    process: int

    def processor_time(self) -> float:
        """Seconds of processor time of all threads, on Linux."""
        tasks = Path(f"/proc/{self.process}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def of_this_checkout(name: str, script: Path = SCRIPT) -> Candidate:
    return Candidate(name, lambda port, pair: [sys.executable, str(script), name, str(port), str(pair.certificate),
                                               str(pair.key)])


def of_another(checkout: Path) -> Candidate:
    """`sarkmock serve` of another checkout, whose dependencies must be installed."""
    before = of_this_checkout("sarkmock serve", checkout / "benchmarks" / "candidates.py")
    return before._replace(name="sarkmock serve, before", environment={"PYTHONPATH": str(checkout)})


def prism(command: str, document: Path) -> Candidate:
    """Stoplight's Prism with the document, on plain HTTP because it has no HTTPS."""
    document.write_text(json.dumps(load()))
    return Candidate("Prism, plain HTTP", lambda port, _: [
        *shlex.split(command), "mock", "--port", str(port), "--verboseLevel", "silent", str(document)], False, "")


@contextmanager
def running(candidate: Candidate, pair: CertificatePair) -> Iterator[Running]:
    """Run the candidate in its own process group on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(candidate.command(port, pair), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               start_new_session=True, env=os.environ | candidate.environment)
    try:
        wait_for(port)
        yield Running(f"http{'s' if candidate.tls else ''}://127.0.0.1:{port}", process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def measure(candidates: list[Candidate], pair: CertificatePair, seconds: float, rounds: int, processor: bool) -> Rates:
    """The median of several rounds of all candidates, per second or per second of the server's processor time."""
    results = {candidate.name: {shot.name: [] for shot in SHOTS} for candidate in candidates}  # type: dict[str, dict[str, list[float]]]
    for _ in range(rounds):
        for candidate in candidates:
            with running(candidate, pair) as server:
                clock = server.processor_time if processor else time.perf_counter
                for shot in SHOTS:
                    sent = shot._replace(path=candidate.prefix + shot.path.removeprefix("/api"))
                    rate(server.url, sent._replace(body=shot.body and _warm(shot)), seconds / 10)
                    results[candidate.name][shot.name].append(rate(server.url, sent, seconds, clock))
    return {name: {shot: median(rates) for shot, rates in shots.items()} for name, shots in results.items()}


def _warm(shot: Shot):  # type: ignore[no-untyped-def]
    """The same body with keys that the measurement does not use."""
    return lambda number: shot.body(number).replace("bench", "warm")  # type: ignore[misc]


def show(rates: Rates) -> None:
    table = Table("requests/s", *(shot.name for shot in SHOTS), title="ratios to the first line in brackets")
    for name, shots in rates.items():
        table.add_row(name, *(f"{value:,.0f} ({value / rates[REFERENCE][shot]:.0%})" for shot, value in shots.items()))
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests per second, side by side.")
    parser.add_argument("--seconds", type=float, default=0.5, help="per candidate, request and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processor", action="store_true", help="seconds of the server's processor time, on Linux")
    parser.add_argument("--only", default="", help="candidates whose name contains this text, and the first")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="compare with this state of the project, too")
    parser.add_argument("--prism", metavar="COMMAND", help="compare with Prism: npm install @stoplight/prism-cli@5")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # to stop the running candidate, too
    candidates = [of_this_checkout(name) for name in CANDIDATES if name == REFERENCE or options.only in name]
    with tempfile.TemporaryDirectory() as directory:
        pair = make_certificate(Path(directory), "127.0.0.1")
        candidates += [of_another(options.before)] if options.before else []
        candidates += [prism(options.prism, Path(directory) / "openapi.json")] if options.prism else []
        rates = measure(candidates, pair, options.seconds, options.rounds, options.processor)
    if options.json:
        print(json.dumps(rates, indent=2))
    else:
        show(rates)


if __name__ == "__main__":
    main()

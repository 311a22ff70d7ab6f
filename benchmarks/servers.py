"""Requests per second of every candidate, side by side in one run: on a busy machine only the ratios mean something.

`python benchmarks/servers.py [--seconds 0.5] [--rounds 3] [--only TEXT] [--json]`
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from candidates import CANDIDATES
from load import Shot, rate
from rich.console import Console
from rich.table import Table

from sarkmock.server import certificates

REFERENCE = next(iter(CANDIDATES))
SHOTS = [
    Shot("list of 20", 200, "GET", "/api/tenants"),
    Shot("show", 200, "GET", "/api/tenants/default"),
    Shot("invalid POST", 422, "POST", "/api/tenants", lambda _: '{"pkey": "bench"}'),
    Shot("valid POST", 201, "POST", "/api/tenants", lambda n: f'{{"pkey": "bench{n}", "description": "Bench"}}'),
]
Rates = dict[str, dict[str, float]]


@contextmanager
def running(name: str, pair: certificates.Pair) -> Iterator[str]:
    """The candidate as a process group of its own, on a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, str(Path(__file__).with_name("candidates.py")), name, str(port),
               str(pair.certificate), str(pair.key)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(port)
        yield f"https://127.0.0.1:{port}"
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


def measure(names: list[str], seconds: float, rounds: int) -> Rates:
    """Median over rounds in which every candidate had its turn."""
    found: dict[str, dict[str, list[float]]] = {name: {shot.name: [] for shot in SHOTS} for name in names}
    with tempfile.TemporaryDirectory() as directory:
        pair = certificates.make(Path(directory), "127.0.0.1")
        for _ in range(rounds):
            for name in names:
                with running(name, pair) as url:
                    for shot in SHOTS:
                        rate(url, shot._replace(body=shot.body and _warm(shot)), seconds / 10)
                        found[name][shot.name].append(rate(url, shot, seconds))
    return {name: {shot: median(rates) for shot, rates in shots.items()} for name, shots in found.items()}


def _warm(shot: Shot):  # type: ignore[no-untyped-def]
    """The same body under keys that the measurement does not use."""
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
    parser.add_argument("--only", default="", help="candidates whose name holds this text, beside the first")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the candidate under way is stopped, too
    names = [name for name in CANDIDATES if name == REFERENCE or options.only in name]
    rates = measure(names, options.seconds, options.rounds)
    if options.json:
        print(json.dumps(rates, indent=2))
    else:
        show(rates)


if __name__ == "__main__":
    main()

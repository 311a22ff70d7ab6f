"""Processor time of a request in microseconds, by layer and without a server: the cost of journal and faults.

`python benchmarks/layers.py [--seconds 0.3] [--rounds 7] [--json]`
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable
from typing import Any

from candidates import engine, recorded
from rich.console import Console
from rich.table import Table

from sarkmock import Journal
from sarkmock.control import MockControl
from sarkmock.faults import Faults
from sarkmock.http.direct import Direct

HEADERS = {"HTTP_HOST": "127.0.0.1:44300", "HTTP_ACCEPT": "application/json", "HTTP_USER_AGENT": "benchmark/1",
           "HTTP_ACCEPT_ENCODING": "gzip, deflate", "HTTP_CONNECTION": "keep-alive"}


def faulty() -> Any:
    """An application with a fault that no request triggers."""
    mock = engine()
    return Direct(MockControl(mock, Faults(mock, [{"operation": "agents.list", "status": 500}]), Journal(mock)))


LAYERS: dict[str, Callable[[], Any]] = {
    "the engine through the gateway": lambda: Direct(MockControl(engine())),
    "with a journal": lambda: recorded(engine()), "with a journal and faults for others": faulty}
SHOTS = [("list of 20", "GET", "/api/tenants", b""), ("show", "GET", "/api/tenants/default", b""),
         ("invalid POST", "POST", "/api/tenants", b'{"pkey": "bench"}')]


def micros(app: Any, method: str, path: str, body: bytes, seconds: float) -> float:
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        for _ in range(50):
            environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_LENGTH": str(len(body)),
                       "CONTENT_TYPE": "application/json", "wsgi.input": io.BytesIO(body), **HEADERS}
            b"".join(app(environ, lambda *_: None))
        count += 50
    return (time.process_time() - start) / count * 1e6


def measure(seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    """The minimum of several rounds of all layers: disturbances only add time."""
    apps = {name: build() for name, build in LAYERS.items()}
    times: dict[str, dict[str, list[float]]] = {name: {shot[0]: [] for shot in SHOTS} for name in apps}
    for _ in range(rounds):
        for shot in SHOTS:
            for name, app in apps.items():
                times[name][shot[0]].append(micros(app, *shot[1:], seconds))
    return {name: {shot: min(values) for shot, values in shots.items()} for name, shots in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Microseconds a request, layer by layer.")
    parser.add_argument("--seconds", type=float, default=0.3, help="per layer, request and round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    times = measure(options.seconds, options.rounds)
    if options.json:
        print(json.dumps(times, indent=2))
        return
    first = next(iter(times.values()))
    table = Table("microseconds", *(shot[0] for shot in SHOTS))
    for name, shots in times.items():
        table.add_row(name, *(f"{value:.0f} ({value / first[shot]:.0%})" for shot, value in shots.items()))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()

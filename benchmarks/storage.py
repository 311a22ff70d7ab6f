"""The cost of persistence: microseconds per request, in process, with and without `--state`.

`python benchmarks/storage.py [--requests 300]`
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

from werkzeug.test import create_environ

from sarkmock import Engine, State, create_app, load_seed
from sarkmock.pbx.persistence import Kept, Storage
from sarkmock.server.application import Application

DISK = Path.cwd()  # /tmp is memory on many machines


def send(app: Application, method: str, path: str, body: bytes = b"") -> None:
    environ = create_environ(f"/api/{path}", method=method, data=body, content_type="application/json")
    b"".join(app(environ, lambda *_: None))


def microseconds(app: Application, count: int) -> dict[str, float]:
    reads, writes = [], []
    for number in range(count):
        start = time.perf_counter()
        send(app, "GET", "tenants/default")
        middle = time.perf_counter()
        send(app, "POST", "tenants", json.dumps({"pkey": f"b{number}", "description": "Bench"}).encode())
        reads.append(middle - start)
        writes.append(time.perf_counter() - middle)
    return {"show": median(reads) * 1e6, "valid POST": median(writes) * 1e6}


def measure(seed: str, kept: bool, count: int) -> dict[str, float]:
    engine = Engine(state=State(load_seed(seed)))
    with ExitStack() as stack:
        app: Application = create_app(engine)
        if kept:
            directory = stack.enter_context(tempfile.TemporaryDirectory(dir=DISK))
            storage = stack.enter_context(closing(Storage(Path(directory) / "state")))
            app = Kept(app, engine.state, storage, engine.lock)
        return microseconds(app, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    for name in ("factory", "big"):
        for kept in (False, True):
            times = measure(name, kept, parser.parse_args().requests)
            print(f"{name:8} {'--state' if kept else 'in memory':10}",
                  *(f"{what} {value:6.0f}" for what, value in times.items()))

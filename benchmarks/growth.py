"""The cost of a request by the number of extensions: processor time in microseconds, and memory per row.

`python benchmarks/growth.py [--rows 10,1000,100000] [--rounds 9]`

Sizes are measured in turns, and compared with the smallest, so that the ratios are valid on a busy machine, too.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from sarkmock import Engine, State, load_seed
from sarkmock.http.engine import ApiRequest
from sarkmock.http.wsgi import render

FIRST = 100_000  # six digits: all keys are different
REQUESTS = 40  # per round


class Box:
    """A PBX with a number of extensions, and the cost of requests to it."""

    def __init__(self, rows: int) -> None:
        before = resident()
        seed = load_seed("factory")
        template = {"cluster": "default", "desc": "Growth", "technology": "SIP", "device": "General SIP"}
        phones = [template | {"pkey": str(FIRST + number), "callerid": str(FIRST + number)} for number in range(rows)]
        self.engine = Engine(state=State(replace(seed, tables=seed.tables | {"ipphone": phones})))
        self.rows, self.kilobytes, self.made = rows, (resident() - before) / rows, 0
        self.path = f"extensions/{FIRST + rows // 2}"

    def send(self, method: str, path: str, body: object = None) -> object:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        reply = self.engine.handle(ApiRequest(method, f"/{path}", "", headers, content))
        assert reply.status in (200, 201), (method, path, reply.status, reply.body)
        return reply.body

    def list(self) -> bytes:
        request = ApiRequest("GET", "/extensions", encoded=True)
        return render(self.engine.handle(request), "GET").body

    def create(self) -> None:
        self.made += 1
        self.send("POST", "extensions/mailbox", {"pkey": str(500_000 + self.made), "cluster": "default"})

    def round(self) -> dict[str, float]:
        """One round of all measurements. The time of a list includes its encoding, other times do not."""
        times = {
            "show": cost(lambda: self.send("GET", self.path), REQUESTS),
            "create": cost(self.create, REQUESTS),
            "update": cost(lambda: self.send("PUT", self.path, {"desc": f"d{time.monotonic_ns()}"}), REQUESTS)}
        rows = json.loads(self.list())
        dumped = cost(lambda: json.dumps(rows), 1)
        for name, change in (("list after a change", self.create), ("list again", lambda: None)):
            change()
            times[f"{name}, a row"] = listed = cost(self.list, 1) / self.rows
            times[f"{name} / json.dumps"] = listed * self.rows / dumped
        times["reset, ms"] = cost(self.engine.state.reset, 1) / 1000
        return times


def cost(function: Callable[[], object], count: int) -> float:
    """Median microseconds of processor time."""
    spent = []
    for _ in range(count):
        start = time.process_time_ns()
        function()
        spent.append(time.process_time_ns() - start)
    return median(spent) / 1000


def resident() -> float:
    """Peak memory in kilobytes."""
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="10,1000,100000")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    Box(10).round()
    boxes = [Box(int(rows)) for rows in options.rows.split(",")]
    rounds = [[box.round() for box in boxes] for _ in range(options.rounds)]
    print(f"{'':32}", *(f"{box.rows:>11,}" for box in boxes), f"{'ratio':>11}")
    for name in rounds[0][0]:
        values = [median(times[number][name] for times in rounds) for number in range(len(boxes))]
        print(f"{name:32}", *(f"{value:11.2f}" for value in values), f"{values[-1] / values[0]:11.2f}")
    print(f"{'KB a row':32}", *(f"{box.kilobytes:11.2f}" for box in boxes))


if __name__ == "__main__":
    main()

"""Replays recordings on both profiles: shipped must agree, documented may differ only where a deviation touches.

Every exchange is asked of both profiles in the state that the shipped one is in, so that a difference is that of the
operation itself and not the consequence of an earlier one. What a deviation touches is computed from the overlay.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sarkmock.http.engine import Engine, Request
from sarkmock.http.replies import Rejection
from sarkmock.pbx.state import State
from sarkmock.spec import loading
from sarkmock.spec.operations import Operation, segment_matches
from sarkmock.spec.pointers import pointer, reach
from tests import replay, wire
from tests.replay import Difference, Exchange

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "contracts" / "exchanges").glob("*.jsonl"))
# The recordings of the other versions, in a folder that is called like the profile; whole ones.
RECORDINGS = sorted((ROOT / "contracts" / "exchanges").glob("*/*.jsonl.gz"))
FEW = 20  # differences that are shown
CRASHES = "/x-crashes"


@dataclass
class Verdict:
    """What came of a replay on both profiles."""

    exchanges: Counter[str] = field(default_factory=Counter)
    shipped: list[Difference] = field(default_factory=list)
    documented: list[tuple[Difference, frozenset[str]]] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Difference]:
        """Differences of the documented profile that no deviation touches."""
        return [difference for difference, deviations in self.documented if not deviations]

    @property
    def seen(self) -> Counter[str]:
        """How often each deviation shows."""
        return Counter(name for _, deviations in self.documented for name in deviations)


class Touched:
    """Which deviations touch the operations that a request means in either profile."""

    def __init__(self, *engines: Engine) -> None:
        self.engines = engines

    @cached_property
    def pointers(self) -> list[tuple[str, str]]:
        """Every place that the overlay changes, with its deviation."""
        return [(place, deviation.id) for deviation in loading.deviations_of("shipped") for place in deviation.pointers]

    def by(self, exchange: Exchange) -> frozenset[str]:
        request = exchange["request"]
        places = {place for engine in self.engines for place in self.places(engine, request["method"], request["path"])}
        if exchange["response"]["status"] == 500:
            places.add(CRASHES)
        return frozenset(name for pointer, name in self.pointers if any(overlap(pointer, place) for place in places))

    def places(self, engine: Engine, method: str, path: str) -> set[str]:
        """The parts of the document that an answer depends on."""
        try:
            operation, _ = engine.program.router.find(method, path)
        except Rejection:
            return {pointer("paths", known.path) for known in engine.operations if matches(known.path, path)}
        return set(parts(engine.document, operation))


def parts(document: Mapping[str, Any], operation: Operation) -> Iterator[str]:
    """The operation, what its path says for all methods, and every component they refer to."""
    item = pointer("paths", operation.path)
    yield from (f"{item}/x-table", f"{item}/parameters")
    yield from reach(document, f"{item}/{operation.method.lower()}")


def overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def matches(template: str, path: str) -> bool:
    expected, segments = template.strip("/").split("/"), path.strip("/").split("/")
    return len(expected) == len(segments) and all(map(segment_matches, expected, segments))


def judge(exchanges: Iterable[Exchange]) -> Verdict:
    """Both profiles, exchange by exchange."""
    state = State(now=1_700_000_000)
    shipped, documented = Engine(loading.load("shipped"), state), Engine(loading.load("documented"), state)
    touched = Touched(shipped, documented)
    verdict = Verdict()
    saved: dict[str, str] = {}
    scenario: Any = None
    for exchange in exchanges:
        if replay.scenario_of(exchange) != scenario:
            scenario, saved = replay.scenario_of(exchange), {}
            replay.factory_fresh(state)
        verdict.exchanges[replay.resource_of(exchange["request"])] += 1
        request = replay.request_of(exchange["request"], saved)
        compare(exchange, documented, translated(request, shipped, documented), verdict.documented, touched)
        reply = replay.send(shipped, request)
        replay.remember(exchange["request"], reply, saved)
        difference = replay.compare(exchange, reply)
        verdict.shipped += [difference] if difference else []
    return verdict


def translated(request: Request, shipped: Engine, documented: Engine) -> Request:
    """The request as the other profile wants it, where only the operation's method or path differ."""
    try:
        operation, parameters = shipped.program.router.find(request.method, request.path)
    except Rejection:
        return request
    other = next((known for known in documented.operations if known.id == operation.id), operation)
    if (other.method, other.path) == (operation.method, operation.path) or not set(other.parameters) <= set(parameters):
        return request
    return replace(request, method=other.method, path=re.sub(r"{(\w+)}", lambda name: parameters[name[1]], other.path))


def compare(exchange: Exchange, documented: Engine, request: Request,
            differences: list[tuple[Difference, frozenset[str]]], touched: Touched) -> None:
    """Ask the documented profile without leaving a trace."""
    kept = keep(documented.state)
    reply = replay.send(documented, request)
    put_back(documented.state, kept)
    difference = replay.compare(exchange, reply)
    if difference:
        differences.append((difference, touched.by(exchange)))


def keep(state: State) -> tuple[Any, ...]:
    return state.tables.dump(), dict(state.files), state.memory()


def put_back(state: State, kept: tuple[Any, ...]) -> None:
    image, state.files, memory = kept
    state.tables.restore(image)
    state.restore_memory(memory)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fidelity", description=__doc__)
    parser.add_argument("file", type=Path, nargs="*", help="recorded exchanges, .jsonl or .jsonl.gz (default: ours)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every difference that must not be")
    options = parser.parse_args(arguments)
    verdict = judge(exchange for file in options.file or FILES for exchange in replay.read(file))
    show("shipped", verdict.exchanges, verdict.shipped, options.verbose)
    show("documented", verdict.exchanges, [difference for difference, _ in verdict.documented], verbose=False)
    sys.stdout.write("\nwhat a deviation explains:\n")
    sys.stdout.writelines(f"{name:40} {count:5}\n" for name, count in sorted(verdict.seen.items()))
    show("documented, unexplained", verdict.exchanges, verdict.unexplained, options.verbose)
    others = [] if options.file else [difference for file in RECORDINGS for difference in of_a_version(file)]
    return 1 if verdict.shipped or verdict.unexplained or others else 0


def of_a_version(file: Path) -> list[str]:
    """The differences of a recording of another version, replayed on its own profile."""
    found = [str(difference) for difference in differences(file)]
    sys.stdout.write(f"\n{file.parent.name}, {file.name}: {len(found)} differences\n" + "\n".join(found[:FEW]))
    return found


def differences(file: Path, every: int = 1, profile: str | None = None) -> Iterable[object]:
    """Those of one in so many scenarios: of whole exchanges, with their headers, where these were recorded."""
    recorded, engine = replay.read(file), replay.engine_for(profile or file.parent.name)
    scenarios = list(dict.fromkeys(exchange["scenario"] for exchange in recorded))[::every]
    exchanges = [exchange for exchange in recorded if exchange["scenario"] in scenarios]
    if "headers" not in exchanges[0]["response"]:
        return replay.replay(exchanges, engine)
    return wire.differences(exchanges, engine, files=wire.files_of(file))


def show(title: str, exchanges: Counter[str], differences: list[Difference], verbose: bool) -> None:
    sys.stdout.write(f"\n{title}:\n")
    replay.report(exchanges, differences, verbose)


if __name__ == "__main__":
    raise SystemExit(main())

"""Replays recordings on both profiles: `shipped` must match, `documented` may differ only where a deviation applies.

Every exchange is sent to both profiles in the same state, that of `shipped`, so that a difference is not the
consequence of an earlier one. The overlay shows where a deviation applies.
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

from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.http.replies import Rejection
from sarkmock.pbx.state import State
from sarkmock.spec import loading
from sarkmock.spec.operations import Operation, segment_matches
from sarkmock.spec.pointers import pointer, reach
from tests import replay, wire
from tests.replay import Difference, Exchange

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "contracts" / "exchanges").glob("*.jsonl"))
# The recordings of the other versions, in folders named after the profiles.
RECORDINGS = sorted((ROOT / "contracts" / "exchanges").glob("*/*.jsonl.gz"))
SHOWN = 20  # differences
CRASHES = "/x-crashes"


@dataclass
class Verdict:
    """The result of a replay on both profiles."""

    exchanges: Counter[str] = field(default_factory=Counter)
    shipped: list[Difference] = field(default_factory=list)
    documented: list[tuple[Difference, frozenset[str]]] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Difference]:
        """Differences of the documented profile to which no deviation applies."""
        return [difference for difference, deviations in self.documented if not deviations]

    @property
    def counts(self) -> Counter[str]:
        """How often each deviation applies."""
        return Counter(name for _, deviations in self.documented for name in deviations)


class Effects:
    """The deviations that affect the operations of a request in either profile."""

    def __init__(self, *engines: Engine) -> None:
        self.engines = engines

    @cached_property
    def pointers(self) -> list[tuple[str, str]]:
        """Every pointer that the overlay changes, with its deviation."""
        return [(changed, deviation.id)
                for deviation in loading.deviations_of("shipped") for changed in deviation.pointers]

    def of(self, exchange: Exchange) -> frozenset[str]:
        request = exchange["request"]
        parts = set().union(*(self.parts(engine, request["method"], request["path"]) for engine in self.engines))
        if exchange["response"]["status"] == 500:
            parts.add(CRASHES)
        return frozenset(name for pointer, name in self.pointers if any(overlap(pointer, part) for part in parts))

    def parts(self, engine: Engine, method: str, path: str) -> set[str]:
        """The parts of the document that determine a response."""
        try:
            operation, _ = engine.program.router.find(method, path)
        except Rejection:
            return {pointer("paths", other.path) for other in engine.operations if matches(other.path, path)}
        return set(parts_of(engine.document, operation))


def parts_of(document: Mapping[str, Any], operation: Operation) -> Iterator[str]:
    """The operation, the keys of its path item, and every component that they refer to."""
    item = pointer("paths", operation.path)
    yield from (f"{item}/x-table", f"{item}/parameters")
    yield from reach(document, f"{item}/{operation.method.lower()}")


def overlap(first: str, second: str) -> bool:
    return f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/")


def matches(template: str, path: str) -> bool:
    expected, segments = template.strip("/").split("/"), path.strip("/").split("/")
    return len(expected) == len(segments) and all(map(segment_matches, expected, segments))


def judge(exchanges: Iterable[Exchange]) -> Verdict:
    """Send every exchange to both profiles."""
    state = State(now=1_700_000_000)
    shipped, documented = Engine(loading.load("shipped"), state), Engine(loading.load("documented"), state)
    effects = Effects(shipped, documented)
    verdict = Verdict()
    saved: dict[str, str] = {}
    scenario: Any = None
    for exchange in exchanges:
        if replay.scenario_of(exchange) != scenario:
            scenario, saved = replay.scenario_of(exchange), {}
            replay.factory_fresh(state)
        verdict.exchanges[replay.resource_of(exchange["request"])] += 1
        request = replay.request_of(exchange["request"], saved)
        compare(exchange, documented, translated(request, shipped, documented), verdict.documented, effects)
        reply = replay.send(shipped, request)
        replay.remember(exchange["request"], reply, saved)
        difference = replay.compare(exchange, reply)
        verdict.shipped += [difference] if difference else []
    return verdict


def translated(request: ApiRequest, shipped: Engine, documented: Engine) -> ApiRequest:
    """The request of the other profile, if only the operation's method or path differ."""
    try:
        operation, parameters = shipped.program.router.find(request.method, request.path)
    except Rejection:
        return request
    target = next((candidate for candidate in documented.operations if candidate.id == operation.id), operation)
    if (target.method, target.path) == (operation.method, operation.path):
        return request
    if not set(target.parameters) <= set(parameters):
        return request
    path = re.sub(r"{(\w+)}", lambda name: parameters[name[1]], target.path)
    return replace(request, method=target.method, path=path)


def compare(exchange: Exchange, documented: Engine, request: ApiRequest,
            differences: list[tuple[Difference, frozenset[str]]], effects: Effects) -> None:
    """Send the request to the documented profile without changing the state."""
    saved = save(documented.state)
    reply = replay.send(documented, request)
    restore(documented.state, saved)
    difference = replay.compare(exchange, reply)
    if difference:
        differences.append((difference, effects.of(exchange)))


def save(state: State) -> tuple[Any, ...]:
    return state.tables.dump(), dict(state.files), state.memory()


def restore(state: State, saved: tuple[Any, ...]) -> None:
    image, state.files, memory = saved
    state.tables.restore(image)
    state.restore_memory(memory)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fidelity", description=__doc__)
    parser.add_argument("file", type=Path, nargs="*", help="recorded exchanges, .jsonl or .jsonl.gz (default: ours)")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every unexpected difference")
    options = parser.parse_args(arguments)
    verdict = judge(exchange for file in options.file or FILES for exchange in replay.read(file))
    show("shipped", verdict.exchanges, verdict.shipped, options.verbose)
    show("documented", verdict.exchanges, [difference for difference, _ in verdict.documented], verbose=False)
    sys.stdout.write("\nexplained by a deviation:\n")
    sys.stdout.writelines(f"{name:40} {count:5}\n" for name, count in sorted(verdict.counts.items()))
    show("documented, unexplained", verdict.exchanges, verdict.unexplained, options.verbose)
    recordings = [] if options.file else RECORDINGS
    of_versions = [difference for file in recordings for difference in differences_of_version(file)]
    return 1 if verdict.shipped or verdict.unexplained or of_versions else 0


def differences_of_version(file: Path) -> list[str]:
    """The differences of a recording of another version, replayed on its profile."""
    texts = [str(difference) for difference in differences(file)]
    sys.stdout.write(f"\n{file.parent.name}, {file.name}: {len(texts)} differences\n" + "\n".join(texts[:SHOWN]))
    return texts


def differences(file: Path, every: int = 1, profile: str | None = None) -> Iterable[object]:
    """The differences of every n-th scenario, including headers if they were recorded."""
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

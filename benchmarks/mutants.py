"""How soon the suite finds single changes of a mock: one run for each mutant drawn by a seed, and a table.

Every mutant is judged by the intact profile: by the first 1,200 requests of a run, then by all cases of its section,
then by the whole run, until it is found. Results are JSON lines; mutants in the file are not measured again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sarkmock_contracts.spec.contract import contract_of

from tests.mutants.generated import draw
from tests.mutants.hunting import hunt
from tests.mutants.invisible import why_invisible

PROFILES = ("documented", "shipped", "2020-06", "L10", "L11")
STEPS = (100, 300, 600, 1200)
Key = tuple[str, int, int]  # profile, seed, number
Result = dict[str, Any]


def measure(key: Key) -> Result:
    """The result for one mutant."""
    profile, seed, number = key
    mutation = draw(profile, seed, number + 1)[number]
    start = time.process_time()
    reason = why_invisible(contract_of(profile), mutation)
    result = {"profile": profile, "seed": seed, "number": number, "kind": mutation.kind, "mutation": str(mutation)}
    if reason:
        return {**result, "status": "invisible", "reason": reason}
    fate = hunt(profile, profile, [mutation], limit=STEPS[-1])[1][0]
    within = fate.status == "found" and fate.request is not None and fate.request <= STEPS[-1]
    for whole in (False, True):
        if fate.status != "found":
            fate = hunt(profile, profile, [mutation], whole=whole)[1][0]
    findings = [f"{finding.identity} {','.join(finding.deviations)}".strip() for finding in fate.findings]
    return {**result, "status": fate.status, "request": fate.request if within else None, "findings": findings,
            "seconds": round(time.process_time() - start, 1)}


def read(file: Path) -> list[Result]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def missing_keys(profiles: list[str], seed: int, count: int, done: list[Result]) -> Iterator[Key]:
    existing = {(result["profile"], result["seed"], result["number"]) for result in done}
    keys = ((profile, seed, number) for number in range(count) for profile in profiles)
    yield from (key for key in keys if key not in existing)


def table(results: list[Result]) -> Iterator[str]:
    """The percentage of visible mutants found within each number of requests, by profile."""
    columns = ["profile", "mutants", "invisible", *(f"{step:,}" for step in STEPS), "full run", "missed", "masked"]
    yield f"| {' | '.join(columns)} |"
    yield "| --- " * len(columns) + "|"
    for profile in sorted({result["profile"] for result in results}, key=PROFILES.index):
        own = [result for result in results if result["profile"] == profile]
        visible = [result for result in own if result["status"] != "invisible"]
        requests = [result["request"] for result in visible if result["request"] is not None]
        within = [sum(request <= step for request in requests) for step in STEPS]
        by = Counter(result["status"] for result in visible)
        shares = [f"{100 * number / len(visible):.1f}%" for number in (*within, by["found"])]
        cells = [profile, len(own), len(own) - len(visible), *shares, by["missed"], by["masked"]]
        yield f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="append", choices=PROFILES, help="default: documented and shipped")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no mutant after this time")
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"))
    options = parser.parse_args()
    ends = time.monotonic() + options.seconds
    profiles = options.profile or ["documented", "shipped"]
    keys = list(missing_keys(profiles, options.seed, options.count, read(options.results)))
    with multiprocessing.Pool(options.processes) as pool, options.results.open("a") as file:
        for result in pool.imap_unordered(measure, keys):
            file.write(json.dumps(result) + "\n")
            file.flush()
            if time.monotonic() > ends:
                pool.terminate()
                break
    print("\n".join(table(read(options.results))))


if __name__ == "__main__":
    main()

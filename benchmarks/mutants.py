"""How soon the suite finds a single change of a mock: mutants drawn by a seed, one run each, and a table.

Every mutant is judged by the intact profile: the first 1,200 requests of a run first, then, if it was not found, all
that concerns its section, then the whole run. Results are JSON lines; a mutant that the file has is not tried again.
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


def tried(key: Key) -> Result:
    """What became of one mutant."""
    profile, seed, number = key
    mutation = draw(profile, seed, number + 1)[number]
    began = time.process_time()
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
            "seconds": round(time.process_time() - began, 1)}


def read(file: Path) -> list[Result]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def wanted(profiles: list[str], seed: int, count: int, done: list[Result]) -> Iterator[Key]:
    had = {(one["profile"], one["seed"], one["number"]) for one in done}
    yield from (key for number in range(count) for profile in profiles if (key := (profile, seed, number)) not in had)


def table(results: list[Result]) -> Iterator[str]:
    """Per profile how many of the visible mutants were found by then, in percent."""
    columns = ["profile", "mutants", "invisible", *(f"{step:,}" for step in STEPS), "full run", "missed", "masked"]
    yield f"| {' | '.join(columns)} |"
    yield "| --- " * len(columns) + "|"
    for profile in sorted({one["profile"] for one in results}, key=PROFILES.index):
        own = [one for one in results if one["profile"] == profile]
        seen = [one for one in own if one["status"] != "invisible"]
        within = [sum(one["request"] is not None and one["request"] <= step for one in seen) for step in STEPS]
        by = Counter(one["status"] for one in seen)
        shares = [f"{100 * number / len(seen):.1f}%" for number in (*within, by["found"])]
        cells = [profile, len(own), len(own) - len(seen), *shares, by["missed"], by["masked"]]
        yield f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="append", choices=PROFILES, help="default: documented and shipped")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no mutant after this time")
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"))
    given = parser.parse_args()
    ends = time.monotonic() + given.seconds
    keys = list(wanted(given.profile or ["documented", "shipped"], given.seed, given.count, read(given.results)))
    with multiprocessing.Pool(given.processes) as pool, given.results.open("a") as file:
        for result in pool.imap_unordered(tried, keys):
            file.write(json.dumps(result) + "\n")
            file.flush()
            if time.monotonic() > ends:
                pool.terminate()
                break
    print("\n".join(table(read(given.results))))


if __name__ == "__main__":
    main()

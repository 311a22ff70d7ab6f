"""How soon single changes of a mock are found, by `sarkmock check` and by tools that only know the document.

`npm --prefix tests/outside install`, then
`python benchmarks/detection.py [--count 20] [--seed 51] [--seconds N] [--results FILE] [--markdown FILE]`. Changes are
drawn from all changes of a profile. A tool finds a change if it reports a failure of a changed operation that it does
not report for the intact mock. Failures at the intact mock are false positives. Results are JSON lines; results that
the file contains are not measured again.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from http.client import responses
from pathlib import Path
from typing import Any, NamedTuple

from sarkmock_contracts.checks import cases
from sarkmock_contracts.client.http import Request
from sarkmock_contracts.client.transports import SignedIn
from sarkmock_contracts.errors import NewFindings
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.contract import Contract

from sarkmock.server.https_server import Server
from sarkmock.suite_api import State, load, load_seed
from tests.mutants.generated import NOW, TOKEN, Mutated, Mutation, draw
from tests.mutants.hunting import groups, hunt, options
from tests.mutants.invisible import why_invisible
from tests.outside.tools import TOOLS, UPLOADS, successes

BUDGETS = (100, 300, 1000, 3000)
TIMEOUT = 240.0
CASE_ID = "HTTP_X_SCHEMATHESIS_TESTCASEID"
Failures = dict[str, int]  # operation and failure, and the number of the first request that showed it
Result = dict[str, Any]


class Served:
    """A mutant as a WSGI application that numbers its requests."""

    def __init__(self, profile: str, mutations: Iterable[Mutation]) -> None:
        state = State(load_seed("examples", load(profile)), now=NOW, token=TOKEN)
        self.box, self.profile = Mutated(profile, *mutations, state=state), profile
        self.signed_in = SignedIn(self.box, state)
        self.requests = 0
        self.numbers: dict[str, int] = {}  # by Schemathesis test case
        self.spent = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.requests += 1
        self.numbers.setdefault(environ.get(CASE_ID, ""), self.requests)
        if self.requests >= BUDGETS[-1]:
            self.spent.set()
        response = self.signed_in.send(received(environ))
        start(f"{response.status} {responses.get(response.status, '')}", list(response.headers))
        return [response.body]

    def operation(self, method: str, path: str) -> str:
        return self.box.intact.router.find(method, path.removeprefix("/api"))[0].id


def received(environ: dict[str, Any]) -> Request:
    path, _, query = environ["REQUEST_URI"].partition("?")
    names = {key: key.removeprefix("HTTP_") for key in environ if key.startswith(("HTTP_", "CONTENT_"))}
    headers = tuple((name.replace("_", "-").title(), environ[key]) for key, name in names.items() if environ[key])
    return Request(environ["REQUEST_METHOD"], path.removeprefix("/api"), query, headers, environ["wsgi.input"].read())


def run_tool(command: list[str], folder: Path, served: Served) -> str:
    """Run a tool until it ends, the requests are used up, or the time is over; return its output."""
    ends = time.monotonic() + TIMEOUT
    with (folder / "output").open("w") as output, \
            subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            if served.spent.wait(0.2) or time.monotonic() > ends:
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                process.kill()
    return (folder / "output").read_text()


def schemathesis(*arguments: str) -> Callable[[Path, Served, str], Failures]:
    """Plain `st run`; a failure is identified by operation, check and code."""
    def run(folder: Path, served: Served, url: str) -> Failures:
        (folder / "openapi.json").write_text(json.dumps(load(served.profile)))
        command = Path(sys.executable).with_name("st")
        run_tool([str(command), "run", "openapi.json", "--url", f"{url}/api", "--seed", "1", "--no-shrink",
                  "--continue-on-failure", "--suppress-health-check", "all", "--report", "ndjson",
                  "--report-ndjson-path", "events", *arguments], folder, served)
        failures: Failures = {}
        for line in (folder / "events").read_text().splitlines():
            with suppress(ValueError):
                for name, number in st_failures(json.loads(line), served):
                    failures[name] = min(number, failures.get(name, number))
        return failures
    return run


def st_failures(event: Result, served: Served) -> Iterator[tuple[str, int]]:
    recorder = event.get("ScenarioFinished", {}).get("recorder") or {}
    for case, checks in recorder.get("checks", {}).items():
        for check in checks:
            if check["status"] == "failure":
                value = recorder["cases"][case]["value"]
                operation = operation_of(served.profile, value["method"], value["path"])
                failure = check["failure_info"]["failure"]
                yield f"{operation} {check['name']} {failure['code']}", served.numbers.get(case, served.requests)


@cache
def operation_of(profile: str, method: str, template: str) -> str:
    ids = {(operation.method, operation.path): operation.id for operation in contract(profile).operations}
    return ids.get((method, template), f"{method} {template}")


@cache
def contract(profile: str) -> Contract:
    return Contract(load(profile))


def dredd(folder: Path, served: Served, url: str) -> Failures:
    """One request of each operation, with the example of the document."""
    document, _ = successes(folder, served.profile, without=UPLOADS)
    command = [str(TOOLS / "dredd"), str(document), f"{url}/api", "--loglevel", "error", "--no-color"]
    text = run_tool(command, folder, served)
    results = re.findall(r"^(pass|fail): (\w+) \(\d+\) (\S+) duration", text, re.MULTILINE)
    return {served.operation(method, path): number for number, (verdict, method, path) in enumerate(results, 1)
            if verdict == "fail"}


def portman(folder: Path, served: Served, url: str) -> Failures:
    """Portman's collection with its contract tests, run by newman."""
    document, _ = successes(folder, served.profile, without=UPLOADS)
    subprocess.run([str(TOOLS / "portman"), "-l", str(document), "-b", f"{url}/api", "-o", "collection.json"],
                   cwd=folder, check=True, capture_output=True, timeout=TIMEOUT)
    run_tool([str(TOOLS / "newman"), "run", "collection.json", "--reporters", "json", "--reporter-json-export",
              "report.json"], folder, served)
    failures: Failures = {}
    for number, execution in enumerate(json.loads((folder / "report.json").read_text())["run"]["executions"], 1):
        request = execution["request"]
        operation = served.operation(request["method"], "/" + "/".join(request["url"]["path"]))
        for test in execution.get("assertions", []):
            if "error" in test:
                failures.setdefault(f"{operation} {test['assertion'].rpartition(' - ')[2]}", number)
    return failures


def ours(profile: str, mutations: list[Mutation]) -> Failures:
    """`sarkmock check`: findings that name the operation and the field; all findings at the intact mock."""
    if not mutations:
        box = Mutated(profile)
        run = Run(contract(profile), SignedIn(box, box.engine.state), options(profile, profile))
        for case in cases(run):
            if run.judge.requests < BUDGETS[-1]:
                with suppress(NewFindings), run.watch():
                    case.run(run)
        return {str(finding.identity): finding.request for finding in run.findings}
    fates = {str(mutation): hunt(profile, profile, [mutation], limit=BUDGETS[-1])[1][0] for mutation in mutations}
    return {f"{min(fate.mutation.operations)} {text}": fate.request for text, fate in fates.items()
            if fate.request is not None}


TOOL = {
    "Dredd": dredd,
    "Portman": portman,
    "`st run`, 1 example": schemathesis("--phases", "examples,fuzzing", "--max-examples", "1"),
    "`st run`, 6 examples": schemathesis("--phases", "examples,fuzzing", "--max-examples", "6"),
    "`st run`, 20 examples": schemathesis("--phases", "examples,fuzzing", "--max-examples", "20"),
    "`st run` as it comes": schemathesis(),
}
OURS = "`sarkmock check`"


class Job(NamedTuple):
    tool: str
    profile: str
    seed: int
    numbers: tuple[int, ...]  # of the mock's mutants; empty for the intact mock


def drawn(profile: str, seed: int, count: int) -> list[tuple[int, Mutation]]:
    """The visible mutations among those drawn, with their numbers."""
    return [(number, mutation) for number, mutation in enumerate(draw(profile, seed, count))
            if not why_invisible(contract(profile), mutation)]


def jobs(seed: int, count: int, profiles: Iterable[str]) -> Iterator[Job]:
    """Yield the jobs. Mutants that do not interfere share a mock."""
    for profile in profiles:
        mutants = drawn(profile, seed, count)
        numbers = {id(mutation): number for number, mutation in mutants}
        shared = [tuple(numbers[id(mutation)] for mutation in group)
                  for group in groups([mutation for _, mutation in mutants], contract(profile))]
        for tool in (OURS, *TOOL):
            yield from (Job(tool, profile, seed, group) for group in ((), *shared))


def run_job(job: Job) -> Result:
    mutants = draw(job.profile, job.seed, max(job.numbers, default=0) + 1)
    mutations = [mutants[number] for number in job.numbers]
    if job.tool == OURS:
        return {**job._asdict(), "failures": ours(job.profile, mutations)}
    served = Served(job.profile, mutations)
    with tempfile.TemporaryDirectory() as folder, Server(served) as server:
        failures = TOOL[job.tool](Path(folder), served, str(server.url))
    return {**job._asdict(), "requests": served.requests, "failures": failures}


def found_at(result: Result, alarms: Failures, number: int) -> int | None:
    """The number of the request that showed the failure of a changed operation."""
    mutation = draw(result["profile"], result["seed"], number + 1)[number]
    if result["tool"] == OURS:
        requests = [at for name, at in result["failures"].items() if name.endswith(str(mutation))]
    else:
        requests = [at for name, at in result["failures"].items()
                    if name not in alarms and name.partition(" ")[0] in mutation.operations]
    return min(requests, default=None)


def table(results: list[Result]) -> Iterator[str]:
    """By profile and tool, the percentage of mutants found within each budget, and the false positives."""
    yield "| profile | | mutants | " + " | ".join(f"{budget:,}" for budget in BUDGETS) + " | false positives |"
    yield "| --- " * (4 + len(BUDGETS)) + "|"
    intact = {(result["profile"], result["tool"]): result["failures"] for result in results if not result["numbers"]}
    order = [OURS, *TOOL]
    for (profile, tool), alarms in sorted(intact.items(), key=lambda item: (item[0][0], order.index(item[0][1]))):
        at = [found_at(result, alarms, number)
              for result in results if (result["profile"], result["tool"]) == (profile, tool)
              for number in result["numbers"]]
        shares = [f"{100 * sum(request is not None and request <= budget for request in at) / max(1, len(at)):.0f}%"
                  for budget in BUDGETS]
        yield f"| {profile} | {tool} | {len(at)} | {' | '.join(shares)} | {len(alarms)} |"


def read(file: Path) -> list[Result]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="mutants of each profile")
    parser.add_argument("--seed", type=int, default=51)
    parser.add_argument("--only", default="", metavar="TEXT", help="tools whose name contains this text")
    parser.add_argument("--profile", action="append", metavar="NAME", help="default: documented and shipped")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no job after this time")
    parser.add_argument("--results", type=Path, default=Path("detection.jsonl"))
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to this file, too")
    options = parser.parse_args()
    ends = time.monotonic() + options.seconds
    existing = {Job(result["tool"], result["profile"], result["seed"], tuple(result["numbers"]))
                for result in read(options.results)}
    for job in jobs(options.seed, options.count, options.profile or ("documented", "shipped")):
        if job not in existing and options.only in job.tool and time.monotonic() < ends:
            with options.results.open("a") as file:
                file.write(json.dumps(run_job(job)) + "\n")
    text = "\n".join(table(read(options.results))) + "\n"
    print(text, end="")
    if options.markdown:
        options.markdown.write_text(text)


if __name__ == "__main__":
    main()

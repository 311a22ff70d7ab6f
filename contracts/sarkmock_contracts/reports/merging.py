"""Merges the reports of the shards of one run (`check --shard`) into one report with the verdict of the whole run.

The reports are read back into a `Run`, from which all reports are then written as usual.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema_rs
from rich.console import Console

from sarkmock.suite_api import dotted, read_whole, shortened

from ..client.formats import is_archive, join_archives
from ..client.http import Exchange, Request, Response, bounded_json
from ..client.transports import Silent
from ..errors import CannotRun, file_errors
from ..judge.coverage import Coverage
from ..judge.findings import Finding, Identity
from ..judge.verdicts import Acceptance, Accepted
from ..run import Run
from ..run_options import RunOptions, Shard
from ..safety.fingerprint import Fingerprint, VersionFact
from ..spec.contract import contract_of
from . import write_data
from .console import write_report
from .data import EXIT_CODES, Data, report_data

ALIKE = ("profile", "random_seed", "only", "quick", "strict", "embedded")  # equal in all shards of a run
REPORT_SCHEMA = Path(__file__).with_name("report.schema.json")


def merge_reports(directories: Sequence[Path], output: Path | None, console: Console) -> int:
    """Print and write the merged report; return the exit code of the whole run."""
    if output is not None and output.resolve() in [directory.resolve() for directory in directories]:
        raise CannotRun(f"-o {output}: is the directory of a shard")
    shards = [read_shard(directory / "report.json") for directory in directories]
    check_shards(directories, shards)
    try:
        run = run_of(shards)
    except (TypeError, ValueError, AttributeError, LookupError) as error:
        raise CannotRun(f"the reports cannot be merged; one is damaged: {type(error).__name__}: {error}") from None
    outcome = run.outcome()
    data = report_data(run, outcome)
    data["run"]["started"] = min(shard["run"]["started"] for shard in shards)
    reported = {(item["id"], item["message"]): item for shard in shards for item in shard["findings"]}
    for finding in data["findings"]:
        own = reported.get((finding["id"], finding["message"]), finding)
        finding |= {name: own[name] for name in ("exchanges", "script")}
    write_report(run, outcome, console)
    for line in filter(None, (run.gaps.ending, *run.residue)):
        console.print(line, soft_wrap=True)
    if output is None:
        return EXIT_CODES[data["result"]]
    damaged = write_whole_run(data, directories, output)
    for file in damaged:
        console.print(f"{file}: not the traffic of a run; {output / 'traffic.har'} is without it", soft_wrap=True)
    return EXIT_CODES["stopped" if damaged else data["result"]]


def write_whole_run(data: Data, directories: Sequence[Path], output: Path) -> list[Path]:
    """Write every report, and the traffic if all shards recorded it. Return the damaged files of traffic."""
    traffic = [directory / "traffic.har" for directory in directories]
    with file_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        write_data(data, output)
        if not all(file.is_file() for file in traffic):
            return []
        whole = [file for file in traffic if is_archive(file)]
        if whole:
            join_archives(whole, output / "traffic.har")
    return [file for file in traffic if file not in whole]


def read_report(file: Path) -> Data:
    """Read a report of `sarkmock check`; raise CannotRun if the file is not one."""
    with file_errors(file):
        data = bounded_json(read_whole(file))
    if data is None:
        raise CannotRun(f"{file}: not JSON")
    for wrong in jsonschema_rs.validator_for(json.loads(REPORT_SCHEMA.read_text(encoding="utf-8"))).iter_errors(data):
        place = dotted(wrong.instance_path, "the whole")
        raise CannotRun(f"{file}: not a report of `sarkmock check`: {place}: {shortened(wrong.message)}")
    return data  # type: ignore[no-any-return]


def read_shard(file: Path) -> Data:
    """Read the report of a shard; raise CannotRun if the file is not one."""
    data = read_report(file)
    if not data["run"].get("shard") or "seen" not in data:
        raise CannotRun(f"{file}: the report of a whole run; `sarkmock check --shard` creates shards")
    return data


def check_shards(directories: Sequence[Path], shards: Sequence[Data]) -> None:
    """Raise CannotRun unless the reports are distinct shards of one run."""
    first, met = shards[0], dict[str, Path]()
    for directory, shard in zip(directories, shards, strict=True):
        number = shard["run"]["shard"]
        if number in met:
            raise CannotRun(f"{directory}: shard {number} is also in {met[number]}")
        met[number] = directory
        for what, ours, theirs in shared_options(first, shard):
            if ours != theirs:
                raise CannotRun(f"{directory}: not a shard of the same run as {directories[0]}: "
                                f"{what} {theirs} instead of {ours}")


def shared_options(first: Data, shard: Data) -> list[tuple[str, Any, Any]]:
    """Return name and both values of everything that must be equal in two shards."""
    return [*((name.replace("_", " "), first["run"][name], shard["run"][name]) for name in ALIKE),
            ("number of shards", shard_of(first).of, shard_of(shard).of),
            ("sarkmock", first["tool"]["version"], shard["tool"]["version"]),
            ("answering version", first["target"]["version"], shard["target"]["version"])]


def shard_of(shard: Data) -> Shard:
    return Shard.parse(shard["run"]["shard"])


def run_of(shards: Sequence[Data]) -> Run:
    """Return the whole run, built from its shards."""
    first = shards[0]["run"]
    version = shards[0]["target"]["version"]
    options = RunOptions(
        profile=first["profile"], url=None if first["embedded"] else first["url"], random_seed=first["random_seed"],
        only=first["only"], quick=first["quick"], strict=first["strict"],
        target_profile=version if first["embedded"] and version != first["profile"] else None)
    silent = Silent(first["url"], "/api", CannotRun("no requests are sent while reports are merged"))
    run = Run(contract_of(options.profile), silent, options, accepted=accepted_of(shards))
    run.identify(fingerprint_of(shards[0]["target"]))
    for shard in shards:
        add_shard(run, shard)
    missing = set(range(1, shard_of(shards[0]).of + 1)) - {shard_of(shard).number for shard in shards}
    if missing:
        run.gaps.stopped = f"shards without a report: {', '.join(map(str, sorted(missing)))}"
    run.began -= max(shard["run"]["seconds"] for shard in shards)
    return run


def add_shard(run: Run, shard: Data) -> None:
    about, seen = shard["run"], shard["seen"]
    findings = [finding_of(data, run.options.profile) for data in shard["findings"]]
    add_seen(run, {"findings": findings, "requests": about["requests"],
                   "coverage": coverage_of(run.coverage, seen["coverage"]), "unavailable": set(seen["unavailable"]),
                   "untested": about.get("untested", ()), "stopped": about.get("stopped") or "", "report_problem": ""})
    run.gaps.broken += about.get("broken", ())
    if run.safety is not None:
        run.safety.troubles += about.get("residue", ())


def add_seen(run: Run, seen: Mapping[str, Any]) -> None:
    """Add the results of another process to the same run."""
    for finding in seen["findings"]:
        run.findings.add(finding)
    run.coverage.add(seen["coverage"])
    run.target.requests += seen["requests"]
    run.gaps.unavailable |= seen["unavailable"]
    run.gaps.untested += [name for name in seen["untested"] if name not in run.gaps.untested]
    run.gaps.stopped = run.gaps.stopped or seen["stopped"]
    run.report_problem = run.report_problem or seen["report_problem"]


def coverage_of(empty: Coverage, data: Data) -> dict[str, Any]:
    """Return coverage as it was before `plain_json` converted it."""
    return {name: {tuple(key): count for *key, count in data[name]} if isinstance(value, dict)
            else bool(data[name]) if isinstance(value, bool)
            else {tuple(entry) if isinstance(entry, list) else entry for entry in data[name]}
            for name, value in empty.seen.items() if name in data}


def finding_of(data: Data, profile: str) -> Finding:
    """Return the finding that the report of a run with this profile describes."""
    identity = Identity(data["operation"], data["check"], data["field"], data["kind"])
    evidence = tuple(map(exchange_from, data["exchanges"]))
    judge = data.get("profile", profile)
    return Finding(identity, data["message"], evidence, data["count"], tuple(data["deviations"]),
                   profile="" if judge == profile else judge)


def exchange_from(data: Data) -> Exchange:
    """Return the exchange that a report describes."""
    request, response = data["request"], data["response"]
    path, _, query = request["target"].partition("?")
    sent, received = header_pairs(request["headers"]), header_pairs(response["headers"])
    return Exchange(Request(request["method"], path, query, sent, encoded_body(request["body"])),
                    Response(response["status"], received, encoded_body(response["body"])))


def header_pairs(headers: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in headers)


def encoded_body(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def fingerprint_of(target: Data) -> Fingerprint:
    facts = tuple(VersionFact(fact["request"], fact["response"], tuple(fact["versions"])) for fact in target["facts"])
    return Fingerprint(target["version"], facts, tuple(target["headers"].items()))


def accepted_of(shards: Sequence[Data]) -> Accepted:
    """Return the allowlist, as far as the shards contain it. An entry is unused if no shard used it."""
    entries = {finding["id"]: acceptance_of(finding) for shard in shards for finding in shard["findings"]
               if finding["accepted"]}
    for identity in (unused for shard in shards for unused in shard["accepted"]["unused"]):
        entries.setdefault(identity, Acceptance(identity, ""))
    return Accepted(tuple(entries.values()))


def acceptance_of(finding: Data) -> Acceptance:
    reason, expires = finding["accepted"]["reason"], finding["accepted"]["expires"]
    return Acceptance(finding["id"], reason, date.fromisoformat(expires) if expires else None)

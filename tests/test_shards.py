"""`check --shard` and `report merge`: merged shards have the result of a whole run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from sarkmock_contracts.checks import cases
from sarkmock_contracts.judge.verdicts import Acceptance, Accepted
from sarkmock_contracts.reports import write_files
from sarkmock_contracts.run import open_run
from sarkmock_contracts.run_options import RunOptions, Shard

from sarkmock.cli import cli

OF = 3
RUN = {"target_profile": "shipped", "quick": True, "only": "Agents"}
CHECKS = ("reads", "rules", "links", "smoke", "options")
ACCEPTED = Accepted((Acceptance("agents.list:nosuch::kind", "never met"),))


def run_and_report(directory: Path, shard: str | None = None, **options: Any) -> dict[str, Any]:
    """Run some checks in this process and return the report."""
    chosen = RunOptions.of({**RUN, **options, "shard": shard, "report": directory})
    run = open_run(chosen, ACCEPTED)
    for case in cases(run):
        if case.check.name not in CHECKS:
            continue
        with run.watch():
            case.run(run)
    run.close()
    write_files(run, run.outcome(), directory)
    return json.loads((directory / "report.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the reports of all shards and of the whole run."""
    directory = tmp_path_factory.mktemp("shards")
    for number in range(1, OF + 1):
        run_and_report(directory / str(number), f"{number}/{OF}")
    run_and_report(directory / "whole")
    return directory


def merged(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["report", "merge", *map(str, arguments)], catch_exceptions=False,
                                standalone_mode=False)
    return int(result.return_value), result.output


def error_message(*arguments: object) -> str:
    """Run a command and return its error message."""
    error = CliRunner().invoke(cli, list(map(str, arguments)), standalone_mode=False).exception
    assert isinstance(error, click.ClickException), error
    return error.message


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """A report without the values that depend on the number of requests."""
    return {
        "result": report["result"], "summary": report["summary"], "accepted": report["accepted"],
        "target": report["target"],
        "findings": {(item["id"], item["status"], item["severity"], *item["deviations"])
                     for item in report["findings"]},
        "deviations": {(item["id"], item["status"]) for item in report["deviations"]},
        "coverage": [(item["operation"], sorted(item["statuses"]), list(map(of_rule, item["rules"])))
                     for item in report["coverage"]],
        "causes": [(item["title"], item["severity"], sorted(item["findings"])) for item in report["causes"]]}


def of_rule(rule: dict[str, Any]) -> dict[str, Any]:
    return {**rule, "findings": sorted(rule["findings"])}


@pytest.mark.parametrize("of", [2, 7])
def test_shards_are_complete_and_of_similar_size(of: int) -> None:
    whole = cases(open_run(RunOptions()))
    shards = [cases(open_run(RunOptions(shard=Shard(number, of)))) for number in range(1, of + 1)]
    assert Counter(str(case) for shard in shards for case in shard) == Counter(map(str, whole))
    groups = [{case.operation.id for case in shard if case.operation} for shard in shards]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert max(map(len, shards)) <= 2 * len(whole) / of + 20


def test_merged_report_equals_whole_report(shards: Path, tmp_path: Path) -> None:
    whole = json.loads((shards / "whole" / "report.json").read_text())
    code, text = merged(*(shards / str(number) for number in range(1, OF + 1)), "-o", tmp_path / "all")
    report = json.loads((tmp_path / "all" / "report.json").read_text())
    assert code == 0
    assert "conforming" in text
    assert comparable(report) == comparable(whole)
    assert {file.name for file in (tmp_path / "all").iterdir()} == {
        file.name for file in (shards / "whole").iterdir()}
    parts = [json.loads((shards / str(number) / "report.json").read_text()) for number in range(1, OF + 1)]
    assert report["run"]["requests"] == sum(part["run"]["requests"] for part in parts)
    assert report["run"]["shard"] is None
    entries = json.loads((tmp_path / "all" / "traffic.har").read_text())["log"]["entries"]
    assert len(entries) == report["run"]["requests"]
    curls = {step["curl"] for part in parts for finding in part["findings"] for step in finding["exchanges"]}
    assert {step["curl"] for finding in report["findings"] for step in finding["exchanges"]} <= curls


def test_failed_shard_fails_merged_report(shards: Path, tmp_path: Path) -> None:
    for number in range(1, OF + 1):
        report = json.loads((shards / str(number) / "report.json").read_text())
        for finding in report["findings"]:
            finding.update(deviations=[], status="new")
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "report.json").write_text(json.dumps(report))
    code, text = merged(*(tmp_path / str(number) for number in range(1, OF + 1)))
    assert code == 1
    assert "NEW" in text


def test_missing_shard_makes_merged_report_incomplete(shards: Path) -> None:
    code, text = merged(shards / "1", shards / "3")
    assert code == 2
    assert "no findings so far" in text
    assert "shards without a report: 2" in text


def damaged(report: dict[str, Any], **changes: Any) -> str:
    return json.dumps({**report, "run": {**report["run"], **changes}})


def test_reports_that_do_not_belong_together_are_rejected(shards: Path, tmp_path: Path) -> None:
    report = json.loads((shards / "2" / "report.json").read_text())
    wrong = {
        "random seed 7 instead of 1": damaged(report, random_seed=7),
        "number of shards 4 instead of 3": damaged(report, shard="2/4"),
        "shard 1/3 is also in": damaged(report, shard="1/3"),
        "--shard 9/3: not a shard": damaged(report, shard="9/3"),
        "the report of a whole run": damaged(report, shard=None),
        "not JSON": "{",
        "not a report of `sarkmock check`": json.dumps({**report, "findings": 3}),
        "one is damaged": json.dumps({**report, "seen": {"coverage": {"statuses": [3]}, "unavailable": []}}),
    }
    for message, text in wrong.items():
        (tmp_path / "report.json").write_text(text)
        assert message in error_message("report", "merge", str(shards / "1"), str(tmp_path))
    assert "No such file" in error_message("report", "merge", str(tmp_path / "gone"))


def test_merge_does_not_overwrite_a_shard(shards: Path) -> None:
    shard = shards / "1"
    assert error_message("report", "merge", shard, "-o", shard / ".") == f"-o {shard}: is the directory of a shard"


@pytest.mark.parametrize("text", ["{", "{}", "[]", "null", "\xff", '{"log": {"entries": [1]}}', "[" * 9000,
                                  '{"log": {"entries": [{}]}}', '{"log": {"entries": [{"startedDateTime": 7}]}}'])
def test_damaged_traffic_of_a_shard_is_skipped_and_reported(text: str, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes((shards / "2" / "report.json").read_bytes())
    damaged, whole = tmp_path / "traffic.har", tmp_path / "whole"
    damaged.write_text(text, encoding="latin-1")
    code, output = merged(shards / "1", tmp_path, *(shards / str(number) for number in range(3, OF + 1)), "-o", whole)
    assert (code, output.splitlines()[-1]) == (
        2, f"{damaged}: not the traffic of a run; {whole / 'traffic.har'} is without it")
    assert json.loads((whole / "report.json").read_text())["result"] == "passed"
    parts = [json.loads((shards / str(number) / "traffic.har").read_text()) for number in range(1, OF + 1)]
    entries = json.loads((whole / "traffic.har").read_text())["log"]["entries"]
    assert len(entries) == sum(len(part["log"]["entries"]) for part in parts) - len(parts[1]["log"]["entries"])


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5"])
def test_invalid_shard_is_reported(text: str) -> None:
    assert error_message("check", "--shard", text) == f"--shard {text}: not a shard such as 2/5"

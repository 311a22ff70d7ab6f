"""`sarkmock fleet`: the boxes of a file, checked in sequence or by a matrix, and summarised on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from sarkmock_contracts.fleet import FLEET_OPTIONS, read_boxes
from sarkmock_contracts.options import OPTIONS as ALL
from sarkmock_contracts.reports import write_files
from sarkmock_contracts.run import open_run
from sarkmock_contracts.run_options import RunOptions

from sarkmock import FileError
from sarkmock.cli import cli
from tests.serving import sarkmock, serving

BOXES = """\
defaults: {profile: shipped, quick: true, header: ['X-One: 1', 'X-Two: 2']}
boxes:
  - {name: office, url: 'https://office.example:44300/api', ca: office.pem, token-env: OFFICE_TOKEN, allow-writes: true}
  - name: branch
    url: https://branch.example:44300/api
    profile: L10
    quick: false
    accept: branch.yaml
"""


def fleet(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["fleet", *map(str, arguments)], catch_exceptions=False, standalone_mode=False)
    return int(result.return_value), result.output


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    file = tmp_path / "boxes.yaml"
    file.write_text(BOXES)
    return file


def test_box_options_are_merged_with_defaults(boxes: Path) -> None:
    office, branch = read_boxes(boxes)
    assert office.arguments(Path("out/office")) == [
        "https://office.example:44300/api", "--report", "out/office", "--profile", "shipped", "--quick",
        "--header", "X-One: 1", "--header", "X-Two: 2", "--ca", "office.pem", "--token-env", "OFFICE_TOKEN",
        "--allow-writes"]
    assert branch.arguments(Path("out"))[3:] == [
        "--profile", "L10", "--header", "X-One: 1", "--header", "X-Two: 2", "--accept", "branch.yaml"]


def test_every_check_option_is_allowed_in_file() -> None:
    excluded = {"url", "report", "plan", "shard", "update-accepted"}
    assert FLEET_OPTIONS.keys() == {option.name for option in ALL} - excluded


@pytest.mark.parametrize(("old", "new", "line", "message"), [
    ("boxes:\n", "boxen:\n", 1, "expected a list `boxes`"),
    ("defaults:", "default:", 1, "unknown key 'default'; did you mean defaults"),
    ("defaults:", "'':", 1, "unknown key ''; known: boxes, defaults"),
    ("accept:", "acept:", 8, "unknown key 'acept'; did you mean accept?"),
    ("accept:", "'':", 8, "unknown key ''"),
    ("quick: false", "quick: 3", 7, "quick: must be true or false"),
    ("['X-One: 1', 'X-Two: 2']", "X", 1, "header: must be a list of strings"),
    ("name: branch", "name: office", 4, "name: office is listed twice"),
    ("url: https://branch.example:44300/api", "url: ''", 4, "url: is missing, empty or not a string"),
    ("name: branch", "name: ../branch", 4, "name: must be letters, digits, dots and hyphens"),
    ("    url: https://branch.example:44300/api\n", "", 4, "url: is missing"),
    ("    profile: L10", "    report: here", 6, "unknown key 'report'"),
])
def test_invalid_file_is_reported_with_line_and_field(
        boxes: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in BOXES
    boxes.write_text(BOXES.replace(old, new, 1))
    with pytest.raises(FileError, match=message) as error:
        read_boxes(boxes)
    assert error.value.line == line


def test_matrix_lists_box_names_and_unknown_box_is_an_error(boxes: Path) -> None:
    code, text = fleet(boxes, "--matrix")
    assert (code, json.loads(text)) == (0, ["office", "branch"])
    error = CliRunner().invoke(cli, ["fleet", str(boxes), "--box", "ofice"], standalone_mode=False).exception
    assert isinstance(error, click.ClickException)
    assert error.message == "--box: unknown box 'ofice'; did you mean office? Known: office, branch"


def write_run_report(directory: Path, **changes: Any) -> None:
    """Write the report of a run that sent no request, with some values replaced."""
    run = open_run(RunOptions(only="Destinations"))
    directory.mkdir(parents=True)
    write_files(run, run.outcome(), directory)
    data = json.loads((directory / "report.json").read_text())
    (directory / "report.json").write_text(json.dumps(data | changes))


def cause(title: str) -> dict[str, Any]:
    return {"title": title, "kind": "crash", "operations": [], "fields": [], "severity": "breaks", "findings": []}


def test_summary_lists_every_box_and_worst_result(boxes: Path, tmp_path: Path) -> None:
    output = tmp_path / "fleet"
    write_run_report(output / "office")
    code, text = fleet(boxes, "--summary", "-o", output)
    assert code == 2
    assert "| branch | \u26a0\ufe0f stopped: no report |" in text
    write_run_report(output / "branch", result="failed", causes=[cause("crash: <b>")])
    code, text = fleet(boxes, "--summary", "-o", output)
    assert code == 1
    assert text == (output / "summary.md").read_text()
    assert "| crash: &lt;b> | branch |" in text
    data = json.loads((output / "fleet.json").read_text())
    assert [(box["name"], box["result"], box["report"]) for box in data["boxes"]] == [
        ("office", "passed", "office/report.html"), ("branch", "failed", "branch/report.html")]
    html = (output / "index.html").read_text()
    assert 'href="branch/report.html"' in html
    assert "crash: &lt;b&gt;" in html
    assert fleet(boxes, "--summary", "-o", output, "--box", "office")[0] == 0


def test_unreachable_box_is_stopped_without_stale_report(tmp_path: Path) -> None:
    (tmp_path / "boxes.yaml").write_text(json.dumps({"boxes": [{"name": "gone", "url": "http://127.0.0.1:1/api"}]}))
    write_run_report(tmp_path / "out" / "gone")
    result = sarkmock("fleet", str(tmp_path / "boxes.yaml"), "-o", str(tmp_path / "out"))
    assert result.returncode == 2, result
    assert "== gone: http://127.0.0.1:1/api" in result.stdout
    data = json.loads((tmp_path / "out" / "fleet.json").read_text())
    [box] = data["boxes"]
    reason = "http://127.0.0.1:1/api does not respond: 127.0.0.1 refuses connections on port 1"
    assert (box["result"], box["ending"]) == ("stopped", reason)
    assert result.stderr == f"sarkmock: {reason}\n"
    assert f"<small>{reason}</small>" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.slow
def test_boxes_are_checked_in_sequence(tmp_path: Path) -> None:
    with serving("--http") as mock, serving("--http", "--profile", "shipped") as shipped:
        boxes = [{"name": "one", "url": mock.url}, {"name": "two", "url": shipped.url, "profile": "shipped"},
                 {"name": "gone", "url": "http://127.0.0.1:1/api"}]
        (tmp_path / "boxes.yaml").write_text(json.dumps({"defaults": {"only": "Destinations"}, "boxes": boxes}))
        result = sarkmock("fleet", str(tmp_path / "boxes.yaml"), "-o", str(tmp_path / "out"))
    assert result.returncode == 2, result
    data = json.loads((tmp_path / "out" / "fleet.json").read_text())
    assert [box["result"] for box in data["boxes"]] == ["passed", "passed", "stopped"]
    assert (tmp_path / "out" / "two" / "report.html").is_file()

"""`sarkmock fleet`: boxes of a file, checked one after the other or by a matrix, and summed up on one page."""

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


def test_a_box_is_checked_with_its_own_options_and_those_of_all(boxes: Path) -> None:
    office, branch = read_boxes(boxes)
    assert office.arguments(Path("out/office")) == [
        "https://office.example:44300/api", "--report", "out/office", "--profile", "shipped", "--quick",
        "--header", "X-One: 1", "--header", "X-Two: 2", "--ca", "office.pem", "--token-env", "OFFICE_TOKEN",
        "--allow-writes"]
    assert branch.arguments(Path("out"))[3:] == [
        "--profile", "L10", "--header", "X-One: 1", "--header", "X-Two: 2", "--accept", "branch.yaml"]


def test_every_option_of_a_check_can_stand_in_the_file() -> None:
    single = {"url", "report", "plan", "shard", "update-accepted"}
    assert FLEET_OPTIONS.keys() == {option.name for option in ALL} - single


@pytest.mark.parametrize(("old", "new", "line", "said"), [
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
def test_a_mistake_in_the_file_is_told_by_line_and_field(
        boxes: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in BOXES
    boxes.write_text(BOXES.replace(old, new, 1))
    with pytest.raises(FileError, match=said) as caught:
        read_boxes(boxes)
    assert caught.value.line == line


def test_the_names_are_a_matrix_and_a_wrong_one_is_a_mistake(boxes: Path) -> None:
    code, text = fleet(boxes, "--matrix")
    assert (code, json.loads(text)) == (0, ["office", "branch"])
    wrong = CliRunner().invoke(cli, ["fleet", str(boxes), "--box", "ofice"], standalone_mode=False).exception
    assert isinstance(wrong, click.ClickException)
    assert wrong.message == "--box ofice: unknown box; known: office, branch"


def report(directory: Path, **changes: Any) -> None:
    """The report of a run that sent nothing, with some values of its own."""
    run = open_run(RunOptions(only="Destinations"))
    directory.mkdir(parents=True)
    write_files(run, run.outcome(), directory)
    data = json.loads((directory / "report.json").read_text())
    (directory / "report.json").write_text(json.dumps(data | changes))


def cause(title: str) -> dict[str, Any]:
    return {"title": title, "kind": "crash", "operations": [], "fields": [], "severity": "breaks", "findings": []}


def test_the_summary_has_every_box_and_the_worst_verdict(boxes: Path, tmp_path: Path) -> None:
    output = tmp_path / "fleet"
    report(output / "office")
    code, text = fleet(boxes, "--summary", "-o", output)
    assert code == 2
    assert "| branch | \u26a0\ufe0f stopped |" in text
    report(output / "branch", result="failed", causes=[cause("crash: <b>")])
    code, text = fleet(boxes, "--summary", "-o", output)
    assert code == 1
    assert text == (output / "summary.md").read_text()
    assert "| crash: &lt;b> | branch |" in text
    data = json.loads((output / "fleet.json").read_text())
    assert [(one["name"], one["result"], one["report"]) for one in data["boxes"]] == [
        ("office", "passed", "office/report.html"), ("branch", "failed", "branch/report.html")]
    html = (output / "index.html").read_text()
    assert 'href="branch/report.html"' in html
    assert "crash: &lt;b&gt;" in html
    assert fleet(boxes, "--summary", "-o", output, "--box", "office")[0] == 0


def test_a_box_that_is_gone_has_no_verdict_nor_its_last_report(tmp_path: Path) -> None:
    (tmp_path / "boxes.yaml").write_text(json.dumps({"boxes": [{"name": "gone", "url": "http://127.0.0.1:1/api"}]}))
    report(tmp_path / "out" / "gone")
    result = sarkmock("fleet", str(tmp_path / "boxes.yaml"), "-o", str(tmp_path / "out"))
    assert result.returncode == 2, result
    assert "== gone: http://127.0.0.1:1/api" in result.stdout
    data = json.loads((tmp_path / "out" / "fleet.json").read_text())
    assert [one["result"] for one in data["boxes"]] == ["stopped"]


@pytest.mark.slow
def test_boxes_are_checked_one_after_the_other(tmp_path: Path) -> None:
    with serving("--http") as mock, serving("--http", "--profile", "shipped") as other:
        listed = [{"name": "one", "url": mock.url}, {"name": "two", "url": other.url, "profile": "shipped"},
                  {"name": "gone", "url": "http://127.0.0.1:1/api"}]
        (tmp_path / "boxes.yaml").write_text(json.dumps({"defaults": {"only": "Destinations"}, "boxes": listed}))
        result = sarkmock("fleet", str(tmp_path / "boxes.yaml"), "-o", str(tmp_path / "out"))
    assert result.returncode == 2, result
    data = json.loads((tmp_path / "out" / "fleet.json").read_text())
    assert [one["result"] for one in data["boxes"]] == ["passed", "passed", "stopped"]
    assert (tmp_path / "out" / "two" / "report.html").is_file()

"""Output from a box is escaped: no control characters, no CI runner commands, no broken tables or pages."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console
from sarkmock_contracts.baselines.comparing import Comparison
from sarkmock_contracts.baselines.facts import Baseline
from sarkmock_contracts.baselines.report import (
    comparison_html,
    comparison_markdown,
    comparison_text,
    describe_comparison,
)
from sarkmock_contracts.baselines.severity import Difference
from sarkmock_contracts.client.http import Request, Response
from sarkmock_contracts.reports import write_files
from sarkmock_contracts.reports.console import write_report
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

EVIL = "\x1b[31mX\x07\x9b\n::error file=a::b\n##[error]c |pipe| <script>alert(1)</script> \u202e [l](javascript:x) ]]>"
ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|^\\s*::\\w[^\n]*::|##\\[", re.M)


class Evil:
    """A box that puts EVIL into every part of its responses."""

    url, base = "http://127.0.0.1:1/api", "/api"

    def send(self, request: Request) -> Response:
        row = {"pkey": EVIL, EVIL: [EVIL], "message": EVIL}
        headers = (("Content-Type", "application/json"), ("Server", EVIL), ("Allow", EVIL))
        return Response(200, headers, json.dumps([row] if request.method == "GET" else row).encode())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every output file of a run and of a comparison."""
    directory = tmp_path_factory.mktemp("evil")
    run = Run(contract_of("documented"), Evil(), RunOptions(only="tenants"))
    for request in (Request("GET", "/tenants"), Request("OPTIONS", "/tenants"), Request("DELETE", "/tenants/a")):
        run.send(request)
    run.gaps.unavailable.add(EVIL)
    run.gaps.stopped = EVIL
    write_files(run, run.outcome(), directory)
    terminal = io.StringIO()
    write_report(run, console=Console(file=terminal, width=400))
    data = comparison()
    return {file.name: file.read_text() for file in directory.iterdir()} | {
        "terminal": terminal.getvalue(), "compare.txt": comparison_text(data), "compare.md": comparison_markdown(data),
        "compare.html": comparison_html(data)}


def comparison() -> dict[str, object]:
    baselines = [Baseline(EVIL, "usual", ("read",), None, None, recorded={}, name=EVIL) for _ in range(2)]
    return describe_comparison(Comparison(*baselines, [
        Difference("field added", "GET /tenants", EVIL, EVIL, EVIL, (EVIL,))]))


def test_every_file_contains_hostile_text(files: dict[str, str]) -> None:
    assert {name for name, text in files.items() if "javascript:x" not in text} == set()


@pytest.mark.parametrize("name", [
    "terminal", "report.html", "summary.md", "junit.xml", "report.sarif", "report.json", "compare.txt", "compare.md",
    "compare.html"])
def test_output_is_escaped(name: str, files: dict[str, str]) -> None:
    assert ACTIVE.search(files[name]) is None
    if name.endswith((".html", ".md")):
        assert "<script>alert" not in files[name]
    if name.endswith(".md"):
        assert "](javascript" not in files[name]
        tables = [line for line in files[name].splitlines() if line.startswith("|")]
        assert all(len(re.findall(r"(?<!\\)\|", line)) in (5, 6, 7) for line in tables)

"""The text report: coverage, findings, and how to reproduce them."""

from __future__ import annotations

import io
import re

from rich.console import Console
from sarkmock_contracts.checks.smoke import check_answers
from sarkmock_contracts.client.http import Request, with_json
from sarkmock_contracts.judge.oracle import Problem
from sarkmock_contracts.reports.console import write_report
from sarkmock_contracts.run import Run

from tests.contract_runs import checked, suite_of


def report(suite: Run) -> str:
    stream = io.StringIO()
    write_report(suite, console=Console(file=stream, width=120))
    return stream.getvalue()


def test_a_run_without_findings_conforms() -> None:
    suite = suite_of("documented", "documented", only="agents", random_seed=7)
    for operation in suite.chosen():
        check_answers(suite, operation)
    lines = report(suite).splitlines()
    assert lines[1].split() == ["Agents", "5/5", "19", "4", "0", "0"]
    assert lines[-1].startswith("conforming · ")
    assert "seed 7 · judged by documented · embedded mock (documented)" in lines[-1]


def test_finding_is_reported_with_documentation_lines() -> None:
    suite = suite_of("documented", "documented", only="tenants")
    exchange = suite.send(with_json("PUT", "/tenants/default", {"chanmax": "it's\nthree"}))
    suite.report("tenants.update", Problem("rules", "chanmax", "accepted", "chanmax breaks its rules"), exchange)
    text = report(suite)
    assert "tenants.update rules chanmax accepted\n  chanmax breaks its rules (1x, documentation line 673)\n" in text
    assert "curl -sk --path-as-is -X PUT https://127.0.0.1:44300/api/tenants/default" in text
    assert "1 finding · " in text


def test_example_of_a_cause_is_one_of_its_worst_findings() -> None:
    suite = suite_of("documented", "documented", only="tenants")
    exchange = suite.send(with_json("PUT", "/tenants/default", {"chanmax": "three"}))
    for check, kind in (("messages", "wording"), ("rules", "rejected"), ("rules", "accepted")):
        suite.report("tenants.update", Problem(check, "chanmax", kind, f"chanmax: {kind}"), exchange)
    assert re.search(r"3 findings breaks .*\n  for example:\nNEW breaks tenants.update rules chanmax rejected\n",
                     report(suite), re.DOTALL)


def test_a_known_deviation_is_marked() -> None:
    suite = suite_of("documented", "shipped", only="globals")
    suite.send(Request("GET", "/globals"))
    text = report(suite)
    assert "Known deviations" in text
    assert "globals-path (1x)" in text
    assert text.splitlines()[-1].startswith("conforming, 1 known")


def test_sequence_is_reproduced_by_several_commands() -> None:
    suite = suite_of("documented", "documented", only="tenants")
    steps = [suite.send(Request("GET", f"/tenants/{name}")) for name in ("default", "zz", "default")]
    suite.report("tenants.show", Problem("presence", "", "missing", "gone"), *steps)
    assert report(suite).count("  curl ") == 3


def test_untested_cases_are_reported() -> None:
    suite = suite_of("documented", "documented", only="tenants")
    suite.gaps.unavailable.add("ivrs.create returned 500")
    assert "not tested: ivrs.create returned 500" in report(suite)


def test_worst_known_deviations_are_described_and_all_are_listed() -> None:
    suite = checked(suite_of("documented", "L10"), "reads", "smoke", "undocumented-paths", "unknown-paths")
    known = suite.outcome().deviations("known")
    described = re.findall(r"^  (breaks|surprises|cosmetic) +(\S+)", text := report(suite), re.MULTILINE)
    assert len(known) > len(described) == 20
    order = [severity for severity, _ in described]
    assert order == sorted(order, key=["breaks", "surprises", "cosmetic"].index)
    rest = text.split(" more, which --report DIR describes: ")[1].splitlines()[0].split(", ")
    assert {name for _, name in described} | set(rest) == {listed.deviation.id for listed in known}

"""A run that ends early, or lacks the result of a case, does not say that its target conforms, in no report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import jsonschema_rs
import pytest
import sarkmock_contracts.reports
from rich.console import Console
from sarkmock_contracts.reports import write_files
from sarkmock_contracts.reports.console import write_report
from sarkmock_contracts.run import open_run
from sarkmock_contracts.run_options import RunOptions

from tests.prefork import BEFORE, COMMAND, PROCESS

CASE = "smoke:destinations.list"
FAULTY = f"""
import os, signal
from sarkmock_contracts.checks import Case
whole = Case.run
def run(case, suite):
    if str(case) == "{CASE}":
        exec(os.environ["FAULT"])
    whole(case, suite)
Case.run = run
"""
UNCOLLECTED = """
import sys
import sarkmock_contracts.checks
def cases(run):
    raise RuntimeError("no cases")
for name in ("checks", "plugin"):
    if module := sys.modules.get(f"sarkmock_contracts.{name}"):
        module.cases = cases
"""
INTERNAL = """
from sarkmock_contracts.plugin.verdict import ConsolePlugin
def pytest_runtest_logstart(self, nodeid):
    raise RuntimeError("a mistake")
ConsolePlugin.pytest_runtest_logstart = pytest_runtest_logstart
"""
EARLY = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["FAULT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""
RAISES = "raise RuntimeError('a mistake')"
HARMLESS = "pass"
QUICK = ("--only", "Destinations", "--max-examples", "1")
SCHEMA = Path(sarkmock_contracts.reports.__file__).with_name("report.schema.json")


def checked(tmp_path: Path, fault: str, *options: str, faulty: str = FAULTY) -> subprocess.CompletedProcess[str]:
    """A check by a suite with a fault, in each of its processes."""
    (tmp_path / "sitecustomize.py").write_text(faulty)
    anew = {"PYTHONPATH": str(tmp_path)} if faulty is EARLY or "2" in options else {BEFORE: faulty}
    environment = os.environ | {"FAULT": fault} | anew
    program = COMMAND if BEFORE in anew else PROCESS
    command = [*program, "check", *QUICK, "--report", str(tmp_path / "report"), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def said(directory: Path) -> dict[str, str]:
    """What each report says of the end of its run; empty if it is complete."""
    report = json.loads((directory / "report.json").read_text())
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(report)
    errors = ElementTree.parse(directory / "junit.xml").getroot().findall("testsuite[@errors='1']/testcase/error")
    invocation, = json.loads((directory / "report.sarif").read_text())["runs"][0]["invocations"]
    told = [one["message"]["text"] for one in invocation["toolExecutionNotifications"]]
    assert invocation["executionSuccessful"] is not bool(told)
    assert (report["result"] == "passed") is not bool(told)
    ending = report["run"]["ending"] or ""
    shown = {name: ending if ending and ending in (directory / name).read_text() else ""
             for name in ("report.html", "summary.md")}
    return {"report.json": ending, "junit.xml": "".join(str(one.get("message")) for one in errors),
            "report.sarif": "".join(told), **shown}


def holds(ended: subprocess.CompletedProcess[str], directory: Path, ending: str) -> None:
    last = ended.stdout.splitlines()[-1]
    assert last.startswith(f"{ending}, no findings so far"), ended.stdout + ended.stderr
    assert "conforming" not in ended.stdout
    assert ended.returncode == 2
    assert set(said(directory).values()) == {ending}


SPREAD = pytest.param(("-n", "2"), id="spread", marks=pytest.mark.slow)
ALONE = pytest.param(("-n", "1"), id="alone")


@pytest.mark.parametrize("processes", [ALONE, SPREAD])
def test_a_case_that_fails_by_an_error_leaves_no_verdict(processes: tuple[str, ...], tmp_path: Path) -> None:
    ended = checked(tmp_path, RAISES, *processes)
    holds(ended, tmp_path / "report", "incomplete: 1 case of the suite failed with an error")
    assert "a mistake" in ended.stdout
    run = json.loads((tmp_path / "report" / "report.json").read_text())["run"]
    assert run["broken"] == run["untested"] == [CASE]


@pytest.mark.parametrize("processes", [ALONE, SPREAD])
def test_a_signal_leaves_no_verdict(processes: tuple[str, ...], tmp_path: Path) -> None:
    ended = checked(tmp_path, f"os.kill(os.getpid(), {signal.SIGTERM:d})", *processes)
    holds(ended, tmp_path / "report", "stopped: interrupted")


@pytest.mark.parametrize("imported", ["sarkmock_contracts.errors", "sarkmock_contracts.plugin", "pytest"])
def test_a_signal_before_the_first_request_leaves_no_verdict(imported: str, tmp_path: Path) -> None:
    ended = checked(tmp_path, imported, "-n", "1", faulty=EARLY)
    assert ended.stdout.splitlines()[-1].startswith("stopped: interrupted, no findings so far"), ended.stderr
    assert (ended.returncode, ended.stderr) == (2, "")


@pytest.mark.parametrize("processes", [ALONE, SPREAD])
def test_what_was_found_before_a_signal_is_reported(processes: tuple[str, ...], tmp_path: Path) -> None:
    own = "getpid" if processes[1] == "1" else "getppid"
    faulty = FAULTY.replace(CASE, "boundaries:agents.create")
    ended = checked(tmp_path, f"os.kill(os.{own}(), {signal.SIGINT:d})", *processes, "--target-profile", "shipped",
                    "--strict", "--only", "Agents", faulty=faulty)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert ended.stdout.splitlines()[-1].startswith(f"stopped: interrupted, {report['summary']['known']} findings")
    assert (report["result"], ended.returncode) == ("stopped", 2)
    assert report["summary"]["known"]
    assert report["run"]["requests"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("fault", [f"os.kill(os.getpid(), {signal.SIGKILL:d})", "os._exit(0)"])
def test_what_a_lost_process_had_done_has_no_result(fault: str, tmp_path: Path) -> None:
    ended = checked(tmp_path, fault, "-n", "2")
    run = json.loads((tmp_path / "report" / "report.json").read_text())["run"]
    holds(ended, tmp_path / "report", f"incomplete: {len(run['broken'])} cases of the suite failed with an error")
    assert CASE in run["broken"]


@pytest.mark.parametrize("processes", [ALONE, SPREAD])
def test_cases_that_cannot_be_collected_leave_no_verdict(processes: tuple[str, ...], tmp_path: Path) -> None:
    ended = checked(tmp_path, "", *processes, faulty=UNCOLLECTED)
    holds(ended, tmp_path / "report", "stopped: the cases of the suite could not be collected")


def test_an_internal_error_leaves_no_verdict(tmp_path: Path) -> None:
    ended = checked(tmp_path, "", "-n", "1", "--budget", "30", faulty=INTERNAL)
    holds(ended, tmp_path / "report", "stopped: an internal error of the suite")


def test_a_complete_run_conforms(tmp_path: Path) -> None:
    ended = checked(tmp_path, HARMLESS, "-n", "1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("conforming · ")
    assert set(said(tmp_path / "report").values()) == {""}


def test_a_budget_that_left_cases_out_does_not_say_that_all_conforms(tmp_path: Path) -> None:
    ended = checked(tmp_path, HARMLESS, "-n", "1", "--budget", "20")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("no findings so far, ")
    assert "cases untested" in ended.stdout.splitlines()[-1]


@pytest.mark.parametrize(("options", "reason"), [(("--maxfail", "1"), "stopping after 1 failures"), ((), "")])
def test_pytest_that_stops_at_a_failure_says_so(options: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--pyargs", "sarkmock_contracts", "-p", "no:cacheprovider", "-k",
               "smoke", "--sark-only", "Destinations", "--sark-quick", *options]
    (tmp_path / "sitecustomize.py").write_text(FAULTY)
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tmp_path), "FAULT": RAISES}, cwd=tmp_path,
                           capture_output=True, text=True, timeout=120, check=False)
    assert "incomplete: 1 case of the suite failed with an error, no findings so far" in ended.stdout, ended.stdout
    assert reason in ended.stdout
    assert ended.returncode == 2


def test_findings_are_told_beside_the_ending(tmp_path: Path) -> None:
    suite = open_run(RunOptions())
    suite.gaps.stopped = "interrupted"
    suite.gaps.broken.append(CASE)
    console = Console(record=True, width=200, file=StringIO())
    write_report(suite, console=console)
    ending = "stopped: interrupted, incomplete: 1 case of the suite failed with an error"
    assert console.export_text().splitlines()[-1].startswith(f"{ending}, no findings so far")
    write_files(suite, suite.outcome(), tmp_path)
    assert set(said(tmp_path).values()) == {ending}

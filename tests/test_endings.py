"""No report of a run that ends early, or lacks the result of a case, claims that the target conforms."""

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
    """Runs `check` with a fault in each process of the suite."""
    (tmp_path / "sitecustomize.py").write_text(faulty)
    variables = {"PYTHONPATH": str(tmp_path)} if faulty is EARLY or "2" in options else {BEFORE: faulty}
    environment = os.environ | {"FAULT": fault} | variables
    program = COMMAND if BEFORE in variables else PROCESS
    command = [*program, "check", *QUICK, "--report", str(tmp_path / "report"), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def endings(directory: Path) -> dict[str, str]:
    """The ending of the run in each report; empty if the run is complete."""
    report = json.loads((directory / "report.json").read_text())
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(report)
    errors = ElementTree.parse(directory / "junit.xml").getroot().findall("testsuite[@errors='1']/testcase/error")
    invocation, = json.loads((directory / "report.sarif").read_text())["runs"][0]["invocations"]
    notifications = [item["message"]["text"] for item in invocation["toolExecutionNotifications"]]
    assert invocation["executionSuccessful"] is not bool(notifications)
    assert (report["result"] == "passed") is not bool(notifications)
    ending = report["run"]["ending"] or ""
    shown = {name: ending if ending and ending in (directory / name).read_text() else ""
             for name in ("report.html", "summary.md")}
    return {"report.json": ending, "junit.xml": "".join(str(item.get("message")) for item in errors),
            "report.sarif": "".join(notifications), **shown}


def assert_ending(process: subprocess.CompletedProcess[str], directory: Path, ending: str) -> None:
    last = process.stdout.splitlines()[-1]
    assert last.startswith(f"{ending}, no findings so far"), process.stdout + process.stderr
    assert "conforming" not in process.stdout
    assert process.returncode == 2
    assert set(endings(directory).values()) == {ending}


SPREAD = pytest.param(("-n", "2"), id="spread", marks=pytest.mark.slow)
ALONE = pytest.param(("-n", "1"), id="alone")


@pytest.mark.parametrize("processes", [ALONE, SPREAD])
def test_error_in_case_makes_run_incomplete(processes: tuple[str, ...], tmp_path: Path) -> None:
    process = checked(tmp_path, RAISES, *processes)
    assert_ending(process, tmp_path / "report", "incomplete: 1 case of the suite failed with an error")
    assert "a mistake" in process.stdout
    run = json.loads((tmp_path / "report" / "report.json").read_text())["run"]
    assert run["broken"] == run["untested"] == [CASE]


@pytest.mark.parametrize("processes", [ALONE, SPREAD])
def test_signal_stops_run_without_verdict(processes: tuple[str, ...], tmp_path: Path) -> None:
    process = checked(tmp_path, f"os.kill(os.getpid(), {signal.SIGTERM:d})", *processes)
    assert_ending(process, tmp_path / "report", "stopped: interrupted")


@pytest.mark.parametrize("imported", ["sarkmock_contracts.errors", "sarkmock_contracts.plugin", "pytest"])
def test_signal_before_first_request_stops_run_without_verdict(imported: str, tmp_path: Path) -> None:
    process = checked(tmp_path, imported, "-n", "1", faulty=EARLY)
    assert process.stdout.splitlines()[-1].startswith("stopped: interrupted, no findings so far"), process.stderr
    assert (process.returncode, process.stderr) == (2, "")


@pytest.mark.parametrize("processes", [ALONE, SPREAD])
def test_findings_before_signal_are_reported(processes: tuple[str, ...], tmp_path: Path) -> None:
    own = "getpid" if processes[1] == "1" else "getppid"
    faulty = FAULTY.replace(CASE, "boundaries:agents.create")
    process = checked(tmp_path, f"os.kill(os.{own}(), {signal.SIGINT:d})", *processes, "--target-profile", "shipped",
                      "--strict", "--only", "Agents", faulty=faulty)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert process.stdout.splitlines()[-1].startswith(f"stopped: interrupted, {report['summary']['known']} findings")
    assert (report["result"], process.returncode) == ("stopped", 2)
    assert report["summary"]["known"]
    assert report["run"]["requests"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("fault", [f"os.kill(os.getpid(), {signal.SIGKILL:d})", "os._exit(0)"])
def test_cases_of_lost_process_are_broken(fault: str, tmp_path: Path) -> None:
    process = checked(tmp_path, fault, "-n", "2")
    run = json.loads((tmp_path / "report" / "report.json").read_text())["run"]
    assert_ending(process, tmp_path / "report",
                  f"incomplete: {len(run['broken'])} cases of the suite failed with an error")
    assert CASE in run["broken"]


@pytest.mark.parametrize("processes", [ALONE, SPREAD])
def test_collection_error_stops_run_without_verdict(processes: tuple[str, ...], tmp_path: Path) -> None:
    process = checked(tmp_path, "", *processes, faulty=UNCOLLECTED)
    assert_ending(process, tmp_path / "report", "stopped: the cases of the suite could not be collected")


def test_internal_error_stops_run_without_verdict(tmp_path: Path) -> None:
    process = checked(tmp_path, "", "-n", "1", "--budget", "30", faulty=INTERNAL)
    assert_ending(process, tmp_path / "report", "stopped: an internal error of the suite")


def test_a_complete_run_conforms(tmp_path: Path) -> None:
    process = checked(tmp_path, HARMLESS, "-n", "1")
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.splitlines()[-1].startswith("conforming · ")
    assert set(endings(tmp_path / "report").values()) == {""}


def test_run_with_cases_beyond_budget_is_not_conforming(tmp_path: Path) -> None:
    process = checked(tmp_path, HARMLESS, "-n", "1", "--budget", "20")
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.splitlines()[-1].startswith("no findings so far, ")
    assert "cases untested" in process.stdout.splitlines()[-1]


@pytest.mark.parametrize(("options", "reason"), [(("--maxfail", "1"), "stopping after 1 failures"), ((), "")])
def test_maxfail_is_reported(options: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "--pyargs", "sarkmock_contracts", "-p", "no:cacheprovider", "-k",
               "smoke", "--sark-only", "Destinations", "--sark-quick", *options]
    (tmp_path / "sitecustomize.py").write_text(FAULTY)
    process = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tmp_path), "FAULT": RAISES}, cwd=tmp_path,
                             capture_output=True, text=True, timeout=120, check=False)
    assert "incomplete: 1 case of the suite failed with an error, no findings so far" in process.stdout, process.stdout
    assert reason in process.stdout
    assert process.returncode == 2


def test_findings_are_reported_with_the_ending(tmp_path: Path) -> None:
    suite = open_run(RunOptions())
    suite.gaps.stopped = "interrupted"
    suite.gaps.broken.append(CASE)
    console = Console(record=True, width=200, file=StringIO())
    write_report(suite, console=console)
    ending = "stopped: interrupted, incomplete: 1 case of the suite failed with an error"
    assert console.export_text().splitlines()[-1].startswith(f"{ending}, no findings so far")
    write_files(suite, suite.outcome(), tmp_path)
    assert set(endings(tmp_path).values()) == {ending}

"""Checks in several processes: results are merged, and a box is tested by one process only."""

import fcntl
import json
import os
import subprocess
import sys
import time

import pytest
from sarkmock_contracts.client.http import with_json
from sarkmock_contracts.plugin.processes import seen_by
from sarkmock_contracts.reports.merging import add_seen
from sarkmock_contracts.run import open_run
from sarkmock_contracts.run_options import RunOptions

CHECK = [sys.executable, "-c", "from sarkmock.cli import main; main()", "check"]


def check(*arguments):
    return subprocess.run([*CHECK, *arguments], capture_output=True, text=True, timeout=120, check=False)


def section_and_deviations(result):
    """The section's row of the table, and the deviations."""
    lines = result.stdout.splitlines()
    return ([line.split()[:5] for line in lines if line.startswith("Agents")],
            {line.split()[1] for line in lines if line.startswith("  ")})


def test_results_of_workers_are_merged():
    worker, main = open_run(RunOptions(target_profile="shipped")), open_run(RunOptions(target_profile="shipped"))
    operation = worker.contract.by_id["tenants.update"]
    for suite in (worker, main):
        with suite.watch():
            suite.send(with_json("PUT", suite.fixtures.request(operation).path, {"localarea": "2.5"}))
    requests = worker.target.requests + main.target.requests
    add_seen(main, seen_by(worker))
    finding = next(finding for finding in main.findings if finding.identity.field == "localarea")
    assert finding.count == 2
    assert finding.deviations == ("tenant-localarea-numeric",)
    assert main.target.requests == requests
    assert main.coverage.statuses["tenants.update", 200] == 2


@pytest.mark.slow
def test_two_processes_report_the_same_as_one():
    options = ["--only", "Agents", "--target-profile", "shipped", "--max-examples", "2"]
    single, double = check(*options), check(*options, "-n", "2")
    assert single.returncode == double.returncode == 0, double.stdout + double.stderr
    assert section_and_deviations(single) == section_and_deviations(double)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_report_that_does_not_fit_on_disk_is_reported(tmp_path, processes):
    command = [*CHECK, "--only", "Tenants", "--max-examples", "1", "--report", str(tmp_path), "-n", processes]
    unmeasured = {**os.environ, "COVERAGE_PROCESS_CONFIG": ""}  # coverage data would not fit either
    result = subprocess.run(["sh", "-c", "ulimit -f 64; exec \"$@\"", "sh", *command], capture_output=True, text=True,
                            timeout=120, check=False, env=unmeasured)
    assert result.returncode == 2
    assert result.stderr == f"sarkmock: --report {tmp_path}: File too large\n"


def test_two_runs_cannot_write_to_one_report(tmp_path):
    with (tmp_path / "traffic.har").open("w") as traffic:
        fcntl.flock(traffic, fcntl.LOCK_EX)
        result = check("--quick", "--only", "Tenants", "--report", str(tmp_path))
    assert (result.returncode, result.stderr) == (2, f"sarkmock: --report {tmp_path}: another run writes to it\n")


def test_killed_run_leaves_no_partial_reports(tmp_path):
    report, temporary = tmp_path / "report", tmp_path / "temporary"
    temporary.mkdir()
    run = subprocess.Popen([*CHECK, "--quick", "-n", "2", "--report", str(report)], stdout=subprocess.DEVNULL,
                           env=os.environ | {"TMPDIR": str(temporary)})
    try:
        latest = time.monotonic() + 60
        while len(list(temporary.glob("sarkmock-*/*/*"))) < 2 and time.monotonic() < latest:
            time.sleep(0.05)
        assert list(temporary.glob("sarkmock-*/*/*.har*"))
    finally:
        run.kill()
        run.wait()
    assert [path for path in report.iterdir() if path.is_dir()] == []


@pytest.mark.slow
def test_traffic_of_all_processes_is_in_one_file(tmp_path):
    result = check("--only", "Agents", "--max-examples", "2", "--report", str(tmp_path), "-n", "2")
    assert result.returncode == 0, result.stdout + result.stderr
    har, = tmp_path.glob("*.har")
    entries = json.loads(har.read_text())["log"]["entries"]
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(entries) == report["run"]["requests"]
    assert {"POST", "PUT", "DELETE"} < {entry["request"]["method"] for entry in entries}
    assert [entry["startedDateTime"] for entry in entries] == sorted(entry["startedDateTime"] for entry in entries)


@pytest.mark.parametrize(("arguments", "reason"), [
    (["https://127.0.0.1:1/api"], "a box at a URL is judged by one process"),
    (["--budget", "10"], "requests are counted in one process"),
])
def test_box_is_tested_by_one_process(arguments, reason):
    result = check(*arguments, "-n", "2")
    assert result.returncode == 2
    assert reason in result.stdout + result.stderr


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_invalid_number_of_processes_is_reported(number):
    result = check("-n", number)
    assert result.returncode == 2
    assert "-n takes a number of processes" in result.stderr


@pytest.mark.slow
def test_processes_are_spawned_without_fork(tmp_path):
    """As on macOS and Windows."""
    program = """
import sys
from sarkmock_contracts.plugin import processes, run_checks
from sarkmock_contracts.run_options import RunOptions
if __name__ == "__main__":
    processes.METHOD = "spawn"
    sys.exit(run_checks(RunOptions(quick=True, only="Agents", target_profile="shipped"), processes=2))
"""
    (tmp_path / "started.py").write_text(program)
    spawned = subprocess.run([sys.executable, tmp_path / "started.py"], capture_output=True, text=True, timeout=120,
                             check=False)
    forked = check("--quick", "--only", "Agents", "--target-profile", "shipped", "-n", "2")
    assert spawned.returncode == 0, spawned.stdout + spawned.stderr
    assert section_and_deviations(spawned) == section_and_deviations(forked)


def test_xdist_is_rejected_with_suggestion(tmp_path):
    result = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "sarkmock_contracts",
                             "-n", "2"], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert result.returncode == 2
    assert "the suite does not run under pytest-xdist; use `sarkmock check -n N`" in result.stdout + result.stderr


def test_failure_to_start_processes_is_reported(tmp_path):
    program = """
import multiprocessing.context, sys
def start(self):
    raise BlockingIOError(11, "Resource temporarily unavailable")
multiprocessing.context.ForkProcess.start = start
from sarkmock.cli import main
main()
"""
    arguments = ["check", "--quick", "--only", "Agents", "-n", "2", "--report", str(tmp_path)]
    result = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120,
                            check=False)
    assert result.returncode == 2
    assert result.stderr == ("sarkmock: no process can be started: [Errno 11] Resource temporarily unavailable; "
                             "-n 1 needs none\n")
    assert [file.name for file in tmp_path.iterdir()] == ["traffic.har"]

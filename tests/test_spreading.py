"""Cases spread over processes: what each saw comes back, and a box is never asked by two."""

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


def shown(answer):
    """The section's line of the table, and the deviations."""
    lines = answer.stdout.splitlines()
    return ([line.split()[:5] for line in lines if line.startswith("Agents")],
            {line.split()[1] for line in lines if line.startswith("  ")})


def test_what_a_worker_saw_is_gathered():
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
def test_two_processes_find_what_one_finds():
    options = ["--only", "Agents", "--target-profile", "shipped", "--max-examples", "2"]
    one, two = check(*options), check(*options, "-n", "2")
    assert one.returncode == two.returncode == 0, two.stdout + two.stderr
    assert shown(one) == shown(two)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_report_that_does_not_fit_on_the_disk_is_told_in_one_line(tmp_path, processes):
    words = [*CHECK, "--only", "Tenants", "--max-examples", "1", "--report", str(tmp_path), "-n", processes]
    unmeasured = {**os.environ, "COVERAGE_PROCESS_CONFIG": ""}  # the data of coverage does not fit either
    answer = subprocess.run(["sh", "-c", "ulimit -f 64; exec \"$@\"", "sh", *words], capture_output=True, text=True,
                            timeout=120, check=False, env=unmeasured)
    assert answer.returncode == 2
    assert answer.stderr == f"sarkmock: --report {tmp_path}: File too large\n"


def test_two_runs_do_not_write_to_one_report(tmp_path):
    with (tmp_path / "traffic.har").open("w") as traffic:
        fcntl.flock(traffic, fcntl.LOCK_EX)
        answer = check("--quick", "--only", "Tenants", "--report", str(tmp_path))
    assert (answer.returncode, answer.stderr) == (2, f"sarkmock: --report {tmp_path}: another run writes to it\n")


def test_a_killed_run_leaves_nothing_of_its_processes_in_the_report(tmp_path):
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
def test_the_traffic_of_all_processes_is_in_one_file(tmp_path):
    answer = check("--only", "Agents", "--max-examples", "2", "--report", str(tmp_path), "-n", "2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
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
def test_a_box_is_asked_by_one_process(arguments, reason):
    answer = check(*arguments, "-n", "2")
    assert answer.returncode == 2
    assert reason in answer.stdout + answer.stderr


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_number_of_processes_is_a_number(number):
    answer = check("-n", number)
    assert answer.returncode == 2
    assert "-n takes a number of processes" in answer.stderr


@pytest.mark.slow
def test_a_system_without_fork_starts_the_processes_anew(tmp_path):
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
    assert shown(spawned) == shown(forked)


def test_the_suite_under_xdist_names_the_command_for_several_processes(tmp_path):
    answer = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "sarkmock_contracts",
                             "-n", "2"], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert answer.returncode == 2
    assert "the suite does not run under pytest-xdist; use `sarkmock check -n N`" in answer.stdout + answer.stderr


def test_a_system_that_starts_no_process_is_told_in_one_line(tmp_path):
    program = """
import multiprocessing.context, sys
def start(self):
    raise BlockingIOError(11, "Resource temporarily unavailable")
multiprocessing.context.ForkProcess.start = start
from sarkmock.cli import main
main()
"""
    arguments = ["check", "--quick", "--only", "Agents", "-n", "2", "--report", str(tmp_path)]
    answer = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120,
                            check=False)
    assert answer.returncode == 2
    assert answer.stderr == ("sarkmock: no process can be started: [Errno 11] Resource temporarily unavailable; "
                             "-n 1 needs none\n")
    assert [file.name for file in tmp_path.iterdir()] == ["traffic.har"]

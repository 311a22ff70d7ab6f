"""Ctrl-C and SIGTERM end a run between two requests: signals are not lost, and no request is interrupted."""

import gc
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sarkmock_contracts.client import interrupts
from sarkmock_contracts.run import open_run
from sarkmock_contracts.run_options import RunOptions

from tests.prefork import PROCESS


@pytest.fixture(autouse=True)
def handlers():
    """Restore the signal handlers after each test."""
    before = {number: signal.getsignal(number) for number in interrupts.STOPPING}
    yield
    with interrupts.signals_deferred(""):
        pass  # clears pending signals
    for number, handler in before.items():
        signal.signal(number, handler)


def send_signal(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", interrupts.STOPPING)
def test_signal_ends_run_before_next_request(number):
    suite = open_run(RunOptions())
    interrupts.install()
    assert suite.get("/tenants").ok
    send_signal(number)
    sent = suite.target.requests
    with pytest.raises(KeyboardInterrupt):
        suite.get("/tenants")
    assert suite.target.requests == sent
    assert suite.get("/tenants").ok  # the clean-up can still send requests


def test_signal_in_callback_that_swallows_exceptions_is_not_lost():
    def raise_once(*_):
        gc.callbacks.remove(raise_once)  # the report of the exception allocates, too
        send_signal(signal.SIGINT)

    interrupts.install()
    gc.callbacks.append(raise_once)
    gc.collect(0)
    with pytest.raises(KeyboardInterrupt):
        interrupts.raise_if_stopped()


def test_second_signal_is_raised_immediately():
    interrupts.install()
    send_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        send_signal(signal.SIGINT)
    interrupts.raise_if_stopped()


def test_process_stops_when_condition_is_true():
    stopped = []
    interrupts.obey(lambda: bool(stopped))
    interrupts.raise_if_stopped()
    stopped.append("stop")
    with pytest.raises(KeyboardInterrupt):
        interrupts.raise_if_stopped()
    interrupts.raise_if_stopped()


def test_signal_ends_sleep():
    interrupts.install()
    send_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.sleep(600)


def test_deferred_signal_is_raised_after_block(capfd):
    interrupts.install()
    with interrupts.signals_deferred("cleaning up"):
        send_signal(signal.SIGINT)
        send_signal(signal.SIGTERM)
        interrupts.raise_if_stopped()
    assert capfd.readouterr().out == "cleaning up\n" * 2
    send_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.raise_if_stopped()


def wait_until_started(pid, children):
    """Wait until the process has installed its signal handlers and started its children."""
    deadline = time.monotonic() + 60
    caught = 1 << (signal.SIGTERM - 1)
    while time.monotonic() < deadline:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if int(status["SigCgt"], 16) & caught and len(started) >= 2 * children:
            return
        time.sleep(0.05)
    pytest.fail("the process did not start")


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "distributed"])
def test_signal_ends_run_of_embedded_mock(options):
    process = subprocess.Popen([*PROCESS, "check", *options], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    wait_until_started(process.pid, children=bool(options))
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "Traceback" not in output

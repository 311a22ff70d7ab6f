"""Ctrl-C and SIGTERM end a run between two requests: nothing in between can swallow them, nothing is cut in half."""

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
    """The handlers that were there are there again."""
    before = {number: signal.getsignal(number) for number in interrupts.STOPPING}
    yield
    with interrupts.signals_deferred(""):
        pass  # forgets what was noted
    for number, handler in before.items():
        signal.signal(number, handler)


def raised(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", interrupts.STOPPING)
def test_a_signal_ends_the_run_before_its_next_request(number):
    suite = open_run(RunOptions())
    interrupts.install()
    assert suite.get("/tenants").ok
    raised(number)
    sent = suite.target.requests
    with pytest.raises(KeyboardInterrupt):
        suite.get("/tenants")
    assert suite.target.requests == sent
    assert suite.get("/tenants").ok  # whoever cleans up can send again


def test_a_signal_in_a_callback_that_swallows_exceptions_is_not_lost():
    def raise_once(*_):
        gc.callbacks.remove(raise_once)  # the report of the exception allocates, too
        raised(signal.SIGINT)

    interrupts.install()
    gc.callbacks.append(raise_once)
    gc.collect(0)
    with pytest.raises(KeyboardInterrupt):
        interrupts.raise_if_stopped()


def test_asked_twice_it_does_not_wait():
    interrupts.install()
    raised(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        raised(signal.SIGINT)
    interrupts.raise_if_stopped()


def test_a_process_stops_when_another_says_so():
    told = []
    interrupts.obey(lambda: bool(told))
    interrupts.raise_if_stopped()
    told.append("stop")
    with pytest.raises(KeyboardInterrupt):
        interrupts.raise_if_stopped()
    interrupts.raise_if_stopped()


def test_a_wait_ends_with_a_signal():
    interrupts.install()
    raised(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.sleep(600)


def test_what_must_be_finished_is_finished(capfd):
    interrupts.install()
    with interrupts.signals_deferred("cleaning up"):
        raised(signal.SIGINT)
        raised(signal.SIGTERM)
        interrupts.raise_if_stopped()
    assert capfd.readouterr().out == "cleaning up\n" * 2
    raised(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupts.raise_if_stopped()


def wait_for_work(pid, children):
    """Until the process handles signals itself, and has the children that it wants."""
    ends = time.monotonic() + 60
    caught = 1 << (signal.SIGTERM - 1)
    while time.monotonic() < ends:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if int(status["SigCgt"], 16) & caught and len(started) >= 2 * children:
            return
        time.sleep(0.05)
    pytest.fail("it does not begin")


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "spread"])
def test_a_run_of_the_embedded_mock_ends_with_a_signal(options):
    process = subprocess.Popen([*PROCESS, "check", *options], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    wait_for_work(process.pid, children=bool(options))
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "Traceback" not in output

"""Servers whose output is not read, and signals at any time: traffic goes on, and reports are written."""

import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import takewhile

import pytest
import requests

from sarkmock.cli import background
from tests.hostile_box import whole
from tests.prefork import COMMAND
from tests.proxied import Wire, scripted


@contextmanager
def listening(*arguments):
    """A server whose output is a pipe that is read to the end of the greeting; yields its process and URL."""
    with subprocess.Popen([*COMMAND, *arguments, "--http", "--port", "0"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            lines = list(takewhile(lambda line: not line.startswith(b"stop"), process.stdout))
            yield process, next(line.split()[2].decode() for line in lines if line.startswith(b"listening"))
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["proxy", "serve"])
def test_unread_output_blocks_no_traffic(name, tmp_path):
    """A pipe holds 64 KB."""
    with scripted() as box:
        options = [box.url, "--report", str(tmp_path)] if name == "proxy" else []
        with listening(name, "-v", *options) as (process, url), Wire(url) as wire:
            for _ in range(50):
                request = b"GET /api/nosuch?" + b"x" * 2000 + b" HTTP/1.1\r\nHost: {host}\r\n\r\n"
                assert wire.exchange(request)[0].startswith(b"HTTP/1.1 ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == (1 if name == "proxy" else 0)
        assert name == "serve" or (tmp_path / "report.json").exists()


def test_unread_lines_are_dropped_and_counted():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe, os.fdopen(reading) as reader, ThreadPoolExecutor() as threads:
        output = background.BackgroundOutput(pipe)
        for _ in range(3000):
            output.write("x" * 1000 + "\n")
        lines = [reader.readline() for _ in range(100)]
        output.write("last\n")
        rest = threads.submit(reader.readlines)
        output.close()
        pipe.close()
        *more, note, last = rest.result(5)
    dropped = 3000 - len(lines + more)
    assert 1000 < dropped < 2000
    assert (note, last) == (f"{dropped} lines were not written: the output was not read\n", "last\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_after_first_response_writes_report_and_clients(number, tmp_path):
    clients = tmp_path / "clients.yaml"
    options = "--report", str(tmp_path), "--clients", str(clients)
    with scripted(whole(b'[{"pkey": 7}]')) as box, listening("proxy", box.url, *options) as (process, url):
        assert requests.get(f"{url}/tenants", timeout=5).json() == [{"pkey": 7}]
        process.send_signal(number)
        process.send_signal(number)
        assert process.wait(20) == 1
        assert b"Traceback" not in process.stdout.read()
    assert json.loads((tmp_path / "report.json").read_text())["result"] == "failed"
    assert "GET /tenants" in clients.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_after_greeting_writes_report(number, tmp_path):
    with scripted() as box, listening("proxy", box.url, "--report", str(tmp_path)) as (process, _):
        process.send_signal(number)
        assert process.wait(20) == 0
        assert b"Traceback" not in process.stdout.read()
    assert (tmp_path / "report.json").exists()


def test_signal_before_greeting_is_exit_code_2(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a box that never responds
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        command = [*COMMAND, "proxy", url, "--http", "--port", "0", "--profile", "auto", "--report", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            silent.accept()[0].close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 2
            assert process.stdout.read() == b""
            assert process.stderr.read() == b"sarkmock: interrupted; the proxy had not begun to listen\n"
    assert list(tmp_path.iterdir()) == []

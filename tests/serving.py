"""Runs `sarkmock serve` and `sarkmock proxy` in another process on a free port."""

from __future__ import annotations

import gc
import io
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sarkmock.cli import main
from tests.prefork import COMMAND, PASSED_ON

PATIENCE = 20


@dataclass
class Serving:
    """A running server: its output, its address, its exit code."""

    process: subprocess.Popen[str]
    greeting: str
    errors: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return re.search(r"listening on +(\S+)", self.greeting)[1]

    @property
    def address(self) -> tuple[str, int]:
        parts = urllib.request.urlparse(self.url)
        return parts.hostname, parts.port

    @property
    def authority(self) -> Path:
        return Path(re.search(r"--cacert (\S+)", self.greeting)[1])

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    def get(self, path: str) -> bytes:
        return self._open("GET", path)

    def post(self, path: str) -> bytes:
        return self._open("POST", path)

    def _open(self, method: str, path: str) -> bytes:
        context = self.context if self.url.startswith("https") else None
        request = urllib.request.Request(self.url.removesuffix("/api") + path, method=method)
        return urllib.request.urlopen(request, context=context, timeout=5).read()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Stop the server. Return its exit code and the seconds until it ended."""
        start = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE), time.monotonic() - start


def serving(*options: str, command: Iterable[str] = COMMAND) -> AbstractContextManager[Serving]:
    """Run a server on a free port until the end of the block."""
    return listening(*command, "serve", *options)


def proxying(upstream: str, *options: str) -> AbstractContextManager[Serving]:
    """Run a proxy in front of an upstream in the same way."""
    return listening(*COMMAND, "proxy", upstream, *options)


@contextmanager
def listening(*command: str) -> Iterator[Serving]:
    process = subprocess.Popen([*command, "--port", "0"], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr))
    reader.start()
    try:
        yield Serving(process, "".join(iter(lambda: _greeting_line(process, errors), "")), errors)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()


def _greeting_line(process: subprocess.Popen[str], errors: list[str]) -> str:
    line = process.stdout.readline()
    assert line, errors
    return "" if line.startswith("stop ") else line


def sarkmock(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    return subprocess.run([*COMMAND, *arguments], text=True, capture_output=True, timeout=120, check=False,
                          stdin=subprocess.DEVNULL, env=os.environ | environment)


def mistake(*arguments: str) -> str:
    """Run a command in this process, which must fail, and return its one-line error message."""
    errors, output = io.StringIO(), io.StringIO()
    with redirect_stderr(errors), redirect_stdout(output), pytest.MonkeyPatch.context() as patch, ended_after(60):
        patch.setattr(sys, "argv", ["sarkmock", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert (ended.value.code, output.getvalue()) == (2, ""), errors.getvalue()
    line, = errors.getvalue().splitlines()
    assert line.startswith("sarkmock: ")
    return line.removeprefix("sarkmock: ")


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer, as a server that was not rejected does. Undo what a server sets."""
    def fail(*_: object) -> None:
        raise AssertionError(f"not ended after {seconds} s")

    handlers = {number: signal.getsignal(number) for number in (*PASSED_ON, signal.SIGALRM)}
    signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        gc.enable()
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)

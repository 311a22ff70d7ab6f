"""Commands for tests: each is a fork of one process that has imported the modules that all of them need.

`COMMAND` is equivalent to `python -m sarkmock`, and `PYTEST` to `python -m pytest`; they start in a tenth of the time.
Each consists of two processes: a client without imports, which passes on its arguments, folder, environment, standard
files and signals and returns the exit code of the command; and the fork, which is killed if the client is. `PROCESS`
is for tests of imports, limits and kills, which need a single process.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import sys
from functools import cache

TYPE_CHECKING = False  # the client starts in half the time without typing, re and json
if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

PROCESS = [sys.executable, "-m", "sarkmock"]
BEFORE = "SARKMOCK_TESTS_BEFORE"  # code that is run before a command
PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Command:
    """The arguments of a command. The process to fork starts on first use."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __iter__(self) -> Iterator[str]:
        return iter([sys.executable, "-IS", __file__, start(), self._module])


COMMAND, PYTEST = Command("sarkmock"), Command("pytest")


def run_pytest(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Like `pytester.runpytest_subprocess`."""
    import subprocess

    import pytest

    ended = subprocess.run([*PYTEST, "-p", "no:cacheprovider", *options], cwd=pytester.path, capture_output=True,
                           text=True, timeout=120, check=False)
    return pytest.RunResult(ended.returncode, ended.stdout.splitlines(), ended.stderr.splitlines(), 0)


@cache
def start() -> str:
    """Start a server that ends with this process, and return its address."""
    import atexit
    import shutil
    import subprocess
    import tempfile
    from pathlib import Path

    directory = tempfile.mkdtemp(prefix="sarkmock-")
    address = f"{directory}/socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    words = [sys.executable, "-m", "tests.prefork", str(listener.fileno())]
    server = subprocess.Popen(words, cwd=Path(__file__).parent.parent, stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()])
    atexit.register(server.communicate, timeout=10)  # the server ends with its input
    atexit.register(shutil.rmtree, directory)
    listener.close()
    return address


def call(address: str, *order: str) -> None:
    """The client: exits like the command."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"."], [0, 1, 2, os.open(".", os.O_RDONLY)])
        connection.sendall(marshal.dumps([[*order], dict(os.environ)]))
        answer = connection.makefile()
        process = int(answer.readline())
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: os.kill(process, number))
        code = os.waitstatus_to_exitcode(int(answer.readline()))
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def serve(listener: socket.socket) -> list[str]:
    """The server: returns in each fork with the arguments of a command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        if 0 in select.select([listener, 0], [], [])[0]:
            sys.exit()
        connection, _ = listener.accept()
        if not os.fork():
            break
        connection.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 4)
    words, environment = marshal.load(connection.makefile("rb"))
    if process := os.fork():
        watch(connection, process)
    connection.close()
    become(words, files, environment)
    return words


def watch(connection: socket.socket, process: int) -> None:
    """Send the exit status of the command to the client; end the command if the client ends."""
    from contextlib import suppress
    from threading import Thread

    def kill_if_left() -> None:
        connection.recv(1)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    connection.sendall(b"%d\n" % process)
    Thread(target=kill_if_left, daemon=True).start()
    _, status = os.waitpid(process, 0)
    with suppress(BrokenPipeError):
        connection.sendall(b"%d\n" % status)
    os._exit(0)


def become(words: list[str], files: list[int], environment: dict[str, str]) -> None:
    """Take over the client's state. Other interpreter settings need a new interpreter."""
    import io
    from pathlib import Path

    os.fchdir(files.pop())
    for number, file in enumerate(files):
        os.dup2(file, number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if settings(environment) != settings(os.environ):
        os.execve(sys.executable, [sys.executable, "-m", *words], environment)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = str(Path.cwd())
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        file = io.FileIO(number, "w" if number else "r", closefd=False)
        buffered = io.BufferedWriter(file) if number else io.BufferedReader(file)
        stream = io.TextIOWrapper(buffered, errors="backslashreplace" if number == 2 else "strict",
                                  line_buffering=number == 2 or file.isatty())
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    exec(environment.get(BEFORE, ""), {})


def leave(code: object) -> None:
    """Exit without freeing all modules, which takes ten times as long as a short command."""
    import atexit
    import threading
    from contextlib import suppress

    if not isinstance(code, int | None):
        return
    threading._shutdown()
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def settings(environment: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(("PYTHON", "LC_", "LANG"))}


def imports() -> None:
    """Import the modules of commands in advance, except those that pytest and Schemathesis load as plugins."""
    import gc
    import importlib
    import pkgutil

    for package in ("sarkmock", "sarkmock_contracts"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith(("__main__", "_entry", "schemathesis", "_hooks", "test_contract")):
                importlib.import_module(module.name)
    gc.freeze()


if __name__ == "__main__":
    if __package__:
        import runpy

        imports()
        sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
        try:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            leave(ended.code)
            raise
    else:
        call(*sys.argv[1:])

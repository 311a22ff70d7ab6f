"""A run spread over processes, each with its own mock. Their results are joined into one run.

All cases of a group run in the same process, because they build on one another. A process takes the next group when it
has finished one.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, zip_longest
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, NamedTuple, cast

import pytest

from ..checks import weights_of
from ..client import interrupts
from ..client.formats import is_archive, join_archives
from ..errors import CannotRun, file_errors
from ..reports.merging import add_seen
from ..run import Run, open_run
from ..run_options import RunOptions
from .plan import case_of
from .verdict import Results, read_accepted_of

METHOD = "fork" if sys.platform == "linux" else "spawn"  # a fork is not safe on macOS, and unknown on Windows
MOST_PROCESSES = 4  # default maximum: more processes do not end sooner
MOST_WANTED = 256  # processes; each takes 100 MB


def is_spreadable(options: RunOptions) -> bool:
    return not (options.url or options.budget or options.max_time or options.plan)


def processes_for(options: RunOptions, wanted: str | None) -> int:
    """Return the number of processes. Default: up to four for the embedded mock, one for a single section or a box."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if wanted is None:
        return min(cores, MOST_PROCESSES) if is_spreadable(options) and options.only is None else 1
    if wanted != "auto" and not (re.fullmatch("[0-9]{1,3}", wanted) and 0 < int(wanted) <= MOST_WANTED):
        raise CannotRun(f"-n takes a number of processes up to {MOST_WANTED}, or auto")
    number = cores if wanted == "auto" else int(wanted)
    if number > 1 and not is_spreadable(options):
        what = "a box at a URL is judged by one process" if options.url else "requests are counted in one process"
        raise CannotRun(f"-n spreads cases over embedded mocks; {what}: omit -n")
    return number


class Message(NamedTuple):
    """What a process reports to the main process: it wants a group, has started or reported a case, or has ended."""

    event: Literal["wants", "started", "reported", "ended"]
    data: dict[str, Any]


class Processes:
    """The processes that run the cases under pytest, with these arguments. They end when the block ends."""

    def __init__(self, options: RunOptions, number: int, arguments: Sequence[str]) -> None:
        gc.freeze()  # a collection in a forked process would copy every page of what is loaded
        context: Any = multiprocessing.get_context(METHOD)
        self._traffic, self._stopped = options.traffic, context.RawValue("b", 0)
        with file_errors("-n needs a directory for temporary files, -n 1 does not"):
            self._folder = tempfile.mkdtemp(prefix="sarkmock-") if options.traffic else ""
            self._shares = [replace(options, report=tempfile.mkdtemp(dir=self._folder)) if options.traffic else options
                            for _ in range(number)]
        self._processes: list[Any] = []
        self._connections: list[Connection] = []
        for share in self._shares:
            connection, other_end = context.Pipe()
            self._connections.append(connection)
            # A fork also inherits these, and a pipe has no end while a process holds it.
            inherited = tuple(self._connections) if METHOD == "fork" else ()
            process = context.Process(target=run_share, args=(share, arguments, self._stopped, other_end, inherited))
            try:
                process.start()
            except OSError as error:
                self.close()
                raise CannotRun(f"no process can be started: {error}; -n 1 needs none") from None
            other_end.close()
            self._processes.append(process)

    def messages(self) -> Iterator[Message]:
        """Give the processes groups, and yield their messages until all have ended.

        A signal stops them at their next request.
        """
        working, taken = list(self._connections), count()
        while working:
            if interrupts.has_come():
                self._stopped.value = 1
            for connection in cast(list[Connection], wait(working, interrupts.SLICE)):
                try:
                    message = connection.recv()
                    if message.event == "wants":
                        connection.send(next(taken))
                    else:
                        yield message
                except (EOFError, OSError):  # the process has ended
                    working.remove(connection)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, and join the traffic that they have recorded."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.terminate()
            process.join()
        if self._traffic is None:
            return
        with file_errors(f"--report {self._traffic.parent}"):
            try:
                parts = [share.traffic for share in self._shares if share.traffic and is_archive(share.traffic)]
                if is_archive(self._traffic):  # not if the run could not begin
                    join_archives([self._traffic, *parts], self._traffic)
            finally:
                shutil.rmtree(self._folder)


@dataclass(frozen=True)
class Share:
    """What a process that runs a part of the cases has: its run, and the connection to the main process."""

    run: Run
    connection: Connection


def run_share(options: RunOptions, arguments: Sequence[str], stopped: Any, connection: Connection,
              inherited: Sequence[Connection]) -> None:
    """Run a part of the cases under pytest in this process."""
    for pipe in inherited:
        pipe.close()
    interrupts.obey(lambda: bool(stopped.value))
    pytest.main([*arguments], plugins=[Share(open_run(options, read_accepted_of(options)), connection)])


@contextmanager
def ending_with_main() -> Iterator[None]:
    """End this process if its connection to the main process is closed in the block."""
    try:
        yield
    except (EOFError, OSError):
        os._exit(1)


class Worker:
    """Runs groups of cases and sends the main process what happens, and what the run has seen in the end."""

    def __init__(self, share: Share, config: pytest.Config, results: Results) -> None:
        self.run, self.connection, self.config, self.results = share.run, share.connection, config, results

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        gc.freeze()  # documents and cases stay to the end
        groups = groups_of(session.items, self.run.options)
        while (number := self._next_group()) < len(groups):
            for item, following in zip_longest(groups[number], groups[number][1:]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return True

    def _next_group(self) -> int:
        self.send(Message("wants", {}))
        with ending_with_main():
            return int(self.connection.recv())

    def send(self, message: Message) -> None:
        with ending_with_main():
            self.connection.send(message)

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self.send(Message("started", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
            self.send(Message("reported", data))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self.send(Message("ended", {**seen_by(self.run), "finished": self.results.finished}))


class Gathering:
    """Gives the main process what the others send, as if it had run the cases."""

    def __init__(self, run: Run, results: Results, processes: Processes) -> None:
        self.run, self.results, self.processes = run, results, processes

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed:
            return None  # the cases could not be collected
        config = session.config
        for message in self.processes.messages():
            if message.event == "started":
                config.hook.pytest_runtest_logstart(**message.data)
            elif message.event == "reported":
                report = config.hook.pytest_report_from_serializable(config=config, data=message.data)
                config.hook.pytest_runtest_logreport(report=report)
            else:
                add_seen(self.run, message.data)
                self.results.finished |= message.data["finished"]
        interrupts.raise_if_stopped()
        return True


def groups_of(items: Sequence[pytest.Item], options: RunOptions) -> list[list[pytest.Item]]:
    """Return the cases by group. Large groups come first, so that all processes end at about the same time."""
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[case_of(item).group].append(item)
    return [groups[name] for name, _ in weights_of(map(case_of, items), options).most_common()]


def seen_by(run: Run) -> dict[str, Any]:
    """Return the results of a run as values that can be pickled."""
    run.judge.conclude()
    return {"findings": list(run.findings), "coverage": run.coverage.seen, "requests": run.target.requests,
            "unavailable": run.gaps.unavailable, "untested": run.gaps.untested, "stopped": run.gaps.stopped,
            "report_problem": run.report_problem}

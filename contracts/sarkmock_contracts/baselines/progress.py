"""How far a recording is, on stderr: a bar and the time left on a terminal, a line for each part elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..client.budget import minutes
from .recording import RECORDING_PARTS, RecordingCase
from .session import RecordingPlan


class Watching:
    """Told of each case that begins."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                            console=self.console, transient=True, disable=not self.console.is_terminal)
        self.task = self.bar.add_task("starting", total=None)
        self.part, self.began, self.cases = "", time.monotonic(), 0

    def __enter__(self) -> Watching:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is None:
            self._end_part()
        self.bar.stop()

    def __call__(self, case: RecordingCase, number: int, _: int, plan: RecordingPlan) -> None:
        if case.part != self.part:
            self._end_part()
            self.part, self.began, self.cases = case.part, time.monotonic(), 0
        self.cases += 1
        left = minutes(plan.seconds_after(number))
        self.bar.update(self.task, description=f"{RECORDING_PARTS[case.part]}, about {left} left", completed=number,
                        total=len(plan.costs))

    def _end_part(self) -> None:
        if self.part:
            took = time.monotonic() - self.began
            self.console.print(f"{RECORDING_PARTS[self.part]:38} {self.cases:4} cases {took:7.1f} s", highlight=False)


class Steps:
    """What is being read, while its duration is unknown: on a terminal only."""

    def __init__(self) -> None:
        self.status = Console(stderr=True).status("comparing with mocks")

    def __enter__(self) -> Steps:
        self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.status.stop()

    def __call__(self, text: str) -> None:
        self.status.update(text)

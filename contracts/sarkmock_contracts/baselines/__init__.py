"""Entry points of `sarkmock baseline`, `compare` and `overlay`, and their progress display."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sarkmock.suite_api import FileError, describe_profile, write_whole

from ..client import interrupts
from ..client.interrupts import duration_text, total_line
from ..errors import BadBaseline, CannotRun, check_directory, file_errors
from ..reports.data import Data, as_json
from ..safety.fingerprint import AUTO
from ..safety.ledger import read_ledger
from .clients import Use, mark_concerned, read_clients
from .comparing import SLOWER, Comparison, compare_baselines
from .facts import Baseline, Checkpoint, read_baseline, write_baseline
from .profile import nearest_choice, profile_baseline, profile_from, profile_lines, write_profile
from .recording import RECORDING_PARTS, RecordingCase
from .report import comparison_html, comparison_markdown, comparison_text
from .session import AROUND, RecordingOptions, RecordingPlan, RecordingSession, recording_plan
from .severity import COMPATIBLE, at_least


class ProgressDisplay:
    """Shows the progress of a recording; called at the start of each case."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                            console=self.console, transient=True, disable=not self.console.is_terminal)
        self.task = self.bar.add_task("starting", total=None)
        self.part, self.began, self.cases = "", time.monotonic(), 0

    def __enter__(self) -> ProgressDisplay:
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
        left = duration_text(plan.seconds_after(number))
        text = f"{RECORDING_PARTS[case.part]}, about {left} remaining"
        self.bar.update(self.task, description=text, completed=number, total=len(plan.costs))

    def _end_part(self) -> None:
        if self.part:
            took = time.monotonic() - self.began
            self.console.print(f"{RECORDING_PARTS[self.part]:38} {self.cases:4} cases {took:7.1f} s", highlight=False)


@contextmanager
def step_display() -> Iterator[Callable[[str], None]]:
    """Show a status line for steps of unknown duration, on a terminal only."""
    with Console(stderr=True).status("comparing with mocks") as status:
        yield status.update


URL = re.compile(r"\w+://|[^/\\]+:\d+(/|$)|[^/\\]+/api/?$")  # also without a scheme, which is reported later
COMPARE_FORMS = {"compare.json": as_json, "compare.txt": comparison_text, "compare.md": comparison_markdown,
                 "compare.html": comparison_html}


@dataclass(frozen=True)
class Recorded:
    """A finished recording: the baseline, the cases not tested and what remains on the box, one line each."""

    baseline: Baseline
    unasked: list[str]
    troubles: list[str]


def recording_plan_lines(options: RecordingOptions) -> Iterator[str]:
    """Yield lines with the requests and time that a recording needs. Sends nothing to the box."""
    options.check()
    plan = recording_plan(options)
    for part, title in RECORDING_PARTS.items():
        costs = [cost for name, cost in plan.costs.items() if name.startswith(f"{part}: ")]
        if costs:
            yield f"{title:38} {len(costs):4} cases {sum(costs):6} requests"
    if plan.around:
        yield f"{AROUND:38} {'':10} {plan.around:6} requests"
    yield total_line(len(plan.costs), plan.requests, plan.speed, settled=False)


def record_baseline(options: RecordingOptions, file: Path, force: bool = False) -> Recorded:
    """Record a box into a file; resume an interrupted recording."""
    options.check()
    check_output_file(file, force)
    partial = Checkpoint(file.with_name(f"{file.name}.partial"), options.head().head())
    try:
        recorded = record_box(options, file.with_name(f"{file.name}.ledger"), partial)
        write_baseline(recorded.baseline, file)
        partial.finish()
    finally:
        partial.close()
    return recorded


def record_box(options: RecordingOptions, ledger: Path, partial: Checkpoint | None = None) -> Recorded:
    """Record a box; delete the ledger once the clean-up is complete."""
    own = options.caution.ledger is None and options.caution.permissions.writes
    if own:
        options = replace(options, caution=replace(options.caution, ledger=str(ledger)))
    interrupts.install()
    session = RecordingSession(options, partial)
    try:
        with ProgressDisplay() as watching:
            baseline = session.record(watching)
    finally:
        if own and ledger.is_file() and read_ledger(ledger).complete:
            ledger.unlink()
    unasked = [f"{name}: {reason}" for name, reason in session.recorder.unasked.items()]
    return Recorded(baseline, unasked, session.troubles)


def checked_uses(clients: Path | None, slower: float, report: Path | None) -> list[Use]:
    """Return what the clients use. Raise CannotRun for an invalid option, before a recording that takes long."""
    if isnan(slower):
        raise CannotRun("--slower nan: not a number")
    if report is not None:
        with file_errors(report):
            report.mkdir(parents=True, exist_ok=True)
    return read_clients(clients) if clients is not None else []


def compare_with(before: Baseline, after: Baseline, uses: Sequence[Use], slower: float = SLOWER) -> Comparison:
    """Compare two baselines and mark the differences that concern the clients."""
    comparison = compare_baselines(before, after, slower)
    comparison.differences = mark_concerned(comparison.differences, uses)
    return comparison


def compared_sides(before: str, after: str,
                   options: Callable[[], RecordingOptions]) -> tuple[Baseline, Baseline, list[str]]:
    """Return the two sides of a comparison and what a recording left on the target, one line each.

    Each side is a baseline file or a profile; the second may also be a URL, which is recorded now.
    """
    if Path(before).exists() and Path(after).exists() and Path(after).samefile(before):
        raise CannotRun(f"{before} and {after} are the same file")
    if AUTO in (before, after) and all(name == AUTO or is_profile(name) for name in (before, after)):
        raise CannotRun(f"{AUTO} recognises the version of a box: the other side must be a baseline file or a URL")
    first = None if before == AUTO or is_profile(before) else recorded_side(before)
    troubles: list[str] = []
    if is_target(after):
        alike = options() if first is None else replace(options(), depth=first.depth, only=first.only)
        recorded = record_box(alike, Path(f"{before}.compare.ledger"))
        second, troubles = recorded.baseline, recorded.troubles
    else:
        second = profile_side(after, first) if after == AUTO or is_profile(after) else recorded_side(after)
    return first or profile_side(before, second), second, troubles


def profile_side(name: str, other: Baseline | None) -> Baseline:
    """Return the recording of a profile's mock, made with the options of the other side."""
    nearest = nearest_choice(other).profile if other and name == AUTO else name
    return profile_baseline(nearest, other)


def recorded_side(name: str) -> Baseline:
    if not Path(name).exists():
        try:
            describe_profile(name)
        except FileError as error:
            raise CannotRun(str(error) if error.file else f"{name}: No such file, and {error.problem}") from None
    return read_baseline(Path(name))


def is_target(name: str) -> bool:
    """Whether a side of a comparison is the URL of a target."""
    return not Path(name).exists() and URL.match(name) is not None


def is_profile(name: str) -> bool:
    """Whether a side of a comparison names a profile, or is an overlay file."""
    if Path(name).exists():
        return name.endswith((".yaml", ".yml"))
    try:
        describe_profile(name)
    except FileError:
        return False
    return not URL.match(name)


def is_failure(comparison: Comparison, fail_on: str, for_client: bool) -> bool:
    """Whether any difference is at least as severe as ``fail_on``; ``for_client`` counts those of the client only."""
    differences = [difference for difference in comparison.differences if difference.client or not for_client]
    level = COMPATIBLE if fail_on == "any" else fail_on
    return any(at_least(difference.level, level) for difference in differences)


def write_reports(data: Data, directory: Path) -> None:
    """Write the comparison to a directory in every format."""
    with file_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name, form in COMPARE_FORMS.items():
            write_whole(directory / name, form(data).encode())


def make_profile(baseline: Path, file: Path, profile: str = AUTO, force: bool = False) -> list[str]:
    """Write the overlay of a baseline; return its summary, one line each."""
    if file.suffix not in (".yaml", ".yml"):
        raise CannotRun(f"{file}: the name of a profile's file must end in .yaml")
    check_directory(file)
    if file.exists() and not force:
        raise CannotRun(f"{file} already exists; use --force to replace it")
    box = read_baseline(baseline)
    with step_display() as on_step:
        recorded = profile_from(box, profile, on_step)
    write_profile(recorded, file)
    return list(profile_lines(recorded))


def check_output_file(file: Path, force: bool) -> None:
    """Raise CannotRun if a file may not be written: baselines are replaced only with --force, other files never."""
    check_directory(file)
    if not file.exists():
        return
    try:
        read_baseline(file)
    except BadBaseline:
        raise CannotRun(f"{file} exists and is not a baseline, so it is not replaced") from None
    if not force:
        raise CannotRun(f"{file} already exists; use --force to replace it")

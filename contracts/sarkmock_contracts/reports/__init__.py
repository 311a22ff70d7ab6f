"""The files of --report. All are made from the same plain data, and each is written atomically."""

from __future__ import annotations

from pathlib import Path

from sarkmock.suite_api import write_whole

from ..judge.verdicts import Outcome
from ..run import Run
from .data import Data, as_json, report_data
from .formats import as_html, as_junit, as_markdown, as_sarif

WRITERS = {
    "report.json": as_json,
    "junit.xml": as_junit,
    "report.html": as_html,
    "summary.md": as_markdown,
    "report.sarif": as_sarif,
}


def write_files(run: Run, outcome: Outcome, directory: Path) -> None:
    """Write every report except the traffic, which is written during the run."""
    write_data(report_data(run, outcome), directory)


def write_data(data: Data, directory: Path) -> None:
    for name, write in WRITERS.items():
        write_whole(directory / name, write(data).encode("utf-8", "backslashreplace"))

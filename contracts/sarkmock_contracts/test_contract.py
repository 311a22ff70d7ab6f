"""The one test of the suite under pytest: every case of every check of a run."""

from __future__ import annotations

from .checks import Case
from .run import Run


def test_contract(run: Run, case: Case) -> None:
    with run.watch():
        case.run(run)

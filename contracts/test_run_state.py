"""Stopped, the PBX says so everywhere; started, all is well again."""

from __future__ import annotations

from contracts.answers import check_run_state
from contracts.suite import Suite


def test_run_state(suite: Suite) -> None:
    if suite.settings.only is None:
        with suite.watch():
            check_run_state(suite)

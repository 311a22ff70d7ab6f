"""Stopped, the PBX says so everywhere; started, all is well again."""

from __future__ import annotations

from sarkmock_contracts.checks.smoke import check_run_state
from sarkmock_contracts.run import Suite


def test_run_state(suite: Suite) -> None:
    if suite.settings.only is None:
        with suite.watch():
            check_run_state(suite)

"""Every rule accepts once and refuses once, in the fewest requests."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.minimal_rules import check_rules
from sarkmock_contracts.run import Suite


def test_rules(suite: Suite, judged: Operation) -> None:
    with suite.watch():
        check_rules(suite, judged)

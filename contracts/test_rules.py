"""Every rule accepts once and refuses once, in the fewest requests."""

from __future__ import annotations

from contracts.covering import check_rules
from contracts.suite import Suite
from sarkmock import Operation


def test_rules(suite: Suite, judged: Operation) -> None:
    with suite.watch():
        check_rules(suite, judged)

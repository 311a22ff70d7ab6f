"""What Schemathesis thinks of: examples, coverage and random cases, positive and negative."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.fuzz import Fuzzer, check_fuzzed
from sarkmock_contracts.checks.smoke import settle
from sarkmock_contracts.run import Suite


def test_fuzz(suite: Suite, fuzzer: Fuzzer, operation: Operation) -> None:
    with suite.watch():
        check_fuzzed(suite, fuzzer, operation, suite.settings.examples(full=25, quick=0))
        settle(suite)

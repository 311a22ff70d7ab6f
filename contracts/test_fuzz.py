"""What Schemathesis thinks of: examples, coverage and random cases, positive and negative."""

from __future__ import annotations

from contracts.answers import settle
from contracts.fuzz import Fuzzer, check_fuzzed
from contracts.suite import Suite
from sarkmock import Operation


def test_fuzz(suite: Suite, fuzzer: Fuzzer, operation: Operation) -> None:
    with suite.watch():
        check_fuzzed(suite, fuzzer, operation, suite.settings.examples(full=25, quick=0))
        settle(suite)

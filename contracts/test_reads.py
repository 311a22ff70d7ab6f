"""Every operation that only reads, asked once for what is there already."""

from __future__ import annotations

from contracts.reads import check_read
from contracts.suite import Suite
from sarkmock import Operation


def test_reads(suite: Suite, readable: Operation) -> None:
    with suite.watch():
        check_read(suite, readable)

"""Every operation that only reads, asked once for what is there already."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.reads import check_read
from sarkmock_contracts.run import Suite


def test_reads(suite: Suite, readable: Operation) -> None:
    with suite.watch():
        check_read(suite, readable)

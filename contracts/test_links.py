"""What an operation makes can be reached by every link of the document, and is gone after DELETE."""

from __future__ import annotations

from contracts.links import check_links
from contracts.suite import Suite
from sarkmock import Operation


def test_links(suite: Suite, linked: Operation) -> None:
    with suite.watch():
        check_links(suite, linked)

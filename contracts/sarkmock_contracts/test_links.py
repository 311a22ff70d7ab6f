"""What an operation makes can be reached by every link of the document, and is gone after DELETE."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.links import check_links
from sarkmock_contracts.run import Suite


def test_links(suite: Suite, linked: Operation) -> None:
    with suite.watch():
        check_links(suite, linked)

"""OPTIONS of every path names its methods."""

from __future__ import annotations

from sarkmock import Operation
from sarkmock_contracts.checks.protocol import check_options
from sarkmock_contracts.run import Suite


def test_options(suite: Suite, first_of_path: Operation) -> None:
    with suite.watch():
        check_options(suite, first_of_path)

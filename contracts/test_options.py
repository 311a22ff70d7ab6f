"""OPTIONS of every path names its methods."""

from __future__ import annotations

from contracts.protocol import check_options
from contracts.suite import Suite
from sarkmock import Operation


def test_options(suite: Suite, first_of_path: Operation) -> None:
    with suite.watch():
        check_options(suite, first_of_path)

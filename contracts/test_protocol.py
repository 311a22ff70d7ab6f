"""HEAD, OPTIONS, 405, 404, and every way in which input may be sent."""

from __future__ import annotations

import pytest

from contracts.document import Contract
from contracts.protocol import check_protocol, check_undocumented, check_unknown_paths
from contracts.suite import Suite
from sarkmock import Operation, load, profiles


def test_protocol(suite: Suite, operation: Operation) -> None:
    with suite.watch():
        check_protocol(suite, operation)


def test_unknown_paths(suite: Suite) -> None:
    with suite.watch():
        check_unknown_paths(suite)


@pytest.mark.parametrize("profile", profiles())
def test_undocumented_operations(suite: Suite, profile: str) -> None:
    if suite.settings.only is None:
        with suite.watch():
            check_undocumented(suite, Contract(load(profile)))

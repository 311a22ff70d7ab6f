"""openapi-core's opinion of one response of every operation and status that the run has seen."""

from __future__ import annotations

import pytest
from openapi_core import OpenAPI

from sarkmock import Operation
from sarkmock_contracts.checks.openapi_core_check import check_opinion, openapi_core_of
from sarkmock_contracts.run import Suite


@pytest.fixture(scope="module")
def core(suite: Suite) -> OpenAPI:
    return openapi_core_of(suite.contract)


def test_opinion(suite: Suite, core: OpenAPI, operation: Operation) -> None:
    with suite.watch():
        check_opinion(suite, core, operation)

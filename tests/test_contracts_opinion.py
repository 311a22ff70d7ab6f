"""openapi-core reads responses on its own: it rejects what the document does not have, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from sarkmock_contracts.checks.openapi_core_check import core_problem, openapi_core_of
from sarkmock_contracts.client.http import Exchange, Request, Response

from tests.contract_runs import suite_of

SUITE = suite_of("documented", "documented")
CORE = openapi_core_of(SUITE)


def tenant() -> Exchange:
    return SUITE.target.send(Request("GET", "/tenants/default"))


def test_a_response_of_the_mock_is_no_matter() -> None:
    assert core_problem(CORE, tenant()) is None


def test_a_column_that_leaks_is_told() -> None:
    exchange = tenant()
    leaking = replace(exchange.response, body=exchange.response.body.replace(b'{"pkey"', b'{"oclo":"AUTO","pkey"'))
    assert "oclo" in str(core_problem(CORE, Exchange(exchange.request, leaking)))


def test_a_status_that_is_not_documented_is_told() -> None:
    assert core_problem(CORE, Exchange(Request("GET", "/tenants/default"), replace(tenant().response, status=418)))


def test_a_download_is_not_read() -> None:
    response = Response(200, (("Content-Type", "text/csv"),), b"x")
    assert core_problem(CORE, Exchange(Request("GET", "/logs/cdrs"), response)) is None

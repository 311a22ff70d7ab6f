"""Responses are validated by openapi-core, too: it rejects exactly what the document does not define."""

from __future__ import annotations

from dataclasses import replace

from sarkmock_contracts.checks.openapi_core_check import core_problem, openapi_core_of
from sarkmock_contracts.client.http import Exchange, Request, Response

from tests.contract_runs import suite_of

SUITE = suite_of("documented", "documented")
CORE = openapi_core_of(SUITE)


def tenant() -> Exchange:
    return SUITE.target.send(Request("GET", "/tenants/default"))


def test_response_of_mock_is_valid() -> None:
    assert core_problem(CORE, tenant()) is None


def test_leaked_column_is_reported() -> None:
    exchange = tenant()
    leaking = replace(exchange.response, body=exchange.response.body.replace(b'{"pkey"', b'{"oclo":"AUTO","pkey"'))
    assert "oclo" in str(core_problem(CORE, Exchange(exchange.request, leaking)))


def test_undocumented_status_is_reported() -> None:
    assert core_problem(CORE, Exchange(Request("GET", "/tenants/default"), replace(tenant().response, status=418)))


def test_download_is_not_validated() -> None:
    response = Response(200, (("Content-Type", "text/csv"),), b"x")
    assert core_problem(CORE, Exchange(Request("GET", "/logs/cdrs"), response)) is None

"""The checks of tokens: each catches a mutant that no other of them does, and none finds anything at L11 itself."""

from __future__ import annotations

import pytest
from sarkmock_contracts.checks import CHECKS, Check
from sarkmock_contracts.client.http import ACCEPT, NO_TOKEN, Request, Response
from sarkmock_contracts.client.transports import Access, OverHttp
from sarkmock_contracts.run import Run, embedded
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import SarkMock
from tests.mutants.breaking import Mutant
from tests.mutants.mutants_of_authentication import MUTANTS

TOKENS = [check for check in CHECKS if "authentication" in check.finds]


def run_of(profile: str, target: str) -> Run:
    return Run(contract_of(profile), embedded(target), RunOptions(profile=profile, target_profile=target, strict=True))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_the_check_of_its_kind_alone(mutant: Mutant) -> None:
    run, caught = mutant.suite(), []
    for check in TOKENS:
        before = len(list(run.findings))
        check.run(run)
        caught += [check.run] * (len(list(run.findings)) > before)
    assert caught == [mutant.run]


@pytest.mark.parametrize("check", TOKENS, ids=lambda check: check.name)
def test_the_profile_itself_passes_and_keeps_its_users(check: Check) -> None:
    run = run_of("L11", "L11")
    check.run(run)
    assert list(map(str, run.findings)) == []
    assert run.target.requests > 100
    assert len(run.get("/auth/users").rows) == 1


@pytest.mark.parametrize("profile", ["documented", "2020-06", "2024-06", "L10"])
def test_a_profile_without_tokens_has_no_such_case(profile: str) -> None:
    assert [case for check in TOKENS for case in check.cases(run_of(profile, profile))] == []


def test_a_version_without_tokens_serves_everybody() -> None:
    run = run_of("L11", "2024-06")
    TOKENS[0].run(run)
    assert "tenants.list" in {finding.identity.operation for finding in run.findings}


def test_a_request_can_be_sent_without_the_token_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with SarkMock(profile="L11", tls=False) as box:
        monkeypatch.setenv("BOX", box.token or "")
        over_http = OverHttp(box.url, Access(token_env="BOX"))

        def answers(*headers: tuple[str, str]) -> list[Response]:
            request = Request("GET", "/tenants", headers=(ACCEPT, *headers))
            return [over_http.send(request), embedded("L11").send(request)]

        assert [answer.status for answer in answers()] == [200, 200]
        assert [answer.status for answer in answers(NO_TOKEN)] == [404, 404]
        assert [answer.status for answer in answers(("Authorization", "Bearer nobar"))] == [500, 500]

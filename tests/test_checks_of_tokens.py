"""Authentication checks: each catches a mutant that the others do not, and none has findings at L11 itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from sarkmock_contracts.checks import CHECKS, Check
from sarkmock_contracts.client.http import ACCEPT, NO_TOKEN, Request, Response, with_json
from sarkmock_contracts.client.transports import Access, Http, Layer, Transport, embedded_transport
from sarkmock_contracts.errors import NewFindings, Withheld
from sarkmock_contracts.plugin.verdict import safety_lines
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.safety import CleanUpTarget
from sarkmock_contracts.safety.ledger import reopen_ledger
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import SarkMock
from tests.guarded import Box, ended, guarded_suite
from tests.mutants.breaking import Mutant
from tests.mutants.mutants_of_authentication import MUTANTS

TOKENS = [check for check in CHECKS if "authentication" in check.finds]


def run_of(profile: str, target: str) -> Run:
    options = RunOptions(profile=profile, target_profile=target, strict=True)
    return Run(contract_of(profile), embedded_transport(target), options)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught_by_its_check_only(mutant: Mutant) -> None:
    run, caught = mutant.suite(), []
    for check in TOKENS:
        before = len(list(run.findings))
        check.run(run)
        caught += [check.run] * (len(list(run.findings)) > before)
    assert caught == [mutant.run]


@pytest.mark.parametrize("check", TOKENS, ids=lambda check: check.name)
def test_profile_passes_and_keeps_its_users(check: Check) -> None:
    run = run_of("L11", "L11")
    check.run(run)
    assert list(map(str, run.findings)) == []
    assert run.target.requests > 100
    assert len(run.get("/auth/users").rows) == 1


@pytest.mark.parametrize("profile", ["documented", "2020-06", "2024-06", "L10"])
def test_profile_without_tokens_has_no_authentication_cases(profile: str) -> None:
    assert [case for check in TOKENS for case in check.cases(run_of(profile, profile))] == []


def test_version_without_tokens_serves_unauthenticated_requests() -> None:
    run = run_of("L11", "2024-06")
    TOKENS[0].run(run)
    assert "tenants.list" in {finding.identity.operation for finding in run.findings}


def test_request_can_be_sent_without_token_of_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with SarkMock(profile="L11", tls=False) as box:
        monkeypatch.setenv("BOX", box.token or "")
        over_http = Http(box.url, Access(token_env="BOX"))

        def responses(*headers: tuple[str, str]) -> list[Response]:
            request = Request("GET", "/tenants", headers=(ACCEPT, *headers))
            return [over_http.send(request), embedded_transport("L11").send(request)]

        assert [response.status for response in responses()] == [200, 200]
        assert [response.status for response in responses(NO_TOKEN)] == [404, 404]
        assert [response.status for response in responses(("Authorization", "Bearer nobar"))] == [500, 500]


# on a box, whose users and tokens do not belong to the run


def test_checks_on_box_create_users_and_remove_them(tmp_path: Path) -> None:
    box = Box("L11")
    before = box.contents()
    run = guarded_suite(box, "L11", "write", tmp_path / "ledger")
    for check in TOKENS:
        with run.watch():
            check.run(run)
    assert list(map(str, run.findings)) == []
    assert (box.done.count("auth.register"), box.done.count("auth.users.delete")) == (3, 3)
    assert box.done.count("auth.logout") == 1  # by the user of that token
    assert run.gaps.unavailable == {"an administrator's token in the query string, which the box would log"}
    assert ended(run) == []
    assert box.contents() == before


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught_on_box(mutant: Mutant, tmp_path: Path) -> None:
    box = Box("L11")
    box.wire.inner = tampered(box.wire.inner, mutant)
    run = guarded_suite(box, "L11", "write", tmp_path / "ledger")
    with pytest.raises(NewFindings), run.watch():
        mutant.run(run)
    assert ended(run) == []


def tampered(inner: Transport, mutant: Mutant) -> Transport:
    tamper = mutant.tamper()

    class Tampering(Layer):
        def send(self, request: Request) -> Response:
            return tamper(request, self.inner.send)

    return Tampering(inner)


def test_user_of_killed_run_is_removed_from_ledger(tmp_path: Path) -> None:
    box, file = Box("L11"), tmp_path / "ledger"
    before = box.contents()
    run = guarded_suite(box, "L11", "write", file)
    name = run.fixtures.texts.prefix
    user = {"name": name, "email": f"{name}@example.com", "password": "correct horse"}
    assert run.target.send(with_json("POST", "/auth/register", user)).response.status == 201
    run.safety.ledger.close()
    assert "correct horse" not in file.read_text()
    assert CleanUpTarget(box.wire, reopen_ledger(file)).finish() == []
    assert box.contents() == before


@pytest.mark.parametrize(("request_", "reason"), [
    (Request("GET", "/auth/logout"), "would revoke the token of this run"),
    (Request("HEAD", "/auth/logout"), "would revoke the token of this run"),
    (Request("GET", "/api/auth//logout"), "would revoke the token of this run"),
    (Request("DELETE", "/auth/users/1"), "does not belong to this run"),
    (Request("DELETE", "/auth/users/revoke/1"), "does not belong to this run"),
    (with_json("POST", "/auth/register", {"name": "a", "email": "a@example.com", "password": "zz"}), "recognisable"),
    (with_json("POST", "/auth/login", {"email": "admin@example.com", "password": "secret"}), "could not be restored")])
def test_foreign_users_and_tokens_are_not_changed(request_: Request, reason: str, tmp_path: Path) -> None:
    box = Box("L11")
    run = guarded_suite(box, "L11", "write operational", tmp_path / "ledger")
    with pytest.raises(Withheld, match=reason):
        run.target.send(request_)
    assert not any(name.startswith(("auth.log", "auth.reg", "auth.users.del", "auth.users.rev")) for name in box.done)


def test_unrecognisable_user_is_not_created(tmp_path: Path) -> None:
    run = guarded_suite(Box("L11"), "L11", "write", tmp_path / "ledger")
    user = {"name": "a", "email": "a@example.com", "password": run.fixtures.texts.prefix}
    with pytest.raises(Withheld, match="recognisable"):
        run.target.send(with_json("POST", "/auth/register", user))


def test_checks_skipped_without_permission_are_reported(tmp_path: Path) -> None:
    run = guarded_suite(Box("L11"), "L11", "", tmp_path / "ledger", quick=True)
    assert list(safety_lines(run))[1:3] == [
        ("not tested without --allow-writes: a token in the query string, the token of a user without rights, the "
         "token of a user who has logged out, sequences of writes, all resources together"),
        "not tested without --allow-disruptive: stopping and starting the PBX"]

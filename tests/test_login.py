"""The suite's login: a token for the time of a run, in no file, and none left at the end."""

import os

import pytest
from sarkmock_contracts.client.http import Request
from sarkmock_contracts.client.login import PASSWORD, TOKEN, logged_in
from sarkmock_contracts.client.transports import Access, OverHttp
from sarkmock_contracts.errors import CannotRun

from sarkmock import SarkMock

USER = "admin@example.com"


@pytest.fixture(scope="module")
def box():
    with SarkMock(profile="L11", tls=False) as sark:
        yield sark


@pytest.fixture(autouse=True)
def fresh(box, monkeypatch):
    box.reset()
    monkeypatch.setenv(PASSWORD, "secret")


def tokens(box):
    return box.state.tables.size("personal_access_tokens")


def test_a_run_has_a_token_and_leaves_none(box):
    with logged_in(box.url, Access(), USER) as access:
        assert OverHttp(box.url, access).send(Request("GET", "/tenants")).status == 200
        assert tokens(box) == 1
    assert tokens(box) == 0
    assert TOKEN not in os.environ
    assert OverHttp(box.url, Access()).send(Request("GET", "/tenants")).status == 404


def test_a_run_that_fails_logs_out_too(box):
    with pytest.raises(RuntimeError), logged_in(box.url, Access(), USER):
        raise RuntimeError
    assert tokens(box) == 0


def test_without_a_user_nothing_is_sent(box):
    with logged_in(box.url, Access(), None) as access:
        assert access == Access()
    assert len(box.requests) == 0


@pytest.mark.parametrize(("user", "password", "said"), [
    (USER, "wrong", "does not know this user, or the password is wrong"),
    ("nobody", "secret", "The email field must be a valid email address."),
    (USER, "", f"set the password in the environment variable {PASSWORD}")])
def test_why_there_is_no_token(box, monkeypatch, user, password, said):
    monkeypatch.setenv(PASSWORD, password)
    with pytest.raises(CannotRun, match=said), logged_in(box.url, Access(), user):
        pytest.fail("logged in")


def test_a_box_without_a_login_is_told():
    with SarkMock(tls=False) as sark, pytest.raises(CannotRun, match="has no login"), \
            logged_in(sark.url, Access(), USER):
        pytest.fail("logged in")


def test_a_login_and_a_token_exclude_each_other(box):
    with pytest.raises(CannotRun, match="exclude each other"), logged_in(box.url, Access(token_env="X"), USER):
        pytest.fail("logged in")


def test_a_box_that_goes_away_does_not_hide_the_reason(box):
    def run():
        with SarkMock(profile="L11", tls=False) as sark, logged_in(sark.url, Access(), USER):
            sark.stop()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()

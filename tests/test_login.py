"""The suite's login: a token for the time of a run, in no file, and none left at the end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sarkmock_contracts.client.http import Request
from sarkmock_contracts.client.login import PASSWORD, TOKEN_VARIABLE, logged_in
from sarkmock_contracts.client.transports import Access, OverHttp
from sarkmock_contracts.errors import CannotRun

from sarkmock import SarkMock

USER = "admin@example.com"
BOSS, WORD = "boss@example.com", "Zq-9-xyzzy"
SECRETS = re.compile(rb"Zq-9-xyzzy|\d+\|[A-Za-z0-9]{48}")  # the password, a token


@pytest.fixture(scope="module")
def box():
    with SarkMock(profile="L11", tls=False) as sark:
        yield sark


@pytest.fixture(autouse=True)
def fresh(box, monkeypatch):
    box.reset()
    monkeypatch.setenv(PASSWORD, "secret")


def sarkmock(folder, *arguments):
    """A command in its own directory: its exit code, and all that it printed and wrote."""
    ended = subprocess.run([sys.executable, "-m", "sarkmock", *arguments], cwd=folder, capture_output=True, timeout=90,
                           stdin=subprocess.DEVNULL, check=False)
    return ended.returncode, ended.stdout + ended.stderr + b"".join(
        file.read_bytes() for file in Path(folder).rglob("*") if file.is_file())


@pytest.fixture
def boss(box, monkeypatch):
    """An administrator with a password like no other text."""
    user = {"name": "Boss", "email": BOSS, "password": WORD, "role": "isAdmin"}
    assert box.session().post(box.url + "/auth/register", json=user, headers=box.headers).status_code == 201
    box.requests.clear()
    monkeypatch.setenv(PASSWORD, WORD)
    return box


def tokens(box):
    return box.state.tables.size("personal_access_tokens")


def test_a_run_has_a_token_and_leaves_none(box):
    with logged_in(box.url, Access(), USER) as access:
        assert OverHttp(box.url, access).send(Request("GET", "/tenants")).status == 200
        assert tokens(box) == 1
    assert tokens(box) == 0
    assert TOKEN_VARIABLE not in os.environ
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


@pytest.mark.parametrize("arguments", [
    pytest.param(["check", "{url}", "--profile", "L11", "--quick", "--only", "Agents", "--report", "report"],
                 id="check", marks=pytest.mark.slow),
    pytest.param(["baseline", "{url}", "-o", "box.sark", "--depth", "quick", "--only", "Agents"], id="baseline",
                 marks=pytest.mark.slow),
    pytest.param(["import", "{url}", "-o", "box.yaml", "--tables-only"], id="import")])
def test_a_command_logs_in_and_out_and_writes_no_secret(boss, tmp_path, arguments):
    words = [word.format(url=boss.url) for word in arguments]
    code, said = sarkmock(tmp_path, *words, "--login", BOSS, "--rate", "200/s")
    assert code == 0, said.decode()
    assert not SECRETS.findall(said)
    assert tokens(boss) == 1  # the mock's own
    paths = [request.path for request in boss.requests]
    assert (paths[0], paths[-1]) == ("/api/auth/login", "/api/auth/logout")


@pytest.mark.slow
def test_a_comparison_logs_in_for_the_box(boss, tmp_path):
    options = ["--login", BOSS, "--rate", "200/s", "--only", "Agents", "--depth", "quick"]
    assert sarkmock(tmp_path, "baseline", boss.url, "-o", "before.sark", *options)[0] == 0
    code, said = sarkmock(tmp_path, "compare", "before.sark", boss.url, "--report", "report", *options[:4])
    assert code == 0, said.decode()
    assert not SECRETS.findall(said)
    assert tokens(boss) == 1


def test_a_wrong_password_is_one_line(box, tmp_path, monkeypatch):
    monkeypatch.setenv(PASSWORD, "wrong")
    code, said = sarkmock(tmp_path, "check", box.url, "--login", USER)
    assert (code, said.decode().count("\n")) == (2, 1)
    assert "or the password is wrong" in said.decode()

"""The suite's login: a token for the duration of a run, not written to any file, and revoked at the end."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sarkmock_contracts.client.http import Request
from sarkmock_contracts.client.target import Target
from sarkmock_contracts.client.transports import LOGIN_TOKEN, Access, Http
from sarkmock_contracts.errors import CannotRun
from sarkmock_contracts.run import open_run
from sarkmock_contracts.run_options import RunOptions, caution_from, options_signed_in
from sarkmock_contracts.safety import Caution, Safety, finish_cleanup
from sarkmock_contracts.safety.gate import Permissions
from sarkmock_contracts.safety.preflight import PASSWORD, logged_in
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import SarkMock
from tests.prefork import COMMAND, PYTEST

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
    """Run a command in a directory. Returns its exit code, and everything that it printed and wrote."""
    result = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, timeout=90,
                            stdin=subprocess.DEVNULL, check=False)
    return result.returncode, result.stdout + result.stderr + b"".join(
        file.read_bytes() for file in Path(folder).rglob("*") if file.is_file())


@pytest.fixture
def box_with_boss(box, monkeypatch):
    """The box with an administrator whose password is unique in the output."""
    user = {"name": "Boss", "email": BOSS, "password": WORD, "role": "isAdmin"}
    assert box.session().post(box.url + "/auth/register", json=user, headers=box.headers).status_code == 201
    box.requests.clear()
    monkeypatch.setenv(PASSWORD, WORD)
    return box


def tokens(box):
    return box.state.tables.size("personal_access_tokens")


def test_run_revokes_its_token(box):
    with logged_in(box.url, Access(), USER) as access:
        assert Http(box.url, access).send(Request("GET", "/tenants")).status == 200
        assert tokens(box) == 1
    assert tokens(box) == 0
    assert LOGIN_TOKEN not in os.environ
    assert Http(box.url, Access()).send(Request("GET", "/tenants")).status == 404


def test_failed_run_logs_out(box):
    with pytest.raises(RuntimeError), logged_in(box.url, Access(), USER):
        raise RuntimeError
    assert tokens(box) == 0


def test_no_login_without_user(box):
    with logged_in(box.url, Access(), None) as access:
        assert access == Access()
    assert len(box.requests) == 0


def test_plan_does_not_log_in(box):
    with options_signed_in(box.url, {"login": USER, "plan": True}) as values:
        assert values == {"login": USER, "plan": True}
    assert len(box.requests) == 0


def test_password_variable_can_be_chosen(box, monkeypatch):
    monkeypatch.setenv(PASSWORD, "wrong")
    monkeypatch.setenv("OFFICE", "secret")
    with options_signed_in(box.url, {"login": USER, "password_env": "OFFICE"}) as values:
        assert caution_from(values).access.sent()["Authorization"].startswith("Bearer ")


@pytest.mark.parametrize(("url", "values", "message"), [
    (None, {"login": USER}, "--login needs the URL of a target"),
    ("before.sark", {"login": USER}, "--login needs the URL of a target"),
    ("http://h/api", {"password_env": "X"}, "--password-env needs --login"),
    ("http://127.0.0.1/api", {"login": USER, "password_env": "NO_SUCH"}, "NO_SUCH: the variable is not set"),
    ("http://127.0.0.1/api", {"login": USER, "header": ["authorization: Bearer 1|x"]},
     "--login and --header authorization exclude each other")])
def test_incompatible_login_options(url, values, message):
    with pytest.raises(CannotRun, match=message), options_signed_in(url, values):
        pytest.fail("logged in")


@pytest.mark.parametrize(("user", "password", "message"), [
    (USER, "wrong", "unknown user or wrong password"),
    ("nobody", "secret", "The email field must be a valid email address."),
    (USER, "", f"set the password in the environment variable {PASSWORD}")])
def test_reason_for_failed_login(box, monkeypatch, user, password, message):
    monkeypatch.setenv(PASSWORD, password)
    with pytest.raises(CannotRun, match=message), logged_in(box.url, Access(), user):
        pytest.fail("logged in")


def test_login_at_box_without_authentication_is_an_error():
    with SarkMock(tls=False) as sark, pytest.raises(CannotRun, match="the box needs no login; omit --login"), \
            logged_in(sark.url, Access(), USER):
        pytest.fail("logged in")


@pytest.mark.parametrize(("change", "message"), [
    (("/api", "/v1"), "no API at the base path /v1; it is at {url}"),
    (("/api", "/api/v1"), "no API at the base path /api/v1; it is at {url}"),
    (("http:", "https:"), "does not speak TLS; try http:// instead of https://"),
    ((r"\d+/api", "9/api"), "does not respond: 127.0.0.1 refuses connections on port 9")])
def test_login_at_wrong_url_suggests_correct_url(box, change, message):
    url = re.sub(*change, box.url)
    with pytest.raises(CannotRun, match=re.escape(message.format(url=box.url))), logged_in(url, Access(), USER):
        pytest.fail("logged in")


def test_login_and_token_are_mutually_exclusive(box):
    with pytest.raises(CannotRun, match="exclude each other"), logged_in(box.url, Access(token_env="X"), USER):
        pytest.fail("logged in")


def test_revoked_token_stops_run_without_findings(box):
    with logged_in(box.url, Access(), USER) as access:
        run = open_run(RunOptions(profile="L11", url=box.url, caution=Caution(access=access)))
        revoke_token(box)
        for path in ("/agents", "/tenants"):
            with run.watch():
                run.get(path)
    assert list(run.findings) == []
    assert run.gaps.stopped.endswith("rejects the token; it was revoked, has expired, or belongs to another box "
                                     "(the target had admitted the run)")


def test_rejections_are_findings_while_token_is_valid(box):
    with logged_in(box.url, Access(), USER) as access:
        run = open_run(RunOptions(profile="documented", url=box.url, caution=Caution(access=access)))
        sent = len(box.requests)
        for _ in range(3):
            run.get("/ringgroups")
        assert len(box.requests) == sent + 4  # the token is verified once, before the first rejection is a finding
    assert "ringgroups.list" in {finding.identity.operation for finding in run.findings}
    assert run.lost == ""


def revoke_token(box, user=USER, password="secret"):
    """Log in again as the same user, which revokes the token of the run."""
    response = box.session().post(box.url + "/auth/login", json={"email": user, "password": password})
    assert response.status_code == 200


@pytest.mark.parametrize("arguments", [
    pytest.param(["check", "{url}", "--quick", "--only", "Agents"], id="check", marks=pytest.mark.slow),
    pytest.param(["import", "{url}", "-o", "box.yaml"], id="import"),
    pytest.param(["baseline", "{url}", "-o", "box.sark", "--only", "Agents", "--depth", "quick", "--allow-writes"],
                 id="baseline", marks=pytest.mark.slow)])
def test_revoked_token_stops_command_without_traceback(box_with_boss, tmp_path, arguments):
    words = [word.format(url=box_with_boss.url) for word in arguments]
    with start(tmp_path, *words, "--login", BOSS, "--rate", "20/s") as command:
        wait_for(lambda: len(box_with_boss.requests) > 12)
        revoke_token(box_with_boss, BOSS, WORD)
        out, err = command.communicate(timeout=90)
    assert command.returncode == 2
    assert "--login: this SARK rejects the token" in out + err
    assert "Traceback" not in out + err
    assert not re.search(r"conforming|facts from", out)


@pytest.mark.parametrize(("arguments", "number", "code"), [
    (["check", "{url}"], signal.SIGTERM, 2), (["import", "{url}", "-o", "box.yaml"], signal.SIGTERM, 130),
    pytest.param(["import", "{url}", "-o", "box.yaml"], signal.SIGINT, 130, marks=pytest.mark.slow)])
def test_signal_logs_out(box_with_boss, tmp_path, arguments, number, code):
    words = [word.format(url=box_with_boss.url) for word in arguments]
    with start(tmp_path, *words, "--login", BOSS, "--rate", "20/s") as command:
        wait_for(lambda: len(box_with_boss.requests) > 3)
        command.send_signal(number)
        out, err = command.communicate(timeout=60)
    assert command.returncode == code, out + err
    assert box_with_boss.requests[-1].path == "/api/auth/logout"
    assert tokens(box_with_boss) == 1


def start(folder, *arguments):
    return subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_pytest_logs_in_and_out(box_with_boss, tmp_path):
    command = [*PYTEST, "-q", "-p", "no:cacheprovider", "--pyargs", "sarkmock_contracts",
               "--sark-url", box_with_boss.url, "--sark-login", BOSS, "--sark-profile", "L11", "--sark-only", "Agents",
               "--sark-quick", "-k", "reads", "--sark-rate", "200/s"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=90, check=False)
    assert result.returncode == 0, result.stdout.decode()
    assert [box_with_boss.requests[number].path for number in (0, -1)] == ["/api/auth/login", "/api/auth/logout"]
    assert tokens(box_with_boss) == 1


def test_clean_up_after_logged_in_run_needs_login(box, tmp_path):
    file = tmp_path / "run.ledger"
    with logged_in(box.url, Access(), USER) as access:
        caution = Caution(Permissions(frozenset({"read", "write"})), access, str(file))
        safety = Safety(contract_of("L11"), box.url, caution, "L11", Target(Http(box.url, access)))
        safety.begin()
        safety.ledger.close()
    assert not SECRETS.findall(file.read_bytes())
    with pytest.raises(CannotRun, match="the run had logged in; pass --login USER again"):
        finish_cleanup(file)
    assert finish_cleanup(file, login=USER) == []


def test_clean_up_with_invalid_token_is_not_started(box, tmp_path, monkeypatch):
    monkeypatch.setenv("BOX", box.token)
    file, access = tmp_path / "run.ledger", Access(token_env="BOX")
    caution = Caution(Permissions(frozenset({"read", "write"})), access, str(file))
    safety = Safety(contract_of("L11"), box.url, caution, "L11", Target(Http(box.url, access)))
    safety.begin()
    safety.ledger.close()
    monkeypatch.setenv("BOX", "9|nosuchtoken")
    with pytest.raises(CannotRun, match="--token-env BOX: this SARK rejects the token"):
        finish_cleanup(file)


def test_failed_logout_does_not_hide_original_error(box):
    def run():
        with SarkMock(profile="L11", tls=False) as sark, logged_in(sark.url, Access(), USER):
            sark.stop()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()


@pytest.mark.parametrize("arguments", [
    pytest.param(["check", "{url}", "--profile", "L11", "--quick", "--only", "Agents", "--report", "report"],
                 id="check", marks=pytest.mark.slow),
    pytest.param(["baseline", "{url}", "-o", "box.sark", "--only", "Agents"], id="baseline",
                 marks=pytest.mark.slow),
    pytest.param(["import", "{url}", "-o", "box.yaml", "--tables-only"], id="import")])
def test_command_logs_in_and_out_and_writes_no_secrets(box_with_boss, tmp_path, arguments):
    words = [word.format(url=box_with_boss.url) for word in arguments]
    code, output = sarkmock(tmp_path, *words, "--login", BOSS, "--rate", "200/s")
    assert code == 0, output.decode()
    assert not SECRETS.findall(output)
    assert tokens(box_with_boss) == 1  # the mock's API token
    paths = [request.path for request in box_with_boss.requests]
    assert (paths[0], paths[-1]) == ("/api/auth/login", "/api/auth/logout")


@pytest.mark.slow
def test_compare_logs_in(box_with_boss, tmp_path):
    options = ["--login", BOSS, "--rate", "200/s", "--only", "Agents"]
    assert sarkmock(tmp_path, "baseline", box_with_boss.url, "-o", "before.sark", *options)[0] == 0
    code, output = sarkmock(tmp_path, "compare", "before.sark", box_with_boss.url, "--report", "report", *options[:4])
    assert code == 0, output.decode()
    assert not SECRETS.findall(output)
    assert tokens(box_with_boss) == 1


def test_wrong_password_is_a_one_line_error(box, tmp_path, monkeypatch):
    monkeypatch.setenv(PASSWORD, "wrong")
    code, output = sarkmock(tmp_path, "check", box.url, "--login", USER)
    assert (code, output.decode().count("\n")) == (2, 1)
    assert "unknown user or wrong password" in output.decode()

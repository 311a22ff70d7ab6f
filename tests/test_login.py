"""The suite's login: a token for the time of a run, in no file, and none left at the end."""

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
    """A command in its own directory: its exit code, and all that it printed and wrote."""
    ended = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, timeout=90,
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
        assert Http(box.url, access).send(Request("GET", "/tenants")).status == 200
        assert tokens(box) == 1
    assert tokens(box) == 0
    assert LOGIN_TOKEN not in os.environ
    assert Http(box.url, Access()).send(Request("GET", "/tenants")).status == 404


def test_a_run_that_fails_logs_out_too(box):
    with pytest.raises(RuntimeError), logged_in(box.url, Access(), USER):
        raise RuntimeError
    assert tokens(box) == 0


def test_without_a_user_nothing_is_sent(box):
    with logged_in(box.url, Access(), None) as access:
        assert access == Access()
    assert len(box.requests) == 0


def test_a_plan_sends_nothing(box):
    with options_signed_in(box.url, {"login": USER, "plan": True}) as values:
        assert values == {"login": USER, "plan": True}
    assert len(box.requests) == 0


def test_a_box_has_a_password_variable(box, monkeypatch):
    monkeypatch.setenv(PASSWORD, "wrong")
    monkeypatch.setenv("OFFICE", "secret")
    with options_signed_in(box.url, {"login": USER, "password_env": "OFFICE"}) as values:
        assert caution_from(values).access.sent()["Authorization"].startswith("Bearer ")


@pytest.mark.parametrize(("url", "values", "said"), [
    (None, {"login": USER}, "--login needs the URL of a target"),
    ("before.sark", {"login": USER}, "--login needs the URL of a target"),
    ("http://h/api", {"password_env": "X"}, "--password-env needs --login"),
    ("http://127.0.0.1/api", {"login": USER, "password_env": "NO_SUCH"}, "NO_SUCH: the variable is not set"),
    ("http://127.0.0.1/api", {"login": USER, "header": ["authorization: Bearer 1|x"]},
     "--login and --header authorization exclude each other")])
def test_options_that_do_not_go_together(url, values, said):
    with pytest.raises(CannotRun, match=said), options_signed_in(url, values):
        pytest.fail("logged in")


@pytest.mark.parametrize(("user", "password", "said"), [
    (USER, "wrong", "unknown user or wrong password"),
    ("nobody", "secret", "The email field must be a valid email address."),
    (USER, "", f"set the password in the environment variable {PASSWORD}")])
def test_why_there_is_no_token(box, monkeypatch, user, password, said):
    monkeypatch.setenv(PASSWORD, password)
    with pytest.raises(CannotRun, match=said), logged_in(box.url, Access(), user):
        pytest.fail("logged in")


def test_a_box_without_a_login_is_told():
    with SarkMock(tls=False) as sark, pytest.raises(CannotRun, match="the box needs no login; omit --login"), \
            logged_in(sark.url, Access(), USER):
        pytest.fail("logged in")


@pytest.mark.parametrize(("change", "said"), [
    (("/api", "/v1"), "no API at the base path /v1; it is at {url}"),
    (("/api", "/api/v1"), "no API at the base path /api/v1; it is at {url}"),
    (("http:", "https:"), "does not speak TLS; try http:// instead of https://"),
    ((r"\d+/api", "9/api"), "does not respond: 127.0.0.1 refuses connections on port 9")])
def test_a_login_at_the_wrong_place_says_where_it_is(box, change, said):
    url = re.sub(*change, box.url)
    with pytest.raises(CannotRun, match=re.escape(said.format(url=box.url))), logged_in(url, Access(), USER):
        pytest.fail("logged in")


def test_a_login_and_a_token_exclude_each_other(box):
    with pytest.raises(CannotRun, match="exclude each other"), logged_in(box.url, Access(token_env="X"), USER):
        pytest.fail("logged in")


def test_a_run_whose_token_ends_says_so_and_finds_nothing(box):
    with logged_in(box.url, Access(), USER) as access:
        run = open_run(RunOptions(profile="L11", url=box.url, caution=Caution(access=access)))
        takes_over(box)
        for path in ("/agents", "/tenants"):
            with run.watch():
                run.get(path)
    assert list(run.findings) == []
    assert run.gaps.stopped.endswith("rejects the token; it was revoked, has expired, or belongs to another box "
                                     "(the target had admitted the run)")


def test_rejections_are_findings_as_long_as_the_token_is_valid(box):
    with logged_in(box.url, Access(), USER) as access:
        run = open_run(RunOptions(profile="documented", url=box.url, caution=Caution(access=access)))
        sent = len(box.requests)
        for _ in range(3):
            run.get("/ringgroups")
        assert len(box.requests) == sent + 4  # the token is tried once, before the first of them counts
    assert "ringgroups.list" in {finding.identity.operation for finding in run.findings}
    assert run.lost == ""


def takes_over(box, user=USER, password="secret"):
    """Somebody else logs in as the same user, which ends the token of the run."""
    ended = box.session().post(box.url + "/auth/login", json={"email": user, "password": password})
    assert ended.status_code == 200


@pytest.mark.parametrize("arguments", [
    pytest.param(["check", "{url}", "--quick", "--only", "Agents"], id="check", marks=pytest.mark.slow),
    pytest.param(["import", "{url}", "-o", "box.yaml"], id="import"),
    pytest.param(["baseline", "{url}", "-o", "box.sark", "--only", "Agents", "--depth", "quick", "--allow-writes"],
                 id="baseline", marks=pytest.mark.slow)])
def test_a_command_whose_token_ends_stops_without_a_traceback(boss, tmp_path, arguments):
    words = [word.format(url=boss.url) for word in arguments]
    with started(tmp_path, *words, "--login", BOSS, "--rate", "20/s") as command:
        wait_for(lambda: len(boss.requests) > 12)
        takes_over(boss, BOSS, WORD)
        out, err = command.communicate(timeout=90)
    assert command.returncode == 2
    assert "--login: this SARK rejects the token" in out + err
    assert "Traceback" not in out + err
    assert not re.search(r"conforming|facts from", out)


@pytest.mark.parametrize(("arguments", "number", "code"), [
    (["check", "{url}"], signal.SIGTERM, 2), (["import", "{url}", "-o", "box.yaml"], signal.SIGTERM, 130),
    pytest.param(["import", "{url}", "-o", "box.yaml"], signal.SIGINT, 130, marks=pytest.mark.slow)])
def test_a_signal_logs_out(boss, tmp_path, arguments, number, code):
    words = [word.format(url=boss.url) for word in arguments]
    with started(tmp_path, *words, "--login", BOSS, "--rate", "20/s") as command:
        wait_for(lambda: len(boss.requests) > 3)
        command.send_signal(number)
        out, err = command.communicate(timeout=60)
    assert command.returncode == code, out + err
    assert boss.requests[-1].path == "/api/auth/logout"
    assert tokens(boss) == 1


def started(folder, *arguments):
    return subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=60):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.slow
def test_pytest_logs_in_and_out(boss, tmp_path):
    command = [*PYTEST, "-q", "-p", "no:cacheprovider", "--pyargs", "sarkmock_contracts",
               "--sark-url", boss.url, "--sark-login", BOSS, "--sark-profile", "L11", "--sark-only", "Agents",
               "--sark-quick", "-k", "reads", "--sark-rate", "200/s"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=90, check=False)
    assert ended.returncode == 0, ended.stdout.decode()
    assert [boss.requests[number].path for number in (0, -1)] == ["/api/auth/login", "/api/auth/logout"]
    assert tokens(boss) == 1


def test_the_clean_up_of_a_run_that_had_logged_in_wants_the_login_again(box, tmp_path):
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


def test_a_clean_up_without_a_valid_token_is_not_tried(box, tmp_path, monkeypatch):
    monkeypatch.setenv("BOX", box.token)
    file, access = tmp_path / "run.ledger", Access(token_env="BOX")
    caution = Caution(Permissions(frozenset({"read", "write"})), access, str(file))
    safety = Safety(contract_of("L11"), box.url, caution, "L11", Target(Http(box.url, access)))
    safety.begin()
    safety.ledger.close()
    monkeypatch.setenv("BOX", "9|nosuchtoken")
    with pytest.raises(CannotRun, match="--token-env BOX: this SARK rejects the token"):
        finish_cleanup(file)


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
    assert "unknown user or wrong password" in said.decode()

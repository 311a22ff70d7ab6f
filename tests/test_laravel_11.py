"""The Laravel 11 line: its database, its API tokens over HTTP and in Python, and seeds."""

import json
import re

import pytest
import requests

from sarkmock import SarkMock
from sarkmock.http.engine import DatabaseMismatch
from sarkmock.pbx.seeds import seed_names
from sarkmock.suite_api import Engine, SeedError, State, deviations_of, load, load_seed
from tests.serving import serving

TOKEN = "1|0123456789abcdefghij"


@pytest.fixture
def sark():
    return SarkMock(profile="L11", now=1_700_000_000)


def get(sark, path, **more):
    return sark.session().get(sark.url + path, headers={"Accept": "application/json"} | more.pop("headers", {}), **more)


def test_mock_has_token_and_headers(sark):
    assert re.fullmatch(r"1\|[A-Za-z0-9]{48}", sark.token)
    assert sark.headers == {"Authorization": f"Bearer {sark.token}"}
    assert get(sark, "/tenants", headers=sark.headers).status_code == 200
    assert get(sark, "/tenants").status_code == 404
    assert SarkMock(profile="L11", api_token=TOKEN).token == TOKEN


@pytest.mark.parametrize("profile", ["documented", "shipped", "L10"])
def test_profile_without_authentication_has_no_token(profile):
    sark = SarkMock(profile=profile, api_token=TOKEN)
    assert (sark.token, sark.headers) == (None, {})
    assert get(sark, "/tenants").status_code == 200


def test_invalid_token_format_is_an_error():
    with pytest.raises(ValueError, match="API token"):
        SarkMock(profile="L11", api_token="secret")


@pytest.mark.parametrize("seed", [*seed_names(), {"tables": {"cluster": [{"pkey": "default"}]}}])
def test_administrator_of_every_seed_can_log_in(seed):
    sark = SarkMock(profile="L11", seed=seed)
    user = get(sark, "/auth/whoami", headers=sark.headers).json()
    assert (user["id"], user["email"], user["role"]) == (1, "admin@example.com", "isAdmin")
    login = sark.session().post(sark.url + "/auth/login", json={"email": user["email"], "password": "secret"})
    assert login.status_code == 200


def test_reset_ends_logins_and_restores_token(sark):
    login = sark.session().post(sark.url + "/auth/login", json={"email": "admin@example.com", "password": "secret"})
    login_headers = {"Authorization": f"Bearer {login.json()['accessToken']}"}
    assert get(sark, "/tenants", headers=login_headers).status_code == 200
    assert get(sark, "/tenants", headers=sark.headers).status_code == 404
    sark.reset()
    assert get(sark, "/tenants", headers=login_headers).status_code == 404
    assert get(sark, "/tenants", headers=sark.headers).status_code == 200


def test_control_plane_uses_the_profiles_database(sark):
    control, session = sark.control_url, sark.session()
    assert session.get(f"{control}/state/tables/users").json()[0]["email"] == "admin@example.com"
    row = {"pkey": "1001", "cluster": "default", "callmax": "5"}
    assert session.post(f"{control}/state/tables/ipphone", json=[row]).status_code < 300
    assert get(sark, "/extensions/1001", headers=sark.headers).json()["callmax"] == "5"
    assert session.put(f"{control}/seed", json={"seed": "demo"}).status_code < 300
    assert len(get(sark, "/extensions", headers=sark.headers).json()) > 1


@pytest.mark.parametrize(("profile", "other"), [("shipped", "L11"), ("L11", "shipped")])
def test_mock_cannot_switch_to_profile_with_another_database(profile, other):
    sark = SarkMock(profile=profile)
    reply = sark.session().put(f"{sark.control_url}/profile", json={"profile": other})
    assert reply.status_code == 409
    assert f"profile {other} needs the database" in reply.json()["error"]
    with pytest.raises(DatabaseMismatch, match="start another mock"):
        Engine(load(other), State(load_seed("factory", load(profile))))


@pytest.mark.parametrize("deviation", [item.id for item in deviations_of("L11") if item.profile == "L11"])
def test_deviation_as_fault_of_mock_with_older_database(deviation):
    sark = SarkMock(faults=f"deviation={deviation}")
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
    for operation in sark.engine.program.operations if deviation == "bearer-token-required" else ():
        assert sark.session().request(operation.method, sark.url + operation.path, headers=headers).status_code < 500
    for method, path in (("GET", "/tenants"), ("POST", "/auth/login"), ("GET", "/auth/users"), ("GET", "/auth/whoami")):
        response = sark.session().request(method, sark.url + path, headers=headers, json={
            "email": "admin@example.com", "password": "secret"})
        assert response.status_code < 500


@pytest.mark.parametrize(("profile", "message"), [("shipped", "unknown table 'users'"), ("L11", None)])
def test_users_table_exists_in_laravel_11_database_only(profile, message):
    content = {"tables": {"users": [{"id": 2, "name": "Mary", "email": "mary@example.com"}]}}
    if message is None:
        assert load_seed(content, load(profile)).tables == content["tables"]
    else:
        with pytest.raises(SeedError, match=message):
            load_seed(content, load(profile))


@pytest.mark.parametrize(("path", "columns"), [
    ("/tenants", ["localdplan", "masteroclo", "operator", "pickupgroup", "devicerec", "recmaxage", "recmaxsize"]),
    ("/sysglobals", ["ALLOWHASHXFER", "BINDPORT", "BLINDBUSY"])])
def test_new_columns_are_in_table_order(sark, path, columns):
    body = get(sark, path, headers=sark.headers).json()
    assert ",".join(columns) in ",".join((body[0] if isinstance(body, list) else body).keys())


def test_tenant_create_fails_with_sql_error(sark):
    new = {"pkey": "acme", "description": "Acme"}
    reply = sark.session().post(f"{sark.url}/tenants", json=new, headers=sark.headers)
    assert reply.status_code == 409
    assert reply.json() == {"Error": (
        "SQLSTATE[HY000]: General error: 1 table cluster has no column named id (Connection: sqlite, SQL: insert into "
        '"cluster" ("abstimeout", "chanmax", "masteroclo", "id", "pkey", "description") values (14400, 30, AUTO, , '
        "acme, Acme))")}
    assert len(get(sark, "/tenants", headers=sark.headers).json()) == 1


def test_serve_prints_valid_token():
    with serving("--profile", "L11", "--http", "--port", "0") as server:
        token = re.search(r"token\s+(1\|[A-Za-z0-9]{48})", server.greeting)[1]
        assert f"Authorization: Bearer {token}" in server.greeting
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.get(f"{server.url}/tenants", headers=headers, timeout=5).status_code == 200


def test_serve_does_not_print_given_token(tmp_path):
    for _ in range(2):  # the second server loads the state of the first
        with serving("--profile", "L11", "--http", "--port", "0", "--api-token", TOKEN,
                     "--state", str(tmp_path / "state")) as server:
            assert TOKEN not in server.greeting
            headers = {"Authorization": f"Bearer {TOKEN}"}
            assert requests.get(f"{server.url}/auth/logout", headers=headers, timeout=5).status_code == 200


def test_journal_has_no_token_secrets(sark):
    session = sark.session()
    token = session.post(sark.url + "/auth/login",
                         json={"email": "admin@example.com", "password": "secret"}).json()["accessToken"]
    session.get(sark.url + "/tenants", headers={"Authorization": f"Bearer {token}"})
    journal = json.dumps(session.get(f"{sark.control_url}/journal").json())
    assert token.partition("|")[2] not in journal
    assert "secret\"" not in journal.replace("REDACTED", "")

"""The Laravel 11 line: its database, its tokens over HTTP and in Python, and what an upgrade to it means for a seed."""

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


def test_a_mock_has_a_token_and_the_headers_to_send_it(sark):
    assert re.fullmatch(r"1\|[A-Za-z0-9]{48}", sark.token)
    assert sark.headers == {"Authorization": f"Bearer {sark.token}"}
    assert get(sark, "/tenants", headers=sark.headers).status_code == 200
    assert get(sark, "/tenants").status_code == 404
    assert SarkMock(profile="L11", api_token=TOKEN).token == TOKEN


@pytest.mark.parametrize("profile", ["documented", "shipped", "L10"])
def test_a_profile_without_authentication_has_neither(profile):
    sark = SarkMock(profile=profile, api_token=TOKEN)
    assert (sark.token, sark.headers) == (None, {})
    assert get(sark, "/tenants").status_code == 200


def test_a_token_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match="API token"):
        SarkMock(profile="L11", api_token="secret")


@pytest.mark.parametrize("seed", [*seed_names(), {"tables": {"cluster": [{"pkey": "default"}]}}])
def test_every_seed_lets_its_administrator_in(seed):
    sark = SarkMock(profile="L11", seed=seed)
    user = get(sark, "/auth/whoami", headers=sark.headers).json()
    assert (user["id"], user["email"], user["role"]) == (1, "admin@example.com", "isAdmin")
    login = sark.session().post(sark.url + "/auth/login", json={"email": user["email"], "password": "secret"})
    assert login.status_code == 200


def test_a_reset_ends_logins_and_brings_the_token_back(sark):
    login = sark.session().post(sark.url + "/auth/login", json={"email": "admin@example.com", "password": "secret"})
    other = {"Authorization": f"Bearer {login.json()['accessToken']}"}
    assert get(sark, "/tenants", headers=other).status_code == 200
    assert get(sark, "/tenants", headers=sark.headers).status_code == 404
    sark.reset()
    assert get(sark, "/tenants", headers=other).status_code == 404
    assert get(sark, "/tenants", headers=sark.headers).status_code == 200


def test_tables_and_seeds_of_the_control_plane_are_those_of_the_database(sark):
    control, session = sark.control_url, sark.session()
    assert session.get(f"{control}/state/tables/users").json()[0]["email"] == "admin@example.com"
    row = {"pkey": "1001", "cluster": "default", "callmax": "5"}
    assert session.post(f"{control}/state/tables/ipphone", json=[row]).status_code < 300
    assert get(sark, "/extensions/1001", headers=sark.headers).json()["callmax"] == "5"
    assert session.put(f"{control}/seed", json={"seed": "demo"}).status_code < 300
    assert len(get(sark, "/extensions", headers=sark.headers).json()) > 1


@pytest.mark.parametrize(("profile", "other"), [("shipped", "L11"), ("L11", "shipped")])
def test_a_mock_keeps_its_database(profile, other):
    sark = SarkMock(profile=profile)
    reply = sark.session().put(f"{sark.control_url}/profile", json={"profile": other})
    assert reply.status_code == 409
    assert f"profile {other} needs the database" in reply.json()["error"]
    with pytest.raises(DatabaseMismatch, match="start another mock"):
        Engine(load(other), State(load_seed("factory", load(profile))))


@pytest.mark.parametrize("deviation", [one.id for one in deviations_of("L11") if one.profile == "L11"])
def test_each_deviation_can_be_a_fault_of_a_mock_with_the_older_database(deviation):
    sark = SarkMock(faults=f"deviation={deviation}")
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
    for operation in sark.engine.program.operations if deviation == "bearer-token-required" else ():
        assert sark.session().request(operation.method, sark.url + operation.path, headers=headers).status_code < 500
    for method, path in (("GET", "/tenants"), ("POST", "/auth/login"), ("GET", "/auth/users"), ("GET", "/auth/whoami")):
        reply = sark.session().request(method, sark.url + path, headers=headers, json={
            "email": "admin@example.com", "password": "secret"})
        assert reply.status_code < 500


@pytest.mark.parametrize(("profile", "said"), [("shipped", "unknown table 'users'"), ("L11", None)])
def test_users_are_rows_of_one_database_only(profile, said):
    content = {"tables": {"users": [{"id": 2, "name": "Mary", "email": "mary@example.com"}]}}
    if said is None:
        assert load_seed(content, load(profile)).tables == content["tables"]
    else:
        with pytest.raises(SeedError, match=said):
            load_seed(content, load(profile))


@pytest.mark.parametrize(("path", "columns"), [
    ("/tenants", ["localdplan", "masteroclo", "operator", "pickupgroup", "devicerec", "recmaxage", "recmaxsize"]),
    ("/sysglobals", ["ALLOWHASHXFER", "BINDPORT", "BLINDBUSY"])])
def test_new_columns_stand_where_the_table_has_them(sark, path, columns):
    body = get(sark, path, headers=sark.headers).json()
    assert ",".join(columns) in ",".join((body[0] if isinstance(body, list) else body).keys())


def test_no_tenant_can_be_created(sark):
    new = {"pkey": "acme", "description": "Acme"}
    reply = sark.session().post(f"{sark.url}/tenants", json=new, headers=sark.headers)
    assert reply.status_code == 409
    assert reply.json() == {"Error": (
        "SQLSTATE[HY000]: General error: 1 table cluster has no column named id (Connection: sqlite, SQL: insert into "
        '"cluster" ("abstimeout", "chanmax", "masteroclo", "id", "pkey", "description") values (14400, 30, AUTO, , '
        "acme, Acme))")}
    assert len(get(sark, "/tenants", headers=sark.headers).json()) == 1


def test_serve_prints_a_token_that_works():
    with serving("--profile", "L11", "--http", "--port", "0") as server:
        token = re.search(r"token\s+(1\|[A-Za-z0-9]{48})", server.greeting)[1]
        assert f"Authorization: Bearer {token}" in server.greeting
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.get(f"{server.url}/tenants", headers=headers, timeout=5).status_code == 200


def test_serve_does_not_repeat_a_token_that_was_given(tmp_path):
    for _ in range(2):  # the second time with the state of the first
        with serving("--profile", "L11", "--http", "--port", "0", "--api-token", TOKEN,
                     "--state", str(tmp_path / "state")) as server:
            assert TOKEN not in server.greeting
            headers = {"Authorization": f"Bearer {TOKEN}"}
            assert requests.get(f"{server.url}/auth/logout", headers=headers, timeout=5).status_code == 200


def test_a_journal_holds_no_secret_of_a_token(sark):
    session = sark.session()
    token = session.post(sark.url + "/auth/login",
                         json={"email": "admin@example.com", "password": "secret"}).json()["accessToken"]
    session.get(sark.url + "/tenants", headers={"Authorization": f"Bearer {token}"})
    told = json.dumps(session.get(f"{sark.control_url}/journal").json())
    assert token.partition("|")[2] not in told
    assert "secret\"" not in told.replace("REDACTED", "")

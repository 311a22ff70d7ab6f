"""Bearer tokens: protected routes, login and logout, and responses to browsers."""

import json
import re
from pathlib import Path

import pytest
import yaml
from requests import Session

from sarkmock import Engine, Seed, State
from sarkmock.http.engine import Program, api_token_of
from sarkmock.pbx import accounts
from sarkmock.server.in_process import RequestsAdapter
from sarkmock.suite_api import api_application, apply_overlay, load

TOKEN = "1|0123456789abcdefghij"
ADMIN = {"email": "admin@example.com", "password": "secret"}
NO_SUCH = {"message": "Page Not Found. Check your URI for correctness"}
UNAUTHENTICATED = {"message": "Unauthenticated."}
BASE = "http://sark.invalid/api"


def document_with_authentication():
    actions = Path(__file__).parent / "cases" / "authentication.yaml"
    return apply_overlay(load("shipped"), yaml.safe_load(actions.read_text()))


@pytest.fixture(scope="module")
def program():
    return Program(document_with_authentication(), "authenticated")


@pytest.fixture
def state():
    return State(Seed.factory("sark-6.5"), now=1_700_000_000, token=TOKEN)


@pytest.fixture
def send(program, state):
    session = Session()
    session.mount("http://", RequestsAdapter(api_application(Engine(state=state, program=program))))

    def send(method, path, authorization=None, accept="application/json", **body):
        headers = {"Accept": accept} | ({"Authorization": authorization} if authorization is not None else {})
        return session.request(method, BASE + path, headers=headers, allow_redirects=False, **body)

    return send


def bearer(token):
    return f"Bearer {token}"


UNAUTHENTICATED_HEADERS = [None, "", "Basic YWRtaW46c2VjcmV0", "Bearer", "Bearer 2|unknown", "Token " + TOKEN]


@pytest.mark.parametrize("authorization", UNAUTHENTICATED_HEADERS)
@pytest.mark.parametrize(("method", "path", "status", "body"), [
    ("GET", "/tenants", 404, NO_SUCH), ("GET", "/auth/users", 404, NO_SUCH), ("GET", "/nosuch", 404, NO_SUCH),
    ("GET", "/auth/whoami", 401, UNAUTHENTICATED), ("GET", "/auth/logout", 401, UNAUTHENTICATED)])
def test_admin_routes_are_404_without_token(send, authorization, method, path, status, body):
    reply = send(method, path, authorization)
    assert (reply.status_code, reply.json()) == (status, body)
    assert "WWW-Authenticate" not in reply.headers


@pytest.mark.parametrize("authorization", UNAUTHENTICATED_HEADERS)
@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("POST", "/tenants", "GET, HEAD"), ("DELETE", "/tenants/default", "GET, HEAD"), ("PUT", "/nosuch", "GET, HEAD"),
    ("PUT", "/auth/login", "GET, HEAD, POST"), ("POST", "/auth/register", "GET, HEAD")])
def test_unsupported_method_is_405_without_token(send, authorization, method, path, allowed):
    reply = send(method, path, authorization)
    assert (reply.status_code, reply.headers["Allow"]) == (405, allowed)
    assert send("OPTIONS", path, authorization).headers["Allow"] == allowed.replace(" ", "")


@pytest.mark.parametrize("authorization", [
    bearer(TOKEN), f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer {TOKEN}, Basic x", f"Bearer 9|x Bearer {TOKEN}",
    bearer("0" + TOKEN)])
def test_admin_token_gives_access_to_all_routes(send, authorization):
    assert send("GET", "/tenants", authorization).status_code == 200
    assert send("GET", "/auth/whoami", authorization).json()["email"] == ADMIN["email"]


@pytest.mark.parametrize(("authorization", "admin", "user"), [
    (bearer("7|" + TOKEN[2:]), 401, 200), (bearer("x|" + TOKEN[2:]), 401, 200), (f"Bearer  {TOKEN}", 401, 200),
    (bearer(TOKEN + "|more"), 401, 200)])
def test_only_user_operations_ignore_token_id(send, authorization, admin, user):
    assert send("GET", "/tenants", authorization).status_code == admin
    assert send("GET", "/auth/whoami", authorization).status_code == admin
    assert send("GET", "/auth/users", authorization).status_code == user


@pytest.mark.parametrize("path", ["/tenants", "/auth/login", "/nosuch"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_token_without_separator_crashes_every_route(send, method, path):
    reply = send(method, path, "Bearer nobar")
    assert (reply.status_code, reply.json()["message"]) == (500, "Undefined array key 1")


def test_token_in_query_or_body_is_ignored(send):
    assert send("GET", "/tenants", params={"token": TOKEN, "api_token": TOKEN}).status_code == 404
    assert send("GET", "/auth/whoami", json={"token": TOKEN}).status_code == 401


def test_login_revokes_earlier_tokens_of_user(send):
    reply = send("POST", "/auth/login", json=ADMIN)
    assert reply.status_code == 200
    assert reply.json()["token_type"] == "Bearer"
    token = reply.json()["accessToken"]
    assert re.fullmatch(r"2\|[A-Za-z0-9]{40}[0-9a-f]{8}", token)
    assert send("GET", "/tenants", bearer(token)).status_code == 200
    assert send("GET", "/tenants", bearer(TOKEN)).status_code == 404
    assert send("GET", "/auth/whoami", bearer(TOKEN)).status_code == 401


def test_logout_revokes_all_tokens_of_user(send):
    assert send("GET", "/auth/logout", bearer(TOKEN)).json() == {"message": "Successfully logged out"}
    assert send("GET", "/auth/logout", bearer(TOKEN)).json() == UNAUTHENTICATED
    assert send("POST", "/tenants", bearer(TOKEN)).status_code == 405


@pytest.mark.parametrize("body", [
    {**ADMIN, "password": "wrong"}, {**ADMIN, "password": " secret"}, {**ADMIN, "email": "ADMIN@example.com"},
    {**ADMIN, "email": "nobody@example.com"}, {**ADMIN, "password": "secret\0"}, {**ADMIN, "password": "x" * 100}])
def test_wrong_password_or_unknown_email_is_401(send, body):
    reply = send("POST", "/auth/login", json=body)
    assert (reply.status_code, reply.json()) == (401, {"message": "Unauthorized"})


def test_login_accepts_form_and_trims_email(send):
    assert send("POST", "/auth/login", data={**ADMIN, "email": " admin@example.com "}).status_code == 200


@pytest.mark.parametrize(("body", "message", "fields"), [
    ({}, "The email field is required. (and 1 more error)", ["email", "password"]),
    ({"email": "a@b.c"}, "The password field is required.", ["password"]),
    ({"email": "x", "password": 5, "remember_me": 2}, "The email must be a valid email address. (and 2 more errors)",
     ["email", "password", "remember_me"])])
def test_validation_errors_are_summarised(send, body, message, fields):
    reply = send("POST", "/auth/login", json=body)
    assert reply.status_code == 422
    assert reply.json()["message"] == message
    assert list(reply.json()["errors"]) == fields


@pytest.mark.parametrize(("method", "path", "status", "text"), [
    ("GET", "/auth/whoami", 500, "Route [login] not defined."), ("POST", "/auth/login", 302, "http://sark.invalid")])
@pytest.mark.parametrize("accept", ["text/html", "*/*", "text/html, application/json"])
def test_unauthenticated_browser_gets_html(send, accept, method, path, status, text):
    reply = send(method, path, accept=accept)
    assert reply.status_code == status
    assert reply.headers["Content-Type"].lower() == "text/html; charset=utf-8"
    assert text in reply.text
    assert reply.headers.get("Location") == ("http://sark.invalid" if status == 302 else None)


def test_registered_admin_has_admin_rights_only_after_login(send):
    new = {"name": "Mary", "email": "mary@example.com", "password": "a word", "role": "isAdmin", "endpoint": "1001"}
    reply = send("POST", "/auth/register", bearer(TOKEN), json=new)
    assert (reply.status_code, reply.json()["message"]) == (201, "Created new user mary@example.com!")
    token = reply.json()["accessToken"]
    assert send("GET", "/tenants", bearer(token)).status_code == 404
    user = send("GET", "/auth/whoami", bearer(token)).json()
    assert list(user) == ["id", "name", "email", "email_verified_at", "endpoint", "role", "tenant", "created_at",
                          "updated_at"]
    assert (user["id"], user["endpoint"], user["role"], user["tenant"]) == (2, 1001, "isAdmin", "default")
    assert user["created_at"] == "2023-11-14T22:13:20.000000Z"
    login = send("POST", "/auth/login", json={"email": "mary@example.com", "password": "a word"})
    assert send("GET", "/tenants", bearer(login.json()["accessToken"])).status_code == 200
    assert send("GET", "/auth/whoami", bearer(token)).status_code == 401


@pytest.mark.parametrize(("change", "status", "role"), [
    ({"role": 5}, 201, "5"), ({"role": True}, 201, "1"), ({}, 201, None), ({"role": ["isAdmin"]}, 500, None),
    ({"email": ADMIN["email"]}, 422, None), ({"email": "ADMIN@example.com"}, 201, None),
    ({"endpoint": "x"}, 422, None), ({"endpoint": None}, 422, None), ({"password": "a\0b"}, 500, None)])
def test_register_validates_new_user(send, change, status, role):
    new = {"name": "Mary", "email": "mary@example.com", "password": "a word"} | change
    reply = send("POST", "/auth/register", bearer(TOKEN), json=new)
    assert reply.status_code == status
    users = send("GET", "/auth/users", bearer(TOKEN)).json()
    assert [user["role"] for user in users[1:]] == ([role] if status == 201 else [])


def test_passwords_and_tokens_are_stored_hashed(send, state):
    token = send("POST", "/auth/login", json=ADMIN).json()["accessToken"]
    send("POST", "/auth/register", bearer(token), json={"name": "M", "email": "m@example.com", "password": "a word"})
    content = json.dumps(state.to_seed().content())
    assert re.findall(r"\$2y\$\d\d\$", content) == ["$2y$04$"] * 2
    assert "a word" not in content
    assert token.partition("|")[2] not in content


def test_reset_revokes_tokens_and_restores_first_token(send, state):
    token = send("POST", "/auth/login", json=ADMIN).json()["accessToken"]
    state.reset()
    assert send("GET", "/tenants", bearer(token)).status_code == 404
    assert send("GET", "/tenants", bearer(TOKEN)).status_code == 200


def test_tokens_are_reproducible(send, state):
    first = send("POST", "/auth/login", json=ADMIN).json()
    state.reset()
    assert send("POST", "/auth/login", json=ADMIN).json() == first


def test_seed_with_and_without_users(program):
    hashed = accounts.hash_password("word", State().draw())
    rows = [{"id": 5, "name": "Boss", "email": "boss@example.com", "role": "isAdmin", "password": hashed}]
    for users, name in ((rows, "Boss"), ([], "admin")):
        seed = Seed.of({"tables": {"users": users}}, "sark-6.5")
        tables = State(seed, token=TOKEN).tables
        owner = accounts.token_owner(tables, accounts.token_by_id_and_secret(tables, TOKEN))
        assert owner["name"] == name


@pytest.mark.parametrize("token", ["x", "1", "1|short", "|0123456789", "0|0123456789", "a|0123456789", "1|01234 6789",
                                   "1|0123456789|x", "1234567890|0123456789"])
def test_malformed_api_token_is_rejected(program, token):
    with pytest.raises(ValueError, match="API token"):
        api_token_of(program, token)


def test_a_profile_without_authentication_has_no_token():
    assert api_token_of(Program.of("shipped"), TOKEN) is None
    assert api_token_of(Program.of("shipped"), None) is None


def test_random_token_is_generated_by_default(program):
    first, second = api_token_of(program, None), api_token_of(program, None)
    assert first != second
    assert State(Seed.factory("sark-6.5"), token=first).token == first

"""Cross-origin requests: what the CORS middleware of the published API answers."""

from __future__ import annotations

import pytest

from sarkmock import Engine, create_app
from sarkmock.control import Control
from sarkmock.suite_api import load
from tests.engines import client_of
from tests.serving import mistake

PAGE = "https://app.example"
ASKS = {"Origin": PAGE, "Access-Control-Request-Method": "put"}


@pytest.fixture
def client():
    return client_of(Engine(), throttle=3)


def cors_of(answer):
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-") or name == "Vary"}


def test_a_preflight_is_answered_with_what_it_asks_for(client):
    asks = {**ASKS, "Access-Control-Request-Headers": "content-type, x-a"}
    answer = client.options("/api/tenants/default", headers=asks)
    assert (answer.status_code, answer.data) == (204, b"")
    assert cors_of(answer) == {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Methods": "PUT",
                               "Access-Control-Allow-Headers": "CONTENT-TYPE, X-A"}


def test_a_preflight_that_names_no_headers_is_allowed_none(client):
    headers = client.options("/api/tenants/default", headers=ASKS).headers
    assert headers.get("Access-Control-Allow-Headers") == ""


def test_a_preflight_of_other_letters_than_ascii_is_answered_with_the_same_bytes(client):
    asked = {"HTTP_ORIGIN": PAGE, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "p\xff\xb5\xdft",
             "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "x-\xff"}
    answer = client.options("/api/tenants/default", environ_overrides=asked)
    assert cors_of(answer) == {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Methods": "P\xff\xb5\xdfT",
                               "Access-Control-Allow-Headers": "X-\xff"}


def test_a_preflight_does_not_count_and_needs_no_known_path(client):
    assert {client.options("/api/no/such", headers=ASKS).status_code for _ in range(9)} == {204}
    assert client.get("/api/tenants").status_code == 200


@pytest.mark.parametrize(("method", "query", "header", "form"), [
    ("options", "", "", ""), ("POST", "", "Options", ""), ("POST", "_method=options", "", ""),
    ("POST", "", "", "_method=OPTIONS")])
def test_a_preflight_may_have_small_letters_or_override_a_post(client, method, query, header, form):
    asked = {"REQUEST_METHOD": method, "HTTP_X_HTTP_METHOD_OVERRIDE": header}
    answer = client.post("/api/tenants/default", query_string=query, headers=ASKS, environ_overrides=asked, data=form,
                         content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Methods")) == (204, "PUT")


@pytest.mark.parametrize("path", ["/api", "/api/tenants/\xff", "/api/tenants/a\nb"])
def test_paths_that_laravels_pattern_does_not_match_have_no_such_header(client, path):
    asked = {"PATH_INFO": path, "REQUEST_URI": ""}
    assert cors_of(client.get("/", headers={"Origin": PAGE}, environ_overrides=asked)) == {}
    assert client.options("/", headers=ASKS, environ_overrides=asked).status_code != 204


def test_every_answer_to_a_foreign_page_lets_it_read(client):
    sent = [("GET", "/api/tenants"), ("POST", "/api/tenants"), ("GET", "/api/nosuch"), ("GET", "/api/tenants")]
    answers = [client.open(path, method=method, headers={"Origin": PAGE}) for method, path in sent]
    assert [answer.status_code for answer in answers] == [200, 422, 404, 429]
    assert all(cors_of(answer) == {"Access-Control-Allow-Origin": PAGE, "Vary": "Origin"} for answer in answers)


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}], ids=["no origin", "its own origin"])
def test_others_get_no_such_header(client, headers):
    assert cors_of(client.get("/api/tenants", headers=headers)) == {}
    answer = client.options("/api/tenants", headers={**headers, "Access-Control-Request-Method": "GET"})
    assert (answer.status_code, answer.headers["Allow"], cors_of(answer)) == (200, "GET,HEAD,POST", {})


@pytest.mark.parametrize("origin", ["https://localhost", "http://localhost:81", "null", "", "\xff", "x" * 5000])
def test_other_schemes_ports_and_odd_origins_are_foreign(client, origin):
    assert client.get("/api/tenants", headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin


def test_laravel_10_allows_any_origin_on_every_answer():
    document = load("documented")
    document = {**document, "x-laravel": {**document["x-laravel"], "cors": "any"}}
    engine = Engine(document)
    client = client_of(engine)
    assert cors_of(client.get("/api/nosuch")) == {"Access-Control-Allow-Origin": "*"}
    assert cors_of(client.options("/api/tenants")) == {"Access-Control-Allow-Origin": "*",
                                                       "Vary": "Access-Control-Request-Method"}
    assert cors_of(client.options("/api/tenants", headers=ASKS))["Access-Control-Allow-Headers"] == ""
    answer = client.options("/api/tenants", headers={**ASKS, "Access-Control-Request-Headers": "x-a"})
    assert (answer.status_code, cors_of(answer)) == (204, {
        "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "PUT",
        "Access-Control-Allow-Headers": "x-a",
        "Access-Control-Max-Age": "0", "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers"})


def test_the_control_plane_stays_closed_to_foreign_pages(client):
    answer = client.get("/_mock/state", headers={"Origin": PAGE})
    assert answer.status_code == 403
    assert cors_of(answer) == {}


def test_a_page_of_an_allowed_origin_uses_the_control_plane_with_the_token():
    client = create_app(control=Control(token="open sesame", origins=(PAGE,))).test_client()
    for method, path, status in (("GET", "/_mock/nosuch", 404), ("DELETE", "/_mock/state", 405)):
        answer = client.open(path, method=method, headers={"Origin": PAGE})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
    asks = {"Origin": PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    preflight = client.options("/_mock/state", headers=asks)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    token = {"Authorization": "Bearer open sesame"}
    assert client.get("/_mock/state", headers={"Origin": PAGE}).status_code == 401
    answer = client.get("/_mock/state", headers={"Origin": PAGE, **token})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert cors_of(client.options("/_mock/state", headers={**asks, "Origin": "https://evil.example"})) == {}


def test_an_allowed_origin_without_a_token_is_of_no_use():
    client = create_app(control=Control(origins=(PAGE,))).test_client()
    assert client.get("/_mock/state", headers={"Origin": PAGE}).status_code == 403


@pytest.mark.parametrize("origin", ["*", "app.example", "https://app.example/", "https://a b"])
def test_an_origin_that_is_not_one_is_rejected(origin):
    assert "is not an origin like https://app.example:8443" in mistake("serve", "--control-origin", origin)

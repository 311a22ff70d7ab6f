"""Cross-origin requests: behaviour of the published API's CORS middleware."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from sarkmock import Engine, create_app
from sarkmock.control import Control
from sarkmock.suite_api import load
from tests.engines import client_of
from tests.serving import mistake

PAGE = "https://app.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "put"}


@pytest.fixture
def client():
    return client_of(Engine(), throttle=3)


def cors_of(response):
    return {name: value for name, value in response.headers if name.startswith("Access-Control-") or name == "Vary"}


def test_preflight_allows_requested_method_and_headers(client):
    preflight_headers = {**PREFLIGHT, "Access-Control-Request-Headers": "content-type, x-a"}
    response = client.options("/api/tenants/default", headers=preflight_headers)
    assert (response.status_code, response.data) == (204, b"")
    assert cors_of(response) == {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Methods": "PUT",
                                 "Access-Control-Allow-Headers": "CONTENT-TYPE, X-A"}


def test_preflight_without_requested_headers_allows_none(client):
    headers = client.options("/api/tenants/default", headers=PREFLIGHT).headers
    assert headers.get("Access-Control-Allow-Headers") == ""


def test_preflight_echoes_non_ascii_bytes(client):
    environ = {"HTTP_ORIGIN": PAGE, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "p\xff\xb5\xdft",
               "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "x-\xff"}
    response = client.options("/api/tenants/default", environ_overrides=environ)
    assert cors_of(response) == {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Methods": "P\xff\xb5\xdfT",
                                 "Access-Control-Allow-Headers": "X-\xff"}


def test_preflight_is_not_throttled_and_accepts_unknown_path(client):
    assert {client.options("/api/no/such", headers=PREFLIGHT).status_code for _ in range(9)} == {204}
    assert client.get("/api/tenants").status_code == 200


@pytest.mark.parametrize(("method", "query", "header", "form"), [
    ("options", "", "", ""), ("POST", "", "Options", ""), ("POST", "_method=options", "", ""),
    ("POST", "", "", "_method=OPTIONS")])
def test_preflight_by_lower_case_method_or_method_override(client, method, query, header, form):
    environ = {"REQUEST_METHOD": method, "HTTP_X_HTTP_METHOD_OVERRIDE": header}
    response = client.post("/api/tenants/default", query_string=query, headers=PREFLIGHT, environ_overrides=environ,
                           data=form, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response.headers.get("Access-Control-Allow-Methods")) == (204, "PUT")


@pytest.mark.parametrize("path", ["/api", "/api/tenants/\xff", "/api/tenants/a\nb"])
def test_paths_outside_laravel_pattern_have_no_cors_headers(client, path):
    environ = {"PATH_INFO": path, "REQUEST_URI": ""}
    assert cors_of(client.get("/", headers={"Origin": PAGE}, environ_overrides=environ)) == {}
    assert client.options("/", headers=PREFLIGHT, environ_overrides=environ).status_code != 204


@pytest.mark.parametrize("path", ["/api/tenants/", "/api/tenants/a%2Fb", "/api/tenants/%zz"])
def test_responses_of_web_server_have_no_cors_headers(client, path):
    environ = {"PATH_INFO": unquote(path), "REQUEST_URI": path}
    response = client.get("/", headers={"Origin": PAGE}, environ_overrides=environ)
    assert response.status_code in (301, 404, 400)
    assert cors_of(response) == {}


def test_every_cross_origin_response_has_cors_headers(client):
    sent = [("GET", "/api/tenants"), ("POST", "/api/tenants"), ("GET", "/api/nosuch"), ("GET", "/api/tenants")]
    responses = [client.open(path, method=method, headers={"Origin": PAGE}) for method, path in sent]
    assert [response.status_code for response in responses] == [200, 422, 404, 429]
    assert all(cors_of(response) == {"Access-Control-Allow-Origin": PAGE, "Vary": "Origin"} for response in responses)


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}], ids=["no origin", "its own origin"])
def test_same_origin_response_has_no_cors_headers(client, headers):
    assert cors_of(client.get("/api/tenants", headers=headers)) == {}
    response = client.options("/api/tenants", headers={**headers, "Access-Control-Request-Method": "GET"})
    assert (response.status_code, response.headers["Allow"], cors_of(response)) == (200, "GET,HEAD,POST", {})


@pytest.mark.parametrize("origin", ["https://localhost", "http://localhost:81", "null", "", "\xff", "x" * 5000])
def test_different_scheme_or_port_is_cross_origin(client, origin):
    assert client.get("/api/tenants", headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin


def test_laravel_10_allows_any_origin_in_every_response():
    document = load("documented")
    document = {**document, "x-laravel": {**document["x-laravel"], "cors": "any"}}
    engine = Engine(document)
    client = client_of(engine)
    assert cors_of(client.get("/api/nosuch")) == {"Access-Control-Allow-Origin": "*"}
    assert cors_of(client.options("/api/tenants")) == {"Access-Control-Allow-Origin": "*",
                                                       "Vary": "Access-Control-Request-Method"}
    assert cors_of(client.options("/api/tenants", headers=PREFLIGHT))["Access-Control-Allow-Headers"] == ""
    response = client.options("/api/tenants", headers={**PREFLIGHT, "Access-Control-Request-Headers": "x-a"})
    assert (response.status_code, cors_of(response)) == (204, {
        "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "PUT",
        "Access-Control-Allow-Headers": "x-a",
        "Access-Control-Max-Age": "0", "Vary": "Access-Control-Request-Method, Access-Control-Request-Headers"})


def test_control_plane_rejects_cross_origin_requests(client):
    response = client.get("/_mock/state", headers={"Origin": PAGE})
    assert response.status_code == 403
    assert cors_of(response) == {}


def test_allowed_origin_can_use_control_plane_with_token():
    client = create_app(control=Control(token="open sesame", origins=(PAGE,))).test_client()
    for method, path, status in (("GET", "/_mock/nosuch", 404), ("DELETE", "/_mock/state", 405)):
        response = client.open(path, method=method, headers={"Origin": PAGE})
        assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
    preflight_headers = {"Origin": PAGE, "Access-Control-Request-Method": "GET",
                         "Access-Control-Request-Headers": "authorization"}
    preflight = client.options("/_mock/state", headers=preflight_headers)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    token = {"Authorization": "Bearer open sesame"}
    assert client.get("/_mock/state", headers={"Origin": PAGE}).status_code == 401
    response = client.get("/_mock/state", headers={"Origin": PAGE, **token})
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert cors_of(client.options("/_mock/state",
                                  headers={**preflight_headers, "Origin": "https://evil.example"})) == {}


def test_allowed_origin_requires_token():
    client = create_app(control=Control(origins=(PAGE,))).test_client()
    assert client.get("/_mock/state", headers={"Origin": PAGE}).status_code == 403


@pytest.mark.parametrize("origin", ["*", "app.example", "https://app.example/", "https://a b"])
def test_invalid_origin_is_rejected(origin):
    assert "is not an origin like https://app.example:8443" in mistake("serve", "--control-origin", origin)

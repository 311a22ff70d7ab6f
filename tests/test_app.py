"""HTTP behaviour of the application: headers, HEAD, OPTIONS, unknown paths and methods, hostile input."""

import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarkmock import SarkMock, State
from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.http.flask_app import create_app
from sarkmock.http.replies import to_json


@pytest.fixture(scope="module")
def engine():
    return Engine()


@pytest.fixture(scope="module")
def application(engine):
    return create_app(engine)


@pytest.fixture
def client(engine, application):
    engine.state.reset()
    return application.test_client()


@cache
def client_of(profile):
    return create_app(Engine(profile=profile)).test_client()


def test_list_is_encoded_as_by_laravel(client):
    client.post("/api/tenants", json={"pkey": "é/1", "description": "x"})
    response = client.get("/api/tenants")
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-cache, private"
    assert b'"pkey":"\\u00e9\\/1"' in response.data
    assert [row["pkey"] for row in response.json] == ["default", "é/1"]


def test_head_has_no_body(client):
    response = client.head("/api/tenants")
    assert (response.status_code, response.data) == (200, b"")


@pytest.mark.parametrize(("profile", "path", "accept"), [
    (profile, path, accept) for profile in ("documented", "shipped", "L10", "L11")
    for path in ("nosuch", "tenants/x", "tenants", "users")
    for accept in ("text/html", "application/json", "a;q=" + "9" * 350)])
def test_post_overridden_to_head_has_no_body(profile, path, accept):
    client = client_of(profile)
    headers = {"X-HTTP-Method-Override": "HEAD", "Accept": accept}
    response = client.post(f"/api/{path}", headers=headers)
    assert response.status_code in (200, 302, 404, 405, 500)
    assert response.data == b""


@pytest.mark.parametrize(("path", "allow"), [
    ("tenants", "GET,HEAD,POST"), ("tenants/x", "GET,HEAD,PUT,DELETE"), ("globals", "GET,HEAD,PUT"),
    ("nosuch", "GET,HEAD")])
def test_options_lists_allowed_methods(client, path, allow):
    response = client.options(f"/api/{path}")
    assert (response.status_code, response.data, response.headers["Allow"]) == (200, b"", allow)


def test_an_unknown_path_is_a_json_404(client):
    response = client.get("/api/nosuch")
    assert (response.status_code, response.json) == (404, {"message": "Page Not Found. Check your URI for correctness"})


@pytest.mark.parametrize("path", ["", "/tenants/\xff"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_path_outside_all_routes_is_framework_404(client, method, path):
    wsgi = {"PATH_INFO": f"/api{path}"}
    response = client.open("/", method=method, headers={"Accept": "application/json"}, environ_overrides=wsgi)
    assert (response.status_code, response.json["message"]) == (404, "")
    assert response.json["exception"].endswith("NotFoundHttpException")


@pytest.mark.parametrize(("query", "sent"), [
    ("", {"headers": {"X-HTTP-Method-Override": "put"}, "json": {"description": "new"}}),
    ("", {"json": {"_method": "PUT", "description": "new"}}),
    ("", {"data": {"_method": "PUT", "description": "new"}}),
    ("?_method=PUT", {"json": {"description": "new"}}),
])
def test_post_can_override_method(client, query, sent):
    response = client.post(f"/api/tenants/default{query}", **sent)
    assert (response.status_code, response.json["description"]) == (200, "new")


@pytest.mark.parametrize(("form", "fields"), [
    (b"pkey=a&description=%FF", ["description"]),  # Laravel cannot encode it
    (b"pkey=a&description=%FF&chanmax=x", ["chanmax"]),  # rules come first
    (b"pkey=%FF", ["description"]),
])
def test_invalid_utf8_is_rejected_after_rules(client, form, fields):
    response = client.post("/api/tenants", data=form, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, list(response.json)) == (422, fields)


@pytest.mark.parametrize(("method", "status"), [("P T", 404), ("FETCH", 405), (["PUT"], 405), (None, 405), ("", 405)])
def test_invalid_method_override(client, method, status):
    assert client.post("/api/tenants/default", json={"_method": method}).status_code == status


@pytest.mark.parametrize("body", [b"[" * 511 + b"]" * 511, b'{"pkey":' * 511 + b"1" + b"}" * 511])
def test_json_of_maximal_depth_is_validated(client, body):
    response = client.post("/api/tenants", data=body, content_type="application/json")
    assert response.status_code == 422


def test_only_post_can_override_method(client):
    assert client.put("/api/tenants/default?_method=DELETE", json={}).status_code == 200


def test_unsupported_method_is_405_with_allow_header(client):
    response = client.patch("/api/tenants/default", headers={"Accept": "application/json"})
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, PUT, DELETE"
    assert response.json["message"] == (
        "The PATCH method is not supported for this route. Supported methods: GET, HEAD, PUT, DELETE.")


def test_framework_errors_are_html_unless_json_is_accepted(client):
    response = client.patch("/api/tenants/default", headers={"Accept": "text/html"})
    assert response.status_code == 405
    assert response.content_type == "text/html; charset=UTF-8"


@pytest.mark.parametrize(("accept", "script", "kind"), [
    ("application/json", False, "application/json"), ("*/*", False, "text/html"), ("*/*", True, "application/json"),
    ("", True, "application/json"), ("text/html", True, "text/html"), ("APPLICATION/JSON", False, "application/json"),
    ("text/html;q=0.5, application/json", False, "application/json"),
    ("application/json;q=0.1, text/html", False, "text/html"),
    ("text/html, application/json", False, "text/html"), ("application/json, text/html", False, "application/json"),
    ("application/problem+json;q=0.9, text/plain;q=abc", False, "application/json"),
    ("text/html, text/html;q=0.1, application/json", False, "application/json"),
    ("application/json, text/html, application/json", False, "text/html"),
    ("TEXT/HTML, text/html;q=0, application/json", False, "text/html"),
    ("text/html;q=0.5;q=0.9, application/json;q=0.7", False, "text/html"),
])
def test_accept_header_selects_json_or_html(client, accept, script, kind):
    headers = {"Accept": accept} | ({"X-Requested-With": "XMLHttpRequest"} if script else {})
    assert client.patch("/api/tenants/default", headers=headers).mimetype == kind


def test_an_unknown_row_is_a_404(client):
    response = client.get("/api/tenants/nosuch")
    assert (response.status_code, response.json) == (404, {"reason": "Not Found!"})


def test_delete_is_204_without_body(client):
    client.post("/api/tenants", json={"pkey": "acme", "description": "x"})
    response = client.delete("/api/tenants/acme")
    assert (response.status_code, response.data) == (204, b"")


def test_reset_restores_seed(client):
    client.post("/api/tenants", json={"pkey": "acme", "description": "x"})
    assert client.post("/_mock/reset").status_code == 204
    assert [row["pkey"] for row in client.get("/api/tenants").json] == ["default"]


def test_health(client):
    assert client.get("/_mock/health").json["status"] == "ok"


PATHS = st.sampled_from(["tenants", "tenants/default", "agents", "globals", "extensions/provisioned", "backups",
                         "snapshots", "greetings", "firewalls/ipv4", "ivrs", "trunks", "astamis/originate"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5)
FIELDS = st.sampled_from(["pkey", "cluster", "description", "localarea", "macaddr", "uploadzip", "target", "ringback",
                          "rules", "option0", "host", "x"])
KINDS = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""]


@settings(max_examples=150, deadline=None)
@given(method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]), path=PATHS,
       body=st.dictionaries(FIELDS, VALUES, max_size=5))
def test_no_json_body_causes_500(engine, application, method, path, body):
    engine.state.reset()  # the firewall's restart returns 500 after invalid rules were stored
    response = application.test_client().open(f"/api/{path}", method=method, data=json.dumps(body),
                                              content_type=KINDS[0])
    assert response.status_code < 500 or response.status_code == 503


@settings(max_examples=150, deadline=None)
@given(method=st.sampled_from(["POST", "PUT"]), path=PATHS, body=st.binary(max_size=60), kind=st.sampled_from(KINDS))
def test_no_binary_body_causes_500(engine, application, method, path, body, kind):
    engine.state.reset()
    response = application.test_client().open(f"/api/{path}", method=method, data=body, content_type=kind)
    assert response.status_code < 500 or response.status_code == 503


@pytest.mark.parametrize("description", ["plain", "a/b", "caf\u00e9", "1.5"])
def test_long_list_equals_list_encoded_at_once(description):
    """A long list is encoded in chunks from a copy of the tables. The next response shows a change."""
    rows = [{"pkey": str(200_000 + number), "desc": f"{description} {number}", "device": "General SIP"}
            for number in range(9_000)]
    mock = SarkMock(seed={"tables": {"ipphone": rows}}, tls=False)
    assert mock.engine.takes_long("/api/extensions", 0)
    bodies = [mock.engine.handle(ApiRequest("GET", "/extensions", encoded=encoded)).body
              for encoded in (True, True, False)]
    assert bodies[0] is bodies[1]
    assert bodies[0] == to_json(bodies[2])
    mock.engine.state.tables.update("ipphone", "pkey", "200000", {"desc": "changed"})
    assert b'"changed"' in mock.engine.handle(ApiRequest("GET", "/extensions", encoded=True)).body
    mock.engine.state.reset()
    assert mock.engine.handle(ApiRequest("GET", "/extensions", encoded=True)).body == bodies[0]


def test_reset_after_any_change_restores_seed():
    state = State()
    state.reset()
    before = state.tables.dump()
    for change in (lambda: state.tables.delete("cluster", "pkey", "default"), state.tables.dump,
                   lambda: state.tables.insert("cluster", {"pkey": "x", "description": "\udcff"}),
                   lambda: state.tables.load(before), lambda: state.tables.restore(before), state.copy,
                   lambda: state.tables.defaults("cluster")):
        change()
        state.tables.insert("cluster", {"pkey": "y"})
        state.reset()
        assert not state.tables.has_bytes
        assert [row["pkey"] for row in state.tables.rows("cluster")] == ["default"]

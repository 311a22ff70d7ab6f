"""What arrives on the wire, beside the bodies: headers, HEAD, OPTIONS, unknown paths and methods, hostile input."""

import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarkmock import SarkMock, State
from sarkmock.http.engine import Engine, Request
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


def test_a_list_is_json_as_laravel_writes_it(client):
    client.post("/api/tenants", json={"pkey": "é/1", "description": "x"})
    answer = client.get("/api/tenants")
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-cache, private"
    assert b'"pkey":"\\u00e9\\/1"' in answer.data
    assert [row["pkey"] for row in answer.json] == ["default", "é/1"]


def test_head_answers_where_get_does_without_a_body(client):
    answer = client.head("/api/tenants")
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize(("profile", "path", "accept"), [
    (profile, path, accept) for profile in ("documented", "shipped", "L10", "L11")
    for path in ("nosuch", "tenants/x", "tenants", "users")
    for accept in ("text/html", "application/json", "a;q=" + "9" * 350)])
def test_a_post_that_means_head_is_answered_without_a_body(profile, path, accept):
    client = client_of(profile)
    headers = {"X-HTTP-Method-Override": "HEAD", "Accept": accept}
    answer = client.post(f"/api/{path}", headers=headers)
    assert answer.status_code in (200, 302, 404, 405, 500)
    assert answer.data == b""


@pytest.mark.parametrize(("path", "allow"), [
    ("tenants", "GET,HEAD,POST"), ("tenants/x", "GET,HEAD,PUT,DELETE"), ("globals", "GET,HEAD,PUT"),
    ("nosuch", "GET,HEAD")])
def test_options_names_the_methods(client, path, allow):
    answer = client.options(f"/api/{path}")
    assert (answer.status_code, answer.data, answer.headers["Allow"]) == (200, b"", allow)


def test_an_unknown_path_is_a_json_404(client):
    answer = client.get("/api/nosuch")
    assert (answer.status_code, answer.json) == (404, {"message": "Page Not Found. Check your URI for correctness"})


@pytest.mark.parametrize("path", ["", "/tenants/\xff"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
def test_what_no_route_takes_is_the_frameworks_own_404(client, method, path):
    wsgi = {"PATH_INFO": f"/api{path}"}
    answer = client.open("/", method=method, headers={"Accept": "application/json"}, environ_overrides=wsgi)
    assert (answer.status_code, answer.json["message"]) == (404, "")
    assert answer.json["exception"].endswith("NotFoundHttpException")


@pytest.mark.parametrize(("query", "sent"), [
    ("", {"headers": {"X-HTTP-Method-Override": "put"}, "json": {"description": "new"}}),
    ("", {"json": {"_method": "PUT", "description": "new"}}),
    ("", {"data": {"_method": "PUT", "description": "new"}}),
    ("?_method=PUT", {"json": {"description": "new"}}),
])
def test_a_post_may_name_another_method(client, query, sent):
    answer = client.post(f"/api/tenants/default{query}", **sent)
    assert (answer.status_code, answer.json["description"]) == (200, "new")


@pytest.mark.parametrize(("form", "fields"), [
    (b"pkey=a&description=%FF", ["description"]),  # Laravel cannot answer it
    (b"pkey=a&description=%FF&chanmax=x", ["chanmax"]),  # rules come first
    (b"pkey=%FF", ["description"]),
])
def test_bytes_that_are_no_utf8_are_rejected_after_the_rules(client, form, fields):
    answer = client.post("/api/tenants", data=form, content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, list(answer.json)) == (422, fields)


@pytest.mark.parametrize(("method", "status"), [("P T", 404), ("FETCH", 405), (["PUT"], 405), (None, 405), ("", 405)])
def test_a_post_may_name_no_method_that_is_no_word(client, method, status):
    assert client.post("/api/tenants/default", json={"_method": method}).status_code == status


@pytest.mark.parametrize("body", [b"[" * 511 + b"]" * 511, b'{"pkey":' * 511 + b"1" + b"}" * 511])
def test_the_deepest_json_that_php_decodes_is_rejected_like_any_other(client, body):
    answer = client.post("/api/tenants", data=body, content_type="application/json")
    assert answer.status_code == 422


def test_other_methods_than_post_name_no_other(client):
    assert client.put("/api/tenants/default?_method=DELETE", json={}).status_code == 200


def test_an_unknown_method_is_a_405_that_names_the_others(client):
    answer = client.patch("/api/tenants/default", headers={"Accept": "application/json"})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD, PUT, DELETE"
    assert answer.json["message"] == (
        "The PATCH method is not supported for this route. Supported methods: GET, HEAD, PUT, DELETE.")


def test_a_client_that_wants_no_json_gets_the_frameworks_errors_as_html(client):
    answer = client.patch("/api/tenants/default", headers={"Accept": "text/html"})
    assert answer.status_code == 405
    assert answer.content_type == "text/html; charset=UTF-8"


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
def test_which_clients_want_json(client, accept, script, kind):
    headers = {"Accept": accept} | ({"X-Requested-With": "XMLHttpRequest"} if script else {})
    assert client.patch("/api/tenants/default", headers=headers).mimetype == kind


def test_an_unknown_row_is_a_404(client):
    answer = client.get("/api/tenants/nosuch")
    assert (answer.status_code, answer.json) == (404, {"reason": "Not Found!"})


def test_a_delete_has_no_body_and_no_content_type(client):
    client.post("/api/tenants", json={"pkey": "acme", "description": "x"})
    answer = client.delete("/api/tenants/acme")
    assert (answer.status_code, answer.data) == (204, b"")


def test_reset_goes_back_to_the_seed(client):
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
def test_no_json_gives_a_500(engine, application, method, path, body):
    engine.state.reset()  # a restart of the firewall answers 500 once wrong rules are stored
    answer = application.test_client().open(f"/api/{path}", method=method, data=json.dumps(body), content_type=KINDS[0])
    assert answer.status_code < 500 or answer.status_code == 503


@settings(max_examples=150, deadline=None)
@given(method=st.sampled_from(["POST", "PUT"]), path=PATHS, body=st.binary(max_size=60), kind=st.sampled_from(KINDS))
def test_no_bytes_give_a_500(engine, application, method, path, body, kind):
    engine.state.reset()
    answer = application.test_client().open(f"/api/{path}", method=method, data=body, content_type=kind)
    assert answer.status_code < 500 or answer.status_code == 503


@pytest.mark.parametrize("description", ["plain", "a/b", "caf\u00e9", "1.5"])
def test_a_long_list_is_as_any_other(description):
    """It is made of a copy of the tables, in pieces; a change is in the next one."""
    rows = [{"pkey": str(200_000 + number), "desc": f"{description} {number}", "device": "General SIP"}
            for number in range(9_000)]
    mock = SarkMock(seed={"tables": {"ipphone": rows}}, tls=False)
    assert mock.engine.takes_long("/api/extensions", 0)
    lists = [mock.engine.handle(Request("GET", "/extensions", encoded=encoded)).body for encoded in (True, True, False)]
    assert lists[0] is lists[1]
    assert lists[0] == to_json(lists[2])
    mock.engine.state.tables.update("ipphone", "pkey", "200000", {"desc": "changed"})
    assert b'"changed"' in mock.engine.handle(Request("GET", "/extensions", encoded=True)).body
    mock.engine.state.reset()
    assert mock.engine.handle(Request("GET", "/extensions", encoded=True)).body == lists[0]


def test_a_reset_after_any_change_is_exact():
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

"""The control plane over HTTP: endpoints, access control and error messages."""

import pytest

from sarkmock import Engine, Journal, State
from sarkmock.control import Control
from sarkmock.control.bodies import endpoints
from sarkmock.control.handlers import HANDLERS
from sarkmock.faults import Faults
from tests.boxes import NOW
from tests.engines import client_of

YAML = "application/yaml"
ACME = {"pkey": "acme", "description": "A tenant"}


@pytest.fixture
def engine():
    return Engine(state=State(now=NOW))


@pytest.fixture
def client(engine):
    return client_of(engine, journal=Journal(engine))


def test_endpoints_of_document_match_handlers():
    assert {endpoint.id for endpoint in endpoints()} == HANDLERS.keys()


def test_reset_restores_state_faults_and_journal(engine):
    client = client_of(engine, journal=Journal(engine), faults=Faults(engine))
    client.post("/api/tenants", json=ACME)
    client.post("/_mock/faults", json={"status": 500})
    assert client.post("/_mock/reset").status_code == 204
    assert client.get("/_mock/faults").json == []
    assert [entry["operation"] for entry in client.get("/_mock/journal").json["entries"]] == []
    assert [row["pkey"] for row in client.get("/api/tenants").json] == ["default"]


# Journal.

def test_journal_entries(client):
    client.post("/api/tenants?token=abc", json=ACME, headers={"Authorization": "Bearer hidden"})
    listed = client.get("/_mock/journal").json
    assert (listed["count"], listed["kept"]) == (1, 1)
    entry, = listed["entries"]
    assert entry == client.get("/_mock/journal/1").json
    assert (entry["operation"], entry["status"]) == ("tenants.create", 201)
    assert entry["time"] == "2024-06-01T10:00:00.000+00:00"
    assert entry["request"]["body"] == '{"pkey": "acme", "description": "A tenant"}'
    assert entry["request"]["headers"]["Authorization"] == "REDACTED"
    assert entry["query"] == "token=REDACTED"


def test_journal_can_be_filtered_and_cleared(client):
    for path in ("tenants", "agents", "nosuch"):
        client.get(f"/api/{path}")

    def numbers(query):
        return [entry["number"] for entry in client.get(f"/_mock/journal?{query}").json["entries"]]
    expected = {"status=4xx": [3], "operation=agents.list": [2], "limit=2": [2, 3], "limit=2.0": [2, 3],
                "limit=1e0": [3], "after=1&method=get": [2, 3],
                "before=3": [1, 2], "before=3&limit=1": [2]}
    assert {query: numbers(query) for query in expected} == expected
    assert client.delete("/_mock/journal").status_code == 204
    assert numbers("") == []


@pytest.mark.parametrize(("query", "matching"), [
    ("", 3), ("limit=1", 3), ("after=1", 3), ("before=2&limit=1", 3), ("status=200&after=1&limit=1", 2)])
def test_filtered_journal_has_number_of_matching_entries(client, query, matching):
    for path in ("tenants", "agents", "nosuch"):
        client.get(f"/api/{path}")
    assert client.get(f"/_mock/journal?{query}").json["matching"] == matching


def test_journal_and_har_report_dropped_entries(engine):
    client = client_of(engine, journal=Journal(engine, limit=150))
    for _ in range(160):
        client.get("/api/tenants")
    journal = client.get("/_mock/journal").json
    assert (journal["count"], journal["kept"], len(journal["entries"])) == (160, 150, 150)
    log = client.get("/_mock/journal.har").json["log"]
    assert (len(log["entries"]), log["comment"]) == (150, "10 older requests were dropped from the journal")


def test_verify(client):
    client.post("/api/tenants", json=ACME)
    assert client.post("/_mock/journal/verify", json={"operation": "tenants.create", "times": 1}).json["ok"] is True
    verdict = client.post("/_mock/journal/verify", json={"body": {"pkey": "acmee"}}).json
    assert (verdict["ok"], verdict["found"]) == (False, [])
    assert verdict["nearest"] == [{"number": 1, "request": "#1 POST /api/tenants -> 201",
                                   "differences": ['body.pkey: expected "acmee", got "acme"']}]
    assert "nearest #1 POST /api/tenants -> 201" in verdict["explanation"]


def test_disabled_journal_is_404_with_hint(engine):
    response = client_of(engine).get("/_mock/journal")
    assert response.status_code == 404
    assert response.json["error"] == "the journal is disabled; start the mock with --journal N"


# Faults.

def test_fault_create_update_delete(client):
    made = client.post("/_mock/faults", json={"operation": "tenants.list", "status": 500, "times": 2})
    assert (made.status_code, made.json) == (201, {
        "operation": "tenants.list", "status": 500, "times": 2, "probability": 1.0, "id": "1", "hits": 0, "left": 2})
    assert client.get("/api/tenants").status_code == 500
    assert client.get("/_mock/faults/1").json["hits"] == 1
    changed = client.put("/_mock/faults/1", data="operation: tenants.list\nhtml: 503\n", content_type=YAML)
    assert (changed.status_code, changed.json["html"], changed.json["hits"]) == (200, 503, 0)
    assert [fault["id"] for fault in client.get("/_mock/faults").json] == ["1"]
    assert client.delete("/_mock/faults/1").status_code == 204
    assert client.get("/api/tenants").status_code == 200


# Rejected requests.

@pytest.mark.parametrize(("method", "path", "options", "status", "message"), [
    ("GET", "jornal", {}, 404, "did you mean /_mock/journal?"),
    ("PUT", "reset", {}, 405, "PUT /_mock/reset"),
    ("GET", "journal?statuss=1", {}, 422, "unknown parameter 'statuss'; did you mean status?"),
    ("GET", "journal?status=abc", {}, 422, "status: "),
    ("GET", "journal?limit=x", {}, 422, 'limit: "x" is not of type "integer"'),
    ("GET", "journal?operation=tenants.lst", {}, 422, "did you mean tenants.list"),
    ("GET", "journal/7", {}, 404, "the journal is empty"),
    ("GET", "journal/x", {}, 404, 'number: "x" is not of type "integer"'),
    ("GET", "reset?x=1", {}, 405, ""),
    ("POST", "journal/verify", {"json": {"operaton": "x"}}, 422, "unknown key 'operaton'; did you mean operation?"),
    ("POST", "journal/verify", {"json": {"times": 1, "at_least": 1}}, 422, ""),
    ("POST", "faults", {"json": {"operation": "tenants.lst", "status": 500}}, 422, "did you mean tenants.list"),
    ("POST", "faults", {"json": {"statsu": 500}}, 422, "unknown key 'statsu'; did you mean status?"),
    ("POST", "faults", {"json": [1]}, 422, "body: [1] is not of type"),
    ("POST", "faults", {"json": {}}, 422, "no effect: give latency"),
    ("POST", "faults", {"json": {"latency": "soon"}}, 422, "latency"),
    ("POST", "faults", {"data": "{", "content_type": "application/json"}, 400, "not JSON: line 1, column 2"),
    ("POST", "faults", {"data": b"\xff", "content_type": "application/json"}, 400, "not UTF-8: byte 0 is 0xff"),
    ("POST", "faults", {"data": '{"latency": NaN}', "content_type": "application/json"}, 400, "NaN"),
    ("POST", "faults", {"data": "[" * 9999 + "]" * 9999, "content_type": "application/json"}, 400, "nested deeper"),
    ("POST", "faults", {"data": "status=500"}, 415, "send application/json or application/yaml"),
    ("POST", "faults", {"data": "x=1", "content_type": "text/plain"}, 415, "not text/plain"),
    ("PUT", "faults/9", {"json": {"status": 500}}, 404, "unknown fault '9'"),
    ("DELETE", "faults/9", {}, 404, "unknown fault '9'"),
    ("GET", "deviations?profile=shiped", {}, 422, "unknown profile 'shiped'; did you mean shipped?"),
    ("GET", "deviations?profile=/etc/passwd.yaml", {}, 422, "unknown profile"),
])
def test_rejection_has_helpful_message(client, method, path, options, status, message):
    response = client.open(f"/_mock/{path}", method=method, **options)
    assert response.status_code == status
    assert message in response.json["error"]
    assert client.get("/_mock/faults").json == []


def test_yaml_error_is_reported_with_line(client):
    response = client.post("/_mock/faults", data="operation: tenants.list\nstatus: many\n", content_type=YAML)
    assert response.json == {"error": 'status: "many" is not of type "integer"', "place": "status", "line": 2}
    response = client.post("/_mock/faults", data="operation: tenants.list\nstatus: [\n",
                           content_type="application/yaml")
    assert (response.status_code, response.json["line"]) == (400, 3)
    response = client.post("/_mock/faults", data="status: 500\nstatus: 501\n", content_type="application/yaml")
    assert response.status_code == 400


def test_unknown_path_has_hint(client):
    assert client.get("/tenants").headers["X-Sarkmock-Hint"].startswith("the API is under /api")
    assert client.get("/_mock/nosuch").json["error"].startswith("no resource at /_mock/nosuch")


# Comparing an entry with a different profile.

def test_compare_uses_copy_of_state(client, engine):
    client.put("/api/tenants/default", json={"localarea": "2.5"})
    client.post("/api/tenants", json=ACME)
    before = engine.state.tables.dump()
    own, other = client.get("/_mock/journal/1/compare?profile=shipped").json
    assert (own["profile"], own["status"], other["profile"], other["status"]) == ("documented", 422, "shipped", 200)
    assert "localarea" in own["body"]
    assert engine.state.tables.dump() == before
    assert client.get("/_mock/journal").json["count"] == 2
    own, other = client.get("/_mock/journal/2/compare?profile=L10").json
    assert own["status"] == other["status"] == 409


def test_compare_with_different_database_authenticates_as_admin(client):
    client.get("/api/tenants")
    own, other = client.get("/_mock/journal/1/compare?profile=L11").json
    assert (own["status"], other["status"]) == (200, 200)
    assert '"pkey":"default"' in other["body"].replace(" ", "")


@pytest.mark.parametrize(("path", "status", "message"), [
    ("/_mock/journal/9/compare?profile=L10", 404, "no entry 9"),
    ("/_mock/journal/1/compare?profile=nosuch", 422, "unknown profile"), ("/_mock/journal/1/compare", 422, "profile")])
def test_invalid_compare_request_is_rejected(client, path, status, message):
    client.get("/api/tenants")
    response = client.get(path)
    assert (response.status_code, message in str(response.json)) == (status, True)


@pytest.mark.parametrize("body", [b"\xff\n\nprofile: x", b"[\n" * 1500, b"a: b\nprofile: c"])
def test_body_of_get_is_ignored(client, body):
    client.get("/api/tenants")
    response = client.get("/_mock/journal/1/compare", data=body)
    assert (response.status_code, "line" in response.json) == (422, False)


# Access control.

def test_loopback_host_needs_no_token(client):
    for host in ("localhost", "127.0.0.1:44300", "[::1]:44300", "pbx.localhost"):
        assert client.post("/_mock/reset", headers={"Host": host}).status_code == 204


def test_foreign_host_name_is_rejected(client):
    response = client.get("/_mock/journal", headers={"Host": "evil.example:44300"})
    assert (response.status_code, "'evil.example'" in response.json["error"]) == (403, True)


def test_configured_host_is_accepted(engine):
    client = client_of(engine, journal=Journal(engine), control=Control(hosts=("pbx.test",)))
    assert client.post("/_mock/reset", headers={"Host": "pbx.test:44300"}).status_code == 204


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
def test_cross_site_requests_are_rejected(client, engine, headers):
    client.post("/api/tenants", json=ACME)
    assert client.post("/_mock/reset", headers=headers).status_code == 403
    assert engine.state.tables.count("cluster", "pkey", "acme") == 1


def test_same_origin_request_is_accepted(client):
    headers = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/_mock/reset", headers=headers).status_code == 204


@pytest.mark.parametrize(("authorization", "status"), [
    (None, 401), ("Bearer wrong", 401), ("Basic s3cret", 401), ("Bearer s3cret", 200), ("bearer s3cret", 200)])
def test_token_is_required_if_configured(engine, authorization, status):
    client = client_of(engine, journal=Journal(engine), control=Control(token="s3cret"))
    headers = {"Host": "mock.example"} | ({"Authorization": authorization} if authorization else {})
    assert client.get("/_mock/journal", headers=headers).status_code == status


def test_health_needs_no_token(engine):
    client = client_of(engine, journal=Journal(engine), control=Control(token="s3cret"))
    assert client.get("/_mock/health", headers={"Host": "mock.example"}).status_code == 200


def test_control_plane_can_be_disabled(engine):
    client = client_of(engine, journal=Journal(engine), control=None)
    assert client.get("/_mock/health").status_code == 404
    assert client.get("/api/tenants").status_code == 200


# Documents.

def test_documents_are_served(client, engine):
    assert client.get("/_mock/openapi.json").json == engine.document
    assert client.get("/_mock/openapi.yaml").text.startswith("openapi: 3.1.0")
    assert client.get("/_mock/control.json").json["info"]["title"] == "sarkmock control plane"
    assert client.get("/_mock/deviations").json[0]["id"] == "debug-pages"
    assert client.get("/_mock/deviations?profile=documented").json == []
    engine.use("shipped")
    assert client.get("/_mock/openapi.json").json["info"]["title"] == engine.document["info"]["title"]

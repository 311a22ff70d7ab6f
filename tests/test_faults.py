"""Faults: their effect on clients, their frequency, and messages about mistakes."""

import json

import pytest
from werkzeug.test import create_environ

from sarkmock import Engine, Fault, FaultError, FileError, State, create_app
from sarkmock.faults import Faults, read_faults
from sarkmock.suite_api import deviations_of
from tests.boxes import NOW
from tests.engines import client_of

JSON = {"Accept": "application/json"}
ACME = {"pkey": "acme", "description": "A tenant"}


@pytest.fixture
def engine():
    return Engine(state=State(now=NOW))


@pytest.fixture
def faults(engine):
    return Faults(engine)


@pytest.fixture
def client(engine, faults):
    return client_of(engine, faults=faults)


def tenants(engine):
    return [row["pkey"] for row in engine.state.tables.rows("cluster")]


# Effects.

@pytest.mark.parametrize(("status", "body"), [
    (404, {"reason": "Not Found!"}),
    (409, {"Error": "Key already exists"}),
    (422, {"description": ["The selected description is invalid."]}),
])
def test_status_fault_has_body_of_the_api(client, faults, engine, status, body):
    faults.add("tenants.create", status=status)
    response = client.post("/api/tenants", json=ACME)
    assert (response.status_code, response.json) == (status, body)
    assert tenants(engine) == ["default"]


def test_503_of_operations_that_contact_the_pbx(client, faults):
    faults.add(status=503)
    assert client.get("/api/astamis/Agents", headers=JSON).json == {"message": "PBX not running"}
    assert client.get("/api/tenants", headers=JSON).json["message"] == "Service Unavailable"


@pytest.mark.parametrize(("status", "message"), [
    (500, "Internal Server Error"), (403, "Forbidden"), (599, "Unknown Status")])
def test_other_statuses_are_laravel_page_or_json(client, faults, status, message):
    faults.add("tenants.list", status=status)
    assert client.get("/api/tenants", headers=JSON).json["message"] == message
    page = client.get("/api/tenants")
    assert (page.status_code, page.content_type) == (status, "text/html; charset=UTF-8")


def test_status_fault_with_custom_body_and_headers(client, faults):
    faults.add("tenants.list", status=503, body={"why": "because"}, headers={"Retry-After": "7"})
    response = client.get("/api/tenants")
    assert (response.status_code, response.json, response.headers["Retry-After"]) == (503, {"why": "because"}, "7")


def test_html_page_of_a_gateway(client, faults):
    faults.add("*", html=502)
    response = client.get("/api/tenants", headers=JSON)
    assert (response.status_code, response.content_type) == (502, "text/html")
    assert "502 Bad Gateway" in response.text


@pytest.mark.parametrize(("drop", "made"), [("before", ["default"]), ("after", ["default", "acme"])])
def test_connection_is_dropped_before_or_after_execution(client, faults, engine, drop, made):
    faults.add("tenants.create", drop=drop)
    with pytest.raises(ConnectionResetError):
        client.post("/api/tenants", json=ACME)
    assert tenants(engine) == made


def test_truncated_body(engine, faults):
    faults.add("tenants.list", truncate=5)
    environ = create_environ("/api/tenants")
    started, received = [], []
    body = create_app(engine, faults=faults).wsgi_app(environ, lambda *line: started.append(line))
    with pytest.raises(ConnectionResetError):
        received.extend(body)
    assert started[0][0] == "200 OK"
    assert int(dict(started[0][1])["Content-Length"]) > 100
    assert received == [b'[{"pk']


def test_throttle_fault(client, faults):
    faults.add("tenants.list", throttle=7)
    response = client.get("/api/tenants", headers=JSON)
    assert (response.status_code, response.json["message"]) == (429, "Too Many Attempts.")
    assert response.headers["Retry-After"] == "7"
    assert response.headers["X-RateLimit-Reset"] == str(NOW + 7)
    assert (response.headers["X-RateLimit-Limit"], response.headers["X-RateLimit-Remaining"]) == ("60", "0")


def test_stopped_pbx_affects_only_operations_that_contact_it(client, faults, engine):
    faults.add("*", pbx="stopped", times=1)
    assert client.get("/api/tenants").status_code == 200
    assert (client.get("/api/astamis/CoreStatus").status_code, engine.state.pbx.running) == (503, True)
    assert client.get("/api/astamis/CoreStatus").status_code == 200


def test_start_with_stopped_pbx_starts_it(client, faults, engine):
    faults.add("syscommands.pbxstart", pbx="stopped")
    assert client.get("/api/syscommands/pbxstart").status_code == 200
    assert engine.state.pbx.running


def test_locked_database_is_409_where_the_product_catches_it(client, faults, engine):
    faults.add("*", locked=True)
    response = client.post("/api/tenants", json=ACME)
    assert response.status_code == 409
    assert response.json["Error"].startswith("SQLSTATE[HY000]: General error: 5 database is locked (SQL: insert into")
    assert client.get("/api/tenants").json[0]["pkey"] == "default"


def test_locked_database_is_500_elsewhere(client, faults, engine):
    client.post("/api/tenants", json=ACME)
    faults.add("tenants.delete", locked=True)
    response = client.delete("/api/tenants/acme", headers=JSON)
    assert (response.status_code, response.json["exception"]) == (500, "Illuminate\\Database\\QueryException")
    assert response.json["message"] == "SQLSTATE[HY000]: General error: 5 database is locked"
    assert tenants(engine) == ["default", "acme"]


def test_deviation_fault_crashes(client, faults):
    faults.add(deviation="cosclose-delete-crashes", times=1)
    client.post("/api/extensions/mailbox", json={"pkey": "1001", "cluster": "default"})
    rule = client.get("/api/cosrules").json
    pair = {"IPphone_pkey": "1001", "COS_pkey": rule[0]["pkey"] if rule else "x"}
    assert client.get("/api/coscloses").status_code == 200
    crashed = [client.delete("/api/coscloses/1001", json=pair, headers=JSON).status_code for _ in range(2)]
    assert crashed[0] == 500
    assert crashed[1] != 500


def test_deviation_fault_moves_a_path(client, faults, engine):
    faults.add(deviation="ami-dbdel-method")
    assert client.put("/api/astamis/DBdel/a/b").status_code == 405
    assert client.delete("/api/astamis/DBdel/a/b").status_code in (200, 204, 404)


@pytest.mark.parametrize("deviation", [deviation.id for deviation in deviations_of("shipped")])
def test_every_deviation_can_be_a_fault(deviation, engine):
    faults = Faults(engine)
    armed = faults[faults.add(deviation=deviation)]
    assert armed.only


def test_latencies_add_up(engine, faults):
    waits = []
    faults.add(latency=0.5)
    faults.add("tenants.list", latency=0.25)
    app = create_app(engine, faults=faults)
    for path in ("/api/tenants", "/api/agents", "/api/nosuch"):
        environ = {**create_environ(path), "sarkmock.delay": waits.append}
        app.wsgi_app(environ, lambda *_: None)
    assert waits == [0.75, 0.5, 0.5]


@pytest.mark.parametrize(("latency", "low", "high"), [
    ("0.1..0.2", 0.1, 0.2), ("0.1~0", 0.0999, 0.1001), ("0.1~0.5", 0.001, 10)])
def test_random_latency_is_reproducible(engine, latency, low, high):
    def latencies():
        waits = []
        app = create_app(engine, faults=Faults(engine, [Fault(latency=latency)]))
        for _ in range(20):
            environ = {**create_environ("/api/agents"), "sarkmock.delay": waits.append}
            app.wsgi_app(environ, lambda *_: None)
        return waits
    first = latencies()
    assert all(low <= wait <= high for wait in first)
    assert latencies() == first


# Frequency.

def statuses(client, count=6):
    return [client.get("/api/tenants").status_code for _ in range(count)]


def test_times(client, faults):
    fault = faults.add("tenants.list", status=500, times=2)
    assert statuses(client, 4) == [500, 500, 200, 200]
    assert (faults[fault].hits, faults[fault].left) == (2, 0)


def test_faults_apply_in_order(client, faults):
    faults.add("tenants.list:status=500,times=1")
    faults.add("tenants.list:html=502,times=1")
    assert statuses(client, 3) == [500, 502, 200]


def test_probability_is_reproducible(client, faults):
    faults.add("tenants.list", status=500, probability=0.5)
    first = statuses(client, 40)
    faults.clear()
    faults.reset()
    faults.add("tenants.list", status=500, probability=0.5)
    assert statuses(client, 40) == first
    assert 5 < first.count(500) < 35


def test_faults_draw_no_random_values_of_the_state(client, faults, engine):
    faults.add(latency="0.0..0.0", probability=0.5)
    before = engine.state.memory()
    statuses(client)
    assert engine.state.memory() == before


def test_reset_restores_initial_faults(engine):
    faults = Faults(engine, [Fault("tenants.list", status=500, times=1)])
    client = client_of(engine, faults=faults)
    faults.add("tenants.list", status=404)
    assert statuses(client, 2) == [500, 404]
    faults.reset()
    assert statuses(client, 2) == [500, 200]


def test_reset_after_change_of_profile_restores_initial_faults(engine):
    faults = Faults(engine, [Fault(deviation="cosclose-delete-crashes"), Fault("globals.list", status=500)])
    engine.use("shipped")
    faults.reset()
    assert [armed.fault.deviation for armed in faults] == ["cosclose-delete-crashes", None]


def test_remove_change_and_clear(client, faults):
    fault = faults.add("tenants.list", status=500)
    assert faults.change(fault.id, {"operation": "tenants.list", "status": 404}).id == fault.id
    assert statuses(client, 1) == [404]
    faults.remove(fault)
    assert statuses(client, 1) == [200]
    faults.add(status=500)
    faults.clear()
    assert (statuses(client, 1), len(faults)) == ([200], 0)


def test_deviation_fault_ends_if_the_new_profile_has_it(client, faults, engine):
    faults.add(deviation="cosclose-delete-crashes")
    engine.use("shipped")
    assert client.get("/api/coscloses").status_code == 200
    assert next(iter(faults)).hits == 0


def test_integer_may_be_written_as_float(client, faults):
    faults.add(operation="tenants.list", throttle=3.0, times=1.0)
    response = client.get("/api/tenants")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")
    assert client.get("/api/tenants").status_code == 200


# Mistakes.

@pytest.mark.parametrize(("line", "message"), [
    ("tenants.creat:status=500", "unknown operation 'tenants.creat'; did you mean tenants.create"),
    ("tenants.create:statsu=500", "unknown key 'statsu'; did you mean status?"),
    ("tenants.create:status=200", "status: 200 is less than the minimum of 400"),
    ("tenants.create:status=x", 'status: "x" is not of type "integer"'),
    ("tenants.*:drp", "unknown key 'drp'; did you mean drop?"),
    ("drp", "unknown key 'drp'; did you mean drop?"),
    ("tenants", "'tenants' is neither an effect nor OPERATION:EFFECT, such as tenants.create:status=503"),
    ("tenant:drop", "unknown operation 'tenant'; did you mean tenants.* or"),
    ("tenants.create:status", "'status' needs a value"),
    ("tenants.create:times=2", "no effect: give latency"),
    ("tenants.create:drop,status=500", "a fault has exactly one effect, but here are status and drop"),
    ("latency=fast", "latency: must be seconds, MIN..MAX (uniform) or MEDIAN~SIGMA (log-normal)"),
    ("latency=2..1", "latency: 2 is more than 1"),
    ("latency=-1", "latency: must be 0 to 3600 seconds"),
    ("tenants.create:pbx", "pbx: tenants.create never contacts the PBX"),
    ("tenants.list:locked", "locked: tenants.list does not write to a table"),
    ("deviation=cosclose-delete-crash", "did you mean cosclose-delete-crashes"),
    ("tenants.*:deviation=cosclose-delete-crashes", "affects coscloses.delete, not tenants.*"),
    ("probability=0,drop", "probability: 0 is less than or equal to the minimum of 0"),
])
def test_invalid_fault_is_rejected_with_suggestion(faults, line, message):
    with pytest.raises(FaultError) as caught:
        faults.add(line)
    assert message in str(caught.value)
    assert len(faults) == 0


def test_unknown_and_duplicate_ids(faults):
    with pytest.raises(FaultError, match="unknown fault 'x'"):
        faults.remove("x")
    faults.add(drop="before", id="cut")
    with pytest.raises(FaultError, match="unknown fault 'cutt'; did you mean cut"):
        faults.remove("cutt")
    with pytest.raises(FaultError, match="the fault 'cut' already exists"):
        faults.add(latency=1, id="cut")


@pytest.mark.parametrize(("text", "line", "message"), [
    ("- {operation: tenants.list, status: 500}\n- {operation: tenants.list, status: 9}\n", 2, "status: 9 is less than"),
    ("- drop\n", 1, "a fault must be a mapping"),
    ("- latency: 1\n- {operation: tenant.list, drop: before}\n", 2, "unknown operation 'tenant.list'; did you mean"),
    ("operation: tenants.list\n", 1, "expected a list of faults"),
    ("- {operation: [\n", None, ""),
])
def test_mistake_in_fault_file_is_reported_with_line(tmp_path, text, line, message):
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    with pytest.raises(FileError) as caught:
        read_faults(file, Faults(Engine()))
    assert caught.value.line == line or line is None
    assert message in str(caught.value)


def test_fault_can_be_rebuilt_from_its_content():
    fault = Fault.parse("tenants.*:status=503,latency=0.1..0.2,times=3,probability=0.25")
    assert Fault.of(json.loads(json.dumps(fault.content()))) == fault

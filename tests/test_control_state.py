"""State, tables, seeds, saved states, clock and PBX over the control plane."""

import threading
import time

import pytest
import yaml

from sarkmock import Engine, Journal, State, profile_names
from sarkmock.control import Control
from tests.boxes import NOW
from tests.engines import client_of

YAML = "application/yaml"
ACME = {"pkey": "acme", "description": "A tenant"}


@pytest.fixture
def engine():
    return Engine(state=State(now=NOW))


@pytest.fixture
def client(engine, tmp_path):
    return client_of(engine, control=Control(directory=tmp_path))


def tenants(client):
    return [row["pkey"] for row in client.get("/api/tenants").json]


def image(engine):
    """Everything that a rejected request must not change."""
    state = engine.state
    return state.to_seed(), state.files, state.clock.now(), state.memory()


# State.

def test_state_round_trip(client, engine):
    client.post("/api/tenants", json=ACME)
    state = client.get("/_mock/state").json
    before = image(engine)
    client.post("/_mock/reset")
    assert client.put("/_mock/state", json=state).json == state
    assert image(engine) == before


def test_put_state_as_yaml(client):
    text = "tables:\n  cluster:\n    - {pkey: default}\n    - {pkey: acme}\nastdb: {cfim: {1001: 42}}\npbx: stopped\n"
    response = client.put("/_mock/state", data=text, content_type=YAML)
    assert response.json["astdb"] == {"cfim": {"1001": "42"}}
    assert tenants(client) == ["acme", "default"]
    assert client.get("/_mock/pbx").json["running"] is False


def test_reset_restores_initial_state(client):
    client.put("/_mock/state", json={"tables": {"cluster": [ACME]}})
    client.post("/_mock/reset")
    assert tenants(client) == ["default"]


def test_patch_state(client, engine):
    files = {"/tmp/a": "A", "/tmp/b": {"base64": "Qg=="}}
    client.patch("/_mock/state", json={"tables": {"cluster": [ACME]}, "files": files,
                                       "astdb": {"cfim": {"1001": "1", "1002": "2"}}})
    extensions = len(client.get("/api/extensions").json)
    state = client.patch("/_mock/state", json={"files": {"/tmp/a": None}, "astdb": {"cfim": {"1001": None}}}).json
    assert tenants(client) == ["acme"]
    assert "/tmp/a" not in state["files"]
    assert engine.state.files["/tmp/b"].content == b"B"
    assert state["astdb"]["cfim"] == {"1002": "2"}
    assert len(client.get("/api/extensions").json) == extensions


# Tables.

def test_every_table_is_listed_with_its_key(client):
    tables = {table["name"]: table for table in client.get("/_mock/state/tables").json}
    assert (tables["cluster"]["key"], tables["cluster"]["rows"]) == (["pkey"], 1)
    assert tables["IPphoneCOSopen"]["key"] == ["IPphone_pkey", "COS_pkey"]
    assert "description" in tables["cluster"]["columns"]


def test_row_create_update_delete(client):
    path = "/_mock/state/tables/cluster"
    made = client.post(path, json=[ACME])
    assert (made.status_code, made.json[0]["pkey"]) == (201, "acme")
    assert made.json[0]["z_created"] == "2024-06-01 10:00:00"
    assert client.get(f"{path}/acme").json == made.json[0]
    assert client.patch(f"{path}/acme", json={"description": "Another"}).json["description"] == "Another"
    replaced = client.put(f"{path}/acme", json={"localarea": "01924"}).json
    assert (replaced["pkey"], replaced["description"], replaced["localarea"]) == ("acme", None, "01924")
    assert client.get("/api/tenants/acme").json["localarea"] == "01924"
    assert client.delete(f"{path}/acme").status_code == 204
    assert client.get("/api/tenants/acme").status_code == 404


def test_rows_of_table(client):
    path = "/_mock/state/tables/cluster"
    assert [row["pkey"] for row in client.put(path, json=[{"pkey": "b"}, {"pkey": "a"}]).json] == ["b", "a"]
    client.patch(path, json=[{"pkey": "a", "description": "A"}, {"pkey": "c"}])
    assert {row["pkey"]: row["description"] for row in client.get(path).json} == {"a": "A", "b": None, "c": None}
    assert [row["pkey"] for row in client.get(f"{path}?offset=1&limit=1").json] == ["b"]
    assert client.get(f"{path}?limit=0").json == []
    assert client.delete(path).status_code == 204
    assert client.get(path).json == []


def test_composite_key_and_key_with_slash(client):
    path = "/_mock/state/tables"
    client.post(f"{path}/IPphoneCOSopen", json=[{"IPphone_pkey": "1001", "COS_pkey": "a/b"}])
    assert client.get(f"{path}/IPphoneCOSopen/1001/a%2Fb").json["COS_pkey"] == "a/b"
    client.post(f"{path}/cluster", json=[{"pkey": "x/y"}])
    assert client.get(f"{path}/cluster/x%2Fy").json["pkey"] == "x/y"
    assert client.delete(f"{path}/IPphoneCOSopen/1001/a%2Fb").status_code == 204


# Seeds and saved states.

def test_reset_restores_selected_seed(client):
    assert "empty" in [seed["name"] for seed in client.get("/_mock/seed").json]
    assert client.put("/_mock/seed", json={"seed": "empty"}).status_code == 204
    assert client.get("/api/cosrules").json == []
    client.post("/api/tenants", json=ACME)
    client.post("/_mock/reset")
    assert tenants(client) == ["default"]
    assert client.get("/api/cosrules").json == []


def test_state_can_be_saved_and_loaded(client, tmp_path):
    client.post("/api/tenants", json=ACME)
    assert client.post("/_mock/save", json={"file": "office.yaml"}).status_code == 204
    assert [row["pkey"] for row in yaml.safe_load((tmp_path / "office.yaml").read_text())["tables"]["cluster"]] == [
        "default", "acme"]
    assert client.get("/_mock/saved").json == ["office.yaml"]
    client.post("/_mock/reset")
    assert client.post("/_mock/load", json={"file": "office.yaml"}).status_code == 204
    assert tenants(client) == ["acme", "default"]
    client.post("/_mock/reset")
    assert tenants(client) == ["default"]
    client.put("/_mock/seed", json={"file": "office.yaml"})
    client.post("/_mock/reset")
    assert tenants(client) == ["acme", "default"]


def test_state_that_violates_rules_can_be_saved_and_loaded(client):
    client.post("/_mock/state/tables/cluster", json=[{"pkey": "no good key"}])
    client.post("/_mock/save", json={"file": "odd.yaml"})
    client.post("/_mock/reset")
    assert client.post("/_mock/load", json={"file": "odd.yaml"}).status_code == 204
    assert "no good key" in tenants(client)


def test_state_with_base_seed(client):
    assert client.put("/_mock/state", json={"base": "empty", "tables": {"cluster": [ACME]}}).status_code == 200
    assert tenants(client) == ["acme", "default"]
    assert client.get("/api/cosrules").json == []


@pytest.mark.parametrize("name", [
    "../x.yaml", "/etc/x.yaml", "a/b.yaml", ".x.yaml", "x", "x.txt", "x.yaml\n", "link.yaml"])
@pytest.mark.parametrize("path", ["save", "load"])
def test_file_name_cannot_escape_directory(client, tmp_path, name, path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside.yaml"
    outside.write_text("pbx: stopped\n")
    (tmp_path / "link.yaml").symlink_to(outside)
    assert client.post(f"/_mock/{path}", json={"file": name}).status_code == 422
    assert outside.read_text() == "pbx: stopped\n"
    assert client.get("/_mock/pbx").json["running"]


def test_save_requires_directory(engine):
    response = client_of(engine).post("/_mock/save", json={"file": "x.yaml"})
    assert (response.status_code, "--save-dir" in response.json["error"]) == (404, True)


def test_write_error_is_reported(client, tmp_path):
    (tmp_path / "taken.yaml").mkdir()
    response = client.post("/_mock/save", json={"file": "taken.yaml"})
    assert (response.status_code, response.json["error"]) == (409, "taken.yaml cannot be written: Is a directory")
    assert [file.name for file in tmp_path.iterdir()] == ["taken.yaml"]


# Clock and PBX.

def test_clock(client):
    assert client.get("/_mock/clock").json == {"now": "2024-06-01T10:00:00.000+00:00", "seconds": NOW, "frozen": True}
    assert client.post("/_mock/clock/advance", json={"seconds": 90}).json["seconds"] == NOW + 90
    assert client.put("/_mock/clock", json={"now": "2026-03-29T01:59:50Z"}).json["seconds"] == 1774749590
    assert client.put("/_mock/clock", json={"now": NOW}).json["seconds"] == NOW
    assert client.post("/_mock/clock/run").json["frozen"] is False
    assert NOW <= client.get("/_mock/clock").json["seconds"] < NOW + 60
    held = client.post("/_mock/clock/freeze").json["seconds"]
    assert client.get("/_mock/clock").json["seconds"] == held


def test_pbx(client):
    assert client.patch("/_mock/pbx", json={"boot_seconds": 5}).json["boot_seconds"] == 5
    assert client.post("/_mock/pbx/stop").json["running"] is False
    assert client.get("/api/astamis/CoreStatus").status_code == 503
    assert client.post("/_mock/pbx/start").json["running"] is True
    assert client.get("/api/astamis/CoreStatus").status_code == 200


# Profile.

def test_changing_profile_keeps_state(client):
    client.post("/api/tenants", json=ACME)
    assert client.get("/_mock/profile").json == {"profile": "documented", "profiles": profile_names()}
    assert client.put("/_mock/profile", json={"profile": "shipped"}).json["profile"] == "shipped"
    assert client.put("/api/astamis/DBdel/a/b").status_code == 405
    assert tenants(client) == ["acme", "default"]


# Rejected requests.

TABLE = "state/tables/cluster"


@pytest.mark.parametrize(("method", "path", "body", "status", "message"), [
    ("PUT", "state", {"tables": {"clusterr": []}}, 422, "unknown table 'clusterr'; did you mean cluster?"),
    ("PUT", "state", {"tables": {"cluster": [{"pkey": "a"}, {"pkee": "b"}]}}, 422, "did you mean pkey?"),
    ("PUT", "state", {"tables": {"cluster": [{"pkey": "a"}, {"pkey": "a"}]}}, 422, "row a already exists"),
    ("PUT", "state", {"tables": {"cluster": {}}}, 422, "tables.cluster: "),
    ("PUT", "state", {"tables": {"cluster": [{"pkey": [1]}]}}, 422, "tables.cluster.0.pkey: "),
    ("PUT", "state", {"pbx": "ringing"}, 422, "pbx: "),
    ("PUT", "state", {"base": "fctory"}, 422, "unknown seed 'fctory'; did you mean factory?"),
    ("PUT", "state", {"tabels": {}}, 422, "unknown key 'tabels'; did you mean tables?"),
    ("PUT", "state", {"files": {"/x": {"base64": "?"}}}, 422, "files./x: "),
    ("PUT", "state", {"files": {"/x": {"base64": "\x80"}}}, 422, "files./x: "),
    ("PUT", "state", {"astdb": {"a": {"\ud800": "x"}}}, 400, "text that is not UTF-8"),
    ("PATCH", "state", {"astdb": {"a": 1}}, 422, "astdb.a: "),
    ("PATCH", "state", {"tables": {"cluster": [{"pkey": "a"}], "nosuch": []}}, 422, "unknown table 'nosuch'"),
    ("GET", "state/tables/clusterr", None, 404, "unknown table 'clusterr'; did you mean cluster?"),
    ("GET", f"{TABLE}/defalt", None, 404, "unknown row of cluster 'defalt'; did you mean default?"),
    ("GET", "state/tables/IPphoneCOSopen/1001", None, 404, "the key of IPphoneCOSopen is IPphone_pkey/COS_pkey"),
    ("POST", TABLE, [{"pkey": "new"}, {"pkey": "default"}], 409, "row default of cluster already exists"),
    ("POST", TABLE, [{"pkey": "new"}, {"pkee": "x"}], 422, "1.pkee: unknown column 'pkee'; did you mean pkey?"),
    ("PUT", TABLE, [{"pkey": "new"}, {"pkey": "new"}], 422, "row new already exists"),
    ("PATCH", TABLE, [{"pkey": "new"}, {"description": "x"}], 422, "1: the key pkey is missing"),
    ("PATCH", f"{TABLE}/default", {"pkey": "other"}, 422, "pkey: the path has default, the body other"),
    ("PATCH", f"{TABLE}/nosuch", {"description": "x"}, 404, "unknown row of cluster 'nosuch'"),
    ("DELETE", f"{TABLE}/nosuch", None, 404, "unknown row of cluster 'nosuch'"),
    ("GET", f"{TABLE}?limit=-1", None, 422, "limit: "),
    ("PUT", "seed", {"seed": "fctory"}, 422, "unknown seed 'fctory'; did you mean factory?"),
    ("PUT", "seed", {}, 422, "body: "),
    ("PUT", "seed", {"file": "nosuch.yaml"}, 404, "unknown file 'nosuch.yaml'"),
    ("POST", "load", {"file": "bad.yaml"}, 422, "bad.yaml: "),
    ("PUT", "clock", {"now": "tomorrow"}, 422, "'tomorrow' is not a date and time"),
    ("PUT", "clock", {"now": "2026-03-29T01:59:50"}, 422, "lacks a time zone"),
    ("PUT", "clock", {"now": 1e18}, 422, "the year must be 1 to 9999"),
    ("POST", "clock/advance", {"seconds": 1e18}, 422, "the year must be 1 to 9999"),
    ("POST", "clock/advance", {"seconds": "10"}, 422, "seconds: "),
    ("PATCH", "pbx", {"boot_seconds": -1}, 422, "boot_seconds: "),
    ("PATCH", "pbx", {"boot_second": 1}, 422, "unknown key 'boot_second'; did you mean boot_seconds?"),
    ("PUT", "profile", {"profile": "shiped"}, 422, "unknown profile 'shiped'; did you mean shipped?"),
    ("PUT", "profile", {"profile": "/etc/hosts.yaml"}, 422, "unknown profile"),
])
def test_rejection_has_message_and_changes_nothing(client, engine, tmp_path, method, path, body, status, message):
    (tmp_path / "bad.yaml").write_text("tables:\n  cluster:\n    - {pkee: x}\n")
    before = image(engine)
    response = client.open(f"/_mock/{path}", method=method, json=body)
    assert (response.status_code, message in response.json["error"]) == (status, True), response.json
    assert image(engine) == before
    assert client.get("/_mock/profile").json["profile"] == "documented"


LARGE = {f"key{number}": number for number in range(10_000)}


@pytest.mark.parametrize(("method", "path", "body"), [
    ("PUT", "seed", LARGE), ("PUT", "clock", {"now": LARGE}), ("PATCH", "pbx", {"status": LARGE}),
    ("PUT", "profile", {"profile": LARGE}), ("POST", "faults", {"status": LARGE}), ("PUT", "state", LARGE),
    ("PUT", "state", {"tables": {"cluster": LARGE}}), ("PUT", "state", {"pbx": LARGE}), ("PUT", TABLE, LARGE),
    ("PUT", TABLE, [{"pkey": LARGE}]), ("POST", "clock/advance", {"seconds": LARGE}),
    ("POST", "load", {"file": LARGE})])
def test_message_about_large_value_is_short(client, method, path, body):
    response = client.open(f"/_mock/{path}", method=method, json=body)
    assert response.status_code == 422
    assert len(response.json["error"]) < 600


def test_error_in_state_is_reported_with_line(client):
    text = "tables:\n  cluster:\n    - {pkey: a}\n    - {pkey: b,\n       descripton: x}\n"
    response = client.put("/_mock/state", data=text, content_type=YAML).json
    assert (response["line"], response["place"]) == (5, "tables.cluster.1.descripton")
    assert "did you mean description?" in response["error"]


# Long requests run concurrently with requests to the API.

class Watched:
    """A lock that measures the longest processor time for which a thread held it."""

    def __init__(self):
        self.lock, self.longest = threading.Lock(), 0.0

    def __enter__(self):
        self.lock.acquire()
        self.began = time.thread_time()

    def __exit__(self, *_):
        self.longest = max(self.longest, time.thread_time() - self.began)
        self.lock.release()


MANY = [{"pkey": str(100_000 + number), "cluster": "default"} for number in range(5_000)]
PHONES = "/_mock/state/tables/ipphone"
LONG = [("PUT", PHONES, MANY), ("GET", PHONES, None), ("PATCH", PHONES, MANY), ("POST", PHONES, MANY[:1]),
        ("GET", f"{PHONES}/99", None), ("GET", "/_mock/state", None), ("PATCH", "/_mock/state", {"astdb": {}}),
        ("POST", "/_mock/save", {"file": "a.yaml"}), ("GET", "/_mock/journal/1/compare?profile=shipped", None),
        ("PUT", "/_mock/state", {"tables": {"ipphone": MANY}}), ("PUT", "/_mock/seed", {"seed": "big"}),
        ("POST", "/_mock/reset", None)]


def test_control_plane_requests_do_not_block_api(engine, tmp_path):
    client = client_of(engine, journal=Journal(engine), control=Control(directory=tmp_path))
    client.get("/api/tenants")
    engine.lock = watched = Watched()
    for method, path, body in LONG:
        if path == "/_mock/save":
            engine.state.tables.remove("ipphone", {})  # writing them as text takes a minute
        assert client.open(path, method=method, json=body).status_code in (200, 201, 204, 404, 409), path
        assert watched.longest < 0.1, path


def test_long_change_does_not_lose_concurrent_changes(engine):
    state, other = engine.state, []

    def work(copy):
        if len(other) < 5:
            other.append(f"t{len(other)}")
            if not engine.lock.locked():
                state.tables.insert("cluster", {"pkey": other[-1]})
        copy.tables.insert("cluster", {"pkey": "acme"})
        copy.astdb["cfim", "1001"] = "42"
        return len(other)

    assert engine.rewrite(work) == 4
    assert state.tables.values("cluster", "pkey") == ["acme", "default", "t0", "t1", "t2"]
    assert state.astdb == {("cfim", "1001"): "42"}

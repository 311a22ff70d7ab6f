"""Named seeds: their content, repeatability, and the message about an unknown name."""

import json

import pytest

from sarkmock import Engine, SeedError, State, load_seed, profile_names, seed_names
from sarkmock.http.engine import ApiRequest
from sarkmock.spec.yaml12 import FileError
from sarkmock.suite_api import load
from tests.serving import mistake, sarkmock, serving


def count(engine, path):
    reply = engine.handle(ApiRequest("GET", path))
    assert reply.status == 200
    return len(reply.body)


@pytest.mark.parametrize("name", seed_names())
def test_named_seed_is_repeatable(name):
    first, second = (State(load_seed(name), now=1000.0) for _ in range(2))
    assert first.tables.dump() == second.tables.dump()
    engine = Engine(state=first)
    assert count(engine, "tenants") >= 1
    assert engine.handle(ApiRequest("GET", "globals")).status == 200


def test_sizes_of_seeds_big_and_empty():
    assert count(Engine(state=State(load_seed("big"))), "extensions") == 10_000
    empty = State(load_seed("empty"))
    assert {table for table in empty.tables.tables() if empty.tables.rows(table)} == {"cluster", "globals"}


@pytest.mark.parametrize("profile", profile_names())
@pytest.mark.parametrize("name", seed_names())
def test_named_seeds_pass_validation(name, profile):
    seed = load_seed(name, load(profile))
    assert load_seed(seed.content(), load(profile)) == seed


def test_seed_demo_has_rows_in_every_list():
    engine = Engine(state=State(load_seed("demo")))
    lists = [item.path for item in engine.operations if item.method == "GET" and item.hazard == "read" and item.table
             and not item.parameters and not item.table.fixed]
    assert [path for path in lists if count(engine, path.strip("/")) == 0] == ["/coscloses"]
    assert count(engine, "greetings") == 2
    forwarded = engine.handle(ApiRequest("GET", "extensions/1004/runtime")).body
    assert forwarded == {"cfim": "1001", "cfbs": "", "ringdelay": ""}


ON_A_BASE = """\
base: demo
tables:
  cluster:
    - {pkey: acme, description: Acme}
  globals:
    - {pkey: global, SYSOP: '1001'}
  lineio:
    - {pkey: '01632960199', carrier: DiD, technology: DiD, cluster: acme, openroute: Sales}
"""


def test_seed_with_base_adds_rows_and_changes_columns(tmp_path):
    file = tmp_path / "seed.yaml"
    file.write_text(ON_A_BASE)
    seed, base = load_seed(file), load_seed("demo")
    assert seed.tables["cluster"][:-1] == base.tables["cluster"]
    assert seed.tables["globals"] == [base.tables["globals"][0] | {"SYSOP": "1001"}]
    assert (seed.files, seed.astdb, seed.running) == (base.files, base.astdb, base.running)


@pytest.mark.parametrize(("old", "new", "line", "message"), [
    ("cluster: acme", "cluster: amce", 8, "The selected cluster is invalid.; did you mean acme?"),
    ("Sales", "Slaes", 8, "lineio.0.openroute: the API rejects 'Slaes': It leads nowhere.; did you mean Sales?"),
    ("'1001'", "alice", 6, "SYSOP: the API rejects 'alice': The s y s o p must be an integer."),
    ("base: demo", "base: dmeo", 1, "unknown seed 'dmeo'; did you mean demo?"),
    ("DiD, tech", "DID, tech", 8, "did you mean DiD?"),
    ("tables:", "tables:\n  queue:\n  - {id: 1, pkey: Other}", 4, "UNIQUE constraint failed: queue.id"),
    ("tables:", "unchecked: perhaps\ntables:", 2, "must be true or false"),
    ("tables:", "tables:\n  ivrmenu:\n  - {pkey: twice}\n  - {pkey: twice}", 5, "row twice already exists"),
])
def test_rows_that_the_api_rejects_are_reported_with_line_and_suggestion(tmp_path, old, new, line, message):
    file = tmp_path / "seed.yaml"
    file.write_text(ON_A_BASE.replace(old, new, 1))
    with pytest.raises(FileError) as caught:
        load_seed(file)
    assert caught.value.line == line
    assert message in str(caught.value)


def test_unchecked_rows_are_loaded():
    content = {"unchecked": True, "tables": {"agent": [{"pkey": "1001", "cluster": "gone"}]}}
    assert load_seed(content).tables == content["tables"]
    with pytest.raises(SeedError, match="`unchecked: true`"):
        load_seed({"tables": content["tables"]})


def test_rows_written_by_the_api_are_accepted():
    engine = Engine(state=State(load_seed("demo")))
    for path, body in (("extensions/unprovisioned", {"pkey": "3001", "cluster": "default"}),
                       ("trunks", {"pkey": "New", "cluster": "default", "carrier": "GeneralSIP", "username": "u",
                                   "host": "192.0.2.1"}),
                       ("agents", {"pkey": "1300", "cluster": "default", "name": "N", "passwd": "2300"})):
        headers = {"Content-Type": "application/json"}
        assert engine.handle(ApiRequest("POST", path, headers=headers, body=json.dumps(body).encode())).status == 201
    assert State(load_seed(engine.state.to_seed().content())).to_seed() == engine.state.to_seed()


@pytest.mark.parametrize(("name", "message"), [("facotry", "did you mean factory? Known: factory, empty"),
                                               ("nothing/there.yaml", "No such file")])
def test_unknown_seed_is_reported_with_suggestion(name, message):
    with pytest.raises(FileError, match=message[:10]) as caught:
        load_seed(name)
    assert message in str(caught.value)
    assert message in mistake("serve", "--port", "0", "--seed", name)


def test_serve_with_named_seed():
    with serving("--http", "--seed", "big") as running:
        assert len(json.loads(running.get("/api/extensions"))) == 10_000


def test_seeds_are_listed_as_text_and_json():
    listed = json.loads(sarkmock("seeds", "--json").stdout)
    assert [seed["name"] for seed in listed] == seed_names()
    text = sarkmock("seeds").stdout
    assert all(seed["name"] in text and seed["holds"] in text for seed in listed)

"""The seeds by name: what they hold, that they are the same every time, and what a wrong name is told."""

import json

import pytest

from sarkmock import Engine, SeedError, State, load_seed, profiles, seed_names
from sarkmock.http.engine import Request
from sarkmock.spec.yaml12 import FileError
from sarkmock.suite_api import load
from tests.serving import mistake, sarkmock, serving


def count(engine, path):
    reply = engine.handle(Request("GET", path))
    assert reply.status == 200
    return len(reply.body)


@pytest.mark.parametrize("name", seed_names())
def test_a_named_seed_is_served_and_is_the_same_every_time(name):
    first, second = (State(load_seed(name), now=1000.0) for _ in range(2))
    assert first.tables.dump() == second.tables.dump()
    engine = Engine(state=first)
    assert count(engine, "tenants") >= 1
    assert engine.handle(Request("GET", "globals")).status == 200


def test_the_big_one_is_big_and_the_empty_one_empty():
    assert count(Engine(state=State(load_seed("big"))), "extensions") == 10_000
    empty = State(load_seed("empty"))
    assert {table for table in empty.tables.tables() if empty.tables.rows(table)} == {"cluster", "globals"}


@pytest.mark.parametrize("profile", profiles())
@pytest.mark.parametrize("name", seed_names())
def test_the_api_would_have_written_what_a_named_seed_holds(name, profile):
    seed = load_seed(name, load(profile))
    assert load_seed(seed.content(), load(profile)) == seed


def test_the_demo_shows_something_in_every_list():
    engine = Engine(state=State(load_seed("demo")))
    lists = [one for one in engine.operations if one.method == "GET" and one.hazard == "read" and one.table
             and not one.parameters and not one.table.fixed]
    assert [one.path for one in lists if count(engine, one.path.strip("/")) == 0] == ["/coscloses"]
    assert count(engine, "greetings") == 2
    forwarded = engine.handle(Request("GET", "extensions/1004/runtime")).body
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


def test_a_seed_on_a_base_adds_rows_and_changes_columns(tmp_path):
    file = tmp_path / "seed.yaml"
    file.write_text(ON_A_BASE)
    seed, base = load_seed(file), load_seed("demo")
    assert seed.tables["cluster"][:-1] == base.tables["cluster"]
    assert seed.tables["globals"] == [base.tables["globals"][0] | {"SYSOP": "1001"}]
    assert (seed.files, seed.astdb, seed.running) == (base.files, base.astdb, base.running)


@pytest.mark.parametrize(("old", "new", "line", "said"), [
    ("cluster: acme", "cluster: amce", 8, "The selected cluster is invalid.; did you mean acme?"),
    ("Sales", "Slaes", 8, "lineio.0.openroute: the API rejects 'Slaes': It leads nowhere.; did you mean Sales?"),
    ("'1001'", "alice", 6, "SYSOP: the API rejects 'alice': The s y s o p must be an integer."),
    ("base: demo", "base: dmeo", 1, "unknown seed 'dmeo'; did you mean demo?"),
    ("DiD, tech", "DID, tech", 8, "did you mean DiD?"),
    ("tables:", "tables:\n  queue:\n  - {id: 1, pkey: Other}", 4, "UNIQUE constraint failed: queue.id"),
    ("tables:", "unchecked: perhaps\ntables:", 2, "must be true or false"),
    ("tables:", "tables:\n  ivrmenu:\n  - {pkey: twice}\n  - {pkey: twice}", 5, "row twice already exists"),
])
def test_what_the_api_would_reject_is_told_with_line_and_nearest_name(tmp_path, old, new, line, said):
    file = tmp_path / "seed.yaml"
    file.write_text(ON_A_BASE.replace(old, new, 1))
    with pytest.raises(FileError) as caught:
        load_seed(file)
    assert caught.value.line == line
    assert said in str(caught.value)


def test_unchecked_rows_are_loaded_all_the_same():
    content = {"unchecked": True, "tables": {"agent": [{"pkey": "1001", "cluster": "gone"}]}}
    assert load_seed(content).tables == content["tables"]
    with pytest.raises(SeedError, match="`unchecked: true`"):
        load_seed({"tables": content["tables"]})


def test_what_the_api_has_written_is_never_rejected():
    engine = Engine(state=State(load_seed("demo")))
    for path, body in (("extensions/unprovisioned", {"pkey": "3001", "cluster": "default"}),
                       ("trunks", {"pkey": "New", "cluster": "default", "carrier": "GeneralSIP", "username": "u",
                                   "host": "192.0.2.1"}),
                       ("agents", {"pkey": "1300", "cluster": "default", "name": "N", "passwd": "2300"})):
        headers = {"Content-Type": "application/json"}
        assert engine.handle(Request("POST", path, headers=headers, body=json.dumps(body).encode())).status == 201
    assert State(load_seed(engine.state.to_seed().content())).to_seed() == engine.state.to_seed()


@pytest.mark.parametrize(("name", "said"), [("facotry", "did you mean factory? Known: factory, empty"),
                                            ("nothing/there.yaml", "No such file")])
def test_a_name_that_is_none_is_told_with_the_nearest(name, said):
    with pytest.raises(FileError, match=said[:10]) as caught:
        load_seed(name)
    assert said in str(caught.value)
    assert said in mistake("serve", "--port", "0", "--seed", name)


def test_serve_takes_a_name():
    with serving("--http", "--seed", "big") as running:
        assert len(json.loads(running.get("/api/extensions"))) == 10_000


def test_the_names_are_listed_for_people_and_programs():
    listed = json.loads(sarkmock("seeds", "--json").stdout)
    assert [one["name"] for one in listed] == seed_names()
    text = sarkmock("seeds").stdout
    assert all(one["name"] in text and one["holds"] in text for one in listed)

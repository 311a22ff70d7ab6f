"""The seeds by name: what they hold, that they are the same every time, and what a wrong name is told."""

import json

import pytest

from sarkmock import Engine, State, load_seed, seed_names
from sarkmock.engine import Request
from sarkmock.yaml12 import FileError
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


@pytest.mark.parametrize(("name", "said"), [("facotry", "did you mean factory? There is factory, empty"),
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

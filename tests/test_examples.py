"""Requests that found something: kept by Hypothesis' own databases, found again by another machine."""

import sys

import fakeredis
import pytest
import redis
from sarkmock_contracts.checks.smoke import check_examples
from sarkmock_contracts.client.http import Request, with_json
from sarkmock_contracts.errors import CannotRun
from sarkmock_contracts.judge.examples import Examples, open_database
from sarkmock_contracts.run import open_run
from sarkmock_contracts.run_options import RunOptions

REQUEST = Request("PUT", "/tenants/gone", "a=%C3%A9", (("Accept", "application/json"),), b'\x00\xff{"x": 1}')


def test_a_directory_keeps_requests_as_they_were(tmp_path):
    place = str(tmp_path / "found")
    Examples([place]).save("tenants.update", REQUEST)
    Examples([place]).save("tenants.update", REQUEST)
    assert list(Examples([place]).requests("tenants.update")) == [REQUEST]
    assert list(Examples([place]).requests("tenants.create")) == []


def test_several_places_are_one(tmp_path):
    shared, own = str(tmp_path / "shared"), str(tmp_path / "own")
    Examples([shared]).save("tenants.list", REQUEST)
    both = Examples([own, shared])
    assert list(both.requests("tenants.list")) == [REQUEST]


def test_without_a_place_nothing_is_kept():
    examples = Examples()
    examples.save("tenants.list", REQUEST)
    assert list(examples.requests("tenants.list")) == []


@pytest.mark.parametrize("place", ["github:owner", "github:/repository", "http://somewhere", "s3://bucket"])
def test_another_place_is_a_mistake(place):
    with pytest.raises(CannotRun, match="--example-database"):
        open_database(place)


def test_github_is_read_only():
    database = open_database("github:owner/repository")
    database.save(b"key", b"value")  # goes nowhere
    assert type(database).__name__ == "ReadOnlyDatabase"


def test_redis_is_needed_only_where_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(CannotRun, match=r"sarkmock\[redis\]"):
        open_database("redis://127.0.0.1")


def test_redis_serves_many_machines(monkeypatch):
    server = fakeredis.FakeServer()
    monkeypatch.setattr(redis.Redis, "from_url", lambda place: fakeredis.FakeRedis(server=server))
    request = with_json("PUT", "/tenants/acme", {"localarea": "2.5"})
    Examples(["redis://one"]).save("tenants.update", request)
    assert list(Examples(["redis://another"]).requests("tenants.update")) == [request]


@pytest.mark.parametrize("place", ["redis://:hunter2@127.0.0.1:1", "redis://127.0.0.1:port"])
def test_redis_that_does_not_answer_is_a_mistake(place):
    with pytest.raises(CannotRun, match="--example-database redis://") as told:
        open_database(place)
    assert "hunter2" not in str(told.value)


def test_what_one_run_found_the_next_meets_first(tmp_path):
    settings = RunOptions(target_profile="shipped", example_database=(str(tmp_path),))
    first = open_run(settings)
    operation = first.contract.by_id["tenants.update"]
    path = first.fixtures.request(operation).path
    with first.watch():
        first.send(with_json("PUT", path, {"localarea": "2.5"}))
    found = "tenants.update rules localarea accepted"
    assert found in map(str, (finding.identity for finding in first.findings))
    assert list(first.examples.requests("tenants.update")) == []  # known: the list of deviations tells it already
    strict = RunOptions(target_profile="shipped", example_database=(str(tmp_path),), strict=True)
    second = open_run(strict)
    with pytest.raises(AssertionError), second.watch():
        second.send(with_json("PUT", second.fixtures.request(operation).path, {"localarea": "2.5"}))
    third = open_run(strict)
    with pytest.raises(AssertionError), third.watch():
        check_examples(third, operation)
    assert found in map(str, (finding.identity for finding in third.findings))

"""`--example-database`: requests with findings are stored in Hypothesis databases and sent again by later runs."""

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


def test_directory_stores_requests(tmp_path):
    location = str(tmp_path / "found")
    Examples([location]).save("tenants.update", REQUEST)
    Examples([location]).save("tenants.update", REQUEST)
    assert list(Examples([location]).requests("tenants.update")) == [REQUEST]
    assert list(Examples([location]).requests("tenants.create")) == []


def test_databases_are_combined(tmp_path):
    shared, own = str(tmp_path / "shared"), str(tmp_path / "own")
    Examples([shared]).save("tenants.list", REQUEST)
    both = Examples([own, shared])
    assert list(both.requests("tenants.list")) == [REQUEST]


def test_nothing_is_stored_without_a_database():
    examples = Examples()
    examples.save("tenants.list", REQUEST)
    assert list(examples.requests("tenants.list")) == []


@pytest.mark.parametrize("location", ["github:owner", "github:/repository", "http://somewhere", "s3://bucket"])
def test_invalid_location_is_reported(location):
    with pytest.raises(CannotRun, match="--example-database"):
        open_database(location)


def test_github_is_read_only():
    database = open_database("github:owner/repository")
    database.save(b"key", b"value")  # ignored
    assert type(database).__name__ == "ReadOnlyDatabase"


def test_missing_redis_package_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(CannotRun, match=r"sarkmock\[redis\]"):
        open_database("redis://127.0.0.1")


def test_redis_is_shared_by_machines(monkeypatch):
    server = fakeredis.FakeServer()
    monkeypatch.setattr(redis.Redis, "from_url", lambda location: fakeredis.FakeRedis(server=server))
    request = with_json("PUT", "/tenants/acme", {"localarea": "2.5"})
    Examples(["redis://one"]).save("tenants.update", request)
    assert list(Examples(["redis://another"]).requests("tenants.update")) == [request]


@pytest.mark.parametrize("location", ["redis://:hunter2@127.0.0.1:1", "redis://127.0.0.1:port"])
def test_unreachable_redis_is_reported_without_password(location):
    with pytest.raises(CannotRun, match="--example-database redis://") as caught:
        open_database(location)
    assert "hunter2" not in str(caught.value)


def test_stored_requests_are_sent_first(tmp_path):
    settings = RunOptions(target_profile="shipped", example_database=(str(tmp_path),))
    first = open_run(settings)
    operation = first.contract.by_id["tenants.update"]
    path = first.fixtures.request(operation).path
    with first.watch():
        first.send(with_json("PUT", path, {"localarea": "2.5"}))
    expected = "tenants.update rules localarea accepted"
    assert expected in map(str, (finding.identity for finding in first.findings))
    assert list(first.examples.requests("tenants.update")) == []  # known findings are not stored
    strict = RunOptions(target_profile="shipped", example_database=(str(tmp_path),), strict=True)
    second = open_run(strict)
    with pytest.raises(AssertionError), second.watch():
        second.send(with_json("PUT", second.fixtures.request(operation).path, {"localarea": "2.5"}))
    third = open_run(strict)
    with pytest.raises(AssertionError), third.watch():
        check_examples(third, operation)
    assert expected in map(str, (finding.identity for finding in third.findings))

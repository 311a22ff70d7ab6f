"""The rate limit: headers, 429 as JSON and as a page, and a fixed window by the PBX's clock."""

import json

import pytest
from click.testing import CliRunner

from sarkmock.cli.serve import serve
from sarkmock.http.engine import Engine
from sarkmock.pbx.state import State
from tests.boxes import NOW
from tests.engines import client_of

JSON = {"Accept": "application/json"}


@pytest.fixture
def engine():
    return Engine(state=State(now=NOW))


@pytest.fixture
def client(engine):
    return client_of(engine, throttle=3)


def exhaust(client):
    for _ in range(3):
        client.get("/api/tenants")


def test_responses_have_rate_limit_headers(client):
    responses = [client.get("/api/tenants"), client.post("/api/tenants", json={}), client.get("/api/nosuch")]
    assert [response.status_code for response in responses] == [200, 422, 404]
    assert [response.headers["X-RateLimit-Limit"] for response in responses] == ["3", "3", "3"]
    assert [response.headers["X-RateLimit-Remaining"] for response in responses] == ["2", "1", "0"]


def test_429_of_laravel_when_exceeded(client, engine):
    exhaust(client)
    engine.state.clock.advance(20)
    response = client.get("/api/tenants", headers=JSON)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "40"
    assert response.headers["X-RateLimit-Reset"] == str(NOW + 60)
    assert response.headers["X-RateLimit-Remaining"] == "0"
    assert list(response.json) == ["message", "exception", "file", "line", "trace"]
    assert response.json["message"] == "Too Many Attempts."


def test_429_without_accept_is_a_page(client):
    exhaust(client)
    response = client.get("/api/tenants")
    assert response.content_type == "text/html; charset=UTF-8"
    assert "Too Many Attempts." in response.text


def test_rejected_request_changes_nothing(client, engine):
    exhaust(client)
    client.post("/api/tenants", json={"pkey": "late", "description": "late"})
    assert engine.state.tables.count("cluster", "pkey", "late") == 0


def test_window_is_fixed_and_starts_with_a_request(client, engine):
    clock = engine.state.clock
    client.get("/api/tenants")
    clock.advance(59)
    exhaust(client)
    assert client.get("/api/tenants").status_code == 429
    clock.advance(1)
    assert client.get("/api/tenants").headers["X-RateLimit-Remaining"] == "2"


def test_clock_set_back_starts_a_new_window(client, engine):
    engine.state.clock.advance(1000)
    exhaust(client)
    client.post("/_mock/reset")
    assert client.get("/api/tenants").status_code == 200


def test_reset_starts_a_new_window(client):
    exhaust(client)
    client.post("/_mock/reset")
    assert client.get("/api/tenants").headers["X-RateLimit-Remaining"] == "2"


def test_control_plane_and_mock_without_throttle_are_not_limited(client, engine):
    exhaust(client)
    assert client.get("/_mock/health").status_code == 200
    assert "X-RateLimit-Limit" not in client_of(engine).get("/api/tenants").headers


def test_other_headers_are_kept(client):
    assert json.loads(client.get("/api/tenants").text)
    assert client.patch("/api/tenants", headers=JSON).headers["Allow"] == "GET, HEAD, POST"


def test_throttle_must_be_positive():
    response = CliRunner().invoke(serve, ["--throttle", "0"])
    assert response.exit_code == 2
    assert "--throttle" in response.output

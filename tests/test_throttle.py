"""The limit of a real box: its headers, its 429 in both forms, its fixed window by the PBX's own clock."""

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


def test_every_answer_says_the_limit_and_what_is_left(client):
    answers = [client.get("/api/tenants"), client.post("/api/tenants", json={}), client.get("/api/nosuch")]
    assert [answer.status_code for answer in answers] == [200, 422, 404]
    assert [answer.headers["X-RateLimit-Limit"] for answer in answers] == ["3", "3", "3"]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["2", "1", "0"]


def test_beyond_it_laravels_429(client, engine):
    exhaust(client)
    engine.state.clock.advance(20)
    answer = client.get("/api/tenants", headers=JSON)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "40"
    assert answer.headers["X-RateLimit-Reset"] == str(NOW + 60)
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert list(answer.json) == ["message", "exception", "file", "line", "trace"]
    assert answer.json["message"] == "Too Many Attempts."


def test_without_accept_it_is_a_page(client):
    exhaust(client)
    answer = client.get("/api/tenants")
    assert answer.content_type == "text/html; charset=UTF-8"
    assert "Too Many Attempts." in answer.text


def test_what_is_rejected_is_not_carried_out(client, engine):
    exhaust(client)
    client.post("/api/tenants", json={"pkey": "late", "description": "late"})
    assert engine.state.tables.count("cluster", "pkey", "late") == 0


def test_the_window_is_fixed_and_begins_with_a_request(client, engine):
    clock = engine.state.clock
    client.get("/api/tenants")
    clock.advance(59)
    exhaust(client)
    assert client.get("/api/tenants").status_code == 429
    clock.advance(1)
    assert client.get("/api/tenants").headers["X-RateLimit-Remaining"] == "2"


def test_a_clock_that_is_set_back_begins_a_new_window(client, engine):
    engine.state.clock.advance(1000)
    exhaust(client)
    client.post("/_mock/reset")
    assert client.get("/api/tenants").status_code == 200


def test_a_reset_begins_a_new_window(client):
    exhaust(client)
    client.post("/_mock/reset")
    assert client.get("/api/tenants").headers["X-RateLimit-Remaining"] == "2"


def test_the_control_plane_and_a_box_without_limit_know_no_limit(client, engine):
    exhaust(client)
    assert client.get("/_mock/health").status_code == 200
    assert "X-RateLimit-Limit" not in client_of(engine).get("/api/tenants").headers


def test_headers_of_the_answer_itself_stay(client):
    assert json.loads(client.get("/api/tenants").text)
    assert client.patch("/api/tenants", headers=JSON).headers["Allow"] == "GET, HEAD, POST"


def test_serve_wants_a_number_above_zero():
    answer = CliRunner().invoke(serve, ["--throttle", "0"])
    assert answer.exit_code == 2
    assert "--throttle" in answer.output

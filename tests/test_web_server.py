"""What Apache answers before PHP sees a request, and that a box without it can be had."""

from __future__ import annotations

from typing import Any

import pytest

from sarkmock import SarkMock
from sarkmock.http.direct import direct
from sarkmock.http.engine import Engine
from sarkmock.http.flask_app import create_app
from sarkmock.http.web_server import apache_rejection, raw_path
from sarkmock.journal import Journal
from sarkmock.journal.diagnosis import why
from tests.wire import call, environ_of

PROFILES = ["documented", "shipped"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def ask(target: str, method: str = "GET", body: bytes = b"", **options: Any) -> tuple[int, dict[str, str], bytes]:
    fields = {"Host": "localhost:44300", "Accept": "application/json", "Content-Type": "application/json",
              "Content-Length": str(len(body))}
    return call(direct(create_app(**options)), environ_of(method, target, fields, body))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("method", METHODS)
def test_a_slash_at_the_end_is_redirected_and_nothing_is_done(profile: str, method: str) -> None:
    engine = Engine(profile=profile)
    body = b'{"pkey": "acme", "description": "x"}'
    status, headers, content = ask("/api/tenants/?a=%2F", method, body, engine=engine)
    assert (status, headers["Location"]) == (301, "http://localhost:44300/api/tenants?a=%2F")
    assert headers["Content-Type"] == "text/html; charset=iso-8859-1"
    assert "Cache-Control" not in headers
    assert bool(content) is (method != "HEAD")
    assert [row["pkey"] for row in engine.state.tables.rows("cluster")] == ["default"]


@pytest.mark.parametrize(("path", "status", "location"), [
    ("/api/tenants", None, ""), ("/api/tenants/default", None, ""), ("/", None, ""), ("/api/tenants/a%20b", None, ""),
    ("/api/tenants/", 301, "/api/tenants"), ("/api/tenants//", 301, "/api/tenants"), ("/api/", 301, "/api"),
    ("/api/tenants/a%20b/", 301, "/api/tenants/a%20b"), ("/api/tenants/%61/", 301, "/api/tenants/a"),
    ("/api/tenants/default/..", 301, "/api/tenants"), ("/api/tenants/.", 301, "/api/tenants"),
    ("/api/tenants/%C3%A9%7C<%0A/", 301, "/api/tenants/%c3%a9%7c%3c%0a"),
    ("/api/tenants/%253F/", 301, "/api/tenants/%253F"), ("/api/%3F/../tenants/", 301, "/api/tenants"),
    ("/api/tenants/a%3F", None, ""), ("/api/tenants/a%3fb/", 403, ""),
    ("/api/tenants/%2e", 301, "/api/tenants"), ("/api/tenants/../tenants", None, ""), ("/api//tenants", None, ""),
    ("/api/tenants/a%2Fb", 404, ""), ("/api/tenants/a%2f", 404, ""), ("/api/tenants/a%00", 404, ""),
    ("/api/tenants/%", 400, ""), ("/api/tenants/%z", 400, ""), ("/api/tenants/%2", 400, ""),
    ("/api/tenants/%zz%2F", 400, ""), ("/../api/tenants", 400, ""), ("/api/../../x", 400, ""),
    ("/api/tenants/%252F", None, ""), ("/api/tenants/%25", None, ""),
])
def test_paths(path: str, status: int | None, location: str) -> None:
    rejected = apache_rejection(path)
    assert (rejected and rejected.status, rejected.location if rejected else "") == (status, location)


@pytest.mark.parametrize(("target", "status"), [
    ("/api/tenants/a%2Fb", 404), ("/api/tenants/%zz", 400), ("/api/tenants/%3F/", 403)])
def test_errors_are_the_web_servers_own_pages(target: str, status: int) -> None:
    answer, headers, content = ask(target, throttle=60)
    assert (answer, headers["Content-Type"]) == (status, "text/html; charset=iso-8859-1")
    assert "X-RateLimit-Limit" not in headers
    assert content.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(("target", "status"), [
    ("/api/tenants/", 200), ("/api/tenants/a%2Fb", 404), ("/api/tenants/%zz", 404), ("/api%2Ftenants", 200),
    ("/nosuch", 404), ("/", 404)])
def test_without_a_web_server_php_answers(target: str, status: int) -> None:
    answer, headers, _ = ask(target, web_server=False)
    assert (answer, headers["Content-Type"]) == (status, "application/json")


@pytest.mark.parametrize("web_server", [True, False])
def test_the_control_plane_is_there_either_way(web_server: bool) -> None:
    assert ask("/_mock/health", web_server=web_server)[0] == 200


def test_paths_outside_the_api_are_not_the_apis() -> None:
    status, headers, _ = ask("/tenants")
    assert status == 404
    assert "X-RateLimit-Limit" not in headers


@pytest.mark.parametrize(("target", "reason"), [
    ("/api/tenants/", "Apache redirects"), ("/api/tenants/a%2Fb", "Apache does not pass on"),
    ("/api/tenants/%zz", "Apache rejects")])
def test_the_journal_says_that_it_was_the_web_server(target: str, reason: str) -> None:
    engine = Engine()
    journal = Journal(engine)
    ask(target, engine=engine, journal=journal)
    entry = journal.entries()[-1]
    assert [found.text.startswith(reason) for found in why(entry)] == [True]


@pytest.mark.parametrize("web_server", [True, False])
def test_a_mock_has_one_or_none(web_server: bool) -> None:
    mock = SarkMock(web_server=web_server)
    answer = mock.session().post(f"{mock.url}/tenants/", json={"pkey": "a", "description": "x"}, allow_redirects=False)
    assert answer.status_code == (301 if web_server else 201)


def test_followed_as_clients_do_it_creates_nothing() -> None:
    mock = SarkMock()
    answer = mock.session().post(f"{mock.url}/tenants/", json={"pkey": "a", "description": "x"})
    assert (answer.request.method, answer.status_code) == ("GET", 200)
    assert [row["pkey"] for row in answer.json()] == ["default"]


@pytest.mark.parametrize(("script", "path", "target", "raw"), [
    ("", "/api/a/b", "/api/a%2Fb?x", "/api/a%2Fb"), ("", "/api/a b", "", "/api/a%20b"),
    ("", "/api/%zz", "", "/api/%25zz"),
    ("", "/api/a", "http://h/api/a", "/api/a"), ("/sark", "/api/a/", "/sark/api/a/", "/api/a/"),
    ("", "/api/\xc3\xa9", "/api/%C3%A9", "/api/%C3%A9")])
def test_the_path_on_the_wire(script: str, path: str, target: str, raw: str) -> None:
    assert raw_path(script, path, target) == raw

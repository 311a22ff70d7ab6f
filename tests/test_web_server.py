"""Responses of Apache before PHP sees a request, and mocks without a web server."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from sarkmock import SarkMock
from sarkmock.control import MockControl
from sarkmock.http.direct import Direct
from sarkmock.http.engine import Engine
from sarkmock.http.flask_app import create_app
from sarkmock.http.web_server import apache_answer, raw_path
from sarkmock.journal import Journal
from sarkmock.journal.diagnosis import why
from sarkmock.spec import yaml12
from tests.engines import direct
from tests.wire import call, environ_of

PROFILES = ["documented", "shipped"]
OUTSIDE = yaml12.read(Path(__file__).parent / "cases" / "outside.yaml")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def send(target: str, method: str = "GET", body: bytes = b"", **options: Any) -> tuple[int, dict[str, str], bytes]:
    return call(direct(create_app(**options)), environ_for(method, target, body))


def environ_for(method: str, target: str, body: bytes = b"") -> dict[str, Any]:
    fields = {"Host": "localhost:44300", "Accept": "application/json", "Content-Type": "application/json",
              "Content-Length": str(len(body))}
    path = unquote_to_bytes(target.partition("?")[0].encode("latin-1"))
    return environ_of(method, target, fields, body) | {"PATH_INFO": path.decode("latin-1")}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("method", METHODS)
def test_trailing_slash_is_redirected_without_effect(profile: str, method: str) -> None:
    engine = Engine(profile=profile)
    body = b'{"pkey": "acme", "description": "x"}'
    status, headers, content = send("/api/tenants/?a=%2F", method, body, engine=engine)
    assert (status, headers["Location"]) == (301, "http://localhost:44300/api/tenants?a=%2F")
    assert headers["Content-Type"] == "text/html; charset=iso-8859-1"
    assert "Cache-Control" not in headers
    assert bool(content) is (method != "HEAD")
    assert [row["pkey"] for row in engine.state.tables.rows("cluster")] == ["default"]


@pytest.mark.parametrize("profile", ["2020-06", "shipped", "L10", "L11"])
def test_responses_outside_the_api_match_a_box(profile: str) -> None:
    expected = {case["request"]: response for case in OUTSIDE for names, response in case.items()
                if names != "request" and (names == "all" or profile in names.split())}
    application = Direct(MockControl(engine_of(profile)))
    actual = {request: response_of(application, *(*request.split(" ", 2), "")[:3]) for request in expected}
    assert actual == expected


def response_of(application: Direct, method: str, target: str, body: str) -> list[Any]:
    """Status, Content-Type and the other values that the cases name."""
    status, headers, content = call(application, environ_for(method, target, body.encode()))
    shown = {name: headers[name].removeprefix("http://localhost:44300") for name in ("Location", "Allow")
             if name in headers and (name == "Location" or status != 200)}
    if headers.get("Content-Type") == "application/json" and content.startswith(b"{"):
        shown |= {name: value for name, value in json.loads(content).items() if name == "message"}
    return [status, headers.get("Content-Type"), *[shown][:len(shown)]]


@cache
def engine_of(profile: str) -> Engine:
    return Engine(profile=profile)


@pytest.mark.parametrize("method", ["Head", "POST"])
@pytest.mark.parametrize(("target", "has_body"), [
    ("/api", True), ("/nosuch", True), ("/", False), ("/api/nosuch", False)])
def test_method_override_to_head_has_a_body_without_a_route(method: str, target: str, has_body: bool) -> None:
    _, _, content = send(target, method, b'{"_method": "HEAD"}', engine=engine_of("shipped"))
    assert bool(content) is has_body


def test_path_outside_the_api_has_a_hint() -> None:
    assert send("/tenants")[1]["X-Sarkmock-Hint"] == "the API is under /api; did you mean /api/tenants?"
    assert "X-Sarkmock-Hint" not in send("/api/tenant")[1]


def test_flask_hooks_do_not_change_responses_outside_the_api() -> None:
    app = create_app(engine=engine_of("L11"))
    plain = direct(app)
    hooked = create_app(engine=engine_of("L11"))
    hooked.before_request(lambda: None)
    for target in ("/", "/nosuch", "/up", "/robots.txt", "/index.php/api/nosuch", "/nosuch/", "*"):
        assert call(plain, environ_for("GET", target)) == call(hooked, environ_for("GET", target)), target


@pytest.mark.parametrize(("request_line", "accept", "prepared"), [
    ("GET /api/tenants", "", True), ("GET /api/nosuch", "", True), ("GET /api/greetings/x", "application/json", True),
    ("GET /", "", True), ("GET /api/greetings/x", "text/html", False), ("GET /nosuch", "application/json", False),
    ("PATCH /api/tenants", "application/json", False), ("PATCH /api/tenants", "text/html", False)])
def test_cache_control_of_http_1_0(request_line: str, accept: str, prepared: bool) -> None:
    for protocol in ("HTTP/1.0", "HTTP/1.1"):
        environ = environ_for(*request_line.split()) | {"SERVER_PROTOCOL": protocol, "HTTP_ACCEPT": accept}
        expected = "private, must-revalidate" if protocol == "HTTP/1.0" and prepared else "no-cache, private"
        assert call(Direct(MockControl(engine_of("shipped"))), environ)[1]["Cache-Control"] == expected


# Responses of boxes: the request, its headers, the status and the content.
FILE = b"User-agent: *\nDisallow:\n"
PARTS = (b"\r\n--B\r\nContent-type: text/plain\r\nContent-range: bytes 0-0/24\r\n\r\nU"
         b"\r\n--B\r\nContent-type: text/plain\r\nContent-range: bytes 3-4/24\r\n\r\nr-\r\n--B--\r\n")
CONDITIONS = [
    ("GET /robots.txt", {"If-Match": '"x"'}, 412, b""), ("POST /robots.txt", {"If-Match": ""}, 412, b""),
    ("GET /robots.txt", {"If-Match": "x*"}, 412, b""), ("GET /favicon.ico", {"If-Match": "x"}, 412, b""),
    ("GET /robots.txt", {"If-Match": "*"}, 200, FILE), ("GET /robots.txt", {"If-Match": '*, "x"'}, 200, FILE),
    ("OPTIONS /robots.txt", {"If-Match": '"x"'}, 200, b""), ("GET /robots.txt", {"If-None-Match": "*"}, 304, b""),
    ("GET /robots.txt", {"If-None-Match": '"x"'}, 200, FILE), ("POST /robots.txt", {"If-None-Match": "*"}, 412, b""),
    ("GET /robots.txt", {"If-Match": "x", "If-None-Match": "*"}, 412, b""),
    ("GET /robots.txt", {"If-None-Match": "*", "If-Modified-Since": "x"}, 200, FILE),
    ("GET /robots.txt", {"If-None-Match": "*", "If-Unmodified-Since": "x"}, 200, FILE),
    ("POST /robots.txt", {"If-None-Match": "*", "If-Modified-Since": "x"}, 412, b""),
    ("GET /robots.txt", {"If-None-Match": "*", "Range": "bytes=0-3"}, 304, b""),
    ("GET /robots.txt", {"Range": "bytes=0-3"}, 206, b"User"), ("HEAD /robots.txt", {"Range": "bytes=0-3"}, 206, b""),
    ("GET /robots.txt", {"Range": "bytes=-3"}, 206, b"w:\n"), ("GET /robots.txt", {"Range": "bytes=0-"}, 206, FILE),
    ("GET /robots.txt", {"Range": "bytes=-99"}, 206, FILE), ("POST /robots.txt", {"Range": "Bytes=0-"}, 206, FILE),
    ("GET /robots.txt", {"Range": "bytes=99-,0-3"}, 206, b"User"), ("GET /robots.txt", {"Range": "bytes=-"}, 200, FILE),
    ("GET /robots.txt", {"Range": "bytes=00-03,"}, 206, b"User"), ("GET /robots.txt", {"Range": "bytes=-0"}, 200, FILE),
    ("GET /robots.txt", {"Range": "bytes=5-2"}, 200, FILE), ("GET /robots.txt", {"Range": "bytes=0-3,a"}, 200, FILE),
    ("GET /robots.txt", {"Range": "bytes= 0-3"}, 200, FILE),
    ("GET /robots.txt", {"Range": "bytes=0-0,3-4"}, 206, PARTS),
    ("HEAD /robots.txt", {"Range": "bytes=0-0,3-4"}, 206, b""),
    ("GET /robots.txt", {"Range": "bytes=0-0,,3-4"}, 206, PARTS),
    ("GET /robots.txt", {"Range": "bytes=2-3,0-1"}, 206, b"User"),
    ("GET /robots.txt", {"Range": "bytes=0-19,30-,9-23"}, 206, FILE),
    ("GET /robots.txt", {"Range": "bytes=9-,0-0,9-"}, 200, FILE),
    ("GET /robots.txt", {"Range": "bytes=9-9,0-,5-2"}, 206, FILE),
    ("GET /robots.txt", {"Range": "bytes=,0-3"}, 200, FILE),
    ("GET /robots.txt", {"Range": "bytes=" + "0-3," * 21}, 206, b"User"),
    ("GET /robots.txt", {"Range": "bytes=" + "0-3," * 22}, 200, FILE),
    ("GET /robots.txt", {"Range": "bytes=9223372036854775808-"}, 200, FILE),
    ("GET /robots.txt", {"Range": "bytes=0-3", "If-Range": '"x"'}, 200, FILE),
    ("GET /favicon.ico", {"Range": "bytes=0-"}, 200, b""), ("OPTIONS /robots.txt", {"Range": "bytes=0-3"}, 200, b"")]


@pytest.mark.parametrize(("request_line", "fields", "status", "content"), CONDITIONS)
def test_conditional_and_range_requests(request_line: str, fields: dict[str, str], status: int, content: bytes) -> None:
    environ = environ_for(*request_line.split())
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in fields.items()}
    actual, headers, body = call(Direct(MockControl(engine_of("shipped"))), environ)
    boundary = headers.get("Content-Type", "").partition("multipart/byteranges; boundary=")[2].encode()
    assert (actual, body.replace(boundary, b"B") if boundary else body) == (status, content)
    assert ("Content-Range" in headers) is (status == 206 and not boundary)


@pytest.mark.parametrize("requested", ["bytes=24-", "bytes=99-,98-"])
def test_range_beyond_end_of_file_is_rejected(requested: str) -> None:
    environ = environ_for("GET", "/robots.txt") | {"HTTP_RANGE": requested}
    status, headers, _ = call(Direct(MockControl(engine_of("shipped"))), environ)
    assert (status, headers["Content-Type"]) == (416, "text/html; charset=iso-8859-1")


# Accept headers, and whether Laravel responds with JSON.
@pytest.mark.parametrize(("accept", "is_json"), [
    ("application/json", True), ("text/html, application/json", False), ("text/html;q=0.5, application/json", True),
    ('text/html;a="b;q=0.1", application/json;q=0.5', False), ('text/html; q="0.5", application/json;q=0.4', False),
    ("text/html;q, application/json;q=0.5", False), ("text/html;q=, application/json;q=0.5", True),
    (";q=1, application/json", False), (",, application/json ;; q = 1", True), ('"application/json"', True),
    ('text/html;q=0.1;a="\\"q=9", application/json;q=0.2', True), ("application/json=1;q=0.9, text/html;q=0.8", True)])
def test_accept_header_selects_json(accept: str, is_json: bool) -> None:
    environ = environ_for("PATCH", "/api/tenants") | {"HTTP_ACCEPT": accept}
    content_type = call(Direct(MockControl(engine_of("shipped"))), environ)[1]["Content-Type"]
    assert content_type == ("application/json" if is_json else "text/html; charset=UTF-8")


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
    ("/api/tenants/%252F", None, ""), ("/api/tenants/%25", None, ""), ("/robots.txt/x", 404, ""), ("*", 400, ""),
    ("/" + "a" * 255, None, ""), ("/" + "a" * 256, 403, ""), ("/" + "%61" * 256 + "/b", 403, ""),
    ("/api/" + "a" * 3000, None, ""), ("/api/" + "a" * 4090, 403, ""),
])
def test_paths(path: str, status: int | None, location: str) -> None:
    rejected = apache_answer("GET", path)
    assert (rejected and rejected.status, rejected.location if rejected else "") == (status, location)


@pytest.mark.parametrize(("target", "status"), [
    ("/api/tenants/a%2Fb", 404), ("/api/tenants/%zz", 400), ("/api/tenants/%3F/", 403)])
def test_errors_are_pages_of_the_web_server(target: str, status: int) -> None:
    actual, headers, content = send(target, throttle=60)
    assert (actual, headers["Content-Type"]) == (status, "text/html; charset=iso-8859-1")
    assert "X-RateLimit-Limit" not in headers
    assert content.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(("target", "status"), [
    ("/api/tenants/", 200), ("/api/tenants/a%2Fb", 404), ("/api/tenants/%zz", 404), ("/api%2Ftenants", 200),
    ("/nosuch", 404)])
def test_php_answers_without_web_server(target: str, status: int) -> None:
    actual, headers, _ = send(target, web_server=False)
    assert (actual, headers["Content-Type"]) == (status, "application/json")


@pytest.mark.parametrize("web_server", [True, False])
def test_control_plane_needs_no_web_server(web_server: bool) -> None:
    assert send("/_mock/health", web_server=web_server)[0] == 200


def test_paths_outside_the_api_are_not_rate_limited() -> None:
    status, headers, _ = send("/tenants")
    assert status == 404
    assert "X-RateLimit-Limit" not in headers


@pytest.mark.parametrize(("target", "reason"), [
    ("/api/tenants/", "Apache redirects"), ("/api/tenants/a%2Fb", "Apache does not pass on"),
    ("/api/tenants/%zz", "Apache rejects")])
def test_journal_explains_response_of_web_server(target: str, reason: str) -> None:
    engine = Engine()
    journal = Journal(engine)
    send(target, engine=engine, journal=journal)
    entry = journal.entries()[-1]
    assert [explanation.text.startswith(reason) for explanation in why(entry)] == [True]


@pytest.mark.parametrize("web_server", [True, False])
def test_web_server_is_optional(web_server: bool) -> None:
    mock = SarkMock(web_server=web_server)
    tenant = {"pkey": "a", "description": "x"}
    response = mock.session().post(f"{mock.url}/tenants/", json=tenant, allow_redirects=False)
    assert response.status_code == (301 if web_server else 201)


def test_client_that_follows_the_redirect_creates_nothing() -> None:
    mock = SarkMock()
    response = mock.session().post(f"{mock.url}/tenants/", json={"pkey": "a", "description": "x"})
    assert (response.request.method, response.status_code) == ("GET", 200)
    assert [row["pkey"] for row in response.json()] == ["default"]


@pytest.mark.parametrize(("script", "path", "target", "raw"), [
    ("", "/api/a/b", "/api/a%2Fb?x", "/api/a%2Fb"), ("", "/api/a b", "", "/api/a%20b"),
    ("", "/api/%zz", "", "/api/%25zz"),
    ("", "/api/a", "http://h/api/a", "/api/a"), ("/sark", "/api/a/", "/sark/api/a/", "/api/a/"),
    ("", "/api/\xc3\xa9", "/api/%C3%A9", "/api/%C3%A9"),
    ("", "/api/\xef\xbf\xbd/", "/api/%ff%2f", "/api/%ff%2f")])  # as in Werkzeug's server
def test_raw_path(script: str, path: str, target: str, raw: str) -> None:
    assert raw_path(script, path, target) == raw

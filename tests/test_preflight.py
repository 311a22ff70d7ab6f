"""Errors reported before any check runs, with small servers that each have one fault; and the version recognised."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from sarkmock_contracts.client.http import Request, Response
from sarkmock_contracts.client.target import Target
from sarkmock_contracts.client.transports import Access, Http, Layer, embedded_transport
from sarkmock_contracts.errors import CannotRun, NoAnswer
from sarkmock_contracts.safety.fingerprint import distinguishing_reads, fingerprint
from sarkmock_contracts.safety.preflight import PROBE, connection_problem, preflight

from sarkmock import profile_names
from tests.prefork import COMMAND
from tests.serving import serving

TENANTS = '[{"pkey": "default"}]'
LOGIN = '<html><head><title>Sign &amp; in</title></head><form><input type="password" name="p"></form></html>'


@contextmanager
def server_with(routes, context=None, default=(404, "text/html", "<title>Not here</title>")):
    """A server with a few paths: path -> (status, content type, body), or (302, location, "")."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, kind, body = routes.get(self.path, default)
            self.send_response(status)
            name = "WWW-Authenticate" if kind.startswith("Basic") else "Content-Type"
            self.send_header("Location" if status == 302 else name, kind)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def error_at(url, **access):
    """The error message for a URL, which must be one line."""
    settings = Access(**access)
    with pytest.raises(CannotRun) as caught:
        preflight(Target(Http(url, settings)), settings.verify("127.0.0.1"))
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(url, "URL")


@pytest.mark.parametrize(("response", "line"), [
    ((200, "text/html", LOGIN), "URL: /tenants returned a login page, titled 'Sign & in': wrong base path, or"),
    ((302, "/login", ""), "a login page, "),
    ((302, "https://else/api/tenants", ""), "/tenants redirects to https://else/api/tenants; use https://else/api as"),
    ((302, "http://tenants.example/", ""), "URL: /tenants redirects to http://tenants.example/"),
    ((401, "application/json", "{}"), "URL: /tenants returned 401: it needs a login or token, or rejects this"),
    ((403, "text/html", ""), "returned 403"),
    ((200, "text/html", "<title>It works!</title>"), "/tenants returned 200 text/html, titled 'It works!'"),
    ((200, "application/json", '{"items": []}'), "URL: no SARK API: /tenants returned 200 application/json"),
    ((404, "text/html", ""), "URL: no SARK API: /tenants returned 404 text/html"),
    ((500, "text/html", ""), "URL: /tenants returned an error (500): no SARK API is running there"),
    ((429, "text/html", ""), "URL: /tenants returned 429"),
    ((404, "application/json", '{"message": "Page Not Found. Check your URI"}'), "a SARK responds, but not at this"),
])
def test_response_that_is_not_from_a_sark_is_an_error(response, line):
    with server_with({"/api/tenants": response}) as host:
        assert line in error_at(f"{host}/api")


@pytest.mark.parametrize("message", ["Page Not Found. Check your URI", "Unauthorised/Page Not Found"])
def test_sark_whose_reads_fail_is_named(message):
    failed = (500, "application/json", '{"message": "database disk image is malformed"}')
    nowhere = (404, "application/json", json.dumps({"message": message}))
    with server_with({"/api/tenants": failed, "/api/no-such-path": nowhere}) as host:
        assert error_at(f"{host}/api") == ("URL: a SARK responds, but /tenants returned 500 "
                                           "(database disk image is malformed)")


@pytest.mark.parametrize(("headers", "line"), [
    ((), ": --header 'Authorization: Basic BASE64', where BASE64 encodes USER:PASSWORD"),
    (("Authorization: Basic eDp5",), " and rejects --header Authorization")])
def test_basic_authentication_is_explained(headers, line):
    with server_with({"/api/tenants": (401, 'Basic realm="PBX"', "")}) as host:
        message = "URL: /tenants returned 401: the web server needs a user name and a password (PBX)"
        assert error_at(f"{host}/api", headers=headers) == message + line


@pytest.mark.parametrize("base", ["", "/apii", "/tenants", "/sark"])
def test_wrong_base_path_suggests_correct_one(base):
    with server_with({"/api/tenants": (200, "application/json", TENANTS)}) as host:
        assert error_at(host + base).endswith(("; it is at URL/api", f"; it is at {host}/api"))


def test_http_on_tls_port_and_https_on_plain_port(tls):
    with server_with({}, tls) as host:
        plain = host.replace("https", "http")
        assert error_at(f"{plain}/api").endswith("speaks TLS; try https:// instead of http://")
    with server_with({}) as host:
        url = f"{host.replace('http', 'https')}/api"
        assert error_at(url, insecure=True).endswith("does not speak TLS; try http:// instead of https://")


def test_untrusted_certificate_suggests_ca(tls, authority, tmp_path):
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    with server_with({"/api/tenants": (200, "application/json", TENANTS)}, tls) as host:
        url = f"{host}/api"
        problem = connection_problem(url, True)
        assert "its certificate cannot be verified (unable to get local issuer certificate)" in problem
        assert "--ca FILE" in problem
        assert connection_problem(url, str(ca)) is None
        assert connection_problem(url, False) is None
        assert preflight(Target(Http(url, Access(ca=str(ca)))), str(ca)).status == 200


def test_certificate_of_box_is_trusted_whoever_signed_it(tmp_path):
    certificate = trustme.CA().issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    own, other = tmp_path / "own.pem", tmp_path / "other.pem"
    certificate.cert_chain_pems[0].write_to_path(own)
    trustme.CA().cert_pem.write_to_path(other)
    with server_with({"/api/tenants": (200, "application/json", TENANTS)}, context) as host:
        url = f"{host}/api"
        assert connection_problem(url, str(own)) is None
        assert preflight(Target(Http(url, Access(ca=str(own)))), str(own)).status == 200
        assert f"check --ca {other}" in connection_problem(url, str(other))
        with pytest.raises(NoAnswer):
            Http(url, Access(ca=str(other))).send(Request("GET", "/tenants"))


def test_certificate_for_another_host(authority, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("pbx.example").configure_cert(context)
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    with server_with({}, context) as host:
        assert "IP address mismatch" in connection_problem(f"{host}/api", str(ca))


def test_refused_connection():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    expected = f"URL does not respond: 127.0.0.1 refuses connections on port {port}"
    assert error_at(f"http://127.0.0.1:{port}/api") == expected


def test_unknown_host_name():
    problem = connection_problem("https://pbx.invalid/api", True)
    assert problem == "https://pbx.invalid/api: the host name pbx.invalid cannot be resolved"


def test_command_reports_preflight_error_before_any_check():
    with server_with({"/api/tenants": (200, "text/html", LOGIN)}) as host:
        command = [*COMMAND, "check", f"{host}/api"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "a login page" in result.stderr
    assert "requests" not in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize("command", ["check", "import"])
@pytest.mark.parametrize("body", ["[]", TENANTS])
def test_server_that_responds_alike_to_all_requests_is_no_sark(command, body, tmp_path):
    with server_with({}, default=(200, "application/json", body)) as host:
        output = ["-o", str(tmp_path / "seed.yaml")] if command == "import" else []
        result = subprocess.run([*COMMAND, command, f"{host}/api", "--rate", "1000/s", *output], capture_output=True,
                                text=True, timeout=60, check=False)
    assert result.returncode == 2
    message, *further = result.stderr.splitlines()
    assert message.startswith(f"sarkmock: {host}/api: this does not look like a SARK API: 9 of 9 reads were not")
    assert "GET /agents/zznosuchkey returned 200 application/json, expected 404 reason: Not Found!" in message
    assert message.endswith("check host and base path, which usually is /api")
    assert further == []
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


# the version recognised


@pytest.mark.parametrize("profile", profile_names())
def test_every_profile_is_recognised(profile):
    target = Target(embedded_transport(profile))
    recognised = fingerprint(target, target.get(PROBE))
    assert recognised.version == profile
    assert all(profile in fact.versions for fact in recognised.facts)
    assert target.requests == 1 + len(distinguishing_reads()) <= 10


@pytest.mark.parametrize("profile", ["L10", "L11"])
def test_version_with_debugging_off_is_recognised(profile):
    class Plain(Layer):
        def send(self, request: Request) -> Response:
            response = self.inner.send(request)
            if response.ok or not isinstance(response.json, dict):
                return response
            return replace(response, body=json.dumps({"message": response.json["message"]}).encode())

    target = Target(Plain(embedded_transport(profile)))
    assert fingerprint(target, target.get(PROBE)).version == profile


def test_mock_server_is_recognised_over_http():
    with serving("--profile", "shipped") as running:
        target = Target(Http(running.url))
        recognised = fingerprint(target, preflight(target, False))
    assert str(recognised) == f"shipped ({len(recognised.facts)} of {len(recognised.facts)} facts)"
    assert recognised.described()["facts"][0]["request"].startswith("GET /")


def test_unknown_version_and_its_headers():
    class Strange:
        url, base = "http://x/api", "/api"

        def send(self, request: Request) -> Response:
            return Response(500, (("Server", "nginx"), ("X-Powered-By", "PHP/7.3")))

    target = Target(Strange())
    recognised = fingerprint(target, target.get(PROBE))
    assert recognised.version == "unknown"
    assert dict(recognised.headers) == {"Server": "nginx", "X-Powered-By": "PHP/7.3"}

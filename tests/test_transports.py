"""Connections to a box: trust, client certificates, headers, and invalid options."""

import datetime
import http.server
import ssl
import threading
from contextlib import contextmanager

import pytest
import trustme
from sarkmock_contracts.client.http import Request
from sarkmock_contracts.client.transports import Access, Http
from sarkmock_contracts.errors import CannotRun, NoAnswer

from tests.serving import sarkmock, serving


class Echo(http.server.BaseHTTPRequestHandler):
    """Records headers and client certificate of each request."""

    def do_GET(self):
        self.server.received.append(
            (dict(self.headers), self.connection.getpeercert() if hasattr(self.connection, "getpeercert") else None)
        )
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def echo(tls=None):
    server = http.server.HTTPServer(("127.0.0.1", 0), Echo)
    server.received = []
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server, f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def context_of(authority, name="127.0.0.1", clients=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    return context


@pytest.mark.parametrize(
    ("host", "access", "verification"),
    [
        ("pbx.example", Access(), True),
        ("192.0.2.1", Access(), True),
        ("pbx.example", Access(insecure=True), False),
        ("pbx.example", Access(ca="ca.pem"), "ca.pem"),
        ("127.0.0.1", Access(), False),
        ("::1", Access(), False),
        ("localhost", Access(), False),
        ("127.0.0.1", Access(ca="ca.pem"), "ca.pem"),
        ("localhost.example", Access(), True),
    ],
)
def test_certificate_verification(host, access, verification):
    assert access.verify(host) == verification


def test_authority_written_by_serve_is_accepted(tmp_path):
    with serving() as server:
        assert Http(server.url, Access(ca=str(server.authority))).send(Request("GET", "/tenants")).ok
        other = tmp_path / "other.pem"
        trustme.CA().cert_pem.write_to_path(other)
        with pytest.raises(NoAnswer, match="certificate verify failed"):
            Http(server.url, Access(ca=str(other))).send(Request("GET", "/tenants"))


def test_client_certificate(tmp_path):
    authority = trustme.CA()
    client = authority.issue_cert("operator@pbx.example")
    client.private_key_pem.write_to_path(tmp_path / "key.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with echo(context_of(authority, clients=True)) as (server, url):
        access = Access(ca=str(tmp_path / "ca.pem"), cert=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))
        assert Http(url, access).send(Request("GET", "/")).ok
        assert datetime.datetime.now(datetime.UTC).year <= int(server.received[0][1]["notAfter"].split()[3])
        with pytest.raises(NoAnswer):
            Http(url, Access(ca=access.ca)).send(Request("GET", "/"))


def test_headers_and_token_are_sent(monkeypatch):
    monkeypatch.setenv("SARK_TOKEN", "t0ken")
    with echo() as (server, url):
        Http(url, Access(headers=("X-Site: one", "X-Empty:"), token_env="SARK_TOKEN")).send(Request("GET", "/"))
    headers = server.received[0][0]
    assert (headers["Authorization"], headers["X-Site"], headers["X-Empty"]) == ("Bearer t0ken", "one", "")


@pytest.mark.parametrize(
    ("url", "access", "problem"),
    [
        ("http://pbx.example/api", Access(), "--insecure"),
        ("ftp://pbx.example/api", Access(), "not an http or https URL"),
        ("https:///api", Access(), "not an http or https URL"),
        ("https://pbx.example:99999/api", Access(), "not an http or https URL"),
        ("https://user:pass@pbx.example/api", Access(), "--token-env"),
        ("https://pbx.example/api?x=1", Access(), "query"),
        ("https://pbx.example/api", Access(ca="/nonexistent"), "no such file"),
        ("https://pbx.example/api", Access(ca="/"), "--ca /: not a file"),
        ("https://pbx.example/api", Access(ca=__file__), "--ca .*: not a valid PEM file"),
        ("https://pbx.example/api", Access(cert=__file__), "--cert .*: not a valid PEM file"),
        ("https://pbx.example/api", Access(cert=__file__, key=__file__), "--cert .*, --key .*: not a valid PEM file"),
        ("https://pbx.example/api", Access(key=__file__), "--cert"),
        ("https://pbx.example/api", Access(headers=("no colon",)), "Name: value"),
        ("https://pbx.example/api", Access(headers=("X: a\r\nY: b",)), "Name: value"),
        ("https://pbx.example/api", Access(token_env="NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE"),
    ],
)
def test_invalid_access_is_rejected(url, access, problem):
    with pytest.raises(CannotRun, match=problem):
        Http(url, access)


def test_plain_http_needs_loopback_or_insecure():
    assert Http("http://127.0.0.1:1/api").base == "/api"
    assert Http("http://pbx.example/api", Access(insecure=True)).base == "/api"


@pytest.mark.parametrize("options", [(), ("--yes-i-mean", "other.example")])
def test_allow_disruptive_needs_confirmation_of_host(options):
    result = sarkmock("check", "https://pbx.example/api", "--allow-disruptive", *options)
    assert result.returncode == 2
    assert "--yes-i-mean pbx.example" in result.stderr

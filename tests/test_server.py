"""`sarkmock serve` as a process: TLS, keep-alive, hostile HTTP, signals, and mistakes of users."""

import http.client
import json
import os
import signal
import socket
import ssl
import tempfile
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager, suppress

import pytest

from sarkmock import SarkMock
from sarkmock.atomic import temporary_directory
from sarkmock.server.certificates import context_of, make_certificate, names_of_host
from sarkmock.server.http11 import Limits
from sarkmock.server.https_server import CannotListen, Server
from tests.prefork import PROCESS
from tests.serving import serving


@pytest.fixture(scope="module")
def server():
    with serving() as running:
        yield running
        assert running.stop()[0] == 0
        assert running.errors == []


@pytest.fixture(scope="module")
def plain():
    with serving("--http") as running:
        yield running
        assert running.stop()[0] == 0
        assert running.errors == []


@pytest.fixture(scope="module", params=["--http", "tls"])
def faulty(request, tmp_path_factory):
    """A server that delays, truncates or drops the responses of some operations."""
    faults = tmp_path_factory.mktemp("faults") / "faults.yaml"
    faults.write_text("- {operation: agents.list, latency: 0.5}\n- {operation: routes.list, truncate: 1}\n"
                      "- {operation: trunks.list, drop: before}\n")
    with serving("--fault-file", str(faults), *(["--http"] if request.param == "--http" else [])) as running:
        yield running
        assert running.stop()[0] == 0
        assert running.errors == []


def test_delayed_response_does_not_block_others(faulty):
    start = time.monotonic()
    threads = [threading.Thread(target=faulty.get, args=("/api/agents",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    faulty.get("/api/tenants")
    assert all(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    assert time.monotonic() - start >= 0.5


def test_dropped_connection_does_not_affect_others(faulty):
    with busy(faulty) as statuses:
        for _ in range(10):
            with pytest.raises((http.client.RemoteDisconnected, urllib.error.URLError, ConnectionError)) as caught:
                faulty.get("/api/trunks")
            assert not isinstance(caught.value, urllib.error.HTTPError)
    assert set(statuses) == {200}


def test_truncated_body_ends_early(faulty):
    for _ in range(5):
        with pytest.raises(http.client.IncompleteRead) as caught:
            faulty.get("/api/routes")
        assert caught.value.partial == b"["


@contextmanager
def busy(server):
    """Three clients that send requests all the time, each on one connection."""
    statuses, stop = [], threading.Event()

    def send_requests():
        with closing(connection_to(server)) as connection:
            while not stop.is_set():
                connection.request("GET", "/api/tenants")
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
    clients = [threading.Thread(target=send_requests) for _ in range(3)]
    for client in clients:
        client.start()
    yield statuses
    stop.set()
    for client in clients:
        client.join()


def connection_to(server):
    if server.url.startswith("https"):
        return http.client.HTTPSConnection(*server.address, context=server.context)
    return http.client.HTTPConnection(*server.address)


def test_printed_curl_command_works(server):
    curl = next(line for line in server.greeting.splitlines() if line.startswith("try")).split()
    assert curl[1:3] == ["curl", "--cacert"]
    context = ssl.create_default_context(cafile=curl[3])
    rows = json.load(urllib.request.urlopen(curl[4], context=context, timeout=5))
    assert [row["pkey"] for row in rows] == ["default"]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_certificate_is_valid_for_loopback(server, name):
    connection = socket.create_connection(("127.0.0.1", server.address[1]))
    with connection, server.context.wrap_socket(connection, server_hostname=name) as tls:
        assert tls.version() in ("TLSv1.2", "TLSv1.3")


def test_certificate_names_include_host_and_machine():
    assert names_of_host("pbx.test")[-1] == "pbx.test"
    assert names_of_host("0.0.0.0")[-1] == socket.gethostname()


def test_tls_connection_is_reused(server):
    with closing(http.client.HTTPSConnection(*server.address, context=server.context)) as connection:
        connection.connect()
        socket_before = connection.sock
        for _ in range(3):
            connection.request("GET", "/api/tenants/default")
            assert json.loads(connection.getresponse().read())["pkey"] == "default"
        assert connection.sock is socket_before


def test_state_persists_between_requests_until_reset(server):
    with closing(http.client.HTTPSConnection(*server.address, context=server.context)) as connection:
        body = json.dumps({"pkey": "acme", "description": "x"})
        connection.request("POST", "/api/tenants", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["pkey"]) == (201, "acme")
        assert b"acme" in server.get("/api/tenants")
        assert server.post("/_mock/reset") == b""
        assert b"acme" not in server.get("/api/tenants")
        assert json.loads(server.get("/_mock/health"))["status"] == "ok"


def raw(address, octets, expected):
    """Send bytes, and read until the expected bytes have arrived or the server closes the connection."""
    received = b""
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(octets)
        while expected not in received and (chunk := connection.recv(65536)):
            received += chunk
    return received


JSON = b"Host: x\r\nContent-Type: application/json\r\n"
TENANT = b'{"pkey": "acme", "description": "x"}'
RAW = {
    "garbage": (b"garbage\r\n\r\n", b"HTTP/1.1 400 "),
    "TLS on a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 "),
    "huge header": (b"GET /api/tenants HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 600_000 + b"\r\n\r\n", b"HTTP/1.1 431 "),
    "huge path": (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 414 "),
    "chunked body": (b"POST /api/tenants HTTP/1.1\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
                     b"%x\r\n%b\r\n0\r\n\r\n" % (len(TENANT), TENANT), b'"pkey":"acme"'),
    "broken chunk": (b"POST /api/tenants HTTP/1.1\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"HTTP/1.1 4"),
    "no length": (b"POST /api/tenants HTTP/1.1\r\n" + JSON + b"Content-Length: many\r\n\r\n", b"HTTP/1.1 400 "),
    "expectation": (b"POST /api/tenants HTTP/1.1\r\n" + JSON + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{}",
                    b"HTTP/1.1 422 "),
    "HTTP/1.0": (b"GET /api/tenants HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 "),
    "unknown method": (b"BREW /api/tenants HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405 "),
    "octets beyond ASCII": (b"GET /api/tenants/%FF%00\xc3\xbc?%C3=\xff HTTP/1.1\r\nHost: \xc3\r\nAccept: \xff\r\n\r\n",
                            b"HTTP/1.1 4"),
}


@pytest.mark.parametrize("name", RAW)
def test_unusual_http_gets_a_response(plain, name):
    octets, expected = RAW[name]
    assert expected in raw(plain.address, octets, expected)
    assert plain.post("/_mock/reset") == b""


def test_head_has_length_of_get_and_no_body(plain):
    with closing(http.client.HTTPConnection(*plain.address)) as connection:
        connection.request("HEAD", "/api/tenants")
        head = connection.getresponse()
        assert (head.status, head.read()) == (200, b"")
        assert int(head.headers["Content-Length"]) == len(plain.get("/api/tenants"))


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def send_half(server):
    """Announce ten bytes and send two."""
    connection = socket.create_connection((server.host, server.port), timeout=5)
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhe")
    time.sleep(0.1)
    return connection


def test_stalled_client_is_dropped_and_others_are_served():
    with Server(application, limits=Limits(body_timeout=0.5)) as server, send_half(server) as stalled:
        assert urllib.request.urlopen(server.url, timeout=5).status == 200
        assert stalled.recv(100) == b""


def test_slow_body_is_dropped_when_it_stops():
    with Server(application, limits=Limits(body_timeout=1)) as server, send_half(server) as trickling:
        for _ in range(6):
            trickling.sendall(b"x")
            time.sleep(0.2)
        assert trickling.recv(100) == b""  # dropped after 8 of 10 bytes
        assert urllib.request.urlopen(server.url, timeout=5).status == 200


def test_slow_body_is_accepted():
    with Server(application, limits=Limits(body_timeout=1)) as server, send_half(server) as trickling:
        for _ in range(8):
            trickling.sendall(b"x")
            time.sleep(0.3)
        assert trickling.recv(1000).endswith(b"\r\n\r\nhexxxxxxxx")


def test_incomplete_body_does_not_reach_the_application():
    log = []
    with Server(application, log=log.append) as server:
        send_half(server).close()
        assert urllib.request.urlopen(server.url, timeout=5).status == 200
    assert [served.status for served in log] == [400, 200]


def test_stalled_client_does_not_delay_shutdown():
    server = Server(application)
    server.start()
    with send_half(server):
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < 3
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((server.host, server.port), timeout=1)


def test_last_request_is_logged_before_shutdown():
    """The client has the response earlier and may stop the server."""
    statuses = []

    def log_slowly(served):
        time.sleep(0.3)
        statuses.append(served.status)

    with Server(application, log=log_slowly) as server:
        urllib.request.urlopen(server.url, timeout=5)
        assert statuses == []
    assert statuses == [200]


def test_stopped_server_leaves_no_thread():
    before = set(threading.enumerate())
    with Server(application) as server:
        urllib.request.urlopen(server.url, timeout=5)
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_server_at_once(number):
    with serving() as running, socket.create_connection(running.address):
        authority = running.authority
        assert authority.exists()
        code, seconds = running.stop(number)
    assert (code, running.errors) == (0, [])
    assert seconds < 3
    assert not authority.parent.exists()


def test_killed_server_leaves_neither_process_nor_key(tmp_path, monkeypatch):
    """There is only one process: nothing listens any more."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with serving(command=PROCESS) as running:
        running.stop(signal.SIGKILL)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(running.address, timeout=1)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [running.authority]


def test_directories_of_killed_servers_are_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "sarkmock-ca-killed").mkdir()
    (tmp_path / "sarkmock-ca-link").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "sarkmock-ca-pipe")
    os.utime(tmp_path / "sarkmock-ca-killed", (0, 0))
    with temporary_directory() as used:
        os.utime(used, (0, 0))
        with temporary_directory() as new:
            assert {file.name[12:] for file in tmp_path.iterdir()} == {"link", "pipe", used.name[12:], new.name[12:]}


def test_verbose_logs_requests_to_stderr():
    with serving("--http", "-v") as running:
        running.get("/api/tenants/default?a=b")
        running.stop()
    line, = running.errors
    assert "GET /api/tenants/default?a=b 200 " in line


@pytest.mark.parametrize("hostile", [b"/api/a%0a00:00:00%20GET%20/forged%20200", b"/api/a%1b%5b2J", b"/api/%e2%80%ae",
                                     b"/api/tenants?a\x9bb", b"/api/a%c2%85", b"/api/a%00%7f", b"/api/tenants/%0d"])
def test_verbose_writes_no_control_characters_and_no_forged_lines(hostile):
    with serving("--http", "-v") as running:
        octets = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % hostile
        assert raw(running.address, octets, b"\r\n\r\n").startswith(b"HTTP/1.1 ")
        running.stop()
    lines = [line.removesuffix("\n") for line in running.errors]
    assert all(line.isprintable() for line in lines), lines
    assert [line for line in lines if not line.startswith("    ")] == [lines[0]]


@pytest.mark.parametrize("request_line", ["GET /_mock/health?probe=1 HTTP/1.0\r\n", "GET /_mock/health HTTP/1.1\r\n",
                                          "GET /_mock/health HTTP/1.1\r\nHost: 10.0.0.7\r\n",
                                          "GET /_mock/health HTTP/1.1\r\nHost:\r\n"])
def test_health_is_available_with_any_or_no_host(plain, request_line):
    response = raw(plain.address, request_line.encode() + b"Connection: close\r\n\r\n", b"}")
    assert b" 200 " in response.splitlines()[0]
    assert response.endswith(b'{"status":"ok"}\n')


def test_other_requests_need_a_host(plain):
    assert raw(plain.address, b"GET /api/tenants HTTP/1.1\r\n\r\n", b"}").startswith(b"HTTP/1.1 400 ")


def test_host_in_brackets_and_proxy_hint(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with serving("--http", "--host", "[::1]") as running:
        assert running.url.startswith("http://[::1]:")
        assert "HTTP_PROXY is set; add ::1 to your client's NO_PROXY" in running.greeting
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(f"{running.url}/tenants", timeout=5).status == 200


@pytest.mark.parametrize("host", ["", " ", "http://localhost", "[::1", "127.0.0.1/24", "a" * 300, "*", "a..b", "a\0b"])
def test_invalid_host_is_reported(host):
    with pytest.raises(CannotListen, match=r"is not an address of this machine; choose another with --host"):
        SarkMock(host=host).start()


def test_machine_name_with_underscore_is_served(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "my_host")
    with SarkMock(host="0.0.0.0") as sark:
        urllib.request.urlopen(f"{sark.url}/tenants", context=sark.ssl_context, timeout=5).close()


def test_verbose_explains_errors_and_warns_once_about_deviations():
    with serving("--http", "-v") as running:
        for path in ("tenant", "globals", "globals"):
            with suppress(urllib.error.HTTPError):
                running.get(f"/api/{path}")
        running.stop()
    lines = [line.strip() for line in running.errors]
    assert lines[1].startswith("why: the API has no path /api/tenant; the nearest are GET /api/tenants (tenants.list)")
    assert [line.startswith("mind: The global settings are at") for line in lines] == [False, False, False, True, False]


def test_client_that_closes_tls_gets_a_response(tmp_path):
    """The request and TLS's close_notify may arrive together."""
    pair = make_certificate(tmp_path, "127.0.0.1")
    context = ssl.create_default_context(cafile=pair.authority)
    with Server(application, tls=context_of(pair)) as server, \
            socket.create_connection((server.host, server.port), 5) as plain:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        tls.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with suppress(ssl.SSLWantReadError):
            tls.unwrap()
        plain.sendall(outgoing.read())
        while chunk := plain.recv(65536):
            incoming.write(chunk)
        assert tls.read().startswith(b"HTTP/1.1 200 OK\r\n")
        with pytest.raises(ssl.SSLZeroReturnError):
            tls.read()


def test_failed_handshake_frees_its_connection(tmp_path):
    pair = make_certificate(tmp_path, "127.0.0.1")
    context = ssl.create_default_context(cafile=pair.authority)
    with Server(application, tls=context_of(pair), limits=Limits(connections=1, header_timeout=0.5)) as server:
        address = server.host, server.port
        for octets in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01") * 100:
            with socket.create_connection(address, timeout=5) as plain:
                plain.sendall(octets)
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(65536):
                    pass
        with socket.create_connection(address, timeout=5) as silent:
            assert silent.recv(1) == b""  # after the header timeout
        assert urllib.request.urlopen(server.url, context=context, timeout=5).status == 200

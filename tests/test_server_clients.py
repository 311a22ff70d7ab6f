"""Slow, silent, many and hostile clients: time-outs, limits, and the effect on other clients."""

import http.client
import socket
import ssl
import struct
import threading
import time
from contextlib import ExitStack, closing, suppress
from functools import cache

import pytest

from sarkmock.http.web_server import PAGE
from sarkmock.server.certificates import generated_context
from sarkmock.server.http11 import Limits
from sarkmock.server.https_server import Server

HOST = b"Host: x\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST


class Application:
    """Echoes the body and records the request. Some paths have special responses."""

    def __init__(self):
        self.seen = []

    def __call__(self, environ, start_response):
        path, body = environ["PATH_INFO"], environ["wsgi.input"].read()
        self.seen.append((environ["REQUEST_METHOD"], path, body))
        if path.startswith("/late"):
            environ["sarkmock.delay"](0.3)
        if path.startswith("/slow"):
            time.sleep(1)
        if path == "/large":
            body = b"x" * 20_000_000
        if path == "/broken":
            start_response("200 OK", [("X", "a\r\nSet-Cookie: b")])
            return [body]
        status = {"/204": "204 No Content", "/304": "304 Not Modified"}.get(path, "200 OK")
        start_response(status, [] if path == "/304" else [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    return generated_context(tmp_path_factory.mktemp("certificate") / "ca.pem", "127.0.0.1")


@pytest.fixture(params=["http", "https"])
def tls(request, secure):
    return secure if request.param == "https" else None


@pytest.fixture
def serve(tls):
    """Start a server with its own application."""
    with ExitStack() as stack:
        def start(**options):
            app = Application()
            server = stack.enter_context(Server(app, tls=tls, **options))
            server.app = app
            return server
        yield start


def connect(server, tls=True):
    connection = socket.create_connection((server.host, server.port), timeout=10)
    if not (tls and server.url.startswith("https")):
        return connection
    return trusting().wrap_socket(connection)


@cache
def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def read_all(connection):
    """Read until the server closes the connection."""
    chunks = []
    try:
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    except (ConnectionError, ssl.SSLError):
        pass
    return b"".join(chunks)


def exchange(server, octets):
    with connect(server) as connection:
        connection.sendall(octets)
        return read_all(connection)


def responses(received):
    """Status, headers and body of each response."""
    parsed = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        length = int(headers.get("content-length", 0))
        parsed.append((int(status[9:12]), headers, received[:length]))
        received = received[length:]
    return parsed


def statuses(received):
    return [status for status, _, _ in responses(received)]


CLOSE = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"

# What a client sends before it falls silent, and the time-out that drops it.
SILENT = {
    "nothing": (b"", "idle_timeout"),
    "half a line": (b"GET /", "header_timeout"),
    "half a head": (b"GET / HTTP/1.1\r\nHo", "header_timeout"),
    "a head without its body": (POST + b"Content-Length: 5\r\n\r\n", "body_timeout"),
    "half a body": (POST + b"Content-Length: 5\r\n\r\nhe", "body_timeout"),
    "half a chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe", "body_timeout"),
    "a request": (GET, "idle_timeout"),
    "a request and a half": (GET + b"GET", "header_timeout"),
}


@pytest.mark.parametrize("name", SILENT)
def test_silent_client_is_dropped_by_its_timeout(serve, name):
    octets, timeout = SILENT[name]
    server = serve(limits=Limits(**{timeout: 0.4}))
    with connect(server) as silent:
        start = time.monotonic()
        silent.sendall(octets)
        assert statuses(exchange(server, CLOSE)) == [200]
        assert statuses(read_all(silent)) == [200] * octets.startswith(GET)
        assert 0.3 < time.monotonic() - start < 5


@pytest.mark.parametrize("name", SILENT)
def test_silent_client_is_not_dropped_by_other_timeouts(serve, name):
    octets, timeout = SILENT[name]
    others = {"header_timeout", "body_timeout", "idle_timeout"} - {timeout}
    server = serve(limits=Limits(**dict.fromkeys(others, 0.2)))
    with connect(server) as silent:
        silent.sendall(octets)
        silent.settimeout(0.6)
        with pytest.raises(TimeoutError):
            read_all(silent)


def test_slow_head_is_dropped_by_header_timeout(serve):
    server = serve(limits=Limits(header_timeout=0.5))
    with connect(server) as slow:
        start, octets = time.monotonic(), iter(b"GET /" + b"a" * 100)
        with suppress(OSError):
            while time.monotonic() - start < 5:
                slow.sendall(bytes([next(octets)]))
                time.sleep(0.05)
        assert time.monotonic() - start < 3
    assert server.app.seen == []


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50,
                                    POST + b"Content-Length: 1000\r\n\r\n" + b"x" * 500,
                                    POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 50])
def test_slow_clients_do_not_block_others(serve, octets):
    server = serve()
    stop = threading.Event()

    def trickle():
        with connect(server) as slow:
            for octet in octets:
                slow.sendall(bytes([octet]))
                if stop.wait(0.05):
                    return
    clients = [threading.Thread(target=trickle) for _ in range(5)]
    for client in clients:
        client.start()
    try:
        for _ in range(20):
            start = time.monotonic()
            assert statuses(exchange(server, CLOSE)) == [200]
            assert time.monotonic() - start < 1
    finally:
        stop.set()
        for client in clients:
            client.join()


def test_client_that_does_not_read_does_not_block_others(serve):
    server = serve(limits=Limits(body_timeout=0.5))
    with connect(server) as deaf:
        deaf.sendall(b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n" + GET * 3)
        assert statuses(exchange(server, CLOSE)) == [200]


def test_incomplete_handshake_does_not_block_others(secure):
    with (Server(Application(), tls=secure, limits=Limits(header_timeout=0.5)) as server,
          connect(server, tls=False) as silent, connect(server, tls=False) as wrong):
        wrong.sendall(b"\x16\x03")
        assert statuses(exchange(server, CLOSE)) == [200]
        assert read_all(silent) == read_all(wrong) == b""


def test_upload_in_progress_is_not_timed_out(serve):
    server = serve(limits=Limits(body_timeout=0.4, header_timeout=0.4, idle_timeout=0.4))
    with connect(server) as uploading:
        uploading.sendall(POST + b"Connection: close\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            uploading.sendall(b"x")
            time.sleep(0.1)
        assert responses(read_all(uploading))[0][2] == b"x" * 10


def test_upload_as_large_as_the_limit_is_accepted(serve):
    body = bytes(range(256)) * 2**12 * 40
    server = serve()
    with connect(server) as uploading:
        uploading.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        uploading.sendall(body)
        (status, _, echo), = responses(read_all(uploading))
        assert (status, echo == body) == (200, True)


REJECTED = {
    "Content-Length": (POST + b"Content-Length: 1001\r\n\r\n", 413),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11, 413),
    "line": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "head": (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    "fields": (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", 400),
    "version": (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", 400),
    "coding": (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    "expectation": (POST + b"Expect: a miracle\r\n\r\n", 417),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}


@pytest.mark.parametrize("name", REJECTED)
def test_oversized_or_invalid_request_is_rejected_with_reason(name):
    octets, expected = REJECTED[name]
    app = Application()
    with Server(app, limits=Limits(body=1000)) as server:
        (status, headers, body), = responses(exchange(server, octets))
    assert (status, headers["connection"]) == (expected, "close")
    assert (headers["content-type"], b".</p>" in body) == (PAGE, True)
    assert app.seen == []


def test_rejection_reaches_client_that_is_still_sending(serve):
    server = serve(limits=Limits(body=1000))
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.sock = connect(server)
    connection.request("POST", "/", b"x" * 5_000_000)
    assert connection.getresponse().status == 413
    connection.close()


def test_rejection_of_disconnected_client_is_not_logged(serve, caplog):
    """The invalid request is pipelined after valid ones, so that the client has reset the connection by then."""
    server = serve()
    for _ in range(30):
        connection = connect(server)
        connection.sendall(GET * 20 + b"garbage\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert statuses(exchange(server, CLOSE)) == [200]
    assert caplog.text == ""


# Requests that two servers may parse differently: the hidden second request must never be executed.
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
SMUGGLED = {
    "CL.TE": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE.CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" + HIDDEN + b"\r\n0\r\n\r\n",
    "TE.TE": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE with a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE on a folded line": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE behind a bare line feed": POST + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE behind a bare carriage return": POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "TE with a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "CL.CL": POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + HIDDEN,
    "CL list": POST + b"Content-Length: 0, 44\r\n\r\n" + HIDDEN,
    "CL with a sign": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "CL with an underscore": POST + b"Content-Length: 4_4\r\n\r\n" + HIDDEN,
    "chunk size with 0x": POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    "chunk size beyond 64 bits": POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + HIDDEN,
    "chunk that ends with a line feed": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n" + HIDDEN,
    "chunk without its end": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n" + HIDDEN,
    "NUL in a field": POST + b"X: \0\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_request_smuggling_is_rejected(name):
    app = Application()
    with Server(app) as server:
        status, = statuses(exchange(server, SMUGGLED[name]))
    assert status in (400, 501)
    assert app.seen == []


def test_content_length_with_underscore_is_ignored(serve):
    """The bytes that follow are a separate request, as for a proxy in front of the server."""
    server = serve()
    exchange(server, POST + b"Content_Length: 44\r\n\r\n" + HIDDEN + CLOSE)
    assert [path for _, path, _ in server.app.seen] == ["/", "/hidden", "/"]


def test_pipelined_requests_are_answered_in_order(serve):
    server = serve()
    requests = [b"POST /late%d HTTP/1.1\r\n" % number + HOST + b"Content-Length: 1\r\n\r\n%d" % number
                for number in range(3)]
    assert [body for _, _, body in responses(exchange(server, b"".join(requests) + CLOSE))] == [b"0", b"1", b"2", b""]


def test_pipelined_requests_do_not_block_others(serve):
    server = serve()
    with connect(server) as many:
        many.sendall(GET * 20_000)
        start = time.monotonic()
        assert statuses(exchange(server, CLOSE)) == [200]
        assert time.monotonic() - start < 0.5
        assert len(server.app.seen) < 20_000


@pytest.mark.parametrize(("start", "status"), [("HEAD /", 200), ("GET /204", 204), ("GET /304", 304)])
def test_connection_is_kept_after_response_without_body(serve, start, status):
    octets = start.encode() + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
    with connect(serve()) as connection:
        connection.sendall(octets + CLOSE)
        first, _, rest = read_all(connection).partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % status)
    assert (b"Content-Length: 3" in first) == (status == 200)
    assert rest.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(("version", "option", "kept"), [
    (b"1.1", b"", True), (b"1.1", b"close", False), (b"1.0", b"", False), (b"1.0", b"keep-alive", True)])
def test_connection_header_of_client_is_honoured(serve, version, option, kept):
    octets = b"GET / HTTP/" + version + b"\r\n" + HOST + b"Connection: " + option + b"\r\n\r\n"
    received = responses(exchange(serve(), octets + CLOSE))
    assert [status for status, _, _ in received] == [200] * (1 + kept)
    assert received[0][1].get("connection") == ("close" if not kept else "keep-alive" if version == b"1.0" else None)


def test_expect_100_continue(serve):
    server = serve(limits=Limits(body=1000))
    with connect(server) as connection:
        connection.sendall(POST + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hello")
        assert read_all(connection).endswith(b"\r\n\r\nhello")
    octets = POST + b"Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n"
    assert statuses(exchange(server, octets)) == [413]


def test_large_response_ends_its_connection_silently(serve, caplog):
    """And a request behind it is not answered."""
    received = exchange(serve(), b"GET /large HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n" + GET)
    assert [(status, len(body)) for status, _, body in responses(received)] == [(200, 20_000_000)]
    assert caplog.text == ""


def test_half_closed_connection_gets_its_responses():
    with Server(Application()) as server, connect(server) as connection:
        connection.sendall(b"GET /late HTTP/1.1\r\n" + HOST + b"\r\n" + GET)
        connection.shutdown(socket.SHUT_WR)
        assert statuses(read_all(connection)) == [200, 200]


def test_header_with_line_break_is_not_sent(serve, capsys):
    (status, headers, _), *_ = responses(exchange(serve(), b"GET /broken HTTP/1.1\r\n" + HOST + b"\r\n" + CLOSE))
    assert (status, "set-cookie" in headers) == (500, False)
    assert "line break" in capsys.readouterr().err


def test_connections_beyond_the_limit_get_503(serve):
    server = serve(limits=Limits(connections=3))
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(3)]
        idle[0].sendall(GET)
        assert idle[0].recv(100).startswith(b"HTTP/1.1 200 ")
        start = time.monotonic()
        assert statuses(exchange(server, b"")) == [503]
        assert time.monotonic() - start < 5
        idle[1].close()
        time.sleep(0.2)
        assert statuses(exchange(server, CLOSE)) == [200]


def test_concurrent_uploads_have_bounded_memory(serve):
    server = serve(limits=Limits(body=1_000_000, memory=2_000_000))
    head = POST + b"Connection: close\r\nContent-Length: 1000000\r\n\r\n"
    with ExitStack() as stack:
        uploading = [stack.enter_context(connect(server)) for _ in range(4)]
        for number, connection in enumerate(uploading):
            connection.sendall(head + b"x" * 600_000)
            time.sleep(0.1)
            assert statuses(exchange(server, CLOSE)) == [200], number
        (status, headers, body), = responses(read_all(uploading[3]))
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert (headers["content-type"], b".</p>" in body) == (PAGE, True)
        for connection in uploading[:3]:
            connection.sendall(b"x" * 400_000)
        completed = [responses(read_all(connection))[0] for connection in uploading[:3]]
    assert sorted(status for status, _, _ in completed)[:2] == [200, 200]
    assert statuses(exchange(server, head + b"x" * 1_000_000)) == [200]


def test_clients_that_do_not_read_have_bounded_memory(serve):
    server = serve(limits=Limits(body=1000, memory=50_000_000))
    large = b"GET /large HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    with ExitStack() as stack:
        deaf = [stack.enter_context(connect(server)) for _ in range(3)]
        for connection in deaf:
            connection.sendall(large)
            time.sleep(0.1)
            assert statuses(exchange(server, CLOSE)) == [200]
        assert [responses(read_all(connection))[0][0] for connection in deaf] == [200, 200, 503]
    assert statuses(exchange(server, large)) == [200]


@pytest.mark.parametrize("options", [
    {"background": "/slow"}, {"takes_long": lambda path, size: path == "/slow/probe" and size == 0}])
def test_slow_background_request_does_not_block_others(serve, options):
    server = serve(**options, probe="/slow/probe")
    with connect(server) as slow:
        slow.sendall(b"GET /slow/probe HTTP/1.1\r\nConnection: close\r\n\r\n")
        start = time.monotonic()
        assert statuses(exchange(server, CLOSE)) == [200]
        assert time.monotonic() - start < 0.8
        assert statuses(read_all(slow)) == [200]


@pytest.mark.parametrize("path", ["", "late"])
def test_shutdown_sends_pending_responses_without_waiting_for_clients(serve, path):
    server = serve()
    with connect(server) as idle, connect(server) as half, connect(server) as busy:
        idle.sendall(GET)
        assert idle.recv(100)
        half.sendall(POST + b"Content-Length: 9\r\n\r\n")
        busy.sendall(b"GET /%s HTTP/1.1\r\n" % path.encode() + HOST + b"\r\n")
        time.sleep(0.15)
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < 0.9
        (status, headers, _), = responses(read_all(busy))
        assert (status, headers.get("connection")) == (200, "close" if path else None)
        assert read_all(half) == b""


def test_many_concurrent_connections_are_served(serve):
    server = serve()
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(connect(server))) for _ in range(200)]
        for connection in connections:
            connection.sendall(CLOSE)
        assert [statuses(read_all(connection)) for connection in connections] == [[200]] * 200

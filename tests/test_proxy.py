"""The proxy's transport: forwarded messages, limits, and the responses that it sends instead of the upstream."""

from __future__ import annotations

import contextlib
import gc
import gzip
import re
import socket
import ssl
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
import trustme
from sarkmock_contracts.proxy.guard import TrafficGuard, permitted_hazards
from sarkmock_contracts.proxy.running import listening_of

from sarkmock import SarkMock
from sarkmock.proxy import upstream
from sarkmock.proxy.exchange import BodyMemory, Pace
from sarkmock.server.http11 import BadRequest, Limits, read_head
from tests import replay
from tests.boxes import NOW
from tests.hostile_box import ANSWERS, HEAD, whole
from tests.proxied import CLOSE, EMPTY_LIST, SHORT_TIMEOUTS, Wire, proxied, request_bytes, scripted
from tests.wire import Saved

ROOT = Path(__file__).parent.parent
EXCHANGES = ROOT / "contracts/exchanges"
FILES = {"shipped": [ROOT / "tests/cases/wire.jsonl.gz", *sorted(EXCHANGES.glob("*.jsonl"))],
         **{name: sorted((EXCHANGES / name).glob("*.jsonl.gz")) for name in ("2020-06", "L10", "L11")}}
DATE = re.compile(rb"(?i)date:")


def recorded(profile, step=1):
    """Every nth recorded request that is valid HTTP, and those that log in."""
    number = 0
    for exchange in (exchange for file in FILES[profile] for exchange in replay.read(file)):
        recording = exchange["request"]
        request = request_bytes(recording)
        try:
            read_head(request.partition(b"\r\n\r\n")[0].replace(b"{host}", b"h") + b"\r\n", Limits())
        except BadRequest:
            continue
        if number % step == 0 or recording.get("save", {}).get("tok"):
            yield recording, request
        number += 1


class RecordedWire(Wire):
    """Sends recorded requests, with tokens and names from earlier responses."""

    def __init__(self, url):
        super().__init__(url)
        self._saved = Saved()

    def repeat(self, recording, request):
        head, _, body = request.partition(b"\r\n\r\n")
        head = self._saved.filled(head.decode("latin-1")).encode("latin-1")
        response = self.exchange(head + b"\r\n\r\n" + body, recording["method"])
        self._saved.remember(recording, response[2])
        return response


def without_date(response):
    """A response without its Date header."""
    status, headers, body = response
    return status, [line for line in headers if not DATE.match(line)], body


def assert_equal_bytes(profile, step):
    """Send the same requests to two mocks with the same state, to one of them through the proxy."""
    with (SarkMock(profile=profile, now=NOW, tls=False) as first,
          SarkMock(profile=profile, now=NOW, tls=False) as second,
          proxied(second.url) as proxy, RecordedWire(first.url) as direct, RecordedWire(proxy.url) as through):
        count = successful = 0
        for recording, request in recorded(profile, step):
            expected = without_date(direct.repeat(recording, request))
            actual = without_date(through.repeat(recording, request))
            count += 1
            successful += int(actual[0][9:12]) in (200, 201, 204, 422)
            assert actual == with_address_of(second, expected, first), request[:300]
    assert count == len(proxy.passed)
    return successful


def with_address_of(second, response, first):
    """Replace the first mock's address by the second's."""
    names = [mock.url.split("/")[2].encode() for mock in (first, second)]
    status, headers, body = response
    return status, [line.replace(*names) for line in headers], body.replace(*names)


@pytest.mark.parametrize(("profile", "step"), [("shipped", 11), ("2020-06", 41), ("L10", 41), ("L11", 41)])
def test_recorded_responses_are_forwarded_byte_for_byte(profile, step):
    assert assert_equal_bytes(profile, step) > 30


@pytest.mark.slow
@pytest.mark.parametrize("profile", FILES)
def test_all_recorded_responses_are_forwarded_byte_for_byte(profile):
    assert assert_equal_bytes(profile, 1) > 800


def get(url, **options):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=10, **options)


# forwarding

def test_connections_are_reused_and_hop_by_hop_headers_removed():
    answer = whole(b"[1]", b"X-Odd:  two  blanks\r\nx-odd:again\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
                           b"Keep-Alive: timeout=5\r\n")
    with scripted(answer, answer) as box, proxied(box.url) as proxy, Wire(proxy.url) as wire:
        for _ in range(2):
            status, headers, body = wire.exchange(
                b"GET /api/a?b=%20&& HTTP/1.1\r\nHost: {host}\r\nX_Mine:  1\r\nTE: trailers\r\n"
                b"Connection: X-Gone\r\nX-Gone: 1\r\nx-mine: 2\r\n\r\n")
            assert (status, body) == (b"HTTP/1.1 200 OK", b"[1]")
            assert headers == [b"Content-Type: application/json", b"X-Odd:  two  blanks", b"x-odd:again",
                               b"Content-Length: 3"]
        host = box.url.split("/")[2].encode()
        sent = b"GET /api/a?b=%20&& HTTP/1.1\r\nHost: " + host + b"\r\nX_Mine:  1\r\nx-mine: 2\r\n\r\n"
        assert box.requests == [sent] * 2
        assert box.connections == 1


@pytest.mark.parametrize(("framing", "body"), [
    (b"Content-Length: 5\r\n\r\nhello", b"hello"), (b"\r\nhello" + CLOSE, b"hello"),
    (b"Transfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n", b"hello"),
    (b"Content-Length: 0\r\n\r\n", b"")], ids=["length", "until the end", "chunked", "empty"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_bodies_are_forwarded_with_every_framing(framing, body, version):
    with scripted(HEAD + framing) as box, proxied(box.url) as proxy, Wire(proxy.url) as wire:
        wire.send(b"GET /api/a HTTP/" + version + b"\r\nHost: h\r\n\r\n")
        assert wire.read()[2] == body
        assert proxy.entries()[0].response_body == body


def test_large_bodies_are_streamed_and_recorded_in_part():
    size = 20 << 20
    with SarkMock(tls=False) as box, proxied(box.url) as proxy, Wire(proxy.url) as wire:
        head = b"POST /api/nosuch HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
        assert wire.exchange(head + b"x" * size, "POST")[0] == b"HTTP/1.1 405 Method Not Allowed"
        chunked = b"POST /api/tenants HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        status = wire.exchange(chunked + b"5\r\nhello\r\n" * 20_000 + b"0\r\n\r\n", "POST")[0]
        assert status.startswith(b"HTTP/1.1 422 ")
        assert proxy.entries(2)[0].sizes[0] == size
        assert [passed.whole for passed in proxy.passed] == [False, True]
        assert len(proxy.passed[1].body) == 100_000


def test_buffered_bodies_take_bounded_memory():
    size = 4 << 20
    with SarkMock(tls=False) as box, proxied(box.url) as proxy, Wire(proxy.url) as full, Wire(proxy.url) as second:
        proxy.proxy.room = room = BodyMemory(2 * size)  # buffered for forwarding and for the journal
        head = b"PUT /_mock/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
        full.send(head + b"x" * (size - 1))
        wait_for(lambda: room.size < 4)
        assert second.exchange(head + b"x" * size, "PUT")[0] == b"HTTP/1.1 503 Service Unavailable"
        with Wire(proxy.url) as third:
            passing = b"POST /api/nosuch HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
            assert third.exchange(passing + b"x" * size, "POST")[0] == b"HTTP/1.1 405 Method Not Allowed"
        wait_for(lambda: [passed.whole for passed in proxy.passed] == [False])
        full.send(b"x")
        assert full.read("PUT")[0] == b"HTTP/1.1 415 UNSUPPORTED MEDIA TYPE"
        wait_for(lambda: room.size == 2 * size)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_slow_client_receives_complete_response():
    body = b"x" * (8 << 20)
    with scripted(whole(body)) as box, proxied(box.url) as proxy, Wire(proxy.url) as wire:
        wire.send(b"GET /api/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        time.sleep(0.3)
        assert wire.read()[2] == body


def test_response_is_forwarded_before_it_is_complete():
    answer = HEAD + b"Content-Length: 10\r\n\r\nhello"
    with scripted(answer) as box, proxied(box.url, timeouts=SHORT_TIMEOUTS) as proxy, Wire(proxy.url) as wire:
        wire.send(b"GET /api/a HTTP/1.1\r\nHost: h\r\n\r\n")
        began = time.monotonic()
        assert wire.read()[2] == b"hello"  # then the connection is closed
        assert 0.4 < time.monotonic() - began < 2
        assert "did not complete its response" in proxy.reported[0]
        assert not proxy.passed[0].whole


# hostile or unreachable upstreams

BARE = "a line ends with a bare LF instead of CRLF"
BROKEN = {"no HTTP": 504, "no status": 502, "a long header": 502, "a length that is none": 502}


@pytest.mark.parametrize("name", ANSWERS)
def test_next_request_works_after_hostile_response(name):
    with scripted(ANSWERS[name]) as box, proxied(box.url, timeouts=SHORT_TIMEOUTS) as proxy:
        with Wire(proxy.url) as wire:
            status = wire.exchange(b"GET /api/tenants HTTP/1.1\r\nHost: h\r\n\r\n")[0]
        assert int(status[9:12] or 0) == BROKEN.get(name, int(status[9:12] or 0))
        assert get(f"{proxy.url}/tenants").text == "[]"
        assert all(len(passed.answer_body) <= 8 << 20 for passed in proxy.passed)


@pytest.mark.parametrize(("answer", "reason"), [
    (CLOSE, "closed the connection without a response"),
    (b"HTTP/1.1 200 OK\r\nContent-" + CLOSE, "closed the connection in the head of its response"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
     "sent an invalid HTTP/1.1 response: it switches to another protocol"),
    (ANSWERS["a long header"], "sent a head of more than 65536 bytes"),
    (EMPTY_LIST.replace(b"\r\n", b"\n"), f"sent an invalid HTTP/1.1 response: {BARE}"),
    (HEAD + b"Content-Length: 2\n\nok", f"sent an invalid HTTP/1.1 response: {BARE}"),
    (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
     "sent an invalid HTTP/1.1 response: its length is ambiguous or of an unknown kind"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "aborted its response: a chunk has no size"),
    (HEAD + b"Content-Length: 2\r\n\r\n" + CLOSE, "aborted its response: 2 of 2 bytes are missing"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CLOSE, "aborted its response: its end is missing"),
])
def test_502_explains_what_is_wrong_with_upstream(answer, reason):
    with scripted(answer) as box, proxied(box.url, timeouts=SHORT_TIMEOUTS) as proxy:
        response = get(f"{proxy.url}/tenants")
        assert (response.status_code, response.json()) == (502, {
            "message": f"sarkmock proxy: {box.url.removesuffix('/api')} {reason}"})
        assert get(f"{proxy.url}/tenants").text == "[]"


@pytest.mark.parametrize(("body", "reason"), [
    (b"5\r\nhello!!\r\n", "a chunk is longer than its size"),
    (b"5\r\nhello\r\nzz\r\n", "a chunk has no size"),
    (b"5\r\nhello\r\n" + b"0" * 200_000, "a line is too long"), (b"5\nhello\n0\n\n", BARE),
    (b"5\r\nhello\r\n0\r\n" + b"A: b\r\n" * 100, "its trailers are too long"),
])
def test_response_with_invalid_chunks_is_reported(body, reason):
    with scripted(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body) as box, proxied(
            box.url, timeouts=SHORT_TIMEOUTS) as proxy:
        with Wire(proxy.url) as wire:
            wire.send(b"GET /api/a HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_for(lambda: len(proxy.reported) == 1)
        assert proxy.reported[0].endswith(reason)
        wait_for(lambda: [passed.whole for passed in proxy.passed] == [False])
        assert get(f"{proxy.url}/tenants").text == "[]"


@pytest.mark.parametrize("answer", [HEAD + b"Content-Length: 2\r\n\r\nok", b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_surplus_bytes_are_not_the_next_response(answer):
    surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    with scripted(answer + surplus) as box, proxied(box.url, timeouts=SHORT_TIMEOUTS) as proxy:
        assert get(f"{proxy.url}/tenants").status_code in (200, 204)
        assert get(f"{proxy.url}/tenants").text == "[]"


def test_trickling_response_head_times_out():
    with scripted(EMPTY_LIST, pause=0.1) as box, proxied(box.url, timeouts=SHORT_TIMEOUTS) as proxy:
        began = time.monotonic()
        answer = get(f"{proxy.url}/tenants")
        assert (answer.status_code, answer.json()) == (504, {
            "message": f"sarkmock proxy: {box.url.removesuffix('/api')} did not respond within 1 s"})
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(("slow", "complete"), [(upstream.SLOW, False), (100, True)])
def test_trickling_body_times_out_and_large_body_does_not(slow, complete, monkeypatch):
    monkeypatch.setattr(upstream, "SLOW", slow)
    answer, timeouts = whole(b"x" * 100), replace(SHORT_TIMEOUTS, whole=0.2)
    with scripted(answer, pause=0.003) as box, proxied(box.url, timeouts=timeouts) as proxy, Wire(proxy.url) as wire:
        body = wire.exchange(b"GET /api/a HTTP/1.1\r\nHost: h\r\n\r\n")[2]
        assert (body == b"x" * 100) == complete


def test_timeout_option_includes_connecting():
    values = dict.fromkeys(("listen_cert", "listen_key"), None) | {"timeout": 0.2}
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        for _ in range(2):  # further connections are not accepted
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        with proxied(url, timeouts=listening_of(values).patience) as proxy:
            began = time.monotonic()
            assert get(f"{proxy.url}/a").status_code == 504
            assert time.monotonic() - began < 2


def test_interim_responses_are_forwarded_up_to_a_limit():
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n"
    answers = (b"HTTP/1.1 100 Continue\r\n\r\n" + hint + EMPTY_LIST, hint * 50 + EMPTY_LIST, hint + EMPTY_LIST)
    with scripted(*answers) as box, proxied(box.url) as proxy, Wire(proxy.url) as wire:
        wire.send(b"GET /api/a HTTP/1.1\r\nHost: h\r\n\r\n")
        assert wire.read()[:2] == (b"HTTP/1.1 103 Early Hints", [b"Link: </x>"])
        assert wire.read()[2] == b"[]"
        wire.send(b"GET /api/a HTTP/1.1\r\nHost: h\r\n\r\n")
        statuses = [wire.read()[0] for _ in range(11)]
        assert statuses == [b"HTTP/1.1 103 Early Hints"] * 10 + [b"HTTP/1.1 502 Bad Gateway"]
        with Wire(proxy.url) as old:
            assert old.exchange(b"GET /api/a HTTP/1.0\r\n\r\n")[0] == b"HTTP/1.1 200 OK"


def test_early_response_is_forwarded_before_request_is_complete():
    size = 50 << 20
    head = b"POST /api/tenants HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
    too_large = whole(b"{}", status=b"413 Too Large")
    with box_that_ignores_bodies(too_large) as url, proxied(url) as proxy, Wire(proxy.url) as wire:
        began = time.monotonic()
        assert wire.exchange(head + b"x" * size, "POST")[0] == b"HTTP/1.1 413 Too Large"
        assert time.monotonic() - began < 10
        wait_for(lambda: [passed.whole for passed in proxy.passed] == [False])


@contextmanager
def box_that_ignores_bodies(answer):
    """An upstream that responds to the head of a request and does not read its body."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def accept():
            with contextlib.suppress(OSError):
                connections.append(listener.accept()[0])
                connections[0].recv(1)
                connections[0].sendall(answer)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        thread.join()
        connections[0].close()


def test_proxy_error_reaches_client_that_is_still_sending():
    size = 50 << 20
    head = b"POST /api/tenants HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size
    with scripted() as box:
        url = box.url
    with proxied(url) as proxy, Wire(proxy.url) as wire:
        assert wire.exchange(head + b"x" * size, "POST")[0] == b"HTTP/1.1 502 Bad Gateway"


def test_redirect_is_forwarded_and_not_followed():
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/api\r\nContent-Length: 0\r\n\r\n"
    with scripted(elsewhere) as box, proxied(box.url) as proxy:
        answer = get(f"{proxy.url}/tenants", allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (302, "http://127.0.0.1:9/api")
        assert len(box.requests) == 1
        assert proxy.reported == ["GET /api/tenants: redirects to another host, http://127.0.0.1:9/api"]


def test_absolute_target_is_sent_to_upstream():
    with scripted() as box, proxied(box.url) as proxy, Wire(proxy.url) as wire:
        assert wire.exchange(b"GET http://other.invalid/api/a?b HTTP/1.1\r\nHost: h\r\n\r\n")[2] == b"[]"
        assert box.requests[0].startswith(b"GET /api/a?b HTTP/1.1\r\nHost: 127.0.0.1:")


def test_connection_errors_are_one_line(tmp_path):
    authority = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with SarkMock() as box, proxied(box.url, context=context) as proxy:
        answer = get(f"{proxy.url}/tenants")
        assert answer.status_code == 502
        assert "certificate that is not trusted" in answer.json()["message"]
        assert proxy.reported == [f"GET /api/tenants: 502 {answer.json()['message'].removeprefix('sarkmock proxy: ')}"]
    with SarkMock() as box, proxied(box.url, context=box.ssl_context) as proxy:
        assert get(f"{proxy.url}/tenants").status_code == 200
        url = box.url
    with proxied(url, context=ssl.create_default_context()) as proxy:
        assert "refuses connections" in get(f"{proxy.url}/tenants").json()["message"]
        entry, = proxy.entries()
        assert entry.status == 502
        assert "refuses connections" in proxy.journal.why(entry)[0].text
        assert proxy.passed == []


@pytest.mark.parametrize(("issued", "words"), [
    ({}, "unable to get local issuer certificate); pass its authority with --ca FILE"),
    ({"name": "elsewhere.example"}, "IP address mismatch, certificate is not valid for '127.0.0.1')"),
    ({"not_after": datetime(2020, 1, 1, tzinfo=UTC)}, "certificate has expired)")])
def test_untrusted_certificate_is_reported_with_reason(issued, words):
    authority, stranger = trustme.CA(), trustme.CA()
    name = issued.pop("name", "127.0.0.1")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert(name, **issued).configure_cert(server)
    (authority if issued or name != "127.0.0.1" else stranger).configure_trust(client)
    with scripted(tls=server) as box, proxied(box.url, context=client) as proxy:
        answer = get(f"{proxy.url}/tenants")
        assert answer.status_code == 502
        assert answer.json()["message"].endswith(words)
        assert box.requests == []


def test_read_is_retried_on_closed_connection_and_write_is_not():
    responses = EMPTY_LIST, CLOSE, EMPTY_LIST, CLOSE, EMPTY_LIST
    with scripted(*responses) as box, proxied(box.url) as proxy, requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{proxy.url}/a").status_code == 200
        assert session.get(f"{proxy.url}/a").status_code == 200
        assert session.post(f"{proxy.url}/a").status_code == 502
        assert session.post(f"{proxy.url}/a").status_code == 200
        assert [request.partition(b" ")[0] for request in box.requests] == [b"GET", b"GET", b"GET", b"POST", b"POST"]


def test_burst_of_connections_is_accepted_while_proxy_is_busy():
    passed, go_on = threading.Event(), threading.Event()

    def judge(_):
        passed.set()
        go_on.wait(10)

    with scripted() as box, proxied(box.url, judge=judge) as proxy, contextlib.ExitStack() as stack:
        stack.callback(go_on.set)
        get(f"{proxy.url}/a")
        assert passed.wait(5)
        address = ("127.0.0.1", proxy.proxy.port)
        for _ in range(200):
            stack.enter_context(socket.create_connection(address, timeout=0.5))
    with warnings.catch_warnings(record=True, category=ResourceWarning, action="always") as caught:
        gc.collect()
    assert not caught  # connections that were just accepted are also closed


# pace, faults, journal

def test_rate_limited_requests_wait_in_bounded_queue():
    with scripted() as box, proxied(box.url, pace=Pace(each=0.2, queue=1)) as proxy:
        responses = []
        threads = [threading.Thread(target=lambda: responses.append(get(f"{proxy.url}/a"))) for _ in range(4)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
            time.sleep(0.02)
        for thread in threads:
            thread.join()
        assert sorted(answer.status_code for answer in responses) == [200, 200, 429, 429]
        assert {answer.headers.get("Retry-After") for answer in responses} == {None, "1"}
        assert 0.2 <= time.monotonic() - began < 1
        assert len(box.requests) == 2


def test_disconnected_client_leaves_the_queue():
    with scripted() as box, proxied(box.url, pace=Pace(each=0.4, queue=9)) as proxy:
        assert get(f"{proxy.url}/first").ok
        for name in ("a", "b", "c"):
            with Wire(proxy.url) as gone:
                gone.send(f"GET /api/{name} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
                time.sleep(0.02)
        assert get(f"{proxy.url}/last").ok
        assert [request.split(b" ")[1] for request in box.requests] == [b"/api/first", b"/api/last"]


def test_queued_requests_get_503_when_proxy_stops():
    with scripted() as box, proxied(box.url, pace=Pace(each=30, queue=3)) as proxy:
        assert get(f"{proxy.url}/first").ok
        responses = []
        threads = [threading.Thread(target=lambda: responses.append(get(f"{proxy.url}/a"))) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_for(lambda: proxy.proxy.pace.waiting == 3)
        proxy.proxy.stop()
        for thread in threads:
            thread.join()
        message = {"message": "sarkmock proxy: the proxy is stopping; the request was not forwarded"}
        assert [(answer.status_code, answer.json()) for answer in responses] == [(503, message)] * 3
        assert len(box.requests) == 1


def test_requests_per_minute_are_limited():
    with scripted() as box, proxied(box.url, pace=Pace(most=2, queue=0)) as proxy:
        assert [get(f"{proxy.url}/a").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(("fault", "status", "sent"), [
    ("status=503", 503, 0), ("html=502", 502, 0), ("throttle=7", 429, 0), ("latency=0.2", 200, 1), ("drop", 0, 0),
    ("drop=after", 0, 1), ("truncate=1", 200, 1)])
def test_faults_apply_to_traffic(fault, status, sent):
    with scripted() as box, proxied(box.url, faults=(f"tenants.*:{fault},times=1",)) as proxy, Wire(proxy.url) as wire:
        began = time.monotonic()
        request = b"GET /api/tenants HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\r\n"
        status_line, _, body = wire.exchange(request)
        assert int(status_line[9:12] or 0) == status
        assert (time.monotonic() - began >= 0.2) == ("latency" in fault)
        assert fault != "truncate=1" or body == b"["
        assert len(box.requests) == sent
        assert proxy.entries()[0].fault == "1"
        assert [(passed.whole, passed.answer_body) for passed in proxy.passed] == [(True, b"[]")] * sent
        assert get(f"{proxy.url}/tenants").text == "[]"


def test_response_is_incomplete_if_client_disconnects():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7000000\r\n\r\n" + b"x" * 7_000_000
    with scripted(answer) as box, proxied(box.url) as proxy:
        with Wire(proxy.url) as wire:
            wire.send(b"GET /api/tenants HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_for(lambda: box.requests)
        wait_for(lambda: proxy.passed)
        assert not proxy.passed[0].whole


def test_faults_that_need_a_mock_are_rejected():
    with scripted() as box, proxied(box.url) as proxy:
        fault = {"operation": "tenants.*", "locked": True}
        answer = requests.post(f"{proxy.proxy.url}/_mock/faults", json=fault, timeout=5)
        assert answer.status_code == 422
        assert "not available in a proxy" in answer.json()["error"]


def test_control_plane_has_journal_and_har_but_no_state():
    packed = gzip.compress(b'[{"pkey": "a", "password": "secret7"}]')
    with scripted(whole(packed, b"Content-Encoding: gzip\r\n")) as box, proxied(box.url) as proxy:
        assert get(f"{proxy.url}/tenants").json()[0]["pkey"] == "a"
        proxy.entries()
        entry, = get(f"{proxy.proxy.url}/_mock/journal").json()["entries"]
        assert (entry["operation"], entry["status"]) == ("tenants.list", 200)
        assert "secret7" not in str(entry)
        assert '"pkey"' in entry["response"]["body"]
        assert get(f"{proxy.proxy.url}/_mock/journal.har").json()["log"]["entries"][0]["response"]["status"] == 200
        assert get(f"{proxy.proxy.url}/_mock/profile").json()["upstream"] == box.url
        assert get(f"{proxy.proxy.url}/_mock/state").status_code == 404
        assert get(f"{proxy.proxy.url}/_mock/").status_code == 200


def test_invalid_client_requests_are_rejected():
    with scripted() as box, proxied(box.url) as proxy:
        for request, status in ((b"GET /api HTTP/1.1\r\n\r\n", 400), (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                                (b"\r\n" * 2000, 400), (b"GET /api HTTP/1.1\nHost: a\n\n", 400),
                                (b"GET /api HTTP/1.1\r\nHost: a\n\n", 400),
                                (b"GET /api HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
                                (b"PUT /_mock/faults HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413)):
            with Wire(proxy.url) as wire:
                assert int(wire.exchange(request)[0][9:12]) == status
        assert box.requests == []


@pytest.mark.parametrize("body", [b"zz\r\n", b"1\r\nxyz\r\n", b"-1\r\n", b"1\nx\n\r\n"])
def test_request_with_invalid_chunks_is_a_client_error(body):
    with SarkMock(tls=False) as box, proxied(box.url) as proxy, Wire(proxy.url) as wire:
        request = b"POST /api/tenants HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        status, _, answer = wire.exchange(request, "POST")
        assert (status, proxy.reported) == (b"HTTP/1.1 400 Bad Request", [])
        assert b"The body of the request is invalid" in answer


FLOODS = {"chunks": (b"POST /api/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
          "requests": (b"", b"PUT /api/backups/a.zip HTTP/1.1\r\nHost: a\r\n\r\n")}


@pytest.mark.parametrize("name", FLOODS)
def test_flood_of_one_client_does_not_delay_others(name):
    begin, repeated = FLOODS[name]
    guard = TrafficGuard("/api", permitted_hazards(read_only=False, disruptive=False))
    with SarkMock(tls=False) as box, proxied(box.url, guard=guard) as proxy:
        with Wire(proxy.url) as wire:
            flood = threading.Thread(target=send_endlessly, args=[wire, begin, repeated * 10_000])
            flood.start()
            time.sleep(0.5)
            began = time.monotonic()
            assert [get(f"{proxy.url}/tenants").status_code for _ in range(3)] == [200] * 3
            assert time.monotonic() - began < 3
        flood.join()


def send_endlessly(wire, begin, flood):
    with contextlib.suppress(OSError):
        wire.send(begin)
        while True:
            wire.send(flood)

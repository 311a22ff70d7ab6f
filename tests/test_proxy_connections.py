"""The proxy's connections to an upstream: bursts of clients, upstreams with few workers, and a busy event loop."""

import contextlib
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from sarkmock.proxy.exchange import Pace
from sarkmock.proxy.server import PermitAll
from sarkmock.proxy.upstream import Timeouts
from sarkmock.proxy_api import ProxyListener, open_proxy
from sarkmock.server.addresses import is_same_address
from sarkmock.server.https_server import CannotListen
from tests.hostile_box import loopback_server
from tests.proxied import CLOSE, EMPTY_LIST, Wire, proxied, read_request, scripted

CONTEXT = ssl.create_default_context()
REQUEST = b"GET /api/tenants HTTP/1.1\r\nHost: h\r\n\r\n"


@contextmanager
def upstream_of(workers, backlog, pause=0.0):
    """An upstream whose workers each serve one connection until it is closed, as Apache's do."""
    def serve(listener):
        with listener.accept()[0] as connection, contextlib.suppress(ConnectionError):
            while read_request(connection):
                time.sleep(pause)
                connection.sendall(EMPTY_LIST)

    with loopback_server(serve, workers, backlog) as address:
        yield f"http://{address}/api"


def responses_of(url, clients):
    """The status lines that simultaneous clients get, each with a connection of its own."""
    def ask(_):
        with Wire(url) as wire:
            return wire.exchange(REQUEST)[0]

    with ThreadPoolExecutor(clients) as threads:
        return list(threads.map(ask, range(clients)))


@pytest.mark.parametrize(("workers", "backlog", "clients"), [(1, 16, 2), (3, 16, 12)])
def test_burst_of_clients_waits_no_longer_than_upstream_needs(workers, backlog, clients):
    with upstream_of(workers, backlog, pause=0.02) as url, proxied(url) as proxy:
        began = time.monotonic()
        assert responses_of(proxy.url, clients) == [b"HTTP/1.1 200 OK"] * clients
        assert time.monotonic() - began < 3
        assert proxy.reported == []


def test_504_is_not_said_if_only_the_proxy_was_busy():
    timeouts = Timeouts(answer=0.3, piece=0.3)
    with (upstream_of(1, 16, pause=0.2) as url, proxied(url, timeouts=timeouts, log=lambda _: time.sleep(0.4)) as proxy,
          Wire(proxy.url) as slow, Wire(proxy.url) as other):
        slow.send(REQUEST)
        time.sleep(0.05)
        other.send(b"GET / HTTP/1.1\r\n\r\n")  # rejected and logged, which blocks the event loop
        assert slow.read()[0] == b"HTTP/1.1 200 OK"


def test_writes_have_new_connections_after_one_was_closed_without_notice():
    with scripted(EMPTY_LIST, CLOSE) as box, proxied(box.url) as proxy, Wire(proxy.url) as wire:
        requests = [REQUEST.replace(b"GET", method) for method in (b"POST", b"POST", b"POST", b"POST", b"GET")]
        statuses = [int(wire.exchange(request)[0][9:12]) for request in requests]
        assert (statuses, len(box.requests), box.connections) == ([200, 502, 200, 200, 200], 5, 3)


def test_few_connections_are_opened_at_a_time_and_failures_reach_all_clients():
    with silent_upstream() as (url, accepted), proxied(url, context=CONTEXT, timeouts=Timeouts(connect=0.4)) as proxy:
        began = time.monotonic()
        statuses = responses_of(proxy.url, 40)
        assert statuses == [b"HTTP/1.1 504 Gateway Timeout"] * 40
        assert time.monotonic() - began < 3
        first = [at for at in accepted if at - accepted[0] < 0.3]
        assert len(first) == 16


@contextmanager
def silent_upstream():
    """An upstream that accepts connections, at times that are recorded, and never responds."""
    listener, accepted, connections = socket.create_server(("127.0.0.1", 0)), [], []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connections.append(listener.accept()[0])
                accepted.append(time.monotonic())

    threading.Thread(target=accept, daemon=True).start()
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/api", accepted
        for connection in connections:
            connection.close()


def test_refused_connections_are_told_to_all_clients():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/api"
    with proxied(url) as proxy:
        assert responses_of(proxy.url, 50) == [b"HTTP/1.1 502 Bad Gateway"] * 50


@pytest.mark.parametrize(("host", "listening", "same"), [
    ("localhost", "127.0.0.1", True), ("127.0.0.1", "127.0.0.2", False), ("127.0.0.1", "0.0.0.0", True),
    ("::1", "::", True), ("127.0.0.1", "::1", False), ("192.0.2.1", "0.0.0.0", False), ("x..", "127.0.0.1", False)])
def test_address_of_the_proxy_itself_is_recognised(host, listening, same):
    assert is_same_address(host, listening) == same


def test_proxy_before_itself_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ProxyListener(port=port).check(f"http://localhost:{port + 1}/api")
    with pytest.raises(CannotListen, match="/api is the address of the proxy itself; choose another with --port"):
        ProxyListener(port=port).check(f"http://localhost:{port}/api")


@pytest.mark.parametrize(("base", "hint"), [
    ("/api", ""), ("", "   (without a base path; the API of a SARK usually is at /api)")])
def test_greeting_tells_that_a_base_path_is_missing(base, hint):
    with contextlib.ExitStack() as stack:
        url, listening = f"http://127.0.0.1:1{base}", ProxyListener(http=True)
        _, greeting = open_proxy(stack, url, None, "documented", listening, PermitAll(), Pace(), None, print)
    assert greeting.splitlines()[0] == f"forwards to   {url}{hint}"

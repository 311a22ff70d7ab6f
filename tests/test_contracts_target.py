"""The target: sent and withheld requests, and equal behaviour of both transports."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest
from sarkmock_contracts.client.http import Exchange, Request, Response, with_form, with_json
from sarkmock_contracts.client.target import Target, read_environ
from sarkmock_contracts.client.transports import Http, InProcess, Layer
from sarkmock_contracts.errors import CannotRun, NoAnswer, Withheld
from werkzeug.test import Client

from sarkmock import create_app
from sarkmock.server.https_server import Server

REQUESTS = [
    Request("GET", "/tenants"), Request("GET", "/tenants/default", "a=%20b&c"), Request("OPTIONS", "/tenants"),
    with_json("PUT", "/tenants/default", {"description": "名前 \n", "chanmax": 1.5}),
    with_form("PUT", "/tenants/default", {"description": "a b&c=d"}),
    Request("GET", "/tenants/a%20%C3%A9"), Request("GET", "/tenants/a%2Fb"),
    Request("PATCH", "/tenants"), Request("DELETE", "/nosuchpath"),
]


@pytest.fixture
def url() -> Iterator[str]:
    with Server(create_app()) as server:
        yield f"{server.url}/api"


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: f"{request.method} {request.target}")
def test_both_transports_return_the_same_response(url: str, request_: Request) -> None:
    inside, outside = InProcess(create_app()).send(request_), Http(url).send(request_)
    assert (inside.status, inside.content_type, inside.header("Allow")) == (
        outside.status, outside.content_type, outside.header("Allow"))
    assert inside.body == outside.body or "z_" in inside.body.decode()


@pytest.mark.parametrize("url", ["tenants", "ftp://127.0.0.1/"])
def test_url_must_be_http_or_https(url: str) -> None:
    with pytest.raises(CannotRun, match="not an http or https URL"):
        Http(url)


@pytest.mark.parametrize("url", ["https://127.0.0.1/api", "http://localhost:8000/api", "https://[::1]:44300/api"])
def test_loopback_urls_are_accepted(url: str) -> None:
    assert Http(url).base == "/api"


def test_unreachable_box_is_reported() -> None:
    with pytest.raises(NoAnswer, match="does not respond"):
        Http("http://127.0.0.1:9/api").send(Request("GET", "/tenants"))


class Echo:
    url, base = "https://127.0.0.1:44300/api", "/api"

    def __init__(self) -> None:
        self.sent: list[Request] = []

    def send(self, request: Request) -> Response:
        self.sent.append(request)
        return Response(422, (("Content-Type", "application/json"),), b"{}")


def test_client_sends_requests_through_target() -> None:
    echo = Echo()
    target = Target(echo)
    response = Client(target).put("/api/tenants/a%2Fb?x=%20", json={"a": 1}, headers={"Accept": "application/json"})
    assert (response.status_code, response.get_json()) == (422, {})
    sent, = echo.sent
    assert (sent.method, sent.path, sent.query, sent.body) == ("PUT", "/tenants/a%2Fb", "x=%20", b'{"a": 1}')
    assert sent.headers == (("Accept", "application/json"), ("Content-Type", "application/json"))
    assert target.requests == 1


def test_layers_precede_the_transport() -> None:
    echo = Echo()
    target = Target(Layer(Layer(echo)))
    assert [type(layer) for layer in target.layers()] == [Layer, Layer, Echo]
    target.send(Request("GET", "/tenants"))
    assert (len(echo.sent), target.requests) == (1, 1)


def test_layer_can_withhold_a_request() -> None:
    class Rejecting(Layer):
        def send(self, request: Request) -> Response:
            raise Withheld("is not sent")

    echo = Echo()
    target = Target(Rejecting(echo))
    with pytest.raises(Withheld):
        target.send(Request("GET", "/syscommands/reboot"))
    assert (echo.sent, target.requests) == ([], 0)


def test_client_specific_headers_are_removed() -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/tenants", "HTTP_HOST": "x",
               "HTTP_X_SCHEMATHESIS_TESTCASEID": "1", "HTTP_USER_AGENT": "y", "HTTP_ACCEPT": "z"}
    environ["wsgi.input"] = BytesIO()
    assert read_environ(environ, "/api") == Request("GET", "/tenants", "", (("Accept", "z"),))


def test_size_of_exchange() -> None:
    assert Exchange(Request("GET", "/a", "b", body=b"cd"), Response(200)).size == 6

"""`SarkMock` in scripts and unittest: over TLS, plain HTTP, with a custom SSL context, and without a socket."""

import asyncio
import gc
import json
import sqlite3
import ssl
import urllib.request
from pathlib import Path

import aiohttp
import httpx
import pytest
import requests
import trustme

from sarkmock import Fault, FaultError, FileError, SarkMock, Seed, SeedError

ACME = {"pkey": "acme", "description": "A tenant"}


@pytest.fixture(scope="module")
def shared():
    with SarkMock() as sark:
        yield sark


@pytest.fixture
def mock(shared):
    shared.reset()
    return shared


def by_requests(mock):
    return requests.post(f"{mock.url}/tenants", json=ACME, verify=mock.ca_file, timeout=5).json()


def by_httpx(mock):
    return httpx.post(f"{mock.url}/tenants", json=ACME, verify=mock.ssl_context).json()


def by_aiohttp(mock):
    async def post():
        async with (aiohttp.ClientSession() as client,
                    client.post(f"{mock.url}/tenants", json=ACME, ssl=mock.ssl_context) as response):
            return await response.json()
    return asyncio.run(post())


def by_urllib(mock):
    request = urllib.request.Request(f"{mock.url}/tenants", b'{"pkey":"acme","description":"A tenant"}',
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, context=mock.ssl_context) as response:
        return json.load(response)


def in_process_by_requests(mock):
    return mock.session().post(f"{mock.url}/tenants", json=ACME).json()


def in_process_by_httpx(mock):
    with httpx.Client(transport=mock.httpx_transport(), base_url=mock.url) as client:
        return client.post("/tenants", json=ACME).json()


def in_process_by_async_httpx(mock):
    async def post():
        async with httpx.AsyncClient(transport=mock.httpx_transport(), base_url=mock.url) as client:
            return (await client.post("/tenants", json=ACME)).json()
    return asyncio.run(post())


CLIENTS = [by_requests, by_httpx, by_aiohttp, by_urllib, in_process_by_requests, in_process_by_httpx,
           in_process_by_async_httpx]


def tenants(mock):
    return [row["pkey"] for row in mock.session().get(f"{mock.url}/tenants").json()]


@pytest.mark.parametrize("post", CLIENTS)
def test_every_client_works_with_certificate_verification(mock, post):
    assert post(mock)["pkey"] == "acme"
    assert tenants(mock) == ["acme", "default"]
    assert mock.state.tables.first("cluster", "pkey", "acme")["description"] == "A tenant"


def test_client_without_ca_file_rejects_certificate(mock):
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{mock.url}/tenants", verify=ssl.create_default_context())


def test_reset_restores_constructor_arguments():
    mock = SarkMock(pbx="stopped", seed={"tables": {"cluster": [ACME]}})
    mock.state.tables.insert("cluster", {"pkey": "other"})
    mock.state.pbx.start()
    mock.reset()
    assert tenants(mock) == ["acme"]
    assert mock.session().get(f"{mock.url}/astamis/CoreSettings").status_code == 503


def test_pbx_argument_overrides_seed():
    mock = SarkMock(pbx="running", seed={"pbx": "stopped"})
    assert mock.session().get(f"{mock.url}/astamis/CoreSettings").status_code == 200


@pytest.mark.parametrize("seed", ["file", "Path", "mapping", "Seed"])
def test_seed_argument_types(tmp_path, seed):
    file = tmp_path / "box.yaml"
    file.write_text("tables: {cluster: [{pkey: acme}]}")
    content = {"tables": {"cluster": [{"pkey": "acme"}]}}
    forms = {"file": str(file), "Path": file, "mapping": content, "Seed": Seed.of(content)}
    assert tenants(SarkMock(seed=forms[seed])) == ["acme"]


def get_over_socket(mock, path):
    return requests.get(f"{mock.url}/{path}", verify=mock.ca_file, timeout=5)


def get_in_process(mock, path):
    return mock.session().get(f"{mock.url}/{path}")


def get_over_socket_by_httpx(mock, path):
    return httpx.get(f"{mock.url}/{path}", verify=mock.ssl_context)


def get_in_process_by_httpx(mock, path):
    with httpx.Client(transport=mock.httpx_transport()) as client:
        return client.get(f"{mock.url}/{path}")


@pytest.mark.parametrize("fault", ["drop", "truncate=3"])
@pytest.mark.parametrize(("get", "errors"), [
    (get_over_socket, {"drop": requests.ConnectionError, "truncate=3": requests.exceptions.ChunkedEncodingError}),
    (get_in_process, {"drop": requests.ConnectionError, "truncate=3": requests.exceptions.ChunkedEncodingError}),
    (get_over_socket_by_httpx, dict.fromkeys(("drop", "truncate=3"), httpx.RemoteProtocolError)),
    (get_in_process_by_httpx, dict.fromkeys(("drop", "truncate=3"), httpx.RemoteProtocolError))])
def test_connection_faults_raise_same_error_without_socket(mock, get, errors, fault):
    mock.faults.add(f"tenants.list:{fault}")
    with pytest.raises(errors[fault]):
        get(mock, "tenants")
    assert [entry.fault for entry in mock.requests] == ["1"]


def test_async_client_is_not_blocked_by_latency(mock):
    mock.faults.add("tenants.list:latency=0.5")

    async def both():
        async with httpx.AsyncClient(transport=mock.httpx_transport(), base_url=mock.url) as client:
            delayed = asyncio.create_task(client.get("/tenants"))
            await client.get("/tenants/default")
            assert not delayed.done()
            return (await delayed).status_code
    assert asyncio.run(both()) == 200


@pytest.mark.parametrize("faults", ["tenants.list:status=503,times=1", ["tenants.list:status=503,times=1"],
                                    [{"operation": "tenants.list", "status": 503, "times": 1}],
                                    {"operation": "tenants.list", "status": 503, "times": 1},
                                    Fault("tenants.list", status=503, times=1),
                                    [Fault("tenants.list", status=503, times=1)]])
def test_reset_restores_faults_and_clears_journal(faults):
    mock = SarkMock(faults=faults)
    for _ in range(2):
        assert [get_in_process(mock, "tenants").status_code for _ in range(2)] == [503, 200]
        mock.requests.assert_called("tenants.list", times=1, status=503)
        assert len(mock.requests) == 2
        mock.reset()
        assert len(mock.requests) == 0


@pytest.mark.parametrize(("method", "path", "body"), [
    ("PUT", "profile", {"profile": "shipped"}), ("PUT", "seed", {"seed": "empty"}), ("PUT", "state", {"tables": {}}),
    ("PATCH", "pbx", {"boot_seconds": 1}), ("POST", "clock/advance", {"seconds": 3600}), ("POST", "pbx/stop", None),
    ("POST", "faults", {"latency": 1})])
def test_reset_undoes_control_plane_requests(method, path, body):
    mock = SarkMock(now=1_717_236_000)
    before = snapshot(mock)
    with httpx.Client(transport=mock.httpx_transport(), base_url=mock.control_url) as control:
        assert control.request(method, path, json=body).is_success
        assert snapshot(mock) != before
        mock.reset()
        assert snapshot(mock) == before


def snapshot(mock):
    """Everything that a reset restores."""
    return (mock.engine.program.profile, mock.state.tables.dump(), mock.state.clock.now(), mock.state.pbx.running,
            mock.state.pbx.boot_seconds, len(mock.faults), dict(mock.state.astdb), sorted(mock.state.files))


def test_reset_over_http(mock):
    stopped = SarkMock(pbx="stopped", faults="tenants.list:status=503")
    stopped.state.pbx.start()
    stopped.faults.clear()
    assert stopped.session().post(f"{stopped.url}/tenants", json=ACME).status_code == 201
    assert stopped.session().post(f"{stopped.control_url}/reset").status_code == 204
    assert get_in_process(stopped, "astamis/CoreSettings").status_code == 503
    assert get_in_process(stopped, "tenants").status_code == 503
    assert [entry.status for entry in stopped.requests] == [503, 503]


def test_profile_clock_and_throttle_arguments():
    mock = SarkMock(profile="shipped", now=1_717_236_000, throttle=2)
    client = mock.session()
    assert client.get(f"{mock.url}/sysglobals").status_code == 200
    assert client.post(f"{mock.url}/tenants", json=ACME).status_code == 201
    assert mock.state.tables.first("cluster", "pkey", "acme")["z_created"] == "2024-06-01 10:00:00"
    rejected = client.get(f"{mock.url}/tenants")
    assert (rejected.status_code, rejected.headers["X-RateLimit-Remaining"]) == (429, "0")
    mock.reset()
    assert client.get(f"{mock.url}/tenants").status_code == 200


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"profile": "shiped"}, FileError, "did you mean shipped?"),
    ({"seed": "factry"}, FileError, "did you mean factory?"),
    ({"seed": {"tables": {"clustr": []}}}, SeedError, "did you mean cluster?"),
    ({"faults": ["tenant.list:drop"]}, FaultError, "did you mean tenants.list"),
    ({"faults": "drop=befor"}, FaultError, "befor"),
    ({"pbx": "stoped"}, ValueError, "did you mean stopped?"),
    ({"seed": Path("nosuch.yaml")}, FileError, "No such file")])
def test_invalid_argument_suggests_correction(arguments, error, message):
    with pytest.raises(error) as caught:
        SarkMock(**arguments)
    assert message in str(caught.value)


def test_plain_http():
    with SarkMock(tls=False) as mock:
        assert mock.url.startswith("http://127.0.0.1:")
        assert requests.get(f"{mock.url}/tenants", timeout=5).ok
        with pytest.raises(ValueError, match="no certificate was generated"):
            assert mock.ca_file


def test_server_on_all_interfaces_has_localhost_url():
    with SarkMock(host="0.0.0.0") as mock:
        assert mock.url.startswith("https://localhost:")
        assert get_over_socket(mock, "tenants").ok
        assert get_over_socket(mock, "../_mock/health").status_code == 404, "the control plane is for localhost only"


@pytest.fixture
def contexts():
    """A server's SSL context that requires client certificates, and the context of a client that has one."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.issue_cert("client@example.com").configure_cert(client)
    authority.configure_trust(client)
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    return server, client


def test_server_with_custom_ssl_context(contexts):
    server, client = contexts
    with SarkMock(tls=server) as mock, httpx.Client(verify=client, base_url=mock.url) as http:
        assert http.post("/tenants", json=ACME).json()["pkey"] == "acme"
        assert [row["pkey"] for row in http.get("/tenants").json()] == ["acme", "default"]
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{mock.url}/tenants", verify=ssl.create_default_context())


@pytest.mark.parametrize("tls", [True, False, "context"])
def test_stop_closes_port_and_removes_files(contexts, tls):
    with SarkMock(tls=contexts[0] if tls == "context" else tls) as mock:
        url = mock.url
        authority = Path(mock.ca_file) if tls is True else None
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/tenants", verify=contexts[1])
    assert authority is None or not authority.parent.exists()


def test_mock_can_be_restarted():
    mock = SarkMock()
    for _ in range(2):
        with mock:
            assert requests.get(f"{mock.url}/tenants", verify=mock.ca_file, timeout=5).ok
            assert httpx.get(f"{mock.url}/tenants", verify=mock.ssl_context).is_success


def test_url_without_server_is_invalid_host():
    assert SarkMock().url == "https://sark.invalid/api"


@pytest.mark.parametrize("name", ["é/1 %25?#", "日本", "a%2Fb"])
def test_paths_are_the_same_without_socket(mock, name):
    """Quoted paths reach the application as they do over a socket."""
    path = f"{mock.url}/tenants/{requests.utils.quote(name, safe='')}"
    expected = requests.get(path, verify=mock.ca_file, timeout=5)
    with httpx.Client(transport=mock.httpx_transport()) as client:
        assert (client.get(path).status_code, client.get(path).content) == (expected.status_code, expected.content)
    actual = mock.session().get(path)
    assert (actual.status_code, actual.content) == (expected.status_code, expected.content)


def test_chunked_and_file_bodies_without_socket(mock, tmp_path):
    headers = {"Content-Type": "application/json"}
    file = tmp_path / "body.json"
    file.write_text('{"pkey": "two", "description": "x"}')
    session = mock.session()
    session.post(f"{mock.url}/tenants", data=iter([b'{"pkey": "one",', b'"description": "x"}']), headers=headers)
    with file.open("rb") as body:
        session.post(f"{mock.url}/tenants", data=body, headers=headers)
    with httpx.Client(transport=mock.httpx_transport()) as client:
        pieces = iter([b'{"pkey": "three",', b'"description": "x"}'])
        client.post(f"{mock.url}/tenants", content=pieces, headers=headers)
    assert tenants(mock) == ["default", "one", "three", "two"]


def test_databases_are_closed(monkeypatch):
    """Python 3.13 warns about unclosed databases, which fails a test run with -W error."""
    connect, opened = sqlite3.connect, []

    class Watched(sqlite3.Connection):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            opened.append([False])
            self.closed = opened[-1]

        def close(self):
            self.closed[0] = True
            super().close()
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Watched, **options))
    mock = SarkMock(seed="demo")
    mock.state.tables.load(mock.state.tables.dump())
    with pytest.raises(sqlite3.DatabaseError):
        mock.state.tables.load(b"SQLite format 3\0" * 100)
    mock.close()
    assert len(opened) >= 4
    assert [closed for closed, in opened if not closed] == []
    SarkMock().reset()
    gc.collect()
    assert [closed for closed, in opened if not closed] == []


def test_ipv6_address_in_brackets():
    with SarkMock(host="[::1]") as mock:
        assert mock.url.startswith("https://[::1]:")
        assert requests.get(f"{mock.url}/tenants", verify=mock.ca_file, timeout=5).ok

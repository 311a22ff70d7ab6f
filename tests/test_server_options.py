"""Options of `sarkmock serve`: profile, certificate, port, host and seed; messages about mistakes."""

import errno
import ipaddress
import json
import os
import re
import resource
import shlex
import socket
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sarkmock.faults import Faults
from sarkmock.http.engine import Engine
from sarkmock.proxy.server import Proxy, ProxyParts
from sarkmock.proxy.upstream import Upstream
from sarkmock.server.certificates import context_of, make_certificate, users_context
from sarkmock.server.http11 import Limits
from sarkmock.server.https_server import CannotListen, Server, allow_open_files, most_connections
from sarkmock.spec.yaml12 import FileError
from tests.serving import mistake, proxying, serving


@pytest.fixture(scope="module")
def plain():
    with serving("--http") as running:
        yield running


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@pytest.fixture
def pair(tmp_path):
    return make_certificate(tmp_path, "127.0.0.1")


def test_profile_is_served_and_named():
    with serving("--http", "--profile", "shipped") as running:
        assert "profile shipped" in running.greeting
        assert running.get("/api/sysglobals")


def test_own_certificate(pair):
    with serving("--cert", str(pair.certificate), "--key", str(pair.key)) as running:
        assert "--cacert" not in running.greeting
        context = ssl.create_default_context(cafile=pair.authority)
        assert urllib.request.urlopen(running.url + "/tenants", context=context, timeout=5).status == 200


@pytest.mark.parametrize("command", [
    ["serve"], ["proxy", "http://127.0.0.1:1/api", "--shadow", "L10", "--target-profile", "shipped"]])
def test_port_in_use_is_reported(command):
    """A proxy reports it before it reads the state of the box."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert mistake(*command, "--port", str(port)) == (
            f"port {port} on 127.0.0.1 is in use; choose another with --port, or --port 0 for any free one")


def test_two_servers_cannot_share_a_port(plain):
    assert "is in use" in mistake("serve", "--http", "--port", str(plain.address[1]))


def test_host_of_another_machine_is_reported():
    for host in ("203.0.113.7", "no.such.host.invalid"):
        assert mistake("serve", "--port", "0", "--host", host) == (
            f"{host} is not an address of this machine; choose another with --host")


def wrong_certificates(tmp_path, pair):
    """Certificate, key and expected message."""
    key = load_pem_private_key(pair.key.read_bytes(), None)
    files = {name: tmp_path / name for name in ("locked.key", "other.key", "garbage", "missing")}
    files["locked.key"].write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(files["other.key"])
    files["garbage"].write_text("-----BEGIN CERTIFICATE-----\nnothing\n")
    return {
        "encrypted": (pair.certificate, files["locked.key"], "locked.key: is encrypted; give --key"),
        "mismatch": (pair.certificate, files["other.key"], f"other.key: is not the key of {pair.certificate}"),
        "no certificate": (files["garbage"], pair.key, "garbage: holds no PEM certificate"),
        "no key": (pair.certificate, files["garbage"], "garbage: holds no PEM private key"),
        "missing": (files["missing"], pair.key, "missing: No such file or directory"),
        "swapped": (pair.key, pair.certificate, "key.pem: holds no PEM certificate"),
    }


@pytest.mark.parametrize("case", ["encrypted", "mismatch", "no certificate", "no key", "missing", "swapped"])
def test_invalid_certificate_is_reported(tmp_path, pair, case):
    certificate, key, message = wrong_certificates(tmp_path, pair)[case]
    assert message in mistake("serve", "--port", "0", "--cert", str(certificate), "--key", str(key))


LONG_TIMEOUT = Limits(header_timeout=600)


def start_server(log, tls):
    return Server(application, tls=tls, log=log, limits=LONG_TIMEOUT)


def start_proxy(log, tls):
    parts = ProxyParts(Faults(Engine()), log=log)
    return Proxy(Upstream("http://127.0.0.1:1/api", None), parts, tls=tls, limits=LONG_TIMEOUT)


@pytest.mark.parametrize("start", [start_server, start_proxy])
def test_http_request_to_https_port_is_answered_at_once(start, pair):
    served = []
    with start(served.append, context_of(pair)) as listener, \
            socket.create_connection(("127.0.0.1", listener.port), timeout=60) as client:
        client.sendall(b"DELETE /api/tenants/a HTTP/1.1\r\nHost: x\r\n\r\n")
        response = b"".join(iter(lambda: client.recv(4096), b""))
    assert response.startswith(b"HTTP/1.1 400 ")
    assert b"The request is not encrypted; use https." in response
    assert [(entry.status, entry.reason) for entry in served] == [(400, "The request is not encrypted; use https.")]


@pytest.mark.parametrize("start", [start_server, start_proxy])
def test_tls_handshake_with_http_port_is_answered_at_once(start):
    served = []
    with start(served.append, None) as listener, \
            socket.create_connection(("127.0.0.1", listener.port), timeout=60) as client, \
            pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        ssl.create_default_context().wrap_socket(client, server_hostname="x")
    assert [(entry.status, entry.reason) for entry in served] == [(400, "The request is encrypted; use http.")]


def test_log_gives_reason_for_unreadable_request():
    with serving("--http", "-v") as running:
        with socket.create_connection(running.address, timeout=60) as client:
            client.sendall(b"\x16\x03\x01\x02\x00")
            assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
        running.stop()
    assert running.errors[-1] == "         why: The request is encrypted; use http.\n"


def test_certificate_without_key_is_reported(pair):
    message = mistake("serve", "--cert", str(pair.certificate))
    assert message == "--cert and --key go together (see sarkmock serve --help)"


KEYS = {
    "RSA 1536": (lambda: rsa.generate_private_key(65537, 1536), False),
    "RSA 2048": (lambda: rsa.generate_private_key(65537, 2048), True),
    "RSA 4096": (lambda: rsa.generate_private_key(65537, 4096), True),
    "P-256": (lambda: ec.generate_private_key(ec.SECP256R1()), True),
    "P-384": (lambda: ec.generate_private_key(ec.SECP384R1()), True),
    "P-521": (lambda: ec.generate_private_key(ec.SECP521R1()), False),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, True),
}


@pytest.mark.parametrize("name", KEYS)
def test_key_type_is_served_or_rejected_at_start(tmp_path, monkeypatch, name):
    """The server does not leave a copy of the key."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    make, is_served = KEYS[name]
    certificate, key = self_signed(make(), tmp_path)
    if not is_served:
        with pytest.raises(FileError, match=r"own\.key: is not supported; use RSA of 2048 to 4096 bits"):
            users_context(certificate, key)
        return
    context = ssl.create_default_context(cafile=certificate)
    with Server(application, tls=users_context(certificate, key)) as server:
        assert not list((tmp_path / "temporary").iterdir())
        assert urllib.request.urlopen(server.url, timeout=5, context=context).status == 200


def self_signed(key, directory):
    """Create a certificate for 127.0.0.1, with the key in the traditional format if there is one."""
    subject, now = x509.Name([]), datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=1))
    made = builder.add_extension(names, critical=False).sign(key, None if is_edwards(key) else hashes.SHA256())
    form = PrivateFormat.PKCS8 if is_edwards(key) else PrivateFormat.TraditionalOpenSSL
    (directory / "own.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (directory / "own.key").write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))
    return directory / "own.pem", directory / "own.key"


def is_edwards(key):
    return isinstance(key, ed25519.Ed25519PrivateKey)


@pytest.mark.parametrize(("seconds", "running"), [("0", b"true"), ("60", b"false")])
def test_boot_time_of_reboot(seconds, running):
    with serving("--http", "--boot-time", seconds) as box:
        box.get("/api/syscommands/reboot")
        assert running in box.get("/api/syscommands/pbxrunstate")


def test_seed_file_is_the_initial_state(tmp_path):
    seed = tmp_path / "seed.yaml"
    seed.write_text("tables:\n  cluster:\n    - {pkey: mine, description: Mine}\n")
    with serving("--http", "--seed-file", str(seed)) as running:
        assert [row["pkey"] for row in json.loads(running.get("/api/tenants"))] == ["mine"]


@pytest.mark.parametrize(("text", "message"), [
    ("tables:\n  cluster:\n    - {pkey: mine, colour: red}\n", ":3: tables.cluster.0.colour: unknown column"),
    ("tables: [\n", ":2: "),
    ("tabels: {}\n", ":1: tabels: unknown key"),
    ("", ": seed: expected a mapping"),
])
def test_mistake_in_seed_file_is_reported_with_line(tmp_path, text, message):
    seed = tmp_path / "seed.yaml"
    seed.write_text(text)
    assert str(seed) + message in mistake("serve", "--port", "0", "--seed-file", str(seed))


def control_status(server, path, **headers):
    request = urllib.request.Request(server.url.removesuffix("/api") + f"/_mock/{path}", headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code


def suggested_command(running):
    """The printed command that sends the first request."""
    return shlex.split(re.search(r"^try +(curl .+)$", running.greeting, re.MULTILINE)[1])


@pytest.mark.parametrize("options", [[], ["--http"]])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_suggested_commands_work_on_all_addresses(host, options):
    with serving("--host", host, *options) as box:
        assert subprocess.run([*suggested_command(box), "-sSf"], capture_output=True, check=False).returncode == 0
        assert "and on all other addresses" in box.greeting
        trust = ["--ca", str(box.authority)] if not options else []
        with proxying(box.url, "--host", host, *options, *trust) as proxy:
            ended = subprocess.run([*suggested_command(proxy), "-sSf"], capture_output=True, text=True, check=False)
            assert (ended.returncode, ended.stderr) == (0, "")
            page = re.search(r"^control +(\S+?)#", proxy.greeting, re.MULTILINE)[1]
            assert subprocess.run(["curl", "-sSfk", page], capture_output=True, check=False).returncode == 0


def test_public_server_prints_and_requires_control_token():
    with serving("--http", "--host", "0.0.0.0") as running:
        token = re.search(r"Authorization: (Bearer \S+)", running.greeting)[1]
        assert [control_status(running, "health"), control_status(running, "journal"),
                control_status(running, "journal", Authorization=token)] == [200, 401, 200]


@pytest.mark.parametrize(("options", "statuses"), [([], [200, 200]), (["--no-control"], [404, 404])])
def test_loopback_server_needs_no_control_token(options, statuses):
    with serving("--http", *options) as running:
        assert "Bearer" not in running.greeting
        assert [control_status(running, "health"), control_status(running, "journal")] == statuses


def test_control_token_of_environment_is_required_and_not_printed(monkeypatch):
    monkeypatch.setenv("SARKMOCK_CONTROL_TOKEN", "s3cret-s3cret")
    with serving("--http") as running:
        assert "s3cret" not in running.greeting
        assert [control_status(running, "journal"),
                control_status(running, "journal", Authorization="Bearer s3cret-s3cret")] == [401, 200]


@pytest.mark.parametrize(("options", "message"), [
    (["--control-token", "short"], "must be at least 8"),
    (["--no-control", "--control-token", "long-enough"], "cannot be used with --no-control"),
    (["--save-dir", "/nonexistent"], "does not exist"),
    (["--fault", "tenants.creat:drop"], "did you mean tenants.create"),
    (["--fault", "tenants.create:statsu=500"], "did you mean status?"),
    (["--fault-file", "/nonexistent.yaml"], "/nonexistent.yaml: No such file"),
    (["--journal", "-1"], "--journal"),
])
def test_invalid_control_plane_option_is_reported(options, message):
    assert message in mistake("serve", *options)


def test_open_file_limit_is_raised_for_connections():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert most_connections(Limits(connections=100)) == 100
        assert most_connections(Limits(connections=500)) == 192
        allow_open_files(100)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
        allow_open_files(500)
        assert most_connections(Limits(connections=500)) == 500
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("number", "message"), [
    (errno.EACCES, "port 7 on 127.0.0.1 needs privileges; choose one above 1023 with --port"),
    (errno.ENOBUFS, f"cannot listen on port 7 on 127.0.0.1: {os.strerror(errno.ENOBUFS)}"),
])
def test_reason_for_failed_listen_is_reported(monkeypatch, number, message):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(CannotListen) as caught:
        Server(application, "127.0.0.1", 7)
    assert str(caught.value) == message

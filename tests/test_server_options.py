"""What a user tells `sarkmock serve`: profile, certificate, port, host, seed; and what it says of mistakes."""

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
from sarkmock.server.http11 import Limits
from sarkmock.server.https_server import CannotListen, Server, allow_open_files, most_connections
from sarkmock.server.tls import checked_pair, make_certificate
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


def test_the_profile_is_served_and_named():
    with serving("--http", "--profile", "shipped") as running:
        assert "profile shipped" in running.greeting
        assert running.get("/api/sysglobals")


def test_a_certificate_of_ones_own(pair):
    with serving("--cert", str(pair.certificate), "--key", str(pair.key)) as running:
        assert "--cacert" not in running.greeting
        context = ssl.create_default_context(cafile=pair.authority)
        assert urllib.request.urlopen(running.url + "/tenants", context=context, timeout=5).status == 200


@pytest.mark.parametrize("command", [
    ["serve"], ["proxy", "http://127.0.0.1:1/api", "--shadow", "L10", "--target-profile", "shipped"]])
def test_a_port_in_use_is_told(command):
    """By a proxy before it reads the state of the box."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert mistake(*command, "--port", str(port)) == (
            f"port {port} on 127.0.0.1 is in use; choose another with --port, or --port 0 for any free one")


def test_two_servers_never_share_a_port(plain):
    assert "is in use" in mistake("serve", "--http", "--port", str(plain.address[1]))


def test_a_host_that_is_not_here_is_told():
    for host in ("203.0.113.7", "no.such.host.invalid"):
        assert mistake("serve", "--port", "0", "--host", host) == (
            f"{host} is not an address of this machine; choose another with --host")


def wrong_certificates(tmp_path, pair):
    """What is given, and what is said of which file."""
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
def test_a_wrong_certificate_is_told(tmp_path, pair, case):
    certificate, key, said = wrong_certificates(tmp_path, pair)[case]
    assert said in mistake("serve", "--port", "0", "--cert", str(certificate), "--key", str(key))


PATIENT = Limits(header_timeout=600)


def a_server(log, tls):
    return Server(application, tls=tls, log=log, limits=PATIENT)


def a_proxy(log, tls):
    parts = ProxyParts(Faults(Engine()), log=log)
    return Proxy(Upstream("http://127.0.0.1:1/api", None), parts, tls=tls, limits=PATIENT)


@pytest.mark.parametrize("made", [a_server, a_proxy])
def test_a_client_that_takes_https_for_http_is_told_at_once(made, pair):
    served = []
    with made(served.append, pair) as listener, \
            socket.create_connection(("127.0.0.1", listener.port), timeout=60) as client:
        client.sendall(b"DELETE /api/tenants/a HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"The request is not encrypted; use https." in answer
    assert [(one.status, one.reason) for one in served] == [(400, "The request is not encrypted; use https.")]


@pytest.mark.parametrize("made", [a_server, a_proxy])
def test_a_client_that_takes_http_for_https_is_told_at_once(made):
    served = []
    with made(served.append, None) as listener, \
            socket.create_connection(("127.0.0.1", listener.port), timeout=60) as client, \
            pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
        ssl.create_default_context().wrap_socket(client, server_hostname="x")
    assert [(one.status, one.reason) for one in served] == [(400, "The request is encrypted; use http.")]


def test_the_log_says_why_a_request_is_not_read():
    with serving("--http", "-v") as running:
        with socket.create_connection(running.address, timeout=60) as client:
            client.sendall(b"\x16\x03\x01\x02\x00")
            assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
        running.stop()
    assert running.errors[-1] == "         why: The request is encrypted; use http.\n"


def test_a_certificate_without_its_key_is_told(pair):
    said = mistake("serve", "--cert", str(pair.certificate))
    assert said == "--cert and --key go together (see sarkmock serve --help)"


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
def test_every_kind_of_key_is_served_or_rejected_before_anything_listens(tmp_path, name):
    make, is_served = KEYS[name]
    certificate, key = self_signed(make(), tmp_path)
    if not is_served:
        with pytest.raises(FileError, match=r"own\.key: is not supported; use RSA of 2048 to 4096 bits"):
            checked_pair(certificate, key, tmp_path)
        return
    context = ssl.create_default_context(cafile=certificate)
    with Server(application, tls=checked_pair(certificate, key, tmp_path)) as server:
        assert urllib.request.urlopen(server.url, timeout=5, context=context).status == 200


def self_signed(key, directory):
    """A certificate of 127.0.0.1, its key in the traditional form where there is one."""
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
def test_a_reboot_takes_as_long_as_asked(seconds, running):
    with serving("--http", "--boot-time", seconds) as box:
        box.get("/api/syscommands/reboot")
        assert running in box.get("/api/syscommands/pbxrunstate")


def test_a_seed_file_is_the_first_state(tmp_path):
    seed = tmp_path / "seed.yaml"
    seed.write_text("tables:\n  cluster:\n    - {pkey: mine, description: Mine}\n")
    with serving("--http", "--seed-file", str(seed)) as running:
        assert [row["pkey"] for row in json.loads(running.get("/api/tenants"))] == ["mine"]


@pytest.mark.parametrize(("text", "said"), [
    ("tables:\n  cluster:\n    - {pkey: mine, colour: red}\n", ":3: tables.cluster.0.colour: unknown column"),
    ("tables: [\n", ":2: "),
    ("tabels: {}\n", ":1: tabels: unknown key"),
    ("", ": seed: expected a mapping"),
])
def test_a_wrong_seed_file_is_told_with_its_place(tmp_path, text, said):
    seed = tmp_path / "seed.yaml"
    seed.write_text(text)
    assert str(seed) + said in mistake("serve", "--port", "0", "--seed-file", str(seed))


def ask_control(server, path, **headers):
    request = urllib.request.Request(server.url.removesuffix("/api") + f"/_mock/{path}", headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code


def suggested(running):
    """The command of the greeting that sends the first request."""
    return shlex.split(re.search(r"^try +(curl .+)$", running.greeting, re.MULTILINE)[1])


@pytest.mark.parametrize("options", [[], ["--http"]])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_where_it_listens_everywhere_the_suggested_requests_succeed(host, options):
    with serving("--host", host, *options) as box:
        assert subprocess.run([*suggested(box), "-sSf"], capture_output=True, check=False).returncode == 0
        assert "and on all other addresses" in box.greeting
        trust = ["--ca", str(box.authority)] if not options else []
        with proxying(box.url, "--host", host, *options, *trust) as proxy:
            ended = subprocess.run([*suggested(proxy), "-sSf"], capture_output=True, text=True, check=False)
            assert (ended.returncode, ended.stderr) == (0, "")
            page = re.search(r"^control +(\S+?)#", proxy.greeting, re.MULTILINE)[1]
            assert subprocess.run(["curl", "-sSfk", page], capture_output=True, check=False).returncode == 0


def test_where_others_reach_it_the_control_plane_wants_the_printed_token():
    with serving("--http", "--host", "0.0.0.0") as running:
        token = re.search(r"Authorization: (Bearer \S+)", running.greeting)[1]
        assert [ask_control(running, "health"), ask_control(running, "journal"),
                ask_control(running, "journal", Authorization=token)] == [200, 401, 200]


@pytest.mark.parametrize(("options", "statuses"), [([], [200, 200]), (["--no-control"], [404, 404])])
def test_where_only_this_machine_reaches_it_no_token_is_made(options, statuses):
    with serving("--http", *options) as running:
        assert "Bearer" not in running.greeting
        assert [ask_control(running, "health"), ask_control(running, "journal")] == statuses


def test_a_token_from_the_environment_is_asked_for_and_not_printed(monkeypatch):
    monkeypatch.setenv("SARKMOCK_CONTROL_TOKEN", "s3cret-s3cret")
    with serving("--http") as running:
        assert "s3cret" not in running.greeting
        assert [ask_control(running, "journal"),
                ask_control(running, "journal", Authorization="Bearer s3cret-s3cret")] == [401, 200]


@pytest.mark.parametrize(("options", "told"), [
    (["--control-token", "short"], "must be at least 8"),
    (["--no-control", "--control-token", "long-enough"], "cannot be used with --no-control"),
    (["--save-dir", "/nonexistent"], "does not exist"),
    (["--fault", "tenants.creat:drop"], "did you mean tenants.create"),
    (["--fault", "tenants.create:statsu=500"], "did you mean status?"),
    (["--fault-file", "/nonexistent.yaml"], "/nonexistent.yaml: No such file"),
    (["--journal", "-1"], "--journal"),
])
def test_what_is_wrong_with_an_option_of_the_control_plane(options, told):
    assert told in mistake("serve", *options)


def test_a_server_may_open_as_many_files_as_its_connections_need():
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


@pytest.mark.parametrize(("number", "said"), [
    (errno.EACCES, "port 7 on 127.0.0.1 needs privileges; choose one above 1023 with --port"),
    (errno.ENOBUFS, f"cannot listen on port 7 on 127.0.0.1: {os.strerror(errno.ENOBUFS)}"),
])
def test_why_it_cannot_listen(monkeypatch, number, said):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(CannotListen) as caught:
        Server(application, "127.0.0.1", 7)
    assert str(caught.value) == said

"""The proxy's guard: operations of every profile are forwarded or rejected by hazard, even in disguised requests."""

from __future__ import annotations

import signal

import pytest
import requests
from sarkmock_contracts.client.http import fill_path
from sarkmock_contracts.proxy.guard import TrafficGuard, permitted_hazards
from sarkmock_contracts.spec.contract import contract_of

from sarkmock import SarkMock
from sarkmock.suite_api import profile_names
from tests.proxied import proxied, record_of
from tests.serving import mistake, proxying, serving

GUARDS = {(False, False): {"read", "write", "operational"}, (True, False): {"read"},
          (False, True): {"read", "write", "operational", "disruptive"}, (True, True): {"read"}}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def guard():
    return TrafficGuard("/api", permitted_hazards(read_only=False, disruptive=False))


@pytest.mark.parametrize(("read_only", "disruptive"), GUARDS)
def test_operations_are_forwarded_by_hazard(read_only, disruptive):
    guard = TrafficGuard("/api", permitted_hazards(read_only, disruptive))
    for profile in profile_names():
        contract = contract_of(profile)
        for operation in contract.operations:
            parameters = dict.fromkeys(operation.parameters, "100") | contract.examples(operation)
            record = record_of(operation.method, "/api" + fill_path(operation.path, parameters))
            hazards = {same.hazard for name in profile_names() for same in contract_of(name).operations
                       if (same.method, same.path) == (operation.method, operation.path)}
            text = guard.rejection(record, b"")
            assert bool(text) == bool(hazards - GUARDS[read_only, disruptive]), operation.id
            assert ("--read-only" in text) == (bool(text) and read_only)


@pytest.mark.parametrize(("method", "target", "headers", "body"), [
    ("GET", "/api/syscommands/reboot", {}, b""),
    ("GET", "/api/syscommands/%72eboot?x=1", {}, b""),
    ("GET", "/api/syscommands/%2572eboot", {}, b""),
    ("GET", "/api//syscommands/./reboot", {}, b""),
    ("GET", "/api/tenants/../syscommands/reboot", {}, b""),
    ("GET", "/index.php/api/syscommands/reboot", {}, b""),
    ("GET", "/api/syscommands/shutdownthen", {}, b""),
    ("HEAD", "/api/syscommands/reboot", {}, b""),
    ("POST", "/api/backups/a.zip", FORM_TYPE, b"_method=PUT"),
    ("POST", "/api/backups/a.zip", {"Content-Type": "application/json"}, b'{"\\u005fmethod": "PUT"}'),
    ("POST", "/api/backups/a.zip?_method=PUT", {}, b""),
    ("POST", "/api/backups/a.zip", {"X-HTTP-Method-Override": "PUT"}, b""),
    ("POST", "/api/backups/a.zip", {"X_HTTP_METHOD_OVERRIDE": "PUT"}, b""),
    ("POST", "/api/backups/a.zip", FORM_TYPE, b".method=PUT"),  # PHP's name for it is _method
    ("POST", "/api/backups/a.zip", FORM_TYPE, b"a=1&%2Emethod=put"),
    ("POST", "/api/backups/a.zip?.method=PUT", {}, b""),
    ("POST", "/api/backups/a.zip", {"Content-Type": "multipart/form-data; boundary=x"},
     b'--x\r\nContent-Disposition: form-data; name=".method"\r\n\r\nPUT\r\n--x--\r\n'),
    ("post", "/api/backups/a.zip", FORM_TYPE, b"_method=PUT"),
    ("put", "/api/backups/a.zip", {}, b""),
    ("get", "/api/syscommands/reboot", {}, b""),
    ("PATCH", "/api/backups/a.zip", {}, b"")])
def test_disguised_disruptive_request_is_rejected(guard, method, target, headers, body):
    text = guard.rejection(record_of(method, target, headers), body)
    assert "is disruptive; allow it with --allow-disruptive" in text


@pytest.mark.parametrize(("path", "passes"), [
    ("/astamis/Hangup/zznosuchkey/zznosuchkey", True), ("/astamis/zznosuchkey", True),
    ("/astamis/Hangup/SIP/zznosuchkey", False), ("/syscommands/reboot", False)])
def test_options_of_unused_test_keys_is_forwarded(guard, path, passes):
    """A version is recognised, and a check sends such requests, through a proxy as without one."""
    assert (not guard.rejection(record_of("OPTIONS", f"/api{path}"), b"")) == passes
    assert guard.rejection(record_of("GET", f"/api{path}"), b"")


@pytest.mark.parametrize(("method", "target", "needed"), [
    ("POST", "/api/backups/a.zip", True), ("POST", "/api/greetings", False), ("PUT", "/api/backups/a.zip", False),
    ("POST", "/api/tenants", False),
    ("post", "/api/backups/a.zip", True)])
def test_body_is_read_first_if_it_can_override_method(guard, method, target, needed):
    assert guard.needs_body(record_of(method, target)) == needed


def test_rejected_request_gets_403_and_is_not_forwarded(guard):
    with SarkMock(tls=False) as box, proxied(box.url, guard=guard) as proxy:
        response = requests.put(f"{proxy.url}/backups/sarkbak.1.zip", timeout=5)
        assert response.status_code == 403
        assert response.json()["message"].startswith("sarkmock proxy: PUT /backups/sarkbak.1.zip is disruptive")
        assert requests.post(f"{proxy.url}/tenants", json={"pkey": "a", "description": "b"}, timeout=5).ok
        assert [entry.operation for entry in box.requests] == ["tenants.create"]


def test_command_forwards_requests_until_stopped():
    with serving("--profile", "shipped") as box, proxying(box.url, "--ca", str(box.authority), "--read-only") as proxy:
        assert proxy.get("/api/tenants") == box.get("/api/tenants")
        with pytest.raises(OSError, match="403"):
            proxy.post("/api/tenants")
        assert b'"upstream"' in proxy.get("/_mock/profile")
        assert proxy.stop(signal.SIGINT)[0] == 0


@pytest.mark.parametrize(("arguments", "words"), [
    (["ftp://pbx"], "is not an http or https URL"), (["http://pbx.example/api"], "is not encrypted"),
    (["https://127.0.0.1/api", "--ca", "nosuch.pem"], "no such file"),
    (["https://127.0.0.1/api", "--ca", __file__], "--ca"),
    (["https://127.0.0.1/api", "--rate", "fast"], "--rate fast"),
    (["https://127.0.0.1/api", "--rate", "auto"], "--rate auto"),
    (["https://127.0.0.1/api", "--fault", "tenants.*:locked"], "not available in a proxy"),
    (["https://127.0.0.1/api", "--listen-cert", "a"], "go together"),
    (["https://127.0.0.1/api", "--profile", "shiped"], "shipped"),
    (["https://127.0.0.1/api", "--target-profile", "L12"], "unknown profile 'L12'"),
    (["https://127.0.0.1/api", "--shadow", "L12"], "unknown profile 'L12'")])
def test_invalid_options_are_one_line_errors(arguments, words):
    assert words in mistake("proxy", "--port", "0", *arguments)

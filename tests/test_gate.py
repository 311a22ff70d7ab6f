"""The gate: only permitted requests are sent, and existing rows are not changed."""

import itertools
import posixpath
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote, unquote

import hypothesis
import pytest
from hypothesis import strategies as st
from sarkmock_contracts.client.http import ACCEPT, FORM, Request, with_form, with_json
from sarkmock_contracts.errors import Withheld

from sarkmock import profile_names
from sarkmock.suite_api import JSON, compile_document, load
from tests.guarded import Box, guarded

READ_ONLY = ""
KEYS = [
    "default",
    "1001",
    "1005",
    "6001",
    "8001",
    "zzx",
    "global",
    "Operator",
    "1",
    "5",
    "new",
    "reboot",
    "REBOOT",
    "commit",
    "..",
    "mailbox",
    "sarkbak.1717236000.zip",
    "usergreeting0001.wav",
    "ünïcödé",
    "a/b",
    "$(reboot)",
    "a\r\nAction: Reboot",
    "-rf",
    "",
]
OPERATIONS = [operation for name in profile_names() for operation in compile_document(load(name))]
RISKY = [operation for operation in OPERATIONS if operation.method == "GET" and operation.hazard != "read"]
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "REBOOT", "PROPFIND"]


def pairs(boxes):
    """Every profile as judge of every box. All pairs but (documented, shipped) are slow."""
    return [pytest.param(*pair, marks=[] if pair == ("documented", "shipped") else pytest.mark.slow)
            for pair in itertools.product(profile_names(), boxes)]


def decoded_twice(request):
    return replace(request, path=quote(unquote(unquote(request.path)), safe="/%"))


def tidied(request):
    """As servers that drop path parameters, resolve dot segments and remove the front controller's name."""
    path = unquote(request.path).replace("\\", "/")
    steps = "/".join(step.partition(";")[0] for step in path.split("/")).replace("/index.php", "")
    return replace(request, path=quote(posixpath.normpath("/" + steps.lstrip("/"))))


def overridden(request):
    """As Laravel: a header or a variable of a POST can override its method."""
    texts = [value for name, value in request.headers if name.lower() == "x-http-method-override"]
    for text in (request.query, request.body.decode("latin-1")):
        texts += [word for word in ("PUT", "DELETE", "PATCH") if "_method" in unquote(text) and word in text.upper()]
    method = texts[0].upper() if texts and request.method == "POST" else request.method
    return replace(request, method="PUT" if method == "PATCH" else method)


def plain(request):
    return request


READINGS = [plain, decoded_twice, tidied, overridden]


@st.composite
def paths(draw):
    """A path of any profile, or a similar one, in some spelling."""
    operation = draw(st.sampled_from([*OPERATIONS, *RISKY * 3]))
    path = operation.path
    for name in operation.parameters:
        path = path.replace("{" + name + "}", draw(st.sampled_from([quote(key, safe="") for key in KEYS])))
    spellings = [
        lambda text: text,
        lambda text: text + "/",
        lambda text: text.replace("/", "//"),
        str.upper,
        lambda text: "/tenants/.." + text,
        lambda text: "/tenants/%2e%2e" + text,
        lambda text: "/index.php" + text,
        lambda text: quote(text, safe="/"),
        lambda text: text[:1] + "".join(f"%{ord(c):02x}" if c.isalpha() else c for c in text[1:]),
        lambda text: text.replace("/", "%2f"),
        lambda text: text[:1] + text[1:].replace("/", "\\"),
        lambda text: text + ";x=1",
        lambda text: text + "%00",
        lambda text: text + "/..",
        lambda text: text + "%0d%0aX: y",
        lambda text: text[:1] + "".join(f"%25{ord(c):02x}" if c.isalpha() else c for c in text[1:]),
    ]
    for change in draw(st.lists(st.sampled_from(spellings), max_size=2)):
        path = change(path)
    return path if path.startswith("/") else "/" + path


NAMES = sorted({name for operation in OPERATIONS for name in operation.rules} | {"_method", "pkey", "tenant", "backup"})
VALUES = st.sampled_from([*KEYS, "PUT", "DELETE", 1005, True, None, ["a"], {"a": 1}, "YES", "zz1"])


@st.composite
def requests(draw):
    method, path = draw(st.sampled_from([*METHODS, *["GET", "POST", "PUT", "DELETE"] * 3, *["GET"] * 8])), draw(paths())
    query = draw(st.sampled_from(["", "", "", "_method=DELETE", "x=1", "%5fmethod=PUT"]))
    body = draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
    kind = draw(st.sampled_from(["none", "json", "form", "raw"]))
    if kind == "json":
        request = with_json(method, path, body, query)
    elif kind == "form":
        request = replace(with_form(method, path, {name: str(value) for name, value in body.items()}), query=query)
    else:
        headers = (ACCEPT, ("Content-Type", draw(st.sampled_from([JSON, FORM, "text/plain"]))))
        request = Request(method, path, query, headers, draw(st.binary(max_size=9)) if kind == "raw" else b"")
    if draw(st.integers(0, 9)) == 0:
        request = replace(
            request, headers=(*request.headers, ("X-HTTP-Method-Override", draw(st.sampled_from(["DELETE", "PUT"]))))
        )
    return request


def fuzz(box, safety, examples, seed):
    """Send random requests. Returns the number of requests that passed the gate."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(requests())
    def run(request):
        box.done.clear()
        with suppress(Withheld):
            safety.target.send(request)
        carried_out = {box.hazards[name] for name in box.done}
        assert carried_out <= safety.gate.permissions.hazards, (request, box.done)

    run()
    return len(box.wire.left)


@pytest.mark.parametrize(("judge", "real"), pairs(profile_names()))
@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: reading.__name__)
def test_read_only_run_changes_nothing(judge, real, reading):
    """1,600 requests in total, for every pair of profiles and four kinds of server."""
    box = Box(real, reading)
    before = box.contents()
    safety, _ = guarded(box, judge, READ_ONLY, hostile=True)  # only the meaning of a request decides
    assert fuzz(box, safety, 100, READINGS.index(reading)) > 0  # otherwise nothing was tested
    assert box.contents() == before
    assert sum(safety.gate.withheld.values()) > 20


@pytest.mark.parametrize(("judge", "real"), pairs(set(profile_names()) - {"L11"}))  # L11 creates no tenant
@pytest.mark.parametrize("hostile", [False, True], ids=["plain", "hostile"])
def test_writing_run_changes_only_its_own_rows(judge, real, hostile, tmp_path):
    """Existing rows are unchanged after each request, and created rows are removed by the clean-up."""
    box = Box(real)
    before = box.contents()
    safety, stock = guarded(box, judge, "write", tmp_path / "ledger", hostile)
    stock.make(stock.contract.by_id["tenants.create"])
    fuzz(box, safety, 150, 1)
    now = box.contents()
    assert all(set(rows) <= set(now[table]) for table, rows in before.items() if isinstance(rows, list))
    assert safety.end() == []
    assert box.contents() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/syscommands/reboot"),
        ("HEAD", "/syscommands/reboot"),
        ("OPTIONS", "/syscommands/reboot"),
        ("GET", "/backups/new"),
        ("GET", "/syscommands//reboot"),
        ("GET", "/syscommands/%72eboot"),
        ("GET", "/syscommands/%2572eboot"),
        ("GET", "/tenants/../syscommands/reboot"),
        ("GET", "/tenants/%2e%2e/syscommands/pbxstop"),
        ("GET", "/index.php/syscommands/commit"),
        ("GET", "/SYSCOMMANDS/REBOOT"),
        ("GET", "/syscommands/reboot;x"),
        ("GET", "/syscommands%2freboot"),
        ("GET", "/syscommands\\reboot"),
        ("GET", "/astamis/Reload"),
        ("GET", "/astamis/reload"),
        ("GET", "/astamis/Originate"),
        ("GET", "/astamis/Command"),
        ("GET", "/syscommands/halt"),
        ("DELETE", "/astamis/Hangup/a/b"),
        ("OPTIONS", "/astamis/Hangup/a/b"),
        ("OPTIONS", "/astamis/Hangup/zza/b"),
        ("OPTIONS", "/astamis/Hangup/zza/zzb/"),
        ("DELETE", "/astamis/Hangup/zza/zzb"),
        ("PATCH", "/tenants/default"),
        ("DELETE", "/tenants/default"),
        ("TRACE", "/tenants"),
        ("POST", "/nosuchpath"),
        ("DELETE", "/nosuchpath"),
        ("GET", "/snapshots/new/"),
        ("GET", "/v2/snapshots/new"),
    ],
)
def test_read_only_run_withholds_request(method, path):
    box = Box("shipped")
    safety, _ = guarded(box, "documented", READ_ONLY)
    with pytest.raises(Withheld):
        safety.target.send(Request(method, path))
    assert box.wire.left == []


def test_options_of_disruptive_path_is_sent_with_unused_names():
    box = Box("shipped")
    safety, _ = guarded(box, "documented", READ_ONLY)
    assert safety.target.send(Request("OPTIONS", "/astamis/Hangup/zza/zzb")).response.allow >= {"DELETE"}


@pytest.mark.parametrize(
    "path",
    [
        "/tenants",
        "/tenants/default",
        "/templates/Aastra%20VXT",
        "/nosuchpath",
        "/astamis/coresettings",
        "/astamis/zznosuch",
        "/extensions/1001/runtime",
        "/backups",
        "/logs/cdrs/2",
        "/sysglobals",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_read_requests_are_sent(method, path):
    box = Box("shipped")
    safety, _ = guarded(box, "documented", READ_ONLY)
    safety.target.send(Request(method, path))
    assert [request.path for request in box.wire.left] == [path]


@pytest.mark.parametrize(
    "value", ["a%0d%0aAction: x", "..", "a%2F..%2Fb", "$(id)", "a;b", "a|b", "`x`", "%00", "a%2526b", "-rf", "%FF"]
)
def test_only_hostile_input_sends_metacharacters(value):
    for hostile, count in ((False, 0), (True, 1)):
        box = Box("shipped")
        safety, _ = guarded(box, "shipped", READ_ONLY, hostile=hostile)
        try:
            safety.target.send(Request("GET", f"/tenants/{value}"))
        except Withheld:
            assert not hostile
        assert len(box.wire.left) == count


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("PUT", "/tenants/default", {"chanmax": "1"}, "does not belong to this run"),
        ("DELETE", "/extensions/6001", None, "exists and does not"),
        ("POST", "/tenants", {"pkey": "acme", "description": "x"}, "recognisable"),
        ("POST", "/tenants", {"pkey": "default"}, "recognisable|exists already"),
        ("POST", "/daytimers", {"cluster": "default"}, "recognisable"),
        ("PUT", "/globals", {"ALERT": "a@b.cd"}, "operational"),
    ],
)
def test_writes_require_ownership(method, path, body, reason, tmp_path):
    box = Box("documented")
    box.engine.state.tables.insert("ipphone", {"pkey": "6001", "cluster": "default"})
    safety, _ = guarded(box, "documented", "write", tmp_path / "ledger")
    box.done.clear()
    with pytest.raises(Withheld, match=reason):
        safety.target.send(with_json(method, path, body) if body else Request(method, path))
    assert {box.hazards[name] for name in box.done} <= {"read"}


def test_restore_of_another_archive_is_withheld(tmp_path):
    box = Box("shipped")
    safety, stock = guarded(box, "shipped", "write operational disruptive", tmp_path / "ledger")
    name = stock.make(stock.contract.by_id["backups.new"]).answer["newbackupname"]
    with pytest.raises(Withheld, match="differs in path and body"):
        safety.target.send(
            with_json("PUT", f"/backups/{name}", {"backup": "sarkbak.1717000000.zip", "restoredb": "true"})
        )


def test_firewall_restart_with_rules_of_the_run_is_withheld(tmp_path):
    box = Box("documented")
    safety, _ = guarded(box, "documented", "write operational disruptive", tmp_path / "ledger")
    box.engine.handle(engine_request("/firewalls/ipv4", b'{"rules": ["ACCEPT net $FW tcp 22"]}'))
    safety.target.send(with_json("POST", "/firewalls/ipv4", {"rules": ["DROP net all"]}))
    with pytest.raises(Withheld, match="nothing may be restarted"):
        safety.target.send(Request("PUT", "/firewalls/ipv4"))
    safety.end()
    assert safety.target.transport.inner.send(Request("GET", "/firewalls/ipv4")).json == ["ACCEPT net $FW tcp 22"]


def engine_request(path, body):
    from sarkmock.http.engine import ApiRequest

    return ApiRequest("POST", path.lstrip("/"), "", {"Content-Type": JSON}, body)

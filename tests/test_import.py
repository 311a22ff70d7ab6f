"""`sarkmock import`: the imported seed responds as the box did. Secrets are replaced, and only reads are sent."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sarkmock_contracts.client.interrupts import parse_seconds
from sarkmock_contracts.client.transports import Access, InProcess
from sarkmock_contracts.state_import import (
    CONFIGURATION,
    TIME_IS_OVER,
    ImportOptions,
    guarded_reader,
    import_state,
    read_state,
)

from sarkmock import Engine, SarkMock, Seed, State, load_seed, profile_names
from sarkmock.http.engine import ApiRequest
from sarkmock.pbx import pbx_files
from sarkmock.suite_api import Operation, api_application, compile_document, is_secret, load
from tests import replay
from tests.boxes import NOW
from tests.guarded import Box
from tests.serving import mistake, sarkmock, serving

LAYOUT = State().tables
VISIBLE = {operation.table.name: [] for operation in compile_document(load()) if operation.table}
for _operation in compile_document(load()):
    if _operation.table and _operation.method == "GET":
        VISIBLE[_operation.table.name] += [name for name in _operation.visible
                                           if name in LAYOUT.columns(_operation.table.name)]
FIXED = ("pkey", "id", "technology", "carrier", "legacy")
TRUNKS = [{"carrier": carrier, "technology": technology} for carrier, technology in (
    ("GeneralSIP", "SIP"), ("GeneralIAX2", "IAX2"), ("DiD", "DiD"), ("CLID", "CLID"))]

plain = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@+]{0,8}", fullmatch=True)
odd = st.text(st.characters(codec="utf-8"), max_size=20)
values = st.none() | odd | plain | st.integers(-99, 99999) | st.sampled_from(["NO", "012", "1e3", "null", "", "~"])


def keyed(rows: list[dict[str, Any]], keys: list[str]) -> list[dict[str, Any]]:
    return [row | {"pkey": key} for row, key in zip(rows, keys, strict=False)]


def rows_of(table: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows as a box may have them: odd texts in visible columns, plain keys."""
    if table.startswith("IPphoneCOS"):
        return st.lists(st.tuples(plain, plain), max_size=3, unique=True).map(
            lambda pairs: [dict(zip(("IPphone_pkey", "COS_pkey"), pair, strict=True)) for pair in pairs])
    names = [name for name in dict.fromkeys(VISIBLE[table]) if name not in FIXED]
    row = st.dictionaries(st.sampled_from(names), values, max_size=8)
    if table == "lineio":
        row = st.builds(dict.__or__, row, st.sampled_from(TRUNKS))
    unique = "id" not in LAYOUT.columns(table)
    return st.builds(keyed, st.lists(row, max_size=3), st.lists(plain, min_size=3, max_size=3, unique=unique))


def contents() -> st.SearchStrategy[dict[str, bytes]]:
    """Files of a box, some with random bytes."""
    names = st.sampled_from([f"{pbx_files.GREETINGS}/usergreeting1000.wav", f"{pbx_files.BACKUPS}/sarkbak.1000.zip",
                             f"{pbx_files.SNAPSHOTS}/sark.db.1000", f"{pbx_files.GREETINGS}/usergreeting1001.mp3"])
    lines = st.lists(odd.filter(lambda text: "\n" not in text), max_size=3)
    return st.builds(lambda files, rules, records: files | {
        pbx_files.RULES_IPV4: "".join(f"{line}\n" for line in rules).encode(), pbx_files.CALL_RECORDS: records,
    }, st.dictionaries(names, st.binary(max_size=20)), lines, st.binary(max_size=50))


@st.composite
def seeds(draw: Any) -> Seed:
    """The state of some box."""
    rows = {table: draw(rows_of(table)) for table in VISIBLE if table not in ("globals", "device")}
    settings = {"pkey": "global"} | draw(st.dictionaries(st.sampled_from(VISIBLE["globals"]), values))
    files = draw(contents())
    astdb = {}
    for phone in rows["ipphone"]:
        astdb |= {(name, phone["pkey"]): value for name, value in draw(
            st.dictionaries(st.sampled_from(["cfim", "cfbs", "ringdelay"]), plain)).items()}
        for folder in draw(st.lists(st.sampled_from(["INBOX", "Old"]), unique=True)):
            files[f"{pbx_files.MAILBOXES}/{phone['pkey']}/{folder}/msg0000.txt"] = b"[message]\n"
    return Seed(rows | {"globals": [settings]}, files, astdb, draw(st.booleans()))


def engine_of(seed: Seed, profile: str) -> Engine:
    """A box with that state. Tables and files that the seed does not have are those of the factory seed."""
    factory = load_seed("factory")
    state = Seed(factory.tables | seed.tables, factory.files | seed.files, seed.astdb, seed.running)
    return Engine(load(profile), State(state, now=NOW))


def imported(engine: Engine, *, secrets: bool = False) -> tuple[Seed, list[str]]:
    """The seed imported from a box, written to a file and read back, and the notes."""
    box = guarded_reader(InProcess(api_application(engine)))
    seed = read_state(box, ImportOptions(secrets=secrets))
    return Seed.of(yaml.safe_load(seed.text())), box.notes


def responses(engine: Engine) -> dict[str, Any]:
    """The response to every read-only GET, for every key."""
    reads = [operation for operation in compile_document(engine.document)
             if operation.method == "GET" and operation.hazard == "read"]
    responses_by_request = {}
    for operation in reads:
        for path in paths_of(engine, operation):
            response = engine.handle(ApiRequest("GET", path))
            responses_by_request[f"{operation.id} {path}"] = [response.status, response.body, dict(response.headers)]
    return responses_by_request


def paths_of(engine: Engine, operation: Operation) -> list[str]:
    paths = [operation.path.strip("/")]
    for parameter in operation.parameters:
        paths = [path.replace("{" + parameter + "}", key, 1) for path in paths
                 for key in keys(engine, operation, parameter)]
    return paths


def keys(engine: Engine, operation: Operation, parameter: str) -> list[str]:
    """Values for a path parameter: keys of rows, names of files, arguments of AMI functions."""
    state = engine.state
    if operation.action == "crash":
        return ["any"]  # the keys cannot be read
    if operation.table:
        return [str(row[operation.table.key]) for row in state.tables.rows(operation.table.name, operation.table.where)]
    if parameter in ("backup", "snapshot", "greeting"):
        return [path.rpartition("/")[2] for path in state.files if not path.startswith(pbx_files.MAILBOXES)]
    numbers = [row["pkey"] for table in ("ipphone", "queue", "lineio") for row in state.tables.rows(table)]
    return {"limit": ["0", "2"], "customapp": ["any"], "id": [*numbers, "cfim", "cfbs", "ringdelay"],
            "key": numbers, "context": ["internal", "extensions"], "function": ["Agents", "None"]}[parameter]


IMPORTED = [name for name in profile_names() if name != "L11"]  # another database: not imported
PHASES = set(Phase) - {Phase.explain}


@pytest.mark.parametrize("profile", IMPORTED)
@settings(max_examples=3, deadline=None, derandomize=True, phases=PHASES)
@given(seed=seeds())
def test_imported_seed_gives_same_responses(profile: str, seed: Seed) -> None:
    assert_same_responses(profile, seed)


@pytest.mark.slow
@pytest.mark.parametrize("profile", IMPORTED)
@settings(max_examples=30, deadline=None, phases=PHASES)
@given(seed=seeds())
def test_imported_seed_gives_same_responses_for_more_seeds(profile: str, seed: Seed) -> None:
    assert_same_responses(profile, seed)


def assert_same_responses(profile: str, seed: Seed) -> None:
    engine = engine_of(seed, profile)
    copy, _ = imported(engine, secrets=True)
    expected, actual = responses(engine), responses(engine_of(copy, profile))
    by_id = {operation.id: operation for operation in engine.operations}
    if by_id["backups.download"].action == "crash":  # backup sizes are unknown
        expected, actual = replay.mask([expected, actual])
    assert actual.keys() == expected.keys()
    assert {name: actual[name] for name in actual if actual[name] != expected[name]} == {
        name: expected[name] for name in actual if actual[name] != expected[name]}


SECRETS = Seed.of({"tables": {
    "agent": [{"pkey": "1001", "cluster": "default", "name": "Ann", "passwd": "7391"}],
    "ipphone": [{"pkey": "1001", "desc": "Ann", "passwd": "Hq8zLm4xVt2w", "provision": "sip password: Hq8zLm4xVt2w\n"},
                {"pkey": "1002", "desc": "Bob", "passwd": None}],
    "lineio": [{"pkey": "carrier", "technology": "SIP", "carrier": "GeneralSIP", "username": "us3r",
                "password": "p9ssoftrunk", "disapass": "8642", "register": "us3r:p9ssoftrunk@sip.example.net/us3r",
                "sipiaxpeer": "type=peer\nsecret=p9ssoftrunk\nremotesecret=0ther0ne\nhost=192.0.2.1\nsecret=\n"
                              "qualify=yes"}],
    "globals": [{"pkey": "global", "LDAPPASS": "t0psecret", "SPYPASS": "55512", "SYSPASS": "97531"}],
}, "files": {f"{pbx_files.SNAPSHOTS}/sark.db.1000": "Hq8zLm4xVt2w",
             f"{pbx_files.GREETINGS}/usergreeting1000.wav": "RIFF"}})
REAL = ("7391", "Hq8zLm4xVt2w", "p9ssoftrunk", "8642", "0ther0ne", "t0psecret", "55512", "97531")


def test_secrets_are_replaced_by_valid_placeholders() -> None:
    copy, notes = imported(engine_of(SECRETS, "documented"))
    assert [secret for secret in REAL if secret in copy.text()] == []
    trunk, = copy.tables["lineio"]
    assert trunk["sipiaxpeer"].splitlines()[3:] == ["host=192.0.2.1", "secret=", "qualify=yes"]
    assert trunk["register"] == f"us3r:{trunk['password']}@sip.example.net/us3r"
    assert f"\nsecret={trunk['password']}\n" in trunk["sipiaxpeer"]
    phone, silent = copy.tables["ipphone"]
    assert phone["provision"] == f"sip password: {phone['passwd']}\n"
    assert "passwd" not in silent
    engine = engine_of(copy, "documented")
    agent = next(operation for operation in engine.operations if operation.id == "agents.create")
    assert agent.validator.errors(copy.tables["agent"][0], engine.state.tables) == {}
    assert any(note.startswith("1 snapshots are left out") for note in notes)


def test_quoted_sip_address_is_not_a_secret() -> None:
    provision = "attendant.resourceList.$seq.address=\"sip:$value@$localip\""
    state = Seed({"device": [{"pkey": "polycom.Fkey", "technology": "BLF Template", "provision": provision}]})
    copy, _ = imported(engine_of(state, "documented"))
    assert [row["provision"] for row in copy.tables["device"] if row["pkey"] == "polycom.Fkey"] == [provision]


def test_import_is_deterministic_and_preserves_everything_but_secrets() -> None:
    engine = engine_of(SECRETS, "shipped")
    copy, _ = imported(engine)
    assert copy.text() == imported(engine)[0].text()
    assert without_secrets(responses(engine_of(copy, "shipped"))) == without_secrets(responses(engine))


def without_secrets(value: Any) -> Any:
    """Responses without secrets, texts that contain secrets, and snapshots."""
    if isinstance(value, dict):
        return {name: without_secrets(value) for name, value in value.items()
                if not (is_secret(name) or name in CONFIGURATION or "snapshot" in str(name) or "sark.db" in str(name))}
    return [without_secrets(value) for value in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("profile", profile_names())
def test_import_sends_only_reads(profile: str) -> None:
    box = Box(profile)
    read_state(guarded_reader(box.wire), ImportOptions(secrets=True))
    assert {box.hazards[name] for name in box.done} == {"read"}
    assert {request.method for request in box.wire.left} == {"GET"}


def test_unreadable_data_is_noted() -> None:
    state = Seed({"ipphone": [{"pkey": "1001"}, {"pkey": "a;b"}]}, running=True)
    copy, notes = imported(engine_of(state, "shipped"))
    assert any(note.startswith("Extensions: not shown are abstimeout, channel, dialstring, ") for note in notes)
    assert any("/extensions/a%3Bb/runtime is not sent: an unusual path value" in note for note in notes)
    assert [row["pkey"] for row in copy.tables["ipphone"]] == ["1001", "a;b"]


def test_rows_rejected_by_the_rules_are_imported_as_unchecked() -> None:
    state = Seed({"agent": [{"pkey": "1001", "cluster": "gone", "name": "Ann", "passwd": "2001"}]})
    copy, notes = imported(engine_of(state, "documented"))
    assert copy.unchecked
    assert any("served unchanged: tables.agent.0.cluster: the API rejects 'gone'" in note for note in notes)
    assert not imported(engine_of(SECRETS, "documented"))[0].unchecked


def test_imported_file_can_be_served(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(SECRETS.text())
    with serving("--seed", str(first)) as box:
        options = (box.url, "--ca", str(box.authority))
        result = sarkmock("import", *options, "-o", str(second))
        assert (result.returncode, result.stdout) == (0, "")
        assert "not read: Extensions: not shown are" in result.stderr
        assert f"sarkmock serve --profile documented --seed {second}" in result.stderr
        assert "not read: Extensions: not shown are" in second.read_text()
        printed = sarkmock("import", *options, "--with-secrets", "--tables-only").stdout
        assert "p9ssoftrunk" in printed
        assert "usergreeting1000" not in printed
        sarkmock("import", *options, "--with-secrets", "-o", str(second))
    assert stat.S_IMODE(second.stat().st_mode) == 0o600
    with serving("--http", "--seed", str(second)) as box:
        assert json.loads(box.get("/api/trunks/carrier"))["password"] == "p9ssoftrunk"
        assert box.get("/api/greetings/usergreeting1000.wav") == b"RIFF"


def test_error_is_one_line_and_keeps_existing_file(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text("mine")
    assert "refuses connections" in mistake("import", "http://127.0.0.1:9/api", "-o", str(file))
    assert "is not an http or https URL" in mistake("import", "pbx.example", "-o", str(file))
    assert "is not encrypted" in mistake("import", "http://192.0.2.1/api", "-o", str(file))
    assert file.read_text() == "mine"
    with serving("--http") as box:
        assert "no such directory" in mistake("import", box.url, "-o", str(tmp_path / "no" / "seed.yaml"))
        assert "write auto, or a number" in mistake("import", box.url, "--rate", "often")


@pytest.mark.parametrize(("profile", "table", "row"), [
    ("L11", "cluster", {"pkey": "default", "recmaxage": "7", "usemohcustom": "1"}),
    ("L11", "ipphone", {"pkey": "1001", "cluster": "default", "callmax": "5", "pjsipuser": "x"}),
    ("L10", "queue", {"pkey": "Sales", "cluster": "default"})])
def test_columns_of_the_profiles_database_are_imported(profile: str, table: str, row: dict[str, str]) -> None:
    with SarkMock(profile=profile, seed={"tables": {table: [row]}}, tls=False) as box:
        access = Access(headers=tuple(": ".join(pair) for pair in box.headers.items()))
        seed, reader = import_state(box.url, access, "1000/s", ImportOptions(tables_only=True), lambda *_: None)
    assert reader.profile == profile
    copy = SarkMock(profile=profile, seed=seed)
    assert [note for note in reader.notes if "no column" in note] == []
    key = row["pkey"]
    shown = next(candidate for candidate in copy.state.tables.rows(table) if candidate["pkey"] == key)
    assert {name: shown[name] for name in row} == row


@pytest.mark.parametrize("slow", [{"faults": "latency=0.05"}, {"throttle": 15}], ids=["latency", "throttle"])
def test_import_stops_at_time_limit_and_keeps_factory_rows(slow: dict[str, Any]) -> None:
    """A rate limit window that ends after the time limit is not waited for."""
    tenants = [{"pkey": "default", "description": "Ours"}]
    with SarkMock(profile="L10", seed={"tables": {"cluster": tenants}}, tls=False, **slow) as box:
        began = time.monotonic()
        wanted = ImportOptions(seconds=parse_seconds("0.9s"))
        seed, reader = import_state(box.url, Access(), "auto", wanted, lambda *_: None)
        assert time.monotonic() - began < 3
    factory = load_seed("factory", load("L10"))
    assert reader.notes.count(TIME_IS_OVER) == 1
    assert seed.tables["globals"] == factory.tables["globals"]
    assert [row["pkey"] for row in seed.tables["device"]] == [row["pkey"] for row in factory.tables["device"]]
    assert len(box.requests) < 40


def test_unlisted_resource_keeps_factory_rows() -> None:
    """L11 does not list templates, although it creates extensions from them."""
    with SarkMock(profile="L11", tls=False) as box:
        access = Access(headers=tuple(": ".join(pair) for pair in box.headers.items()))
        seed, reader = import_state(box.url, access, "1000/s", ImportOptions(tables_only=True), lambda *_: None)
    assert seed.tables["device"] == load_seed("factory", load("L11")).tables["device"]
    assert "GET /templates returned 404" in reader.notes


@pytest.mark.parametrize("keys", [["00", "0", "00"], ["1", "1", "0"], ["2", "0", "1"]])
def test_rows_keep_creation_order_even_with_duplicate_keys(keys: list[str]) -> None:
    rows = [{"pkey": key, "conf": f"row {place}", "cluster": "default"} for place, key in enumerate(keys)]
    copy, _ = imported(engine_of(Seed({"queue": rows}), "shipped"))
    assert [row["pkey"] for row in copy.tables["queue"]] == keys


def test_accounts_are_imported_without_passwords() -> None:
    with SarkMock(profile="L11", tls=False) as box:
        mary = {"name": "Mary", "email": "mary@example.com", "password": "h1dden", "endpoint": 1001}
        box.session().post(f"{box.url}/auth/register", json=mary, headers=box.headers).raise_for_status()
        access = Access(headers=tuple(": ".join(pair) for pair in box.headers.items()))
        seed, reader = import_state(box.url, access, "1000/s", ImportOptions(secrets=True), lambda *_: None)
        expected = box.session().get(f"{box.url}/auth/users", headers=box.headers).json()
    assert any("passwords cannot be read" in note for note in reader.notes)
    with SarkMock(profile="L11", seed=Seed.of(yaml.safe_load(seed.text()), seed.database), tls=False) as copy:
        assert copy.session().get(f"{copy.url}/auth/users", headers=copy.headers).json() == expected
        for password, status in (("secret", 200), ("h1dden", 401)):
            body = {"email": "mary@example.com", "password": password}
            assert copy.session().post(f"{copy.url}/auth/login", json=body).status_code == status

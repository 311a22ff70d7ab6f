"""Extensions of every kind and their runtime values, by requests to an engine of either profile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sarkmock import spec
from sarkmock.engine import Engine, Request
from sarkmock.replies import Reply
from sarkmock.state import State

SNOM, YEALINK, UNKNOWN = "0004136789ab", "00156589ABCD", "ffffff000000"
KINDS = ("mailbox", "unprovisioned", "provisioned")


def engine_of(profile: str) -> Engine:
    engine = Engine(spec.load(profile), State(now=1_700_000_000))
    rules = {"open": ("YES", "NO"), "closed": ("NO", "YES"), "both": ("YES", "YES"), "none": ("NO", None)}
    for key, (when_open, when_closed) in rules.items():
        engine.state.tables.insert("cos", {"pkey": key, "defaultopen": when_open, "defaultclosed": when_closed})
    return engine


@pytest.fixture
def documented() -> Engine:
    return engine_of("documented")


@pytest.fixture
def shipped() -> Engine:
    return engine_of("shipped")


def send(engine: Engine, method: str, path: str, body: Any = None, query: str = "") -> Reply:
    content = json.dumps({} if body is None else body).encode()
    return engine.handle(Request(method, path, query, {"Content-Type": "application/json"}, content))


def create(engine: Engine, kind: str = "unprovisioned", **values: Any) -> Reply:
    mac = {"macaddr": SNOM} if kind == "provisioned" else {}
    return send(engine, "POST", f"extensions/{kind}", {"pkey": "1001", "cluster": "default"} | mac | values)


def show(engine: Engine, number: str = "1001") -> dict[str, Any]:
    reply = send(engine, "GET", f"extensions/{number}")
    assert reply.status == 200
    return reply.body  # type: ignore[no-any-return]


def update(engine: Engine, **values: Any) -> Reply:
    return send(engine, "PUT", "extensions/1001", values)


def joined(engine: Engine, table: str) -> list[tuple[str, str]]:
    return [(row["IPphone_pkey"], row["COS_pkey"]) for row in engine.state.tables.rows(table)]


class TestKinds:
    @pytest.mark.parametrize(("kind", "desc", "device"), [
        ("mailbox", "MAILBOX", "MAILBOX"), ("unprovisioned", "Ext1001", "General SIP"), ("provisioned", None, "snom")])
    def test_what_tells_them_apart(self, documented: Engine, kind: str, desc: str | None, device: str) -> None:
        created = create(documented, kind)
        assert created.status == 201
        shown = show(documented)
        assert (shown["desc"], shown["device"], shown["location"], shown["transport"]) == (desc, device, "local", "udp")
        assert created.body.items() <= shown.items()

    def test_webrtc_is_published_only(self, documented: Engine, shipped: Engine) -> None:
        assert create(documented, "webrtc").status == 405
        assert create(shipped, "webrtc").status == 201
        shown = show(shipped)
        assert (shown["device"], shown["transport"], shown["desc"]) == ("WebRTC", "wss", "Ext1001")

    def test_vxt_crashes(self, documented: Engine, shipped: Engine) -> None:
        assert create(documented, "vxt").status == 405
        reply = create(shipped, "vxt")
        assert (reply.status, reply.body["exception"]) == (500, "BadMethodCallException")

    def test_a_kind_is_no_extension(self, documented: Engine) -> None:
        assert send(documented, "GET", "extensions/mailbox").body == {"reason": "Not Found!"}
        assert send(documented, "POST", "extensions").status == 405

    @pytest.mark.parametrize("kind", ["mailbox", "unprovisioned"])
    def test_passwords_are_made(self, documented: Engine, kind: str) -> None:
        passwords = [create(documented, kind, pkey=str(number)).body["passwd"] for number in range(1001, 1011)]
        assert len(set(passwords)) == 10
        assert {len(set(password)) for password in passwords} == {12}
        assert not set("".join(passwords)) & set("aeiouAEIOU01l5s")

    def test_passwords_are_repeatable(self) -> None:
        assert create(engine_of("documented")).body["passwd"] == create(engine_of("documented")).body["passwd"]

    @pytest.mark.parametrize(("kind", "location"), [
        ("mailbox", "local"), ("unprovisioned", "remote"), ("provisioned", "remote")])
    def test_the_globals_say_where_phones_are(self, documented: Engine, kind: str, location: str) -> None:
        documented.state.tables.update("globals", "pkey", "global", {"NATDEFAULT": "remote"})
        assert create(documented, kind).body["location"] == location

    @pytest.mark.parametrize("value", [1001, 1001.0, " 1001 "])
    def test_a_number_is_text_when_it_is_read_again(self, documented: Engine, value: Any) -> None:
        assert create(documented, pkey=value).body["pkey"] in (1001, "1001")
        assert show(documented)["pkey"] == "1001"

    def test_truth_is_one(self, documented: Engine) -> None:
        assert create(documented, pkey=True).body["desc"] == "Ext1"
        assert show(documented, "1")["pkey"] == "1"

    @pytest.mark.parametrize("profile", ["documented", "shipped"])
    def test_the_query_satisfies_the_rules_only(self, profile: str) -> None:
        engine = engine_of(profile)
        reply = send(engine, "POST", "extensions/mailbox", query="pkey=1001&cluster=default")
        assert (reply.status, reply.body["pkey"], reply.body["cluster"]) == (201, None, None)
        assert send(engine, "GET", "astamis/VoicemailUsersList").body == []


class TestRefusals:
    @pytest.mark.parametrize("kind", KINDS)
    def test_number_and_tenant_are_required(self, documented: Engine, kind: str) -> None:
        assert create(documented, kind, pkey=None).body == {"pkey": ["The pkey field is required."]}
        assert create(documented, kind, cluster="nosuch").body == {"cluster": ["The selected cluster is invalid."]}

    @pytest.mark.parametrize("kind", ["unprovisioned", "provisioned"])
    def test_a_number_that_is_taken(self, documented: Engine, kind: str) -> None:
        create(documented)
        reply = create(documented, kind)
        assert (reply.status, reply.body) == (422, {"save": ["Duplicate Key - 1001"]})

    def test_a_mailbox_number_that_is_taken_is_a_conflict(self, documented: Engine) -> None:
        create(documented)
        before = show(documented)
        reply = create(documented, "mailbox")
        assert (reply.status, list(reply.body)) == (409, ["Error"])
        assert show(documented) == before

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("value", [["1001"], {"a": 1}])
    def test_arrays(self, documented: Engine, kind: str, value: Any) -> None:
        reply = create(documented, kind, pkey=value)
        assert (reply.status, list(reply.body)) == (422, ["pkey"])

    @pytest.mark.parametrize("kind", ["mailbox", "unprovisioned", "webrtc"])
    def test_the_published_api_catches_arrays(self, shipped: Engine, kind: str) -> None:
        reply = create(shipped, kind, pkey={"a": 1})
        assert (reply.status, reply.body) == (409, {"Error": "Array to string conversion"})
        assert send(shipped, "GET", "extensions").body == []

    def test_the_published_update_catches_arrays(self, shipped: Engine) -> None:
        create(shipped)
        assert update(shipped, cluster=["default"]).body == {"Error": "Array to string conversion"}
        assert update(shipped, location={"a": 1}).body == {"location": ["The selected location is invalid."]}


    @pytest.mark.parametrize("value", [True, False])
    def test_truth_is_a_number_like_any_other(self, documented: Engine, value: bool) -> None:
        assert create(documented, pkey=value).status == 201
        assert list(create(documented, pkey=value).body) == ["save"]


class TestMacAddresses:
    @pytest.mark.parametrize(("mac", "device"), [
        (SNOM, "snom"), (YEALINK, "Yealink"), ("649EF3000000", "CiscoSPA"), ("080023000000", "Panasonic")])
    def test_the_vendor_is_the_device(self, documented: Engine, mac: str, device: str) -> None:
        reply = create(documented, "provisioned", macaddr=mac)
        assert (reply.status, reply.body["device"], reply.body["macaddr"]) == (201, device, mac)
        assert reply.body["provision"] == f"#INCLUDE {device}\n#INCLUDE {device}.udp\n#INCLUDE {device}.ipv4\n"

    def test_every_vendor_of_the_factory_works(self, documented: Engine) -> None:
        prefixes = documented.state.tables.rows("mfgmac")
        assert len(prefixes) == 24
        for number, row in enumerate(prefixes, 1001):
            mac = row["pkey"].replace(":", "").lower() + "000000"
            reply = create(documented, "provisioned", pkey=number, macaddr=mac)
            assert (reply.status, reply.body["device"]) == (201, row["name"])

    def test_an_unknown_vendor(self, documented: Engine) -> None:
        reply = create(documented, "provisioned", macaddr=UNKNOWN)
        assert reply.body == {"macaddr": [f"Can't find Manufacturer for this MAC! {UNKNOWN}"]}

    def test_an_address_that_is_used(self, documented: Engine) -> None:
        create(documented, "provisioned")
        reply = create(documented, "provisioned", pkey="1002")
        assert reply.body == {"macaddr": [f"This MAC already exists in the DB! {SNOM}"]}

    @pytest.mark.parametrize("mac", ["00:04:13:67:89:ab", "000413", "zzzzzz000000", ["000413000000"]])
    def test_what_is_no_address(self, documented: Engine, mac: Any) -> None:
        reply = create(documented, "provisioned", macaddr=mac)
        assert (reply.status, list(reply.body)) == (422, ["macaddr"])
        assert reply.body["macaddr"][0] == "The macaddr format is invalid."

    @pytest.mark.parametrize("profile", ["documented", "shipped"])
    def test_without_one(self, profile: str) -> None:
        """Recorded exchange 1037/2."""
        reply = create(engine_of(profile), "provisioned", macaddr=None)
        assert reply.body == {"macaddr": ["The macaddr field is required.", "Can't find Manufacturer for this MAC! "]}

    @pytest.mark.parametrize(("mac", "key"), [(SNOM, 2), (UNKNOWN, 2), ("xyz", 1), (1, 1)])
    def test_the_published_lookup_crashes(self, shipped: Engine, mac: Any, key: int) -> None:
        """Recorded exchange 1001/0; whatever else is wrong does not matter (1041/14)."""
        reply = create(shipped, "provisioned", macaddr=mac, cluster=None)
        assert (reply.status, reply.body["message"]) == (500, f"Undefined array key {key}")

    @pytest.mark.parametrize("mac", ["0", 0, False])
    def test_the_published_lookup_is_not_made_for_nothing(self, shipped: Engine, mac: Any) -> None:
        reply = create(shipped, "provisioned", macaddr=mac)
        assert reply.status == 422
        assert reply.body["macaddr"][-1].startswith("Can't find Manufacturer")


class TestOptionalVariables:
    @pytest.mark.parametrize("kind", KINDS)
    def test_they_are_checked_and_stored(self, documented: Engine, kind: str) -> None:
        assert create(documented, kind, active="MAYBE").body == {"active": ["The selected active is invalid."]}
        values = {"active": "NO", "cellphone": 7700900123, "location": "remote", "transport": "tls", "protocol": "IPV6"}
        assert values.items() <= create(documented, kind, **values).body.items()
        assert (values | {"cellphone": "7700900123"}).items() <= show(documented).items()

    def test_provisioning_fits_them(self, documented: Engine) -> None:
        reply = create(documented, "provisioned", transport="tls", protocol="IPV6")
        assert reply.body["provision"] == "#INCLUDE snom\n#INCLUDE snom.tls\n#INCLUDE snom.ipv6\n"
        own = create(documented, "provisioned", pkey="1002", macaddr=YEALINK, provision="mine")
        assert own.body["provision"] == "mine"

    @pytest.mark.parametrize("kind", ["mailbox", "unprovisioned"])
    def test_the_published_api_ignores_them(self, shipped: Engine, kind: str) -> None:
        reply = create(shipped, kind, active="MAYBE", cellphone="123")
        assert (reply.status, reply.body["active"]) == (201, "YES")
        assert show(shipped)["cellphone"] is None

    @pytest.mark.parametrize("profile", ["documented", "shipped"])
    def test_hidden_and_unknown_ones_are_ignored(self, profile: str) -> None:
        engine = engine_of(profile)
        create(engine, desc="mine", passwd="mine", device="mine", channel="mine", nosuch="mine")
        row = engine.state.tables.first("ipphone", "pkey", "1001")
        assert row is not None
        assert "mine" not in row.values()
        assert (row["abstimeout"], row["sipiaxfriend"].splitlines()[0]) == ("14400", "type=peer")


class TestClassOfService:
    @pytest.mark.parametrize("kind", ["unprovisioned", "provisioned"])
    def test_phones_get_the_default_rules(self, documented: Engine, kind: str) -> None:
        create(documented, kind)
        assert sorted(joined(documented, "IPphoneCOSopen")) == [("1001", "both"), ("1001", "open")]
        assert sorted(joined(documented, "IPphoneCOSclosed")) == [("1001", "both"), ("1001", "closed")]

    def test_mailboxes_get_none(self, documented: Engine) -> None:
        create(documented, "mailbox")
        assert joined(documented, "IPphoneCOSopen") == joined(documented, "IPphoneCOSclosed") == []

    def test_a_pair_may_be_there_already(self, documented: Engine) -> None:
        documented.state.tables.insert("IPphoneCOSopen", {"IPphone_pkey": "1001", "COS_pkey": "open"})
        assert create(documented).status == 201

    def test_what_belongs_to_an_extension_goes_with_it(self, documented: Engine) -> None:
        create(documented)
        create(documented, pkey="1002")
        for number in ("1001", "1002"):
            documented.state.tables.insert("IPphone_FKEY", {"pkey": number, "seq": 1})
        reply = send(documented, "DELETE", "extensions/1001")
        assert (reply.status, reply.body) == (204, None)
        assert send(documented, "GET", "extensions/1001").status == 404
        for table in ("IPphoneCOSopen", "IPphoneCOSclosed"):
            assert {number for number, _ in joined(documented, table)} == {"1002"}
        assert [row["pkey"] for row in documented.state.tables.rows("IPphone_FKEY")] == ["1002"]


class TestUpdate:
    def test_numbers_come_back_as_they_were_sent(self, documented: Engine) -> None:
        """Recorded exchanges 1023/17 and 1023/24."""
        create(documented)
        assert update(documented, callerid=1861, cellphone=True).body["callerid"] == 1861
        shown = show(documented)
        assert (shown["callerid"], shown["cellphone"]) == ("1861", "1")

    def test_null_clears(self, documented: Engine) -> None:
        create(documented)
        update(documented, vmailfwd="desk@example.com", cellphone=5)
        update(documented, vmailfwd=None, cellphone="")
        shown = show(documented)
        assert (shown["vmailfwd"], shown["cellphone"]) == (None, None)

    def test_other_variables_stay(self, documented: Engine) -> None:
        create(documented)
        before = show(documented)
        update(documented, active="NO", pkey="1009", macaddr=SNOM, passwd="x", desc="y")
        assert show(documented) == before | {"active": "NO"}

    @pytest.mark.parametrize("profile", ["documented", "shipped"])
    def test_recording_is_spelt_as_on_the_page(self, profile: str) -> None:
        engine = engine_of(profile)
        create(engine)
        assert update(engine, devicerec="Inbound.Outbound").status == 200
        assert update(engine, devicerec="Inbound").status == 422

    def test_wss_is_published_only(self, documented: Engine, shipped: Engine) -> None:
        create(documented)
        create(shipped)
        assert update(documented, transport="wss").status == 422
        assert update(shipped, transport="wss").status == 200

    def test_the_mailbox_must_exist(self, documented: Engine) -> None:
        create(documented)
        assert update(documented, dvrvmail="1900").body == {"dvrvmail": ["The selected dvrvmail is invalid."]}
        assert update(documented, dvrvmail=1001).status == 200

    def test_stamps(self, documented: Engine) -> None:
        create(documented)
        documented.state.clock.advance(60)
        update(documented, active="NO")
        shown = show(documented)
        assert (shown["z_created"], shown["z_updated"]) == ("2023-11-14 22:13:20", "2023-11-14 22:14:20")


class TestProvisioning:
    @pytest.mark.parametrize(("mac", "template"), [(SNOM, "snom"), (YEALINK, "yealink"), ("0080F0000000", "panasonic")])
    def test_a_new_transport_changes_the_includes(self, documented: Engine, mac: str, template: str) -> None:
        device = create(documented, "provisioned", macaddr=mac).body["device"]
        tls = update(documented, transport="tls", protocol="IPV6").body["provision"]
        assert tls == f"#INCLUDE {device}\n#INCLUDE {template}.tls\n#INCLUDE {template}.ipv6"
        assert update(documented, transport="udp").body["provision"].splitlines()[1] == f"#INCLUDE {template}.udp"

    def test_other_lines_stay(self, documented: Engine) -> None:
        create(documented, "provisioned")
        own = "#INCLUDE snom\n#include snom.udp\nmine.udp\n#INCLUDE x.tcp y\n\n"
        reply = update(documented, transport="tcp", provision=own)
        assert reply.body["provision"] == own[:40] + "\n#INCLUDE snom.tcp\n#INCLUDE snom.ipv4"

    def test_a_new_protocol_alone_changes_nothing(self, documented: Engine) -> None:
        before = create(documented, "provisioned").body["provision"]
        assert update(documented, protocol="IPV6", transport="udp").body["provision"] == before

    def test_phones_of_other_vendors_get_no_lines(self, documented: Engine) -> None:
        create(documented, provision="#INCLUDE a\n#INCLUDE a.udp\n")
        assert update(documented, transport="tls").body["provision"] == "#INCLUDE a"

    def test_nothing_comes_of_nothing(self, documented: Engine) -> None:
        create(documented)
        assert update(documented, transport="tls").body["provision"] is None


class TestRuntime:
    def runtime(self, engine: Engine, **values: Any) -> Reply:
        return send(engine, "PUT", "extensions/1001/runtime", values)

    def values(self, engine: Engine) -> dict[str, str]:
        return send(engine, "GET", "extensions/1001/runtime").body  # type: ignore[no-any-return]

    def test_values_live_in_asterisks_database(self, documented: Engine) -> None:
        create(documented)
        assert self.values(documented) == {"cfim": "", "cfbs": "", "ringdelay": ""}
        reply = self.runtime(documented, cfim="+441", cfbs=1002, ringdelay=30)
        assert (reply.status, reply.body) == (204, None)
        assert self.values(documented) == {"cfim": "+441", "cfbs": "1002", "ringdelay": "30"}
        assert send(documented, "GET", "astamis/DBget/cfbs/1001").body == {"1001": "1002"}
        send(documented, "PUT", "astamis/DBdel/cfim/1001")
        assert self.values(documented)["cfim"] == ""

    def test_only_cfim_may_be_zero(self, documented: Engine) -> None:
        create(documented)
        assert self.runtime(documented, cfim=0, cfbs="0", ringdelay=0).status == 204
        assert self.values(documented) == {"cfim": "0", "cfbs": "", "ringdelay": ""}

    def test_null_changes_nothing(self, documented: Engine) -> None:
        create(documented)
        self.runtime(documented, cfim="441", cfbs="442", ringdelay=5)
        assert self.runtime(documented, cfim=None, cfbs="", ringdelay=None).status == 204
        assert self.values(documented) == {"cfim": "441", "cfbs": "442", "ringdelay": "5"}

    def test_the_published_forwardings_cannot_be_null(self, shipped: Engine) -> None:
        create(shipped)
        reply = self.runtime(shipped, cfim=None, cfbs="", ringdelay=None)
        assert reply.body == {"cfim": ["The cfim format is invalid."], "cfbs": ["The cfbs format is invalid."]}

    @pytest.mark.parametrize(("values", "fields"), [
        ({"cfim": "+"}, ["cfim"]), ({"cfim": "1 2"}, ["cfim"]), ({"cfbs": -1}, ["cfbs"]), ({"cfbs": True}, ["cfbs"]),
        ({"ringdelay": "07"}, ["ringdelay"]), ({"ringdelay": 1.5, "cfim": []}, ["cfim", "ringdelay"])])
    def test_rules(self, documented: Engine, values: dict[str, Any], fields: list[str]) -> None:
        create(documented)
        reply = self.runtime(documented, **values)
        assert (reply.status, list(reply.body)) == (422, fields)

    def test_they_outlive_the_extension(self, documented: Engine) -> None:
        create(documented)
        self.runtime(documented, cfim="441")
        send(documented, "DELETE", "extensions/1001")
        assert send(documented, "GET", "extensions/1001/runtime").status == 404
        create(documented)
        assert self.values(documented)["cfim"] == "441"

    def test_they_need_a_running_pbx(self, documented: Engine) -> None:
        create(documented)
        documented.state.pbx.stop()
        assert send(documented, "GET", "extensions/1001/runtime").status == 503
        assert self.runtime(documented, cfim="441").status == 503
        assert self.runtime(documented, cfim="x").status == 422
        assert send(documented, "GET", "extensions/9999/runtime").status == 404
        documented.state.pbx.start()
        assert self.values(documented)["cfim"] == ""

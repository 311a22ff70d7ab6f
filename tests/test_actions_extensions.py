"""Creating every kind of extension in both profiles, called through an engine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sarkmock.http.engine import ApiRequest, Engine
from tests import extensions
from tests.engines import send
from tests.extensions import KINDS, SNOM, UNKNOWN, YEALINK, create, joined, show, update

engine_of = extensions.engine_of  # used by the fixtures


class TestKinds:
    @pytest.mark.parametrize(("kind", "desc", "device"), [
        ("mailbox", "MAILBOX", "MAILBOX"), ("unprovisioned", "Ext1001", "General SIP"), ("provisioned", None, "snom")])
    def test_kind_sets_desc_and_device(self, documented: Engine, kind: str, desc: str | None, device: str) -> None:
        created = create(documented, kind)
        assert created.status == 201
        shown = show(documented)
        assert (shown["desc"], shown["device"], shown["location"], shown["transport"]) == (desc, device, "local", "udp")
        assert created.body.items() <= shown.items()

    def test_webrtc_exists_in_published_versions_only(self, documented: Engine, shipped: Engine) -> None:
        assert create(documented, "webrtc").status == 405
        assert create(shipped, "webrtc").status == 201
        shown = show(shipped)
        assert (shown["device"], shown["transport"], shown["desc"]) == ("WebRTC", "wss", "Ext1001")

    def test_vxt_crashes_in_published_versions(self, documented: Engine, shipped: Engine) -> None:
        assert create(documented, "vxt").status == 405
        reply = create(shipped, "vxt")
        assert (reply.status, reply.body["exception"]) == (500, "BadMethodCallException")

    def test_name_of_kind_is_not_an_extension(self, documented: Engine) -> None:
        assert send(documented, "GET", "extensions/mailbox").body == {"reason": "Not Found!"}
        assert send(documented, "POST", "extensions").status == 405

    @pytest.mark.parametrize("kind", ["mailbox", "unprovisioned"])
    def test_passwords_are_generated(self, documented: Engine, kind: str) -> None:
        passwords = [create(documented, kind, pkey=str(number)).body["passwd"] for number in range(1001, 1011)]
        assert len(set(passwords)) == 10
        assert {len(set(password)) for password in passwords} == {12}
        assert not set("".join(passwords)) & set("aeiouAEIOU01l5s")

    def test_passwords_are_repeatable(self) -> None:
        assert create(engine_of("documented")).body["passwd"] == create(engine_of("documented")).body["passwd"]

    @pytest.mark.parametrize(("kind", "location"), [
        ("mailbox", "local"), ("unprovisioned", "remote"), ("provisioned", "remote")])
    def test_default_location_comes_from_globals(self, documented: Engine, kind: str, location: str) -> None:
        documented.state.tables.update("globals", "pkey", "global", {"NATDEFAULT": "remote"})
        assert create(documented, kind).body["location"] == location

    @pytest.mark.parametrize("value", [1001, 1001.0, " 1001 "])
    def test_numeric_key_is_stored_as_text(self, documented: Engine, value: Any) -> None:
        assert create(documented, pkey=value).body["pkey"] in (1001, "1001")
        assert show(documented)["pkey"] == "1001"

    def test_key_true_is_stored_as_1(self, documented: Engine) -> None:
        assert create(documented, pkey=True).body["desc"] == "Ext1"
        assert show(documented, "1")["pkey"] == "1"

    @pytest.mark.parametrize("profile", ["documented", "shipped"])
    def test_query_parameters_are_validated_but_not_stored(self, profile: str) -> None:
        engine = engine_of(profile)
        reply = send(engine, "POST", "extensions/mailbox", query="pkey=1001&cluster=default")
        assert (reply.status, "NOT NULL constraint failed: master_xref.pkey" in reply.body["Error"]) == (409, True)
        assert send(engine, "GET", "extensions").body == []


class TestRejections:
    @pytest.mark.parametrize("kind", KINDS)
    def test_key_and_tenant_are_required(self, documented: Engine, kind: str) -> None:
        assert create(documented, kind, pkey=None).body == {"pkey": ["The pkey field is required."]}
        assert create(documented, kind, cluster="nosuch").body == {"cluster": ["The selected cluster is invalid."]}

    @pytest.mark.parametrize("kind", ["unprovisioned", "provisioned"])
    def test_duplicate_key_is_rejected(self, documented: Engine, kind: str) -> None:
        create(documented)
        reply = create(documented, kind)
        assert (reply.status, reply.body) == (422, {"save": ["Duplicate Key - 1001"]})

    def test_duplicate_mailbox_key_is_409(self, documented: Engine) -> None:
        create(documented)
        before = show(documented)
        reply = create(documented, "mailbox")
        assert (reply.status, list(reply.body)) == (409, ["Error"])
        assert show(documented) == before

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("value", [["1001"], {"a": 1}])
    def test_array_as_key_is_rejected(self, documented: Engine, kind: str, value: Any) -> None:
        reply = create(documented, kind, pkey=value)
        assert (reply.status, list(reply.body)) == (422, ["pkey"])

    @pytest.mark.parametrize("kind", ["mailbox", "unprovisioned", "webrtc"])
    def test_array_as_key_is_409_in_published_versions(self, shipped: Engine, kind: str) -> None:
        reply = create(shipped, kind, pkey={"a": 1})
        assert (reply.status, reply.body) == (409, {"Error": "Array to string conversion"})
        assert send(shipped, "GET", "extensions").body == []

    def test_published_update_stores_arrays_of_existing_values_as_json(self, shipped: Engine) -> None:
        create(shipped)
        assert update(shipped, cluster=["default"]).body["cluster"] == ["default"]
        assert show(shipped)["cluster"] == '["default"]'
        assert update(shipped, location={"a": 1}).body == {"location": ["The selected location is invalid."]}


    @pytest.mark.parametrize("value", [True, False])
    def test_boolean_key_can_be_a_duplicate(self, documented: Engine, value: bool) -> None:
        assert create(documented, pkey=value).status == 201
        assert list(create(documented, pkey=value).body) == ["save"]


class TestMacAddresses:
    @pytest.mark.parametrize(("mac", "device"), [
        (SNOM, "snom"), (YEALINK, "Yealink"), ("649EF3000000", "CiscoSPA"), ("080023000000", "Panasonic")])
    def test_device_is_vendor_of_mac_address(self, documented: Engine, mac: str, device: str) -> None:
        reply = create(documented, "provisioned", macaddr=mac)
        assert (reply.status, reply.body["device"], reply.body["macaddr"]) == (201, device, mac)
        assert reply.body["provision"] == f"#INCLUDE {device}\n#INCLUDE {device}.udp\n#INCLUDE {device}.ipv4\n"

    def test_every_factory_vendor_is_recognised(self, documented: Engine) -> None:
        prefixes = documented.state.tables.rows("mfgmac")
        assert len(prefixes) == 24
        for number, row in enumerate(prefixes, 1001):
            mac = row["pkey"].replace(":", "").lower() + "000000"
            reply = create(documented, "provisioned", pkey=number, macaddr=mac)
            assert (reply.status, reply.body["device"]) == (201, row["name"])

    def test_unknown_vendor_is_rejected(self, documented: Engine) -> None:
        reply = create(documented, "provisioned", macaddr=UNKNOWN)
        assert reply.body == {"macaddr": [f"Can't find Manufacturer for this MAC! {UNKNOWN}"]}

    def test_duplicate_mac_address_is_rejected(self, documented: Engine) -> None:
        create(documented, "provisioned")
        reply = create(documented, "provisioned", pkey="1002")
        assert reply.body == {"macaddr": [f"This MAC already exists in the DB! {SNOM}"]}

    @pytest.mark.parametrize("mac", ["00:04:13:67:89:ab", "000413", "zzzzzz000000", ["000413000000"]])
    def test_malformed_mac_address_is_rejected(self, documented: Engine, mac: Any) -> None:
        reply = create(documented, "provisioned", macaddr=mac)
        assert (reply.status, list(reply.body)) == (422, ["macaddr"])
        assert reply.body["macaddr"][0] == "The macaddr format is invalid."

    @pytest.mark.parametrize("profile", ["documented", "shipped"])
    def test_missing_mac_address_is_rejected(self, profile: str) -> None:
        """Recorded exchange 1037/2."""
        reply = create(engine_of(profile), "provisioned", macaddr=None)
        assert reply.body == {"macaddr": ["The macaddr field is required.", "Can't find Manufacturer for this MAC! "]}

    @pytest.mark.parametrize(("mac", "key"), [(SNOM, 2), (UNKNOWN, 2), ("xyz", 1), (1, 1)])
    def test_published_vendor_lookup_crashes(self, shipped: Engine, mac: Any, key: int) -> None:
        """Recorded exchange 1001/0. Other invalid fields make no difference (1041/14)."""
        reply = create(shipped, "provisioned", macaddr=mac, cluster=None)
        assert (reply.status, reply.body["message"]) == (500, f"Undefined array key {key}")

    @pytest.mark.parametrize("mac", ["0", 0, False])
    def test_published_vendor_lookup_is_skipped_for_falsy_address(self, shipped: Engine, mac: Any) -> None:
        reply = create(shipped, "provisioned", macaddr=mac)
        assert reply.status == 422
        assert reply.body["macaddr"][-1].startswith("Can't find Manufacturer")


class TestOptionalFields:
    @pytest.mark.parametrize("kind", KINDS)
    def test_optional_fields_are_validated_and_stored(self, documented: Engine, kind: str) -> None:
        assert create(documented, kind, active="MAYBE").body == {"active": ["The selected active is invalid."]}
        values = {"active": "NO", "cellphone": 7700900123, "location": "remote", "transport": "tls", "protocol": "IPV6"}
        assert values.items() <= create(documented, kind, **values).body.items()
        assert (values | {"cellphone": "7700900123"}).items() <= show(documented).items()

    def test_provisioning_follows_transport_and_protocol(self, documented: Engine) -> None:
        reply = create(documented, "provisioned", transport="tls", protocol="IPV6")
        assert reply.body["provision"] == "#INCLUDE snom\n#INCLUDE snom.tls\n#INCLUDE snom.ipv6\n"
        own = create(documented, "provisioned", pkey="1002", macaddr=YEALINK, provision="mine")
        assert own.body["provision"] == "mine"

    @pytest.mark.parametrize("kind", ["mailbox", "unprovisioned"])
    def test_published_versions_ignore_optional_fields(self, shipped: Engine, kind: str) -> None:
        reply = create(shipped, kind, active="MAYBE", cellphone="123")
        assert (reply.status, reply.body["active"]) == (201, "YES")
        assert show(shipped)["cellphone"] is None

    @pytest.mark.parametrize("profile", ["documented", "shipped"])
    def test_hidden_and_unknown_fields_are_ignored(self, profile: str) -> None:
        engine = engine_of(profile)
        create(engine, desc="mine", passwd="mine", device="mine", channel="mine", nosuch="mine")
        row = engine.state.tables.first("ipphone", "pkey", "1001")
        assert row is not None
        assert "mine" not in row.values()
        assert (row["abstimeout"], row["sipiaxfriend"].splitlines()[0]) == ("14400", "type=peer")


class TestClassOfService:
    @pytest.mark.parametrize("kind", ["unprovisioned", "provisioned"])
    def test_phone_gets_default_rules(self, documented: Engine, kind: str) -> None:
        create(documented, kind)
        assert sorted(joined(documented, "IPphoneCOSopen")) == [("1001", "both"), ("1001", "open")]
        assert sorted(joined(documented, "IPphoneCOSclosed")) == [("1001", "both"), ("1001", "closed")]

    def test_mailbox_gets_no_rules(self, documented: Engine) -> None:
        create(documented, "mailbox")
        assert joined(documented, "IPphoneCOSopen") == joined(documented, "IPphoneCOSclosed") == []

    def test_existing_pair_is_kept(self, documented: Engine) -> None:
        documented.state.tables.insert("IPphoneCOSopen", {"IPphone_pkey": "1001", "COS_pkey": "open"})
        assert create(documented).status == 201

    def test_delete_removes_dependent_rows(self, documented: Engine) -> None:
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


class TestNumbers:
    """A key may be any number. The response has json_encode's form, the database PHP's string form."""

    @pytest.mark.parametrize(("sent", "shown", "stored"), [
        (1e5, 100000, "100000"), (1e15, 10**15, "1.0E+15"), (-0.0, 0, "-0"), (1.5, 1.5, "1.5"), (1e17, 1e17, "1.0E+17"),
    ])
    def test_numeric_key_in_response_and_in_database(self, shipped, sent, shown, stored):
        body = create(shipped, "mailbox", pkey=sent).body
        assert json.dumps(body["pkey"]) == json.dumps(shown)
        assert show(shipped, stored)["pkey"] == stored

    @pytest.mark.parametrize(("profile", "status"), [("documented", 422), ("shipped", 500)])
    def test_infinite_key_is_rejected_or_crashes(self, profile, status):
        engine = engine_of(profile)
        body = b'{"pkey": 1e999, "cluster": "default"}'
        reply = engine.handle(ApiRequest("POST", "extensions/mailbox", "", {"Content-Type": "application/json"}, body))
        assert reply.status == status


@pytest.mark.parametrize(("profile", "status", "keys"), [("documented", 422, []), ("shipped", 500, ["INF"])])
def test_infinite_key_crashes_shipped_product_after_it_is_stored(profile, status, keys):
    engine = Engine(profile=profile)
    body = b'{"pkey": 1e309, "cluster": "default"}'
    headers = {"Content-Type": "application/json"}
    reply = engine.handle(ApiRequest("POST", "extensions/mailbox", headers=headers, body=body))
    assert reply.status == status
    assert [row["pkey"] for row in engine.state.tables.rows("ipphone")] == keys

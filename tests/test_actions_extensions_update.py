"""Updating extensions and their provisioning strings in both profiles, called through an engine."""

from __future__ import annotations

import pytest

from sarkmock.http.engine import Engine
from tests import extensions
from tests.extensions import SNOM, YEALINK, create, show, update

engine_of = extensions.engine_of  # used by the fixtures


class TestUpdate:
    def test_response_shows_values_as_sent(self, documented: Engine) -> None:
        """Recorded exchanges 1023/17 and 1023/24."""
        create(documented)
        assert update(documented, callerid=1861, cellphone=True).body["callerid"] == 1861
        shown = show(documented)
        assert (shown["callerid"], shown["cellphone"]) == ("1861", "1")

    def test_null_clears_field(self, documented: Engine) -> None:
        create(documented)
        update(documented, vmailfwd="desk@example.com", cellphone=5)
        update(documented, vmailfwd=None, cellphone="")
        shown = show(documented)
        assert (shown["vmailfwd"], shown["cellphone"]) == (None, None)

    def test_other_fields_are_unchanged(self, documented: Engine) -> None:
        create(documented)
        before = show(documented)
        update(documented, active="NO", pkey="1009", macaddr=SNOM, passwd="x", desc="y")
        assert show(documented) == before | {"active": "NO"}

    @pytest.mark.parametrize("profile", ["documented", "shipped"])
    def test_devicerec_accepts_documented_spelling(self, profile: str) -> None:
        engine = engine_of(profile)
        create(engine)
        assert update(engine, devicerec="Inbound.Outbound").status == 200
        assert update(engine, devicerec="Inbound").status == 422

    def test_wss_exists_in_published_versions_only(self, documented: Engine, shipped: Engine) -> None:
        create(documented)
        create(shipped)
        assert update(documented, transport="wss").status == 422
        assert update(shipped, transport="wss").status == 200

    def test_mailbox_must_exist(self, documented: Engine) -> None:
        create(documented)
        assert update(documented, dvrvmail="1900").body == {"dvrvmail": ["The selected dvrvmail is invalid."]}
        assert update(documented, dvrvmail=1001).status == 200

    def test_update_sets_timestamp(self, documented: Engine) -> None:
        create(documented)
        documented.state.clock.advance(60)
        update(documented, active="NO")
        shown = show(documented)
        assert (shown["z_created"], shown["z_updated"]) == ("2023-11-14 22:13:20", "2023-11-14 22:14:20")


class TestProvisioning:
    @pytest.mark.parametrize(("mac", "template"), [(SNOM, "snom"), (YEALINK, "yealink"), ("0080F0000000", "panasonic")])
    def test_new_transport_changes_includes(self, documented: Engine, mac: str, template: str) -> None:
        device = create(documented, "provisioned", macaddr=mac).body["device"]
        tls = update(documented, transport="tls", protocol="IPV6").body["provision"]
        assert tls == f"#INCLUDE {device}\n#INCLUDE {template}.tls\n#INCLUDE {template}.ipv6"
        assert update(documented, transport="udp").body["provision"].splitlines()[1] == f"#INCLUDE {template}.udp"

    def test_other_lines_are_unchanged(self, documented: Engine) -> None:
        create(documented, "provisioned")
        own = "#INCLUDE snom\n#include snom.udp\nmine.udp\n#INCLUDE x.tcp y\n\n"
        reply = update(documented, transport="tcp", provision=own)
        assert reply.body["provision"] == own[:40] + "\n#INCLUDE snom.tcp\n#INCLUDE snom.ipv4"

    def test_new_protocol_alone_changes_nothing(self, documented: Engine) -> None:
        before = create(documented, "provisioned").body["provision"]
        assert update(documented, protocol="IPV6", transport="udp").body["provision"] == before

    def test_phone_without_vendor_loses_transport_lines(self, documented: Engine) -> None:
        create(documented, provision="#INCLUDE a\n#INCLUDE a.udp\n")
        assert update(documented, transport="tls").body["provision"] == "#INCLUDE a"

    def test_empty_provisioning_stays_null(self, documented: Engine) -> None:
        create(documented)
        assert update(documented, transport="tls").body["provision"] is None

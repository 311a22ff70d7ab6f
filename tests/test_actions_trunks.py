"""Trunks: names and stanzas of new trunks, the host in updates, and the published product's behaviour."""

from __future__ import annotations

from typing import Any

import pytest

from sarkmock.http.engine import Engine
from sarkmock.pbx.actions.trunks import substitute
from tests.engines import send

SIP = {"pkey": "carrier1", "carrier": "GeneralSIP", "cluster": "default", "username": "acme", "host": "192.0.2.20"}
IAX = {**SIP, "pkey": "carrier2", "carrier": "GeneralIAX2"}
CODECS = "disallow=all\nallow=alaw\nallow=ulaw"


@pytest.mark.parametrize(("sent", "peer", "trunk"), [
    ({}, "acme", "acme"),
    ({"peername": "peer"}, "peer", "peer"),
    ({"trunkname": "trunk"}, "acme", "trunk"),
    ({"peername": "0", "trunkname": "0"}, "acme", "acme"),
    ({"peername": "peer", "trunkname": "trunk"}, "peer", "trunk"),
])
def test_trunk_name_defaults_to_peer_name_and_peer_name_to_user(
        documented: Engine, sent: Any, peer: str, trunk: str) -> None:
    created = send(documented, "POST", "trunks", {**SIP, **sent})
    assert (created.status, created.body["peername"], created.body["trunkname"]) == (201, peer, trunk)


def test_a_sip_trunk_has_a_peer_stanza(documented: Engine) -> None:
    sent = {**SIP, "password": "s3cret", "sipiaxpeer": "mine", "sipiaxuser": "mine"}
    created = send(documented, "POST", "trunks", sent)
    assert created.body["sipiaxuser"] is None
    assert created.body["sipiaxpeer"] == (
        "type=peer\nhost=192.0.2.20\nqualify=yes\ncanreinvite=no\nusername=acme\nfromuser=acme\nsecret=s3cret\n"
        "insecure=port,invite\n" + CODECS)


def test_an_iax2_trunk_has_two_stanzas(documented: Engine) -> None:
    created = send(documented, "POST", "trunks", IAX)
    assert created.body["sipiaxuser"] == "type=user\ncontext=mainmenu\nrequirecalltoken=no"
    assert created.body["sipiaxpeer"] == (
        "type=peer\nhost=192.0.2.20\nqualify=yes\ncanreinvite=no\nusername=acme\nfromuser=acme\nsecret=\n" + CODECS)


def test_default_codecs_are_not_added_to_existing_ones(documented: Engine) -> None:
    created = send(documented, "POST", "trunks", {**SIP, "host": "h\nallow=g722"})
    assert CODECS not in created.body["sipiaxpeer"]


@pytest.mark.parametrize(("value", "expected"), [
    ("acme", "host=acme"), ("a$1b", "host=ab"), ("a$0", "host=ahost="), (r"a\0", "host=ahost="), ("a${12}b", "host=ab"),
    ("a$", "host=a$"), (r"a\$1", "host=a$1"), (r"a\\1", r"host=a\1"), ("a$\u0661", "host=a$\u0661"), ("$123", "host=3"),
])
def test_values_are_expanded_as_preg_replace_replacements(value: str, expected: str) -> None:
    assert substitute("host=", "host=", value) == expected


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "2001:db8::1", "sip.example.com", "Sip.Example.COM", "a-b.example.com.", "0"])
def test_valid_host_is_accepted(documented: Engine, host: str) -> None:
    send(documented, "POST", "trunks", SIP)
    assert send(documented, "PUT", "trunks/carrier1", {"host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["192.0.2.256", "1.5", "nosuch", "a.b", "-a.example.com", "a b.example.com", "example..com"])
def test_invalid_host_is_rejected(documented: Engine, host: str) -> None:
    send(documented, "POST", "trunks", SIP)
    rejected = send(documented, "PUT", "trunks/carrier1", {"host": host})
    assert (rejected.status, rejected.body) == (422, {"host": [f"Host must be valid IP or valid domain name {host}"]})


def test_host_that_is_not_a_string_has_two_errors(documented: Engine) -> None:
    send(documented, "POST", "trunks", SIP)
    assert send(documented, "PUT", "trunks/carrier1", {"host": 7}).body == {
        "host": ["The host must be a string.", "Host must be valid IP or valid domain name 7"]}
    assert send(documented, "PUT", "trunks/carrier1", {"host": ["h"]}).status == 422


def test_update_does_not_change_stanzas(documented: Engine) -> None:
    send(documented, "POST", "trunks", SIP)
    changed = send(documented, "PUT", "trunks/carrier1", {"host": "192.0.2.99", "username": "other"})
    assert (changed.body["host"], changed.body["username"]) == ("192.0.2.99", "acme")
    assert "host=192.0.2.20" in changed.body["sipiaxpeer"]


def test_both_kinds_of_trunks_are_listed(documented: Engine) -> None:
    for body in (IAX, SIP):
        send(documented, "POST", "trunks", body)
    assert [row["pkey"] for row in send(documented, "GET", "trunks").body] == ["carrier1", "carrier2"]


def test_shipped_product_omits_iax2_trunks_from_list(shipped: Engine) -> None:
    for body in (IAX, SIP, {**IAX, "pkey": "carrier3", "peername": "SIP"}):
        assert send(shipped, "POST", "trunks", body).status == 201
    assert [row["pkey"] for row in send(shipped, "GET", "trunks").body] == ["carrier1", "carrier3"]
    assert send(shipped, "GET", "trunks/carrier2").status == 200


def test_trunks_can_be_deleted_in_shipped_product_only(documented: Engine, shipped: Engine) -> None:
    for engine, status in ((documented, 405), (shipped, 204)):
        send(engine, "POST", "trunks", SIP)
        assert send(engine, "DELETE", "trunks/carrier1").status == status


@pytest.mark.parametrize(("cluster", "status"), [
    ("nosuch", 201), ("default", 201), ("operator", 422), (7, 422), ("a.b", 500), (["default"], 500), (1e20, 500)])
def test_shipped_product_compares_tenant_with_column_names(shipped: Engine, cluster: Any, status: int) -> None:
    assert send(shipped, "POST", "trunks", {**SIP, "cluster": cluster}).status == status

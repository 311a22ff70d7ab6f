"""Firewall rule sets in both profiles: stored, shown and checked."""

from __future__ import annotations

from typing import Any

import pytest

from sarkmock.http.engine import Engine
from tests.boxes import box, send

VALID = ["ACCEPT net:$LAN $FW tcp 22 # SSH", "", "?COMMENT web", "Web(ACCEPT) net $FW"]
INVALID = ["ACCEPT net $FW tcp 22", "ACCEPT dmz $FW tcp 22"]
SAVED = {"message": "saved sark_rules"}
RESTARTED = {"message": "Shorewall restarted OK"}


@pytest.fixture(params=["documented", "shipped"])
def pbx(request: pytest.FixtureRequest) -> Engine:
    return box(request.param)


def shown(engine: Engine, version: str = "ipv4") -> Any:
    body = send(engine, f"GET /firewalls/{version}").body
    return body["rules"] if isinstance(body, dict) else body


@pytest.mark.parametrize("version", ["ipv4", "ipv6"])
def test_rule_set_is_replaced_and_shown(pbx: Engine, version: str) -> None:
    assert shown(pbx, version) == []
    assert send(pbx, f"POST /firewalls/{version}", {"rules": ["DROP net fw"]}).body == SAVED
    assert send(pbx, f"POST /firewalls/{version}", {"rules": VALID}).body == SAVED
    assert shown(pbx, version) == VALID
    assert send(pbx, f"PUT /firewalls/{version}").body == RESTARTED


def test_element_is_split_at_line_breaks(pbx: Engine) -> None:
    send(pbx, "POST /firewalls/ipv4", {"rules": ["?COMMENT a\r\n?COMMENT b\rc", "", None, True]})
    assert shown(pbx) == ["?COMMENT a", "?COMMENT b\rc", "", "", "1"]


def test_ipv4_and_ipv6_rule_sets_are_independent(pbx: Engine) -> None:
    send(pbx, "POST /firewalls/ipv6", {"rules": INVALID})
    assert shown(pbx, "ipv4") == []
    assert send(pbx, "PUT /firewalls/ipv4").status == 200
    assert send(pbx, "PUT /firewalls/ipv6").status == 500


def test_shipped_product_returns_rules_in_object() -> None:
    engine = box("shipped")
    send(engine, "POST /firewalls/ipv4", {"rules": VALID})
    assert send(engine, "GET /firewalls/ipv4").body == {"rules": VALID}


def test_invalid_rules_are_stored_and_rejected_at_restart(pbx: Engine) -> None:
    assert send(pbx, "POST /firewalls/ipv4", {"rules": INVALID}).status == 200
    assert shown(pbx) == INVALID
    reply = send(pbx, "PUT /firewalls/ipv4")
    assert reply.status == 500
    assert reply.body[0].startswith("Checking using Shorewall")
    assert [line for line in reply.body if "ERROR" in line] == [
        "   ERROR: Unknown source zone (dmz) /etc/shorewall/sark_rules (line 2)"]
    send(pbx, "POST /firewalls/ipv4", {"rules": VALID})
    assert send(pbx, "PUT /firewalls/ipv4").body == RESTARTED


def test_documented_upload_returns_errors() -> None:
    engine = box()
    body = send(engine, "POST /firewalls/ipv6", {"rules": INVALID}).body
    assert body == SAVED | {"errors": send(engine, "PUT /firewalls/ipv6").body}
    assert "   ERROR: Unknown source zone (dmz) /etc/shorewall6/sark_rules6 (line 2)" in body["errors"]


def test_shipped_upload_returns_no_errors() -> None:
    assert send(box("shipped"), "POST /firewalls/ipv4", {"rules": INVALID}).body == SAVED


def test_rules_of_single_words_pass_restart(pbx: Engine) -> None:
    """Recorded exchanges 1106/20 and 1106/39."""
    assert send(pbx, "POST /firewalls/ipv4", {"rules": ["a", "b"]}).body == SAVED
    assert send(pbx, "PUT /firewalls/ipv4").body == RESTARTED


@pytest.mark.parametrize("rules", [None, "", [], {}])
def test_empty_rules_are_rejected(pbx: Engine, rules: Any) -> None:
    reply = send(pbx, "POST /firewalls/ipv4", {"rules": rules})
    assert (reply.status, reply.body) == (422, {"rules": ["The rules field is required."]})


@pytest.mark.parametrize("rules", ["ACCEPT net fw", 1, True, [["ACCEPT"]], [{"a": 1}]])
def test_rules_must_be_array_of_strings(rules: Any) -> None:
    assert send(box(), "POST /firewalls/ipv4", {"rules": rules}).status == 422
    assert send(box("shipped"), "POST /firewalls/ipv4", {"rules": rules}).status == 500


def test_elements_are_converted_to_strings_as_in_php(pbx: Engine) -> None:
    send(pbx, "POST /firewalls/ipv4", {"rules": [1, True, None, 1.0, "  a  ", "b\nc", "\u00e9"]})
    assert shown(pbx) == ["1", "1", "", "1", "a", "b", "c", "\u00e9"]
    send(pbx, "POST /firewalls/ipv4", {"rules": {"x": "a", "y": "b"}})
    assert shown(pbx) == ["a", "b"]


def test_zones_and_variables_are_read_from_configuration(pbx: Engine) -> None:
    send(pbx, "POST /firewalls/ipv4", {"rules": ["ACCEPT net:$WAN $FW"]})
    assert "   ERROR: Undefined shell variable ($WAN) /etc/shorewall/sark_rules (line 1)" in send(
        pbx, "PUT /firewalls/ipv4").body
    pbx.state.files.clear()
    send(pbx, "POST /firewalls/ipv4", {"rules": ["ACCEPT net fw"]})
    assert send(pbx, "PUT /firewalls/ipv4").body == RESTARTED

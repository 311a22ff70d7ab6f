"""The firewalls' rule sets: stored, shown, checked; in both profiles."""

from __future__ import annotations

from typing import Any

import pytest

from sarkmock.http.engine import Engine
from tests.boxes import box, send

SOUND = ["ACCEPT net:$LAN $FW tcp 22 # SSH", "", "?COMMENT web", "Web(ACCEPT) net $FW"]
FAULTY = ["ACCEPT net $FW tcp 22", "ACCEPT dmz $FW tcp 22"]
SAVED = {"message": "saved sark_rules"}
RESTARTED = {"message": "Shorewall restarted OK"}


@pytest.fixture(params=["documented", "shipped"])
def pbx(request: pytest.FixtureRequest) -> Engine:
    return box(request.param)


def shown(engine: Engine, version: str = "ipv4") -> Any:
    body = send(engine, f"GET /firewalls/{version}").body
    return body["rules"] if isinstance(body, dict) else body


@pytest.mark.parametrize("version", ["ipv4", "ipv6"])
def test_the_whole_rule_set_is_stored_and_shown(pbx: Engine, version: str) -> None:
    assert shown(pbx, version) == []
    assert send(pbx, f"POST /firewalls/{version}", {"rules": ["DROP net fw"]}).body == SAVED
    assert send(pbx, f"POST /firewalls/{version}", {"rules": SOUND}).body == SAVED
    assert shown(pbx, version) == SOUND
    assert send(pbx, f"PUT /firewalls/{version}").body == RESTARTED


def test_lines_may_end_in_crlf_and_an_element_may_hold_several(pbx: Engine) -> None:
    send(pbx, "POST /firewalls/ipv4", {"rules": ["?COMMENT a\r\n?COMMENT b\rc", "", None, True]})
    assert shown(pbx) == ["?COMMENT a", "?COMMENT b\rc", "", "", "1"]


def test_the_two_rule_sets_are_independent(pbx: Engine) -> None:
    send(pbx, "POST /firewalls/ipv6", {"rules": FAULTY})
    assert shown(pbx, "ipv4") == []
    assert send(pbx, "PUT /firewalls/ipv4").status == 200
    assert send(pbx, "PUT /firewalls/ipv6").status == 500


def test_the_shipped_product_wraps_its_rules() -> None:
    engine = box("shipped")
    send(engine, "POST /firewalls/ipv4", {"rules": SOUND})
    assert send(engine, "GET /firewalls/ipv4").body == {"rules": SOUND}


def test_faulty_rules_are_stored_and_rejected_at_the_restart(pbx: Engine) -> None:
    assert send(pbx, "POST /firewalls/ipv4", {"rules": FAULTY}).status == 200
    assert shown(pbx) == FAULTY
    reply = send(pbx, "PUT /firewalls/ipv4")
    assert reply.status == 500
    assert reply.body[0].startswith("Checking using Shorewall")
    assert [line for line in reply.body if "ERROR" in line] == [
        "   ERROR: Unknown source zone (dmz) /etc/shorewall/sark_rules (line 2)"]
    send(pbx, "POST /firewalls/ipv4", {"rules": SOUND})
    assert send(pbx, "PUT /firewalls/ipv4").body == RESTARTED


def test_the_documented_upload_tells_what_is_wrong() -> None:
    engine = box()
    body = send(engine, "POST /firewalls/ipv6", {"rules": FAULTY}).body
    assert body == SAVED | {"errors": send(engine, "PUT /firewalls/ipv6").body}
    assert "   ERROR: Unknown source zone (dmz) /etc/shorewall6/sark_rules6 (line 2)" in body["errors"]


def test_the_shipped_upload_tells_nothing() -> None:
    assert send(box("shipped"), "POST /firewalls/ipv4", {"rules": FAULTY}).body == SAVED


def test_words_alone_restart_as_recorded(pbx: Engine) -> None:
    """Recorded exchanges 1106/20 and 1106/39."""
    assert send(pbx, "POST /firewalls/ipv4", {"rules": ["a", "b"]}).body == SAVED
    assert send(pbx, "PUT /firewalls/ipv4").body == RESTARTED


@pytest.mark.parametrize("rules", [None, "", [], {}])
def test_no_rules_are_rejected(pbx: Engine, rules: Any) -> None:
    reply = send(pbx, "POST /firewalls/ipv4", {"rules": rules})
    assert (reply.status, reply.body) == (422, {"rules": ["The rules field is required."]})


@pytest.mark.parametrize("rules", ["ACCEPT net fw", 1, True, [["ACCEPT"]], [{"a": 1}]])
def test_what_is_no_array_of_lines_is_rejected_or_crashes(rules: Any) -> None:
    assert send(box(), "POST /firewalls/ipv4", {"rules": rules}).status == 422
    assert send(box("shipped"), "POST /firewalls/ipv4", {"rules": rules}).status == 500


def test_elements_become_lines_as_php_writes_them(pbx: Engine) -> None:
    send(pbx, "POST /firewalls/ipv4", {"rules": [1, True, None, 1.0, "  a  ", "b\nc", "\u00e9"]})
    assert shown(pbx) == ["1", "1", "", "1", "a", "b", "c", "\u00e9"]
    send(pbx, "POST /firewalls/ipv4", {"rules": {"x": "a", "y": "b"}})
    assert shown(pbx) == ["a", "b"]


def test_zones_and_variables_come_from_the_configuration(pbx: Engine) -> None:
    send(pbx, "POST /firewalls/ipv4", {"rules": ["ACCEPT net:$WAN $FW"]})
    assert "   ERROR: Undefined shell variable ($WAN) /etc/shorewall/sark_rules (line 1)" in send(
        pbx, "PUT /firewalls/ipv4").body
    pbx.state.files.clear()
    send(pbx, "POST /firewalls/ipv4", {"rules": ["ACCEPT net fw"]})
    assert send(pbx, "PUT /firewalls/ipv4").body == RESTARTED

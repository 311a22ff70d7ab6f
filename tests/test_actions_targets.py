"""Targets of inbound routes, IVRs and ring groups: how they are resolved, and the route class that is stored."""

from __future__ import annotations

from typing import Any

import pytest

from sarkmock.http.engine import Engine
from sarkmock.http.replies import PhpError
from sarkmock.pbx.actions.destinations import route_class
from sarkmock.pbx.database import Database
from tests.engines import send

NUMBER = {"pkey": "01924566170", "carrier": "DiD", "cluster": "default", "trunkname": "carrier1"}


@pytest.fixture(scope="module")
def tables() -> Database:
    """One target of every kind; 1003 is an extension."""
    tables = Database()
    for table, keys in {"ipphone": ["1003", "42", "1000000"], "speed": ["sales", "both"], "queue": ["support", "both"],
                        "ivrmenu": ["menu"], "appl": ["app"]}.items():
        for key in keys:
            tables.insert(table, {"pkey": key})
    for carrier, kind in {"GeneralSIP": "VOIP", "isdn": "group", "DiD": "DiD"}.items():
        tables.insert("carrier", {"pkey": carrier, "carriertype": kind})
    for line, carrier in {"trunk": "GeneralSIP", "a~b": "GeneralSIP", "group": "isdn", "01924": "DiD", "lost": "gone",
                          "bare": None}.items():
        tables.insert("lineio", {"pkey": line, "carrier": carrier})
    return tables


@pytest.mark.parametrize(("target", "expected"), [
    ("None", 0), ("Default IVR", 3), ("DISA", 5), ("CALLBACK", 6), ("Retrieve Voicemail", 20),
    ("Leave Voicemail", 21), ("Operator", 100), ("Hangup", 101),
    ("1003", 1), ("*1003", 1), (1003, 1), (1003.0, 1), ("sales", 1), ("both", 1), ("support", 4), ("menu", 2),
    ("app", 10), ("trunk", 9), ("a~b", 8), ("group", 11), ("01924", 9),
    ("", 0), ("0", 0), (0, 0), (False, 0), (None, 0), ([], 0), ({}, 0), (True, 0),
    ("operator", None), ("1004", None), ("**1003", None), (1, None), (-1, None), ("0.0", None),
    ("42", None), ("1000000", None), ("lost", None), ("bare", None), ("default", None), ("'; DROP", None),
    ("\u0661\u0660\u0660\u0663", None),
])
def test_route_class_of_target(tables: Database, target: Any, expected: int | None) -> None:
    assert route_class(tables, target) == expected


@pytest.mark.parametrize("target", [["1003"], {"a": 1}])
def test_array_as_target_raises(tables: Database, target: Any) -> None:
    with pytest.raises(PhpError, match="preg_match") as error:
        route_class(tables, target, "outcome")
    assert error.value.field == "outcome"


def test_inbound_route_stores_classes_of_its_targets(documented: Engine) -> None:
    send(documented, "POST", "queues", {"pkey": "support", "cluster": "default"})
    created = send(documented, "POST", "inboundroutes", {**NUMBER, "openroute": "support"})
    assert (created.status, created.body["routeclassopen"], created.body["routeclassclosed"]) == (201, 4, 100)
    assert created.body["closeroute"] == "None"
    changed = send(documented, "PUT", "inboundroutes/01924566170", {"closeroute": "Hangup"})
    assert (changed.body["routeclassopen"], changed.body["routeclassclosed"]) == ("4", 101)
    assert send(documented, "GET", "inboundroutes/01924566170").body["routeclassclosed"] == "101"


def test_all_unresolved_targets_are_reported_together(documented: Engine) -> None:
    body = {**NUMBER, "openroute": "nosuch", "closeroute": "1004", "moh": "loud"}
    assert send(documented, "POST", "inboundroutes", body).body == {
        "moh": ["The selected moh is invalid."],
        "openroute": ["The target could not be resolved nosuch"],
        "closeroute": ["The target could not be resolved 1004"]}


def test_duplicate_key_is_reported_before_unresolved_targets(documented: Engine) -> None:
    send(documented, "POST", "inboundroutes", NUMBER)
    again = send(documented, "POST", "inboundroutes", {**NUMBER, "openroute": "nosuch"})
    assert (again.status, again.body) == (422, {"save": ["Duplicate Key - 01924566170"]})


def test_trunks_and_inbound_routes_share_keys(documented: Engine) -> None:
    send(documented, "POST", "inboundroutes", NUMBER)
    trunk = {"pkey": NUMBER["pkey"], "carrier": "GeneralSIP", "cluster": "default", "username": "u", "host": "h"}
    assert send(documented, "POST", "trunks", trunk).body == {"save": ["Duplicate Key - 01924566170"]}
    assert send(documented, "GET", "trunks").body == []
    assert send(documented, "GET", "trunks/01924566170").body["carrier"] == "DiD"


def test_unresolved_class_rejects_update_until_target_is_sent(documented: Engine) -> None:
    send(documented, "POST", "inboundroutes", NUMBER)
    documented.state.tables.update("lineio", "pkey", NUMBER["pkey"], {"routeclassopen": "404"})
    rejected = send(documented, "PUT", "inboundroutes/01924566170", {"moh": "ON"})
    assert (rejected.status, rejected.body) == (422, {"openroute": ["The target could not be resolved "]})
    assert send(documented, "PUT", "inboundroutes/01924566170", {"openroute": "Hangup"}).status == 200


def test_ring_group_stores_class_of_its_outcome(documented: Engine) -> None:
    created = send(documented, "POST", "ringgroups", {"pkey": "sales", "cluster": "default", "outcome": "Operator"})
    assert (created.status, created.body["outcome"]) == (201, "Operator")
    row = documented.state.tables.first("speed", "pkey", "sales")
    assert row is not None
    assert row["outcomerouteclass"] == "100"
    assert send(documented, "PUT", "ringgroups/sales", {"outcome": -1}).body == {
        "outcome": ["The outcome must be a string.", "The target could not be resolved -1"]}


def test_ivr_options_are_resolved(documented: Engine) -> None:
    body = {"pkey": "menu", "cluster": "default", "option1": "Hangup", "option11": "menu"}
    assert send(documented, "POST", "ivrs", body).body == {"option11": ["The target could not be resolved menu"]}
    assert send(documented, "POST", "ivrs", {**body, "option11": None}).status == 201
    assert send(documented, "PUT", "ivrs/menu", {"option11": "menu"}).status == 200
    row = documented.state.tables.first("ivrmenu", "pkey", "menu")
    assert row is not None
    assert (row["routeclass1"], row["routeclass11"], row["routeclass0"]) == ("101", "2", "0")


@pytest.mark.parametrize("body", [{"pkey": "menu", "cluster": "default"}, {}, {"pkey": "menu", "cluster": ["default"]}])
def test_ivr_create_crashes_in_shipped_product(shipped: Engine, body: Any) -> None:
    assert send(shipped, "POST", "ivrs", body).status == 500
    assert send(shipped, "GET", "ivrs").body == []


def test_shipped_product_updates_ivr_without_resolving_options(shipped: Engine) -> None:
    shipped.state.tables.insert("ivrmenu", {"pkey": "menu", "cluster": "default"})
    changed = send(shipped, "PUT", "ivrs/menu", {"pkey": "main", "option1": "nosuch", "z_updater": "me"})
    assert (changed.status, changed.body["option1"], changed.body["z_updater"]) == (200, "nosuch", "me")
    row = shipped.state.tables.first("ivrmenu", "pkey", "main")
    assert row is not None
    assert row["routeclass1"] == "404"
    assert send(shipped, "PUT", "ivrs/main", {"timeout": 5}).status == 500
    assert send(shipped, "PUT", "ivrs/main", {"timeoutrouteclass": 5}).status == 500


def test_shipped_product_stops_at_first_unresolved_option(shipped: Engine) -> None:
    shipped.state.tables.insert("ivrmenu", {"pkey": "menu", "cluster": "default", "routeclass2": 0})
    keys = {"option0": "Hangup", "option1": "nosuch", "option2": "Operator", "option12": "None"}
    assert send(shipped, "PUT", "ivrs/menu", keys).status == 200
    row = shipped.state.tables.first("ivrmenu", "pkey", "menu")
    assert row is not None
    assert (row["routeclass0"], row["routeclass1"], row["routeclass2"]) == ("101", "404", "0")
    assert row["option2"] == "Operator"
    send(shipped, "PUT", "ivrs/menu", {"option3": "Hangup"})  # still stops at option1
    row = shipped.state.tables.first("ivrmenu", "pkey", "menu")
    assert row is not None
    assert row["routeclass3"] is None


def test_shipped_product_reads_a_thirteenth_option(shipped: Engine) -> None:
    shipped.state.tables.insert("ivrmenu", {"pkey": "menu", "cluster": "default"})
    rejected = send(shipped, "PUT", "ivrs/menu", {"option12": "None"})
    assert rejected.status == 409
    assert "no such column: routeclass12" in rejected.body["Error"]

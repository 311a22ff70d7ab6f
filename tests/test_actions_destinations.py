"""Destinations follow the state; and a route keeps no outcome."""

from __future__ import annotations

from sarkmock.http.engine import Engine
from tests.engines import send


def test_a_fresh_pbx_has_none(documented: Engine) -> None:
    assert send(documented, "GET", "destinations").body == []


def test_they_come_and_go(documented: Engine) -> None:
    send(documented, "POST", "queues", {"pkey": "support", "cluster": "default"})
    send(documented, "POST", "queues", {"pkey": "sales", "cluster": "default"})
    send(documented, "POST", "ringgroups", {"pkey": "all", "cluster": "default", "outcome": "None"})
    send(documented, "POST", "ivrs", {"pkey": "menu", "cluster": "default"})
    number = {"pkey": "01924", "carrier": "DiD", "cluster": "default", "trunkname": "c"}
    send(documented, "POST", "inboundroutes", number)
    for carrier in ("GeneralSIP", "GeneralIAX2"):
        trunk = {"pkey": carrier, "carrier": carrier, "cluster": "default", "username": "u", "host": "h"}
        send(documented, "POST", "trunks", trunk)
    everything = {"RingGroups": ["all"], "Queues": ["support", "sales"], "IVRs": ["menu"],
                  "Trunks": ["GeneralSIP", "GeneralIAX2"]}
    assert send(documented, "GET", "destinations").body == everything
    send(documented, "DELETE", "ringgroups/all")
    del everything["RingGroups"]
    assert send(documented, "GET", "destinations").body == everything


def test_only_kinds_with_a_text_for_a_key_come_sorted(documented: Engine) -> None:
    for key in ("2002", "2001"):
        send(documented, "POST", "extensions/mailbox", {"pkey": key, "cluster": "default"})
        send(documented, "POST", "customapps", {"pkey": f"app{key}", "cluster": "default"})
        send(documented, "POST", "ringgroups", {"pkey": f"group{key}", "cluster": "default", "outcome": "None"})
        send(documented, "POST", "ivrs", {"pkey": f"ivr{key}", "cluster": "default"})
    assert send(documented, "GET", "destinations").body == {
        "Extensions": ["2001", "2002"], "CustomApps": ["app2001", "app2002"], "RingGroups": ["group2001", "group2002"],
        "IVRs": ["ivr2002", "ivr2001"]}


def test_a_route_demands_an_outcome_and_keeps_none(documented: Engine) -> None:
    rejected = send(documented, "POST", "routes", {"pkey": "national", "cluster": "default"})
    assert rejected.body == {"outcome": ["The outcome field is required."]}
    created = send(documented, "POST", "routes", {"pkey": "national", "cluster": "default", "outcome": "nosuch"})
    assert (created.status, "outcome" in created.body) == (201, False)
    assert send(documented, "GET", "routes/national").status == 200

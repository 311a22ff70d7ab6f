"""The list of destinations follows the state. A route requires an outcome and does not store it."""

from __future__ import annotations

from sarkmock.http.engine import Engine
from tests.engines import send


def test_factory_pbx_has_no_destinations(documented: Engine) -> None:
    assert send(documented, "GET", "destinations").body == []


def test_destinations_follow_created_and_deleted_rows(documented: Engine) -> None:
    send(documented, "POST", "queues", {"pkey": "support", "cluster": "default"})
    send(documented, "POST", "queues", {"pkey": "sales", "cluster": "default"})
    send(documented, "POST", "ringgroups", {"pkey": "all", "cluster": "default", "outcome": "None"})
    send(documented, "POST", "ivrs", {"pkey": "menu", "cluster": "default"})
    number = {"pkey": "01924", "carrier": "DiD", "cluster": "default", "trunkname": "c"}
    send(documented, "POST", "inboundroutes", number)
    for carrier in ("GeneralSIP", "GeneralIAX2"):
        trunk = {"pkey": carrier, "carrier": carrier, "cluster": "default", "username": "u", "host": "h"}
        send(documented, "POST", "trunks", trunk)
    expected = {"RingGroups": ["all"], "Queues": ["support", "sales"], "IVRs": ["menu"],
                "Trunks": ["GeneralSIP", "GeneralIAX2"]}
    assert send(documented, "GET", "destinations").body == expected
    send(documented, "DELETE", "ringgroups/all")
    del expected["RingGroups"]
    assert send(documented, "GET", "destinations").body == expected


def test_only_sections_with_text_keys_are_sorted(documented: Engine) -> None:
    for key in ("2002", "2001"):
        send(documented, "POST", "extensions/mailbox", {"pkey": key, "cluster": "default"})
        send(documented, "POST", "customapps", {"pkey": f"app{key}", "cluster": "default"})
        send(documented, "POST", "ringgroups", {"pkey": f"group{key}", "cluster": "default", "outcome": "None"})
        send(documented, "POST", "ivrs", {"pkey": f"ivr{key}", "cluster": "default"})
    assert send(documented, "GET", "destinations").body == {
        "Extensions": ["2001", "2002"], "CustomApps": ["app2001", "app2002"], "RingGroups": ["group2001", "group2002"],
        "IVRs": ["ivr2002", "ivr2001"]}


def test_route_requires_outcome_and_does_not_store_it(documented: Engine) -> None:
    rejected = send(documented, "POST", "routes", {"pkey": "national", "cluster": "default"})
    assert rejected.body == {"outcome": ["The outcome field is required."]}
    created = send(documented, "POST", "routes", {"pkey": "national", "cluster": "default", "outcome": "nosuch"})
    assert (created.status, "outcome" in created.body) == (201, False)
    assert send(documented, "GET", "routes/national").status == 200

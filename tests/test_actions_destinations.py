"""Destinations follow the state; and a route keeps no outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sarkmock.http.engine import Engine, Request
from sarkmock.http.replies import Reply
from sarkmock.spec import loading


@pytest.fixture
def engine() -> Engine:
    return Engine(loading.load("documented"))


def send(engine: Engine, method: str, path: str, body: Any = None) -> Reply:
    content = json.dumps(body or {}).encode()
    return engine.handle(Request(method, path, "", {"Content-Type": "application/json"}, content))


def test_a_fresh_pbx_has_none(engine: Engine) -> None:
    assert send(engine, "GET", "destinations").body == []


def test_they_come_and_go(engine: Engine) -> None:
    send(engine, "POST", "queues", {"pkey": "support", "cluster": "default"})
    send(engine, "POST", "queues", {"pkey": "sales", "cluster": "default"})
    send(engine, "POST", "ringgroups", {"pkey": "all", "cluster": "default", "outcome": "None"})
    send(engine, "POST", "ivrs", {"pkey": "menu", "cluster": "default"})
    send(engine, "POST", "inboundroutes", {"pkey": "01924", "carrier": "DiD", "cluster": "default", "trunkname": "c"})
    for carrier in ("GeneralSIP", "GeneralIAX2"):
        trunk = {"pkey": carrier, "carrier": carrier, "cluster": "default", "username": "u", "host": "h"}
        send(engine, "POST", "trunks", trunk)
    everything = {"RingGroups": ["all"], "Queues": ["support", "sales"], "IVRs": ["menu"],
                  "Trunks": ["GeneralSIP", "GeneralIAX2"]}
    assert send(engine, "GET", "destinations").body == everything
    send(engine, "DELETE", "ringgroups/all")
    del everything["RingGroups"]
    assert send(engine, "GET", "destinations").body == everything


def test_only_kinds_with_a_text_for_a_key_come_sorted(engine: Engine) -> None:
    for key in ("2002", "2001"):
        send(engine, "POST", "extensions/mailbox", {"pkey": key, "cluster": "default"})
        send(engine, "POST", "customapps", {"pkey": f"app{key}", "cluster": "default"})
        send(engine, "POST", "ringgroups", {"pkey": f"group{key}", "cluster": "default", "outcome": "None"})
        send(engine, "POST", "ivrs", {"pkey": f"ivr{key}", "cluster": "default"})
    assert send(engine, "GET", "destinations").body == {
        "Extensions": ["2001", "2002"], "CustomApps": ["app2001", "app2002"], "RingGroups": ["group2001", "group2002"],
        "IVRs": ["ivr2002", "ivr2001"]}


def test_a_route_demands_an_outcome_and_keeps_none(engine: Engine) -> None:
    refused = send(engine, "POST", "routes", {"pkey": "national", "cluster": "default"})
    assert refused.body == {"outcome": ["The outcome field is required."]}
    created = send(engine, "POST", "routes", {"pkey": "national", "cluster": "default", "outcome": "nosuch"})
    assert (created.status, "outcome" in created.body) == (201, False)
    assert send(engine, "GET", "routes/national").status == 200

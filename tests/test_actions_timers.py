"""Recurring and non-recurring timers in both profiles, called through an engine."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sarkmock.http.engine import Engine
from tests.engines import send


def test_daytimer_keys_are_generated(documented: Engine) -> None:
    created = send(documented, "POST", "daytimers", {"cluster": "default", "dayofweek": "fri"})
    assert created.status == 201
    name = created.body.pop("pkey")
    assert re.fullmatch("dateSeg[1-9][0-9]{5}", name)
    assert created.body == {"id": 1, "cluster": "default", "datemonth": "*", "dayofweek": "fri", "desc": None,
                            "month": "*", "state": "IDLE", "timespan": "*"}
    assert send(documented, "GET", "daytimers/1").body["pkey"] == name
    assert send(documented, "GET", f"daytimers/{name}").status == 404


@pytest.mark.parametrize(("resource", "body"), [("daytimers", {"cluster": "default"}), ("holidaytimers", {})])
def test_highest_id_is_reused_after_delete(documented: Engine, resource: str, body: dict[str, Any]) -> None:
    ids = [send(documented, "POST", resource, body).body["id"] for _ in range(3)]
    send(documented, "DELETE", f"{resource}/1")
    send(documented, "DELETE", f"{resource}/3")
    assert [*ids, send(documented, "POST", resource, body).body["id"]] == [1, 2, 3, 3]


@pytest.mark.parametrize("path", ["daytimers/01", "daytimers/1.0", "daytimers/ 1"])
def test_id_is_compared_as_number(documented: Engine, path: str) -> None:
    send(documented, "POST", "daytimers", {"cluster": "default"})
    assert send(documented, "GET", path).status == 200


def test_daytimer_keys_cannot_be_set(documented: Engine) -> None:
    body = {"cluster": "default", "pkey": "mine", "id": 7, "state": "BUSY"}
    before = send(documented, "POST", "daytimers", body).body
    after = send(documented, "PUT", "daytimers/1", body).body
    assert before.items() <= after.items()
    assert (after["id"], after["state"]) == (1, "IDLE")


@pytest.mark.parametrize(("method", "path"), [("POST", "daytimers"), ("PUT", "daytimers/1")])
def test_tenant_is_required_by_documentation_only(documented: Engine, shipped: Engine, method: str, path: str) -> None:
    for engine in (documented, shipped):
        engine.state.tables.insert("dateseg", {"pkey": "dateSeg100000", "cluster": "default"})
    assert send(documented, method, path).body == {"cluster": ["The cluster field is required."]}
    assert send(shipped, method, path).body["cluster"] == "default"


def test_route_class_of_holiday_timer(documented: Engine) -> None:
    documented.state.tables.insert("ipphone", {"pkey": "1001", "cluster": "default"})
    created = send(documented, "POST", "holidaytimers", {"route": "1001", "stime": "1735084800", "pkey": "mine"}).body
    assert created == {"id": 1, "cluster": "default", "route": "1001", "routeclass": 1,
                       "stime": "1735084800", "etime": None}
    shown = send(documented, "GET", "holidaytimers/1").body
    assert (shown["routeclass"], shown["stime"], shown["desc"]) == ("1", 1735084800, None)
    assert send(documented, "PUT", "holidaytimers/1", {"route": "Hangup"}).body["routeclass"] == 101


@pytest.mark.parametrize(("method", "path"), [("POST", "holidaytimers"), ("PUT", "holidaytimers/1")])
def test_unresolved_route_is_rejected(documented: Engine, method: str, path: str) -> None:
    send(documented, "POST", "holidaytimers")
    reply = send(documented, method, path, {"route": "nowhere", "stime": "7"})
    assert (reply.status, reply.body) == (422, {
        "stime": ["The stime must be 10 digits."], "route": ["The routing target could not be resolved nowhere"]})
    assert [row["route"] for row in send(documented, "GET", "holidaytimers").body] == ["None"]


def test_route_that_is_not_a_string_is_also_resolved(documented: Engine) -> None:
    reply = send(documented, "POST", "holidaytimers", {"route": 4711})
    assert reply.body == {"route": ["The route must be a string.", "The routing target could not be resolved 4711"]}


def test_documented_routeclass_is_read_only(documented: Engine) -> None:
    assert send(documented, "POST", "holidaytimers", {"routeclass": "404"}).body["routeclass"] == "0"
    assert send(documented, "PUT", "holidaytimers/1", {"routeclass": "nonsense"}).body["routeclass"] == "0"


def test_shipped_routeclass_is_taken_from_client(shipped: Engine) -> None:
    body = {"routeclass": 7, "route": "Hangup", "pkey": "mine"}
    assert send(shipped, "POST", "holidaytimers", body).body["routeclass"] == "7"
    assert shipped.state.tables.rows("holiday")[0]["pkey"].startswith("sched")
    send(shipped, "PUT", "holidaytimers/1", {"pkey": "mine"})
    assert shipped.state.tables.rows("holiday")[0]["pkey"] == "mine"
    assert send(shipped, "PUT", "holidaytimers/1", {"pkey": 7}).body == {"pkey": ["The pkey must be a string."]}


@pytest.mark.parametrize("unresolved", ["404", "+404"])
def test_class_404_rejects_updates_until_route_is_sent(shipped: Engine, unresolved: str) -> None:
    send(shipped, "POST", "holidaytimers", {"routeclass": unresolved})
    rejected = send(shipped, "PUT", "holidaytimers/1", {"desc": "x"})
    assert (rejected.status, rejected.body) == (422, {"route": ["The routing target could not be resolved "]})
    assert send(shipped, "PUT", "holidaytimers/1", {"route": "None"}).body["routeclass"] == 0

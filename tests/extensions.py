"""Helpers for tests of extensions: an engine with Class of Service rules, and requests to it."""

from __future__ import annotations

from typing import Any

from sarkmock.http.engine import Engine
from sarkmock.http.replies import Reply
from tests import engines
from tests.engines import send

SNOM, YEALINK, UNKNOWN = "0004136789ab", "00156589ABCD", "ffffff000000"
KINDS = ("mailbox", "unprovisioned", "provisioned")


def engine_of(profile: str) -> Engine:
    engine = engines.engine_of(profile)
    rules = {"open": ("YES", "NO"), "closed": ("NO", "YES"), "both": ("YES", "YES"), "none": ("NO", None)}
    for key, (when_open, when_closed) in rules.items():
        engine.state.tables.insert("cos", {"pkey": key, "defaultopen": when_open, "defaultclosed": when_closed})
    return engine


def create(engine: Engine, kind: str = "unprovisioned", **values: Any) -> Reply:
    mac = {"macaddr": SNOM} if kind == "provisioned" else {}
    return send(engine, "POST", f"extensions/{kind}", {"pkey": "1001", "cluster": "default"} | mac | values)


def show(engine: Engine, number: str = "1001") -> dict[str, Any]:
    reply = send(engine, "GET", f"extensions/{number}")
    assert reply.status == 200
    return reply.body  # type: ignore[no-any-return]


def update(engine: Engine, **values: Any) -> Reply:
    return send(engine, "PUT", "extensions/1001", values)


def joined(engine: Engine, table: str) -> list[tuple[str, str]]:
    return [(row["IPphone_pkey"], row["COS_pkey"]) for row in engine.state.tables.rows(table)]

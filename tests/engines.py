"""Engines of a profile, and JSON requests to them. Sends nothing over a network."""

from __future__ import annotations

import json
from typing import Any

from sarkmock.http.engine import Engine, Request
from sarkmock.http.replies import Reply
from sarkmock.pbx.state import State

NOW = 1_700_000_000


def engine_of(profile: str) -> Engine:
    """A factory-fresh engine at a fixed time."""
    return Engine(profile=profile, state=State(now=NOW))


def send(engine: Engine, method: str, path: str, body: Any = None, query: str = "") -> Reply:
    content = json.dumps({} if body is None else body).encode()
    return engine.handle(Request(method, path, query, {"Content-Type": "application/json"}, content))

"""Engines of a profile, and requests to them. Sends nothing over a network."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.test import Client

from sarkmock.control import THIS_MACHINE, Control, MockControl
from sarkmock.faults import Faults
from sarkmock.http.direct import Direct
from sarkmock.http.engine import ApiRequest, Engine
from sarkmock.http.replies import Reply
from sarkmock.journal import Journal
from sarkmock.pbx.state import State

NOW = 1_700_000_000


def engine_of(profile: str) -> Engine:
    """An engine in the factory state with a frozen clock."""
    return Engine(profile=profile, state=State(now=NOW))


def direct(app: Any) -> Direct:
    """An application of `create_app` as `serve` runs it: the API without Flask."""
    return Direct(app.mock, app)


def send(engine: Engine, method: str, path: str, body: Any = None, query: str = "") -> Reply:
    content = json.dumps({} if body is None else body).encode()
    return engine.handle(ApiRequest(method, path, query, {"Content-Type": "application/json"}, content))


def client_of(engine: Engine, *, journal: Journal | None = None, faults: Faults | None = None,
              control: Control | None = THIS_MACHINE, **options: Any) -> Client:
    """A client of a mock as in `create_app`, without Flask until a path outside the API is requested."""
    return Client(Direct(MockControl(engine, faults, journal, control, **options)))

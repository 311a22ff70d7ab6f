"""The compared servers: functions that serve a WSGI application until they are killed, and a minimal Flask app.

`python benchmarks/candidates.py NAME PORT CERTIFICATE KEY` runs one of them.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

from sarkmock import Engine, Journal
from sarkmock.control import MockControl
from sarkmock.http.direct import Direct
from sarkmock.http.engine import ApiRequest
from sarkmock.server.certificates import CertificatePair, context_of
from sarkmock.server.https_server import Server

TENANTS = 20


def engine() -> Engine:
    """A mock with the number of tenants that the list should have."""
    mock = Engine()
    for number in range(1, TENANTS):
        mock.handle(ApiRequest("POST", "tenants", headers={"Content-Type": "application/json"},
                               body=b'{"pkey": "seed%d", "description": "Seed"}' % number))
    return mock


def recorded(mock: Engine) -> Any:
    """The application as in `serve`: with a journal, and without Flask unless it has hooks."""
    return Direct(MockControl(mock, journal=Journal(mock)))


def bare() -> Any:
    """A Flask application that returns constants, to measure the cost of Flask alone. It parses bodies."""
    import flask

    mock = engine()
    rows, row = mock.handle(ApiRequest("GET", "tenants")).body, mock.handle(ApiRequest("GET", "tenants/default")).body
    app = flask.Flask("bare")
    app.json.sort_keys = False  # type: ignore[attr-defined]

    @app.get("/api/tenants")
    def index() -> Any:
        return flask.jsonify(rows)

    @app.get("/api/tenants/<tenant>")
    def show(tenant: str) -> Any:
        return flask.jsonify(row)

    @app.post("/api/tenants")
    def create() -> Any:
        sent = flask.request.get_json()
        if "description" not in sent:
            return flask.jsonify({"description": ["The description field is required."]}), 422
        return flask.jsonify(row | sent), 201

    @app.put("/api/tenants/<tenant>")
    def update(tenant: str) -> Any:
        return flask.jsonify(row | flask.request.get_json())

    return app


def ours(app: Any, port: int, pair: CertificatePair) -> None:
    with Server(app, port=port, tls=context_of(pair)):
        signal.pause()


def uvicorn(app: Any, port: int, pair: CertificatePair) -> None:
    import uvicorn as asgi
    from inline import inline

    asgi.run(inline(app), port=port, ssl_certfile=str(pair.certificate), ssl_keyfile=str(pair.key), log_level="error",
             lifespan="off", loop="uvloop", http="httptools")


CANDIDATES = {
    "bare Flask, sarkmock.server": (bare, ours), "sarkmock serve": (lambda: recorded(engine()), ours),
    "sarkmock serve --journal 0": (lambda: Direct(MockControl(engine())), ours),
    "bare Flask, uvicorn, called inline": (bare, uvicorn)}

if __name__ == "__main__":
    build, serve = CANDIDATES[sys.argv[1]]
    serve(build(), int(sys.argv[2]), CertificatePair(Path(sys.argv[3]), Path(sys.argv[4])))

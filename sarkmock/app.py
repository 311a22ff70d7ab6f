"""The mock as a WSGI application: the API through the gateway, its control plane through Flask, known here alone."""

from __future__ import annotations

from typing import Any

from flask import Flask

from sarkmock.engine import Engine
from sarkmock.gateway import Gateway
from sarkmock.throttle import throttled


def create_app(engine: Engine | None = None, throttle: int | None = None) -> Flask:
    """A Flask application that serves an engine under /api and its control plane under /_mock.

    ``throttle`` is how many requests a minute the API answers.
    """
    served = engine or Engine()
    app = Flask("sarkmock", static_folder=None)
    handle = throttled(served, throttle) if throttle else served.handle
    app.wsgi_app = Gateway(handle, app.wsgi_app)  # type: ignore[method-assign]
    app.add_url_rule("/_mock/health", "health", lambda: {"status": "ok"})
    app.add_url_rule("/_mock/reset", "reset", lambda: reset(served), methods=["POST"])
    return app


def reset(engine: Engine) -> Any:
    with engine.lock:
        engine.state.reset()
    return "", 204

"""The mock as a WSGI application: the API through the gateway, its control plane through Flask."""

from __future__ import annotations

from flask import Flask

from sarkmock.control import PREFIX, THIS_MACHINE, Control, MockControl, plane
from sarkmock.faults import Faults
from sarkmock.http.engine import Engine
from sarkmock.http.throttle import Throttle
from sarkmock.http.wsgi import Gateway
from sarkmock.journal import Journal
from sarkmock.ui import add_page


def create_app(engine: Engine | None = None, throttle: int | None = None, *, journal: Journal | None = None,
               faults: Faults | None = None, control: Control | None = THIS_MACHINE) -> Flask:
    """A Flask application that serves an engine under /api, its control plane and the page under /_mock.

    ``throttle`` is how many requests a minute the API answers. ``journal`` and ``faults`` are of the same engine;
    without a journal nothing is recorded. ``control`` says who may use the control plane; None for nobody.
    """
    served = engine or Engine()
    disturbing = Faults(served) if faults is None else faults
    app = Flask("sarkmock", static_folder=None)
    limit = Throttle(throttle, served.state.clock.now) if throttle else None
    handle = limit.under(disturbing.handle) if limit else disturbing.handle
    witness = journal.record if journal is not None else None
    app.wsgi_app = Gateway(handle, app.wsgi_app, witness)  # type: ignore[method-assign]
    if control is not None:
        add_page(app, PREFIX)
        plane(app, MockControl(served, disturbing, journal, control, limit))
    return app

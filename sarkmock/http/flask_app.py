"""The mock as a Flask application, and the API as a blueprint for an application of your own.

Every operation is a route, so that `flask routes`, hooks, extensions and the test client work as in any Flask
application. The routes only name the operations: the engine decides what a path and a method mean, as Laravel does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from flask import Blueprint, Flask, Response, request, signals
from flask.blueprints import BlueprintSetupState
from flask.sansio.app import App
from werkzeug.routing import BaseConverter, Rule

from sarkmock.control import THIS_MACHINE, Control, MockControl
from sarkmock.control.routes import add_control_plane
from sarkmock.faults import Faults
from sarkmock.http.engine import Engine
from sarkmock.http.replies import FaultyReply
from sarkmock.http.wsgi import API_PATH, Answer, Api, cut, status_line, wait
from sarkmock.journal import Journal
from sarkmock.spec.operations import Operation

APP_NAME = "sarkmock"
FLASK_SIGNALS = (signals.request_started, signals.request_finished, signals.request_tearing_down,
           signals.got_request_exception, signals.appcontext_pushed, signals.appcontext_popped,
           signals.appcontext_tearing_down)
RECEIVERS = [signal.receivers for signal in FLASK_SIGNALS]


class PlainResponse(Response):
    """A response with the headers it is given, and no others."""

    default_mimetype = None


class RestOfPath(BaseConverter):
    """The rest of a path, also if it is empty or begins with a slash."""

    regex = "(?s:.*)"  # a line break is part of a path as any other character is
    part_isolating = False


class MockApp(Flask):
    """A Flask application that answers as a mock does."""

    def __init__(self, mock: MockControl) -> None:
        super().__init__(APP_NAME, static_folder=None)
        self.url_map.merge_slashes = False
        self.mock, self.own_views = mock, 0

    @property
    def is_hooked(self) -> bool:
        """Whether a request to the API may meet code that is not ours."""
        return bool(self.before_request_funcs or self.after_request_funcs or self.teardown_request_funcs
                    or self.teardown_appcontext_funcs or len(self.url_value_preprocessors) > 1
                    or "wsgi_app" in vars(self) or any(RECEIVERS)
                    or len(self.view_functions) != self.own_views)


def create_app(engine: Engine | None = None, throttle: int | None = None, *, journal: Journal | None = None,
               faults: Faults | None = None, control: Control | None = THIS_MACHINE, web_server: bool = True) -> Flask:
    """A Flask application that serves an engine under /api, its control plane and the web UI under /_mock.

    ``throttle`` is how many requests a minute the API answers. ``journal`` and ``faults`` are of the same engine;
    without a journal nothing is recorded. ``control`` says who may use the control plane; None for no control plane.
    Without ``web_server`` PHP sees every request, as on a box that runs without Apache.
    """
    return app_of(MockControl(engine or Engine(), faults, journal, control, throttle=throttle, web_server=web_server))


def app_of(mock: MockControl) -> MockApp:
    """The application of a mock, with its control plane if it has one."""
    app = MockApp(mock)
    app.register_blueprint(blueprint_of(mock))
    if not mock.web_server:
        add_catch_all(app, "outside", view_of(mock.api, None))
    for path, status in mock.engine.program.framework.pages.items():
        app.add_url_rule(path, path, partial(PlainResponse, b"", status), methods=["GET"])
    add_control_plane(app, mock)
    app.own_views = len(app.view_functions)
    return app


def create_control_app(mock: MockControl) -> Flask:
    """The control plane and the web UI alone, without the API."""
    app = MockApp(mock)
    add_control_plane(app, mock)
    return app


def blueprint(engine: Engine, throttle: int | None = None, *, journal: Journal | None = None,
              faults: Faults | None = None, web_server: bool = True) -> Blueprint:
    """The API alone, to be mounted in an application of your own: `app.register_blueprint(blueprint(engine))`.

    It lies under /api unless `register_blueprint` is given another ``url_prefix``. The other parameters are those of
    `create_app`.
    """
    return blueprint_of(MockControl(engine, faults, journal, throttle=throttle, web_server=web_server))


def blueprint_of(mock: MockControl) -> Blueprint:
    made = Blueprint(APP_NAME, __name__, url_prefix=API_PATH)
    made.url_value_preprocessor(keep_body)
    made.record(lambda state: add_routes(state, mock.api, mock.engine.operations))
    return made


def keep_body(*_: object) -> None:
    """Read the body before any hook does, so that a hook that parses it leaves it to the API."""
    request.get_data(cache=True)


def add_routes(state: BlueprintSetupState, api: Api, operations: Iterable[Operation]) -> None:
    """A route for each operation, and one for every other path and method, which the API answers as well."""
    prefix = state.url_prefix or ""
    view = view_of(api, prefix)
    for operation in operations:
        rule = operation.path.replace("{", "<").replace("}", ">")
        state.add_url_rule(rule, operation.id.replace(".", "-"), view, methods=[operation.method],
                           provide_automatic_options=False)
    add_catch_all(state.app, f"{state.name_prefix}.{state.name}.any".lstrip("."), view, prefix)


def add_catch_all(app: App, endpoint: str, view: Callable[..., Response], prefix: str = "") -> None:
    """A view for every other path below a prefix, for every method."""
    app.url_map.converters.setdefault("anything", RestOfPath)
    app.view_functions[endpoint] = view
    for rest in ("", "/<anything:rest>") if prefix else ("/<anything:rest>",):
        app.url_map.add(Rule(prefix + rest, endpoint=endpoint, methods=None))


def view_of(api: Api, prefix: str | None) -> Callable[..., Response]:
    """A view for what lies below a prefix, or for paths that are not the API's."""
    def view(**_: str) -> Response:
        whole = request.environ["PATH_INFO"]
        path = whole[len(prefix):] if prefix is not None and whole.startswith(prefix) else ""
        reply, answer = api.answer(request.environ, path, request.get_data())
        if isinstance(reply, FaultyReply):
            wait(reply, request.environ)
            if reply.keep is not None:
                return response(answer, cut(answer.body))
        return response(answer, [answer.body])
    return view


def response(answer: Answer, body: Iterable[bytes]) -> Response:
    """An answer for Flask. A list keeps Flask from counting the body, which is empty where the method is HEAD."""
    return PlainResponse(body, status_line(answer.status), answer.headers)

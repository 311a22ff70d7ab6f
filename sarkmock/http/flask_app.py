"""The mock as a Flask application, and the API as a blueprint for other Flask applications.

Every operation is a route, so that `flask routes`, hooks, extensions and the test client work as in any Flask
application. Routes only list the operations: the engine matches path and method itself, as Laravel does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Flask, Response, request, signals
from flask.blueprints import BlueprintSetupState
from flask.sansio.app import App
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, NotFound, default_exceptions
from werkzeug.routing import BaseConverter, Rule

from sarkmock.control import THIS_MACHINE, Control, MockControl, is_control
from sarkmock.control.routes import add_control_plane, unknown_route
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
    """A response with exactly the given headers."""

    default_mimetype = None


class RestOfPath(BaseConverter):
    """Match the rest of a path, even if it is empty or starts with a slash."""

    regex = "(?s:.*)"  # (?s:) lets it match line breaks
    part_isolating = False


class ControlApp(Flask):
    """A Flask application with only the control plane and the web UI, if the mock has them."""

    def __init__(self, mock: MockControl) -> None:
        super().__init__(APP_NAME, static_folder=None)
        self.url_map.merge_slashes = False
        self.mock = mock
        add_control_plane(self, mock)

    def dispatch_request(self) -> ResponseReturnValue:
        try:
            return super().dispatch_request()
        except HTTPException as error:
            if self.mock.control and is_control(request.path):
                error.response = unknown_route(self, self.mock.control, error)
            raise


class MockApp(ControlApp):
    """The same with the API. Error handlers see its errors, with its response as ``error.response``."""

    def __init__(self, mock: MockControl) -> None:
        super().__init__(mock)
        self.register_blueprint(blueprint_of(mock))
        self._outside, self._own = view_of(mock.api, None), self._registered()

    def _registered(self) -> tuple[int, list[tuple[Any, ...]]]:
        """Return the number of views, and the error handlers with what they handle."""
        return len(self.view_functions), [
            (name, code, *handler) for name, codes in self.error_handler_spec.items()
            for code, handlers in codes.items() for handler in handlers.items()]

    def dispatch_request(self) -> ResponseReturnValue:
        """Let the API answer paths without a route, too."""
        without_route = isinstance(request.routing_exception, NotFound)
        if without_route and not (self.mock.control and is_control(request.path)):
            answer: ResponseReturnValue = self._outside()
        else:
            answer = super().dispatch_request()
        if isinstance(answer, PlainResponse) and answer.status_code in default_exceptions:
            raise default_exceptions[answer.status_code](response=answer)
        return answer

    @property
    def is_hooked(self) -> bool:
        """Whether user code (hooks, error handlers, signals, views) may handle requests to the API."""
        return bool(self.before_request_funcs or self.after_request_funcs or self.teardown_request_funcs
                    or self.teardown_appcontext_funcs or len(self.url_value_preprocessors) > 1
                    or "wsgi_app" in vars(self) or any(RECEIVERS)
                    or self._registered() != self._own)


def create_app(engine: Engine | None = None, throttle: int | None = None, *, journal: Journal | None = None,
               faults: Faults | None = None, control: Control | None = THIS_MACHINE, web_server: bool = True) -> Flask:
    """Create a Flask application with the API under /api, and the control plane and web UI under /_mock.

    ``throttle`` is the API's limit of requests per minute. ``journal`` and ``faults`` must belong to the same engine;
    without a journal nothing is recorded. ``control`` sets who may use the control plane; None disables it.
    Without ``web_server`` all requests reach PHP, as on a box without Apache.
    """
    return MockApp(MockControl(engine or Engine(), faults, journal, control, throttle=throttle, web_server=web_server))


def blueprint(engine: Engine, throttle: int | None = None, *, journal: Journal | None = None,
              faults: Faults | None = None, web_server: bool = True) -> Blueprint:
    """Create a blueprint of the API for another application: `app.register_blueprint(blueprint(engine))`.

    The URL prefix is /api unless `register_blueprint` gets another ``url_prefix``. The other parameters are those
    of `create_app`.
    """
    return blueprint_of(MockControl(engine, faults, journal, throttle=throttle, web_server=web_server))


def blueprint_of(mock: MockControl) -> Blueprint:
    made = Blueprint(APP_NAME, __name__, url_prefix=API_PATH)
    made.url_value_preprocessor(keep_body)
    made.record(lambda state: add_routes(state, mock.api, mock.engine.operations))
    return made


def keep_body(*_: object) -> None:
    """Read and cache the body before any hook runs, so that a hook that parses it does not consume it."""
    request.get_data(cache=True)


def add_routes(state: BlueprintSetupState, api: Api, operations: Iterable[Operation]) -> None:
    """Add a route for each operation, and a catch-all route for every other path and method, for the API's errors."""
    prefix = (state.url_prefix or "").rstrip("/")
    view = view_of(api, prefix)
    for operation in operations:
        rule = operation.path.replace("{", "<").replace("}", ">")
        state.add_url_rule(rule, operation.id.replace(".", "-"), view, methods=[operation.method],
                           provide_automatic_options=False)
    add_catch_all(state.app, f"{state.name_prefix}.{state.name}.any".lstrip("."), view, prefix)


def add_catch_all(app: App, endpoint: str, view: Callable[..., Response], prefix: str) -> None:
    """Register a view for every other path below a prefix, with every method."""
    app.url_map.converters.setdefault("anything", RestOfPath)
    app.view_functions[endpoint] = view
    for rule in filter(None, (prefix, f"{prefix}/<anything:rest>")):
        app.url_map.add(Rule(rule, endpoint=endpoint, methods=None))


def view_of(api: Api, prefix: str | None) -> Callable[..., Response]:
    """Create a view for paths below a prefix, or (with None) for paths outside the API."""
    def view(**_: str) -> Response:
        steps = request.environ["PATH_INFO"].split("/")
        path = None if prefix is None else "".join(f"/{step}" for step in steps[prefix.count("/") + 1:])
        reply, answer = api.answer(request.environ, path, request.get_data())
        if isinstance(reply, FaultyReply):
            wait(reply, request.environ)
            if reply.keep is not None:
                return response(answer, cut(answer.body))
        return response(answer, [answer.body])
    return view


def response(answer: Answer, body: Iterable[bytes]) -> Response:
    """Convert an answer for Flask. A list body keeps Flask from setting Content-Length: a HEAD body is empty."""
    return PlainResponse(body, status_line(answer.status), answer.headers)

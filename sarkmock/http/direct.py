"""A mock as WSGI that answers the API without Flask, which is imported when something else is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any

from sarkmock.control import MockControl
from sarkmock.http.engine import Engine
from sarkmock.http.wsgi import Gateway, WsgiApplication, status_line

if TYPE_CHECKING:
    from sarkmock.http.flask_app import MockApp


class Direct:
    """The API directly, and the rest by a Flask application, which is made when it is first needed.

    As soon as something hooks into that application's requests, it answers all of them. Both ways give the same bytes.
    """

    def __init__(self, mock: MockControl, app: MockApp | None = None) -> None:
        self._mock, self._app, self._making = mock, app, Lock()
        self._gateway = Gateway(mock.api, self._elsewhere)

    @property
    def app(self) -> MockApp:
        """The Flask application."""
        from sarkmock.http.flask_app import app_of  # a mock that answers the API alone starts sooner without it

        with self._making:  # the server asks for it in several threads
            if self._app is None:
                self._app = app_of(self._mock)
        return self._app

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        if self._app is not None and self._app.is_hooked:
            return self._app(environ, start_response)
        return self._gateway(environ, start_response)

    def _elsewhere(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self.app(environ, start_response)


def direct(app: MockApp) -> Direct:
    """The application of `create_app` as WSGI, with the shorter way to the API."""
    return Direct(app.mock, app)


def api_application(engine: Engine) -> WsgiApplication:
    """The API of an engine alone as WSGI, without Flask and its routes: quick to make and to ask in this process."""
    return Gateway(MockControl(engine).api, not_found)


def not_found(_: Any, start_response: Any) -> Iterable[bytes]:
    """There is nothing outside of the API."""
    start_response(status_line(404), [])
    return []

"""A mock as a WSGI application that serves the API without Flask. Flask is imported only if something else needs it."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any

from sarkmock.control import MockControl, is_control
from sarkmock.http.engine import Engine
from sarkmock.http.wsgi import Gateway
from sarkmock.server.application import Application

if TYPE_CHECKING:
    from sarkmock.http.flask_app import MockApp


class Direct:
    """Serve the API directly, and the control plane with a Flask application created on first use.

    If that application has request hooks, it serves all requests. Both ways return the same bytes.
    """

    def __init__(self, mock: MockControl, app: MockApp | None = None) -> None:
        self._mock, self._app, self._making = mock, app, Lock()
        self._gateway = Gateway(mock.api)

    @property
    def app(self) -> MockApp:
        """The Flask application, created on first access."""
        from sarkmock.http.flask_app import MockApp  # slow to import, and not needed for the API alone

        with self._making:  # the server calls this from several threads
            if self._app is None:
                self._app = MockApp(self._mock)
        return self._app

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        hooked = self._app is not None and self._app.is_hooked
        if hooked or (self._mock.control and is_control(environ["PATH_INFO"])):
            return self.app(environ, start_response)
        return self._gateway(environ, start_response)


def api_application(engine: Engine) -> Application:
    """Return an engine as WSGI without a control plane and Flask: fast to create and to call in-process."""
    return Gateway(MockControl(engine).api)

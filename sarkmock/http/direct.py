"""A mock as WSGI that answers the API without Flask, which is imported when something else is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from sarkmock.faults import Faults
from sarkmock.http.cors import POLICIES, Cors
from sarkmock.http.engine import Engine
from sarkmock.http.throttle import Throttle
from sarkmock.http.wsgi import Api, Gateway, WsgiApplication, status_line
from sarkmock.journal import Journal


class Hookable(Protocol):
    """A WSGI application that knows whether a request to the API may meet code that is not ours."""

    @property
    def is_hooked(self) -> bool: ...

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]: ...


MadeApp = TypeVar("MadeApp", bound=Hookable)


class Direct(Generic[MadeApp]):
    """The API directly, and the rest by a Flask application, which is made when it is first needed.

    As soon as something hooks into that application's requests, it answers all of them. Both ways give the same bytes.
    """

    def __init__(self, api: Api, make: Callable[[], MadeApp], made: MadeApp | None = None) -> None:
        self._make, self._made, self._making = make, made, Lock()
        self._gateway = Gateway(api, self._elsewhere)

    @property
    def app(self) -> MadeApp:
        """The Flask application."""
        with self._making:  # the server asks for it in several threads
            if self._made is None:
                self._made = self._make()
        return self._made

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        if self._made is not None and self._made.is_hooked:
            return self._made(environ, start_response)
        return self._gateway(environ, start_response)

    def _elsewhere(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self.app(environ, start_response)


def limit_of(engine: Engine, throttle: int | None) -> Throttle | None:
    """The limit of so many requests a minute, if there is one."""
    return Throttle(throttle, engine.state.clock.now) if throttle else None


def api_of(engine: Engine, limit: Throttle | None, journal: Journal | None, faults: Faults, web_server: bool) -> Api:
    """The API of an engine, with what stands before it and who sees it."""
    def cors() -> Cors:
        return POLICIES[engine.program.framework.cors]
    handle = limit.under(faults.handle) if limit else faults.handle
    witness = journal.record if journal is not None else None
    return Api(handle, cors, witness, engine.program.before_php if web_server else None)


def api_application(engine: Engine) -> WsgiApplication:
    """The API of an engine alone as WSGI, without Flask and its routes: quick to make and to ask in this process."""
    return Gateway(api_of(engine, None, None, Faults(engine), web_server=True), not_found)


def not_found(_: Any, start_response: Any) -> Iterable[bytes]:
    """There is nothing outside of the API."""
    start_response(status_line(404), [])
    return []

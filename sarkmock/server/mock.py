"""A mock SARK for tests and scripts: engine, server and certificate in one object."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from sarkmock.atomic import temporary_directory
from sarkmock.control import CONTROL_PREFIX, HEALTH, Control, MockControl
from sarkmock.faults import AnyFault, Fault, Faults
from sarkmock.http.direct import Direct
from sarkmock.http.engine import Engine, Program, api_token_of
from sarkmock.http.wsgi import API_PATH
from sarkmock.journal import Journal
from sarkmock.pbx.asterisk import DURATIONS
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.seeds import load_seed
from sarkmock.pbx.state import State
from sarkmock.server.addresses import LOOPBACK
from sarkmock.server.https_server import Server, unbracketed
from sarkmock.spec.data_files import BASE
from sarkmock.spec.loading import Document
from sarkmock.suggest import unknown_name

if TYPE_CHECKING:
    import httpx
    import requests
    from flask import Flask

Running = Literal["running", "stopped"]
NOWHERE = "sark.invalid"  # RFC 2606: never resolves, in case a client bypasses the transport


class SarkMock:
    """A SARK in this process: `with SarkMock() as sark: requests.get(f"{sark.url}/tenants", verify=sark.ca_file)`.

    ``seed`` is a seed's name, the path of a seed file, a mapping of the same structure, or a Seed. ``pbx`` sets whether
    Asterisk runs, and overrides the seed. ``faults`` is one or several: ``"tenants.*:status=503"``, a mapping, a Fault.
    ``now`` freezes the clock at that epoch second; ``throttle`` is the limit of requests per minute.
    ``api_token`` is an administrator's bearer token, if the profile needs one; the default is random.
    ``port`` 0 selects a free one. ``tls`` is False for plain HTTP, or the server's SSLContext; by default a certificate
    is generated, whose CA is in `ca_file`. Without ``web_server`` all requests reach PHP, as on a box without Apache.

    ``app`` is the Flask application, with routes, hooks and `test_client`.
    Before `start`, requests work through `session`, `httpx_transport` and `app`, which need no socket.
    FileError or ValueError name the invalid argument and the nearest valid value.
    """

    def __init__(self, *, profile: str = BASE, seed: str | Path | Mapping[str, Any] | Seed = "factory",
                 pbx: Running | None = None, faults: AnyFault | Sequence[AnyFault] = (),
                 now: float | None = None, throttle: int | None = None, api_token: str | None = None,
                 host: str = "127.0.0.1", port: int = 0, tls: bool | ssl.SSLContext = True,
                 web_server: bool = True) -> None:
        self._address, self._tls = (unbracketed(host), port), tls
        program = Program.of(profile)
        self._seed = starting_seed(seed, pbx, program.document)
        state = State(self._seed, now=now, token=api_token_of(program, api_token))
        self.engine = Engine(state=state, program=program)
        self._program = program
        self._durations = {name: getattr(self.state.pbx, name) for name in DURATIONS}
        self.faults = Faults(self.engine, [faults] if isinstance(faults, str | Mapping | Fault) else faults)
        self.requests = Journal(self.engine)
        # only this machine may use it
        control = Control(hosts=(NOWHERE,)) if self._address[0] in LOOPBACK else None
        self._mock = MockControl(self.engine, self.faults, self.requests, control, throttle=throttle,
                                 web_server=web_server)
        self._application = Direct(self._mock)
        self._running = ExitStack()
        self._server: Server | None = None
        self._authority: Path | None = None

    @property
    def state(self) -> State:
        """The state of the PBX. It can be read and changed."""
        return self.engine.state

    @property
    def app(self) -> Flask:
        """The Flask application."""
        return self._application.app

    @property
    def token(self) -> str | None:
        """An administrator's bearer token, valid until that user logs in or out; None if the profile needs none."""
        return self.state.token

    @property
    def headers(self) -> dict[str, str]:
        """The headers that requests need: Authorization, or none."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def url(self) -> str:
        """The API's base URL, without a trailing slash."""
        return self._origin + API_PATH

    @property
    def control_url(self) -> str:
        """The control plane's base URL. With a trailing slash, it is the URL of the web UI."""
        return self._origin + CONTROL_PREFIX

    @property
    def _origin(self) -> str:
        return self._server.url if self._server is not None else f"https://{NOWHERE}"

    @property
    def ca_file(self) -> str:
        """Path of a PEM file with the certificate's CA. ValueError if no certificate was generated."""
        if self._authority is None:
            raise ValueError("no certificate was generated: the mock is not started, serves plain HTTP, "
                             "or uses a given context")
        return str(self._authority)

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """A client's SSL context that trusts the certificate."""
        return ssl.create_default_context(cafile=self.ca_file)

    def reset(self) -> None:
        """Restore the initial state, profile and faults, and clear the journal."""
        with self.engine.lock:
            self.engine.program = self._program
            if self.state.seed is not self._seed:
                self.state.reseed(self._seed)
            vars(self.state.pbx).update(self._durations)
        self._mock.reset()

    def start(self) -> Self:
        """Start the server. CannotListen if the address is not available."""
        with ExitStack() as starting:
            server = self._made_server(starting)
            starting.enter_context(server)
            self._server, self._running = server, starting.pop_all()
        return self

    def stop(self) -> None:
        """Stop the server; the state is kept."""
        self._running.close()
        self._server = self._authority = None
        self.__dict__.pop("ssl_context", None)

    def close(self) -> None:
        """Stop the server and close the database permanently."""
        self.stop()
        self.state.tables.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _made_server(self, starting: ExitStack) -> Server:
        tls = self._tls if isinstance(self._tls, ssl.SSLContext) else None
        if self._tls is True:
            self._authority = starting.enter_context(temporary_directory()) / "ca.pem"
            from sarkmock.server.certificates import generated_context  # slow to import

            tls = generated_context(self._authority, self._address[0])
        return Server(self._application, *self._address, tls=tls, background=CONTROL_PREFIX, probe=HEALTH,
                      takes_long=self.engine.takes_long)

    def session(self) -> requests.Session:
        """Return a `requests.Session` that sends requests to `url` and `control_url` without a socket."""
        import requests

        from sarkmock.server.in_process import RequestsAdapter

        session = requests.Session()
        session.mount(self._origin, RequestsAdapter(self._application))
        return session

    def httpx_transport(self) -> httpx.MockTransport:
        """Return a transport without a socket for `httpx.Client(transport=..., base_url=sark.url)` or `AsyncClient`."""
        from sarkmock.server.in_process import httpx_transport

        return httpx_transport(self._application)


def starting_seed(seed: str | Path | Mapping[str, Any] | Seed, pbx: Running | None, document: Document) -> Seed:
    """Return the seed to start from, with Asterisk running or stopped as ``pbx`` requires."""
    if pbx is not None and pbx not in get_args(Running):
        raise ValueError(unknown_name("state of the PBX", pbx, get_args(Running)))
    if not isinstance(seed, Seed):
        seed = load_seed(seed, document)
    return replace(seed, running=pbx == "running") if pbx else seed

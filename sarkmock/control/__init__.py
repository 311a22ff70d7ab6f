"""The control plane under /_mock: the state it controls, and access to it.

`add_control_plane` of `control.routes` adds it to a Flask application; only that module imports Flask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sarkmock.control.bodies import CONTROL_PREFIX, HEALTH, is_control
from sarkmock.faults import Faults
from sarkmock.http.engine import Engine
from sarkmock.http.middleware import POLICIES, Throttle
from sarkmock.http.wsgi import Api
from sarkmock.journal import Journal

__all__ = ["CONTROL_PREFIX", "HEALTH", "THIS_MACHINE", "Control", "MockControl", "is_control"]


@dataclass(frozen=True)
class Control:
    """Who may use the control plane.

    With a ``token``, clients that send it (``Authorization: Bearer ...``). Without one, clients that address this
    machine by a loopback name or one of ``hosts``. Pages of ``origins`` (``https://host:port``) may read responses if
    they send the token. ``directory`` is the only place where states are saved and loaded, if set.
    """

    token: str | None = None
    hosts: tuple[str, ...] = ()
    directory: Path | None = None
    origins: tuple[str, ...] = ()


THIS_MACHINE = Control()


class MockControl:
    """An engine with its faults, journal, throttle and control plane.

    With ``upstream``, it belongs to a proxy, which has only a journal and faults. Without ``control`` there is no
    control plane; without ``web_server`` all requests reach PHP. ``throttle`` is the limit of requests per minute.
    """

    def __init__(self, engine: Engine, faults: Faults | None = None, journal: Journal | None = None,
                 control: Control | None = None, *, throttle: int | None = None, web_server: bool = True,
                 upstream: str = "") -> None:
        self.engine, self.journal, self.control = engine, journal, control
        self.faults = Faults(engine) if faults is None else faults
        self.throttle = Throttle(throttle, engine.state.clock.now) if throttle else None
        self.web_server, self.upstream = web_server, upstream

    @cached_property
    def api(self) -> Api:
        """The API, with web server, throttle and faults in front of the engine, and the journal as listener."""
        handle = self.throttle.under(self.faults.handle) if self.throttle else self.faults.handle
        return Api(handle, lambda: POLICIES[self.engine.program.framework.cors],
                   None if self.journal is None else self.journal.record,
                   self.engine.program.before_php if self.web_server else None)

    def reset(self) -> None:
        """Restore the initial state and faults, reset the throttle and clear the journal."""
        with self.engine.lock:
            self.engine.state.reset()
        self.faults.reset()
        if self.throttle is not None:
            self.throttle.reset()
        if self.journal is not None:
            self.journal.clear()

"""What the control plane controls, and who may."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sarkmock.faults import Faults
from sarkmock.http.engine import Engine
from sarkmock.http.throttle import Throttle
from sarkmock.journal import Journal


@dataclass(frozen=True)
class Control:
    """Who may use the control plane.

    With a ``token``, clients that send it (``Authorization: Bearer ...``). Without one, clients that address this
    machine by its own names or by one of ``hosts``. Pages of ``origins`` (``https://host:port``) may read the answers,
    with the token. States are saved and loaded below ``directory`` alone, if there is one.
    """

    token: str | None = None
    hosts: tuple[str, ...] = ()
    directory: Path | None = None
    origins: tuple[str, ...] = ()


THIS_MACHINE = Control()


@dataclass(frozen=True)
class MockControl:
    """A mock, as its control plane sees it; or the proxy before ``upstream``, which has a journal and faults alone."""

    engine: Engine
    faults: Faults
    journal: Journal | None
    control: Control
    throttle: Throttle | None = None
    upstream: str = ""

    def reset(self) -> None:
        """Back to how it was at the start."""
        with self.engine.lock:
            self.engine.state.reset()
        self.faults.reset()
        if self.throttle is not None:
            self.throttle.reset()
        if self.journal is not None:
            self.journal.clear()

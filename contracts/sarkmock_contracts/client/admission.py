"""Notices that a target no longer lets the run in: its token was revoked, or has expired."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import StaysAway
from .http import Request, Response, header
from .transports import Layer, Transport

UNADMITTED = frozenset({401, 403, 404, 405})  # how a SARK answers a token that it does not know
RULED = frozenset({409, 422})
DOUBTS = 10  # refusals in a row

Ask = Callable[[Transport], str | None]


class Admission(Layer):
    """Asks again whether the run is let in, after some refusals in a row, and before one of them counts.

    A refusal can be the right response. ``ask`` says why the target does not let the run in, or None.
    """

    def __init__(self, inner: Transport, ask: Ask) -> None:
        super().__init__(inner)
        self.ask = ask
        self.doubts = 0  # refusals since the last response that only a valid token gets
        self.lost = ""

    def send(self, request: Request) -> Response:
        if self.lost:
            raise StaysAway(self.lost)
        response = self.inner.send(request)
        if header(request.headers, "Authorization") is None and request.method != "OPTIONS":
            if response.ok or response.status in RULED:
                self.doubts = 0
            elif response.status in UNADMITTED:
                self.doubts += 1
        if self.doubts >= DOUBTS:
            self.confirm()
        return response

    def confirm(self) -> None:
        """StaysAway if the target no longer lets the run in."""
        if self.doubts:
            self.doubts = 0
            problem = self.ask(self.inner)
            if problem is not None:
                self.lost = f"{self.url}: {problem} (the run had been let in)"
                raise StaysAway(self.lost)

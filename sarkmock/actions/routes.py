"""Outbound routes: the outcome that the page requires is not kept. Knows nothing else."""

from __future__ import annotations

from sarkmock.actions import verbs
from sarkmock.calls import Call
from sarkmock.replies import Reply


def create_route(call: Call) -> Reply:
    """A new route, without the outcome that the page took over from ring groups (E61): routes have no such column."""
    row = verbs.new_row(call)
    verbs.fill(call, row)
    row.pop("outcome", None)
    return verbs.store(call, row)

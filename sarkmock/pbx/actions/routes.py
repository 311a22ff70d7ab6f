"""Outbound routes: the outcome that the page requires is not kept."""

from __future__ import annotations

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.pbx.actions import crud


def create_route(context: Context) -> Reply:
    """A new route, without the outcome that the page took over from ring groups (E61): routes have no such column."""
    row = crud.new_row(context)
    crud.fill(context, row)
    row.pop("outcome", None)
    return crud.store(context, row)

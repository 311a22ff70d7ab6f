"""Inbound routes: a new one differs from the trunks in its table by its technology."""

from __future__ import annotations

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.pbx.actions import crud
from sarkmock.pbx.actions.targets import classify


def create_inbound_route(context: Context) -> Reply:
    """A new inbound route with the classes of its targets; its technology is its carrier, DiD or CLID."""
    row = crud.new_row(context)
    crud.fill(context, row)
    classify(context, row)
    row["technology"] = row["carrier"]
    return crud.store(context, row)

"""Inbound routes: a new one is told from the trunks in its table by its technology. Knows no other resource."""

from __future__ import annotations

from sarkmock.actions import verbs
from sarkmock.actions.targets import classify
from sarkmock.calls import Call
from sarkmock.replies import Reply


def create_inbound_route(call: Call) -> Reply:
    """A new inbound route with the classes of its targets; its technology is its carrier, DiD or CLID."""
    row = verbs.new_row(call)
    verbs.fill(call, row)
    classify(call, row)
    row["technology"] = row["carrier"]
    return verbs.store(call, row)

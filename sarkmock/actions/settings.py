"""Global settings: the answer to a change is what the database made of it. Knows no setting by name."""

from __future__ import annotations

from sarkmock.actions import verbs
from sarkmock.calls import Call
from sarkmock.replies import Reply


def update(call: Call) -> Reply:
    """Unlike elsewhere, numbers that were sent as text come back as numbers where the column holds them."""
    verbs.update(call)
    table, row = verbs.table_of(call), verbs.row_of(call)
    stored = call.state.tables.first(table.name, table.key, row[table.key])
    return Reply(verbs.visible(call, stored or row))

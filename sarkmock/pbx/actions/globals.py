"""Global settings: the answer to a change is what the database made of it."""

from __future__ import annotations

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.pbx.actions import crud


def update(context: Context) -> Reply:
    """Unlike elsewhere, numbers that were sent as text come back as numbers where the column holds them."""
    crud.update(context)
    table, row = crud.table_of(context), crud.row_of(context)
    stored = context.state.tables.first(table.name, table.key, row[table.key])
    return Reply(crud.visible(context, stored or row))

"""Tenants where the code is ahead of the database, as in the Laravel 11 line. Knows no other resource."""

from __future__ import annotations

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.pbx.actions import crud


def create_with_id(context: Context) -> Reply:
    """A new row with an id that the database has no column for. It is blank: the command that makes it is missing."""
    row = crud.new_row(context) | {"id": ""}
    crud.fill(context, row)
    return crud.store(context, row)


def delete_with_message(context: Context) -> Reply:
    crud.delete(context)
    return Reply([f"tenant {context.path['tenant']} deleted"])

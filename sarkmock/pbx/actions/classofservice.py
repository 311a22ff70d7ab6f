"""Class of Service pairs: which rule applies to which extension."""

from __future__ import annotations

from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.laravel import php
from sarkmock.pbx.actions import crud
from sarkmock.pbx.actions.crud import first_of

EXTENSION_COLUMN, RULE_COLUMN = "IPphone_pkey", "COS_pkey"


def create_pair(context: Context) -> Reply:
    """A new pair; the extension in the path stands in for one that the body does not name."""
    row = {EXTENSION_COLUMN: extension_in_path(context)}
    crud.fill(context, row)
    return crud.store_row(context, row)


def pair_is_complete(context: Context) -> None:
    """A pair needs both halves, though no rule says required (E56); the path may give the extension (E13)."""
    extension = extension_in_path(context)
    if EXTENSION_COLUMN not in context.post and not context.state.tables.count("ipphone", "pkey", extension):
        context.refuse(EXTENSION_COLUMN, "The selected i pphone pkey is invalid.")
    if RULE_COLUMN not in context.post:
        context.refuse(RULE_COLUMN, "The c o s pkey field is required.")


def pair_is_new(context: Context) -> None:
    """A pair that exists is rejected under the name ``save``; the message ends in a key that pairs do not have."""
    table = crud.table_of(context).name
    if context.state.tables.rows(table, {name: half(context, name) for name in (EXTENSION_COLUMN, RULE_COLUMN)}):
        key = php.to_text(context.input.get("pkey"))
        context.refuse("save", f"Duplicate Keys, relationship already exists - {key}")


def half(context: Context, name: str) -> str | None:
    """One side of the pair as it would be stored; of an array its first value counts."""
    in_path = context.path and extension_in_path(context) if name == EXTENSION_COLUMN else None
    value: Any = context.input.get(name, in_path)
    return None if value is None else php.trim(php.to_text(first_of(value)))


def extension_in_path(context: Context) -> str:
    """The path's only parameter."""
    return next(iter(context.path.values()))

"""Class of Service pairs: which rule applies to which extension."""

from __future__ import annotations

from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply
from sarkmock.laravel import php
from sarkmock.pbx.actions import crud
from sarkmock.pbx.actions.crud import first_of

EXTENSION, RULE = "IPphone_pkey", "COS_pkey"


def create_pair(context: Context) -> Reply:
    """A new pair; the extension in the path stands in for one that the body does not name."""
    row = {EXTENSION: extension_in_path(context)}
    crud.fill(context, row)
    return crud.store(context, row)


def pair_is_complete(context: Context) -> None:
    """A pair needs both halves, though no rule says required (E56); the path may give the extension (E13)."""
    if EXTENSION not in context.post and not context.state.tables.count("ipphone", "pkey", extension_in_path(context)):
        context.refuse(EXTENSION, "The selected i pphone pkey is invalid.")
    if RULE not in context.post:
        context.refuse(RULE, "The c o s pkey field is required.")


def pair_is_new(context: Context) -> None:
    """A pair that exists is refused under the name ``save``; the message ends in a key that pairs do not have."""
    table = crud.table_of(context).name
    if context.state.tables.rows(table, {name: half(context, name) for name in (EXTENSION, RULE)}):
        key = php.to_text(context.input.get("pkey"))
        context.refuse("save", f"Duplicate Keys, relationship already exists - {key}")


def half(context: Context, name: str) -> str | None:
    """One side of the pair as it would be stored; of an array its first value counts."""
    value: Any = context.input.get(name, context.path and extension_in_path(context) if name == EXTENSION else None)
    return None if value is None else php.trim(php.to_text(first_of(value)))


def extension_in_path(context: Context) -> str:
    """The path's only parameter."""
    return next(iter(context.path.values()))

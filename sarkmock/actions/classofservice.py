"""Class of Service pairs: which rule applies to which extension. Knows nothing of what a rule does in the dialplan."""

from __future__ import annotations

from typing import Any

from sarkmock import php
from sarkmock.actions import verbs
from sarkmock.calls import Call
from sarkmock.replies import Reply

EXTENSION, RULE = "IPphone_pkey", "COS_pkey"


def create_pair(call: Call) -> Reply:
    """A new pair; the extension in the path stands in for one that the body does not name."""
    row = {EXTENSION: extension_in_path(call)}
    verbs.fill(call, row)
    return verbs.store(call, row)


def pair_is_complete(call: Call) -> None:
    """A pair needs both halves, though no rule says required (E56); the path may give the extension (E13)."""
    if EXTENSION not in call.post and not call.state.tables.count("ipphone", "pkey", extension_in_path(call)):
        call.refuse(EXTENSION, "The selected i pphone pkey is invalid.")
    if RULE not in call.post:
        call.refuse(RULE, "The c o s pkey field is required.")


def pair_is_new(call: Call) -> None:
    """A pair that exists is refused under the name ``save``; the message ends in a key that pairs do not have."""
    table = verbs.table_of(call).name
    if call.state.tables.rows(table, {name: half(call, name) for name in (EXTENSION, RULE)}):
        call.refuse("save", f"Duplicate Keys, relationship already exists - {php.to_text(call.input.get('pkey'))}")


def half(call: Call, name: str) -> str | None:
    """One side of the pair as it would be stored; None if it is no text."""
    value: Any = call.input.get(name, call.path and extension_in_path(call) if name == EXTENSION else None)
    return None if value is None or isinstance(value, (list, dict)) else php.trim(php.to_text(value))


def extension_in_path(call: Call) -> str:
    """The path's only parameter."""
    return next(iter(call.path.values()))

"""Templates: which are listed, what may be deleted, and when a BLF template may be named."""

from __future__ import annotations

from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import Conflict, Reply
from sarkmock.laravel import php
from sarkmock.pbx.actions.crud import first_of, row_of, table_of, visible

NOT_A_BLF_TEMPLATE = "blfkeyname reference must be of type 'BLF Template'!"


def list_current(context: Context) -> Reply:
    """Templates of phones that are still supported."""
    table = table_of(context)
    rows = context.state.tables.rows(table.name, order=table.order)
    return Reply([visible(context, row) for row in rows if row["legacy"] is None])


def system_template_stays(context: Context) -> None:
    """sark-v6-api.txt line 657."""
    row = row_of(context)
    if row["owner"] == "system":
        raise Conflict(f"{row['pkey']} is a system template and cannot be deleted")


def only_in_new_sip_template(context: Context) -> None:
    if is_given(context) and not equals_sip(context.post.get("technology")):
        context.refuse("blfkeyname", "blfkeyname only allowed for template type of SIP! ")


def only_in_sip_template(context: Context) -> None:
    """The stored technology counts, not the one that is sent."""
    if is_given(context) and row_of(context)["technology"] != "SIP":
        context.refuse("blfkeyname", "blfkeyname only allowed in template type of SIP! ")


def is_blf_template(context: Context) -> None:
    """A name that is sent must be that of a BLF template."""
    if context.post.get("blfkeyname") is not None:
        names_blf_template(context)


def names_blf_template(context: Context) -> None:
    """A missing name is not the name of a BLF template either."""
    name = first_of(context.post.get("blfkeyname"))
    row = None if name is None else context.state.tables.first("device", "pkey", php.to_text(name))
    if row is None or row["technology"] != "BLF Template":
        context.refuse("blfkeyname", NOT_A_BLF_TEMPLATE)


def refuse(context: Context) -> None:
    """The product compares a query that it never runs."""
    context.refuse("blfkeyname", NOT_A_BLF_TEMPLATE)


def is_given(context: Context) -> bool:
    """PHP's `!= NULL`: null, false, zero and empty arrays are not."""
    return bool(context.post.get("blfkeyname"))


def equals_sip(value: Any) -> bool:
    """PHP's `== 'SIP'`, which true satisfies."""
    return value is True or bool(value == "SIP")

"""Templates of phones, and the BLF template that one of them names."""

from __future__ import annotations

from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import Conflict, Reply
from sarkmock.laravel import php
from sarkmock.pbx.actions.crud import current_row, first_scalar, table_of, visible_columns

ONLY_FOR_SIP = "blfkeyname only allowed for template type of SIP! "
ONLY_IN_SIP = "blfkeyname only allowed in template type of SIP! "
NOT_A_BLF_TEMPLATE = "blfkeyname reference must be of type 'BLF Template'!"


def list_current(context: Context) -> Reply:
    """List the templates of phones that are still supported."""
    table = table_of(context)
    rows = context.state.tables.rows(table.name, order=table.order)
    return Reply([visible_columns(context, row) for row in rows if row["legacy"] is None])


def system_template_stays(context: Context) -> None:
    """Reject the deletion of a system template (sark-v6-api.txt line 657)."""
    row = current_row(context)
    if row["owner"] == "system":
        raise Conflict(f"{row['pkey']} is a system template and cannot be deleted")


def only_in_new_sip_template(context: Context) -> None:
    if is_not_null(context) and not equals_sip(context.post.get("technology")):
        context.reject("blfkeyname", ONLY_FOR_SIP)


def only_in_sip_template(context: Context) -> None:
    """Check the stored technology, not the one that was sent."""
    if is_not_null(context) and current_row(context)["technology"] != "SIP":
        context.reject("blfkeyname", ONLY_IN_SIP)


def is_blf_template(context: Context) -> None:
    """Reject a name, if sent, that is not that of a BLF template."""
    if context.post.get("blfkeyname") is not None:
        names_blf_template(context)


def names_blf_template(context: Context) -> None:
    """Reject a name that is missing or not that of a BLF template."""
    name = first_scalar(context.post.get("blfkeyname"))
    row = None if name is None else context.state.tables.first("device", "pkey", php.to_text(name))
    if row is None or row["technology"] != "BLF Template":
        context.reject("blfkeyname", NOT_A_BLF_TEMPLATE)


def always_reject(context: Context) -> None:
    """Reject every name: the product compares with a query that it never runs."""
    context.reject("blfkeyname", NOT_A_BLF_TEMPLATE)


def is_not_null(context: Context) -> bool:
    """PHP's `!= NULL`: false for null, false, zero and empty arrays."""
    return bool(context.post.get("blfkeyname"))


def equals_sip(value: Any) -> bool:
    """PHP's `== 'SIP'`, which is also true for true."""
    return value is True or bool(value == "SIP")

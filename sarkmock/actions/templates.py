"""Templates: which are listed, what may be deleted, and when a BLF template may be named. Knows no other resource."""

from __future__ import annotations

from typing import Any

from sarkmock import php
from sarkmock.actions.checks import first_of
from sarkmock.actions.verbs import row_of, table_of, visible
from sarkmock.calls import Call
from sarkmock.replies import Conflict, Reply

NOT_A_BLF_TEMPLATE = "blfkeyname reference must be of type 'BLF Template'!"


def list_current(call: Call) -> Reply:
    """Templates of phones that are still supported."""
    table = table_of(call)
    rows = call.state.tables.rows(table.name, order=table.order)
    return Reply([visible(call, row) for row in rows if row["legacy"] is None])


def system_template_stays(call: Call) -> None:
    """sark-v6-api.txt line 657."""
    row = row_of(call)
    if row["owner"] == "system":
        raise Conflict(f"{row['pkey']} is a system template and cannot be deleted")


def only_in_new_sip_template(call: Call) -> None:
    if given(call) and not equals_sip(call.post.get("technology")):
        call.refuse("blfkeyname", "blfkeyname only allowed for template type of SIP! ")


def only_in_sip_template(call: Call) -> None:
    """The stored technology counts, not the one that is sent."""
    if given(call) and row_of(call)["technology"] != "SIP":
        call.refuse("blfkeyname", "blfkeyname only allowed in template type of SIP! ")


def is_blf_template(call: Call) -> None:
    """A name that is sent must be that of a BLF template."""
    if call.post.get("blfkeyname") is not None:
        names_blf_template(call)


def names_blf_template(call: Call) -> None:
    """Nothing sent is no name of a BLF template either."""
    name = first_of(call.post.get("blfkeyname"))
    row = None if name is None else call.state.tables.first("device", "pkey", php.to_text(name))
    if row is None or row["technology"] != "BLF Template":
        call.refuse("blfkeyname", NOT_A_BLF_TEMPLATE)


def refuse(call: Call) -> None:
    """The product compares a query that it never runs."""
    call.refuse("blfkeyname", NOT_A_BLF_TEMPLATE)


def given(call: Call) -> bool:
    """PHP's `!= NULL`: null, false, zero and empty arrays are not."""
    return bool(call.post.get("blfkeyname"))


def equals_sip(value: Any) -> bool:
    """PHP's `== 'SIP'`, which true satisfies."""
    return value is True or bool(value == "SIP")

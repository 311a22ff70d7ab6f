"""Where calls can be routed: the list of destinations, and the route class that is stored for each target."""

from __future__ import annotations

import re
from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import PhpError, Reply
from sarkmock.laravel import php
from sarkmock.pbx.database import Database, Row

# Group -> table and filter. The product selects only the keys, so extensions, ring groups and custom apps are sorted by
# key; the others are in order of creation (recorded exchange 1069/37).
DESTINATION_GROUPS: dict[str, tuple[str, dict[str, list[str]]]] = {
    "CustomApps": ("appl", {}),
    "Extensions": ("ipphone", {}),
    "IVRs": ("ivrmenu", {}),
    "Queues": ("queue", {}),
    "RingGroups": ("speed", {}),
    "Trunks": ("lineio", {"technology": ["SIP", "IAX2"]}),
}


def destinations(context: Context) -> Reply:
    """Return the keys by group, without empty groups; if all are empty, a list, as PHP encodes an empty array."""
    tables = context.state.tables
    groups = {group: tables.values(table, "pkey", where) for group, (table, where) in DESTINATION_GROUPS.items()}
    return Reply({group: keys for group, keys in groups.items() if keys} or [])


ABSTRACT = {
    "None": 0,
    "Default IVR": 3,
    "DISA": 5,
    "CALLBACK": 6,
    "Retrieve Voicemail": 20,
    "Leave Voicemail": 21,
    "Operator": 100,
    "Hangup": 101,
}
# Tables whose keys are targets, in the product's order of lookup.
CLASS_OF_TABLE = {"speed": 1, "queue": 4, "ivrmenu": 2, "appl": 10}
EXTENSION_PATTERN = re.compile(r"\*?([0-9]{3,6})\n?")
UNRESOLVED = 404
UNRESOLVED_TARGET = "The target could not be resolved {value}"

# A variable that names a target -> the column that stores its route class.
CLASS_COLUMNS = {
    "openroute": "routeclassopen",
    "closeroute": "routeclassclosed",
    "outcome": "outcomerouteclass",
    **{f"option{digit}": f"routeclass{digit}" for digit in range(12)},
}
TARGET_FIELDS = tuple(CLASS_COLUMNS)


def route_class(tables: Database, value: Any, field: str | None = None) -> int | None:
    """Return the route class of a target; None if it cannot be resolved. PhpError naming ``field`` for an array."""
    if not value or value is True or value == "0":  # PHP: empty(), and true == "None"
        return 0
    if isinstance(value, (list, dict)):
        message = "preg_match(): Argument #2 ($subject) must be of type string, array given"
        raise PhpError(message, "TypeError", field)
    text = php.to_text(value)
    if text in ABSTRACT:
        return ABSTRACT[text]
    if is_extension(tables, text):
        return 1
    for table, result in CLASS_OF_TABLE.items():
        if tables.count(table, "pkey", text):
            return result
    return line_class(tables, text)


def is_extension(tables: Database, text: str) -> bool:
    """Whether the text is an extension of three to six digits, or its mailbox, with a star in front."""
    match = EXTENSION_PATTERN.fullmatch(text)
    return match is not None and tables.count("ipphone", "pkey", match[1]) > 0


def line_class(tables: Database, text: str) -> int | None:
    """Return the class of a trunk group, a sibling PBX (its key has a tilde), or another trunk or inbound route."""
    line = tables.first("lineio", "pkey", text)
    carrier = line and tables.first("carrier", "pkey", line["carrier"])
    if not carrier:
        return None
    if carrier["carriertype"] == "group":
        return 11
    return 8 if "~" in text else 9


def targets_resolve(context: Context) -> None:
    """Reject targets that cannot be resolved; for one that was not sent, the row's stored class decides.

    Skipped if the key was rejected as a duplicate.
    """
    if "save" in context.errors:
        return
    for field in known_targets(context):
        value = context.input.get(field)
        if has_no_destination(context, field, value):
            context.reject(field, UNRESOLVED_TARGET, value=php.to_text(value))


def targets_crash(context: Context) -> None:
    """Crash if a target was sent: the function that resolves it is missing."""
    if "save" not in context.errors and any(context.input.get(field) is not None for field in known_targets(context)):
        raise PhpError("Call to undefined function App\\Http\\Controllers\\get_route_class()", "Error")


def has_no_destination(context: Context, field: str, value: Any) -> bool:
    if value is None:
        return context.row is not None and context.row[CLASS_COLUMNS[field]] in (UNRESOLVED, str(UNRESOLVED))
    return route_class(context.state.tables, value, field) is None


def set_ivr_classes(context: Context, row: Row) -> None:
    """Set the classes of an IVR's keys as the product's update does, which stops at the first unresolved target.

    It reads one key more than there are; the class of that key has no column.
    """
    for digit in range(13):
        field, column = f"option{digit}", f"routeclass{digit}"
        value = context.input.get(field)
        if value is not None:
            class_name = route_class(context.state.tables, value, field)
            row[column] = UNRESOLVED if class_name is None else class_name
        if row.get(column) in (UNRESOLVED, str(UNRESOLVED)):
            break


def set_route_classes(context: Context, row: Row) -> None:
    """Set the class of every target that was sent; null counts as not sent."""
    for field in known_targets(context):
        value = context.input.get(field)
        if value is not None:
            class_name = route_class(context.state.tables, value, field)
            row[CLASS_COLUMNS[field]] = UNRESOLVED if class_name is None else class_name


def known_targets(context: Context) -> list[str]:
    return [field for field in CLASS_COLUMNS if field in context.operation.rules]


def set_inbound_route(context: Context, row: Row) -> None:
    """Set the classes of the targets, and the technology of an inbound route, which is its carrier (DiD or CLID)."""
    set_route_classes(context, row)
    row["technology"] = row.get("carrier")  # a carrier in the query string passes the rules but is not stored

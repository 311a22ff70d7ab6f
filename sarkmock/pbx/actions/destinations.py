"""Where calls can be routed: the list of destinations, and the route class that the dialplan stores for each."""

from __future__ import annotations

import re
from typing import Any

from sarkmock.http.context import Context
from sarkmock.http.replies import PhpError, Reply
from sarkmock.laravel import php
from sarkmock.pbx.database import Database, Row

# Group -> table and filter. The product asks for the keys alone, so that extensions, ring groups and custom apps come
# in the order of their keys; the others in the order in which they were created (recorded exchange 1069/37).
DESTINATION_GROUPS: dict[str, tuple[str, dict[str, list[str]]]] = {
    "CustomApps": ("appl", {}),
    "Extensions": ("ipphone", {}),
    "IVRs": ("ivrmenu", {}),
    "Queues": ("queue", {}),
    "RingGroups": ("speed", {}),
    "Trunks": ("lineio", {"technology": ["SIP", "IAX2"]}),
}


def destinations(context: Context) -> Reply:
    """The keys by group, without the groups that have none; PHP writes the empty array as a list."""
    tables = context.state.tables
    found = {group: tables.values(table, "pkey", where) for group, (table, where) in DESTINATION_GROUPS.items()}
    return Reply({group: keys for group, keys in found.items() if keys} or [])


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
# Tables whose keys are targets, in the order in which the product looks.
CLASS_OF_TABLE = {"speed": 1, "queue": 4, "ivrmenu": 2, "appl": 10}
EXTENSION_PATTERN = re.compile(r"\*?([0-9]{3,6})\n?")
UNRESOLVED = 404

# A variable that names a target -> the column that keeps its class.
CLASS_COLUMNS = {
    "openroute": "routeclassopen",
    "closeroute": "routeclassclosed",
    "outcome": "outcomerouteclass",
    **{f"option{digit}": f"routeclass{digit}" for digit in range(12)},
}
TARGET_FIELDS = tuple(CLASS_COLUMNS)


def route_class(tables: Database, value: Any, field: str | None = None) -> int | None:
    """The class of a target, None if it leads nowhere; PhpError naming ``field`` for an array."""
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
    """A number of three to six digits, or its mailbox with a star before it."""
    match = EXTENSION_PATTERN.fullmatch(text)
    return match is not None and tables.count("ipphone", "pkey", match[1]) > 0


def line_class(tables: Database, text: str) -> int | None:
    """Trunk groups, sibling PBXs (their keys hold a tilde), and every other trunk or inbound route."""
    line = tables.first("lineio", "pkey", text)
    carrier = line and tables.first("carrier", "pkey", line["carrier"])
    if not carrier:
        return None
    if carrier["carriertype"] == "group":
        return 11
    return 8 if "~" in text else 9


def targets_resolve(context: Context) -> None:
    """Every target must lead somewhere; one that is not sent is judged by the class that the row has.

    A key that is taken was reason enough to refuse.
    """
    if "save" in context.errors:
        return
    for field in known_targets(context):
        value = context.input.get(field)
        if has_no_destination(context, field, value):
            context.refuse(field, f"The target could not be resolved {php.to_text(value)}")


def targets_crash(context: Context) -> None:
    """The function that resolves a target is missing."""
    if "save" not in context.errors and any(context.input.get(field) is not None for field in known_targets(context)):
        raise PhpError("Call to undefined function App\\Http\\Controllers\\get_route_class()", "Error")


def has_no_destination(context: Context, field: str, value: Any) -> bool:
    if value is None:
        return context.row is not None and context.row[CLASS_COLUMNS[field]] in (UNRESOLVED, str(UNRESOLVED))
    return route_class(context.state.tables, value, field) is None


def set_ivr_classes(context: Context, row: Row) -> None:
    """The product's update of an IVR: keys whose target leads nowhere are kept, and end the look at those after them.

    It looks at one key more than there are; its class has no column.
    """
    for digit in range(13):
        field, column = f"option{digit}", f"routeclass{digit}"
        value = context.input.get(field)
        if value is not None:
            found = route_class(context.state.tables, value, field)
            row[column] = UNRESOLVED if found is None else found
        if row.get(column) in (UNRESOLVED, str(UNRESOLVED)):
            break


def set_route_classes(context: Context, row: Row) -> None:
    """Set the class of every target that was sent; null counts as not sent."""
    for field in known_targets(context):
        value = context.input.get(field)
        if value is not None:
            found = route_class(context.state.tables, value, field)
            row[CLASS_COLUMNS[field]] = UNRESOLVED if found is None else found


def known_targets(context: Context) -> list[str]:
    return [field for field in CLASS_COLUMNS if field in context.operation.rules]


def set_inbound_route(context: Context, row: Row) -> None:
    """The classes of the targets; the technology of an inbound route is its carrier, DiD or CLID."""
    set_route_classes(context, row)
    row["technology"] = row.get("carrier")  # a carrier in the query string passes the rules, and is not stored

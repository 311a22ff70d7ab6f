"""The list of everything a call can be routed to. Knows the tables that hold targets, nothing else."""

from __future__ import annotations

from sarkmock.http.context import Context
from sarkmock.http.replies import Reply

# Group -> table and filter. The product asks for the keys alone, so that extensions, ring groups and custom apps come
# in the order of their keys; the others in the order in which they were created (recorded exchange 1069/37).
GROUPS: dict[str, tuple[str, dict[str, list[str]]]] = {
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
    found = {group: tables.values(table, "pkey", where) for group, (table, where) in GROUPS.items()}
    return Reply({group: keys for group, keys in found.items() if keys} or [])

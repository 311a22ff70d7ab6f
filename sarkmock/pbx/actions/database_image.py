"""Whether some bytes are a SARK database that can be restored."""

from __future__ import annotations

import sqlite3

from sarkmock.pbx.database import Database

# A SARK always has its globals and at least one tenant.
NEVER_EMPTY = ("globals", "cluster")


class Unrestorable(Exception):
    """Bytes that cannot be restored; the message is a clause that speaks of "it"."""


def opened(image: bytes, database: str) -> Database:
    """The database that the bytes hold, which is what a restore puts in place of the PBX's; Unrestorable."""
    aside = Database(database)
    try:
        aside.load(image)
    except sqlite3.DatabaseError as error:
        raise Unrestorable(str(error)) from None
    for table in NEVER_EMPTY:
        if not aside.size(table):
            raise Unrestorable(f"it is no SARK database: nothing is in its table {table}")
    return aside


def complaint(image: bytes, database: str) -> str | None:
    """Why the bytes cannot be restored; None if they can, which is tried out."""
    try:
        opened(image, database)
    except Unrestorable as error:
        return str(error)
    return None

"""Whether some bytes are a SARK database that can be restored."""

from __future__ import annotations

import sqlite3

from sarkmock.pbx.database import Database

# A SARK always has its globals and at least one tenant.
NEVER_EMPTY = ("globals", "cluster")


def complaint(image: bytes, database: str) -> str | None:
    """Why the bytes cannot be restored, as a clause that speaks of "it"; None if they can, which is tried out."""
    aside = Database(database)
    try:
        aside.load(image)
    except sqlite3.DatabaseError as error:
        return str(error)
    for table in NEVER_EMPTY:
        if not aside.rows(table):
            return f"it is no SARK database: nothing is in its table {table}"
    return None

"""A seed on top of another: what it says replaces or adds to what the other has. Knows keys, not what rows mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sarkmock.pbx.database import Database, Row
from sarkmock.pbx.seed import Seed, SeedError

# (table, index of a row in the whole) -> index of the row that was put on top.
Origins = Mapping[tuple[str, int], int]


def merged(base: Seed, own: Seed, *, stated: bool) -> tuple[Seed, Origins]:
    """Rows of a key that both have are joined column by column; ``stated`` tells whether own says if the PBX runs."""
    layout, origins = Database(), {}
    tables = {table: list(rows) for table, rows in base.tables.items()}
    for table, rows in own.tables.items():
        whole = tables.setdefault(table, [])
        places = {key_of(layout, table, row): index for index, row in enumerate(whole)}
        for number, row in enumerate(rows):
            index = places.get(key_of(layout, table, row), len(whole))
            whole[index:index + 1] = [{**(whole[index] if index < len(whole) else {}), **row}]
            origins[table, index] = number
        for index, row in enumerate(whole):
            refusal = layout.refusal(table, row)
            if refusal:
                raise SeedError(("tables", table, origins.get((table, index), 0)), refusal)
    running = own.running if stated else base.running
    return Seed(tables, base.files | own.files, base.astdb | own.astdb, running, own.unchecked), origins


def key_of(layout: Database, table: str, row: Row) -> tuple[Any, ...]:
    """What tells a row from others, for people: pkey where there is one. A row without is like no other."""
    names = ("pkey",) if "pkey" in layout.columns(table) else layout.key(table)
    values = tuple(None if row.get(name) is None else str(row[name]) for name in names)
    return (id(row),) if None in values else values

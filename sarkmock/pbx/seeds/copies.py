"""The backup and the snapshot of the seed `examples`: copies of the seed itself, under the names that examples have."""

from __future__ import annotations

from dataclasses import replace

from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions.backups import pack
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.state import File, State

WRITTEN = 1717236000  # the time in the names


def with_copies(seed: Seed) -> Seed:
    """The seed with a backup and a snapshot of what it holds."""
    state = State(seed, now=WRITTEN)
    image = state.tables.dump()
    copies = {f"{pbx_files.BACKUPS}/sarkbak.{WRITTEN}.zip": pack(state, File(image, WRITTEN)),
              f"{pbx_files.SNAPSHOTS}/sark.db.{WRITTEN}": image}
    return replace(seed, files=seed.files | copies)

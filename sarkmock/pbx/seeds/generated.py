"""What seeds hold that is computed: the PBX of `big`, the backup and the snapshot of `examples`."""

from __future__ import annotations

from dataclasses import replace

from sarkmock.pbx import pbx_files
from sarkmock.pbx.actions.backups import pack
from sarkmock.pbx.database import Row
from sarkmock.pbx.seed import Seed
from sarkmock.pbx.state import PbxFile, State

EXTENSIONS, TENANTS = 10_000, 20
FIRST_NUMBER = 10_000
PHONE_NAMES = ("Reception", "Accounts", "Sales", "Workshop", "Stores", "Dispatch", "Support", "Meeting Room")
WRITTEN = 1717236000  # the time in the names of the backup and the snapshot


def big(database: str) -> Seed:
    """10,000 extensions with a mailbox each, shared out among 20 tenants beside the default one."""
    factory = Seed.factory(database)
    tenants = [tenant(number) for number in range(TENANTS)]
    phones = [big_extension(number) for number in range(EXTENSIONS)]
    tables = factory.tables | {"cluster": [*factory.tables["cluster"], *tenants], "ipphone": phones}
    return replace(factory, tables=tables)


def tenant(number: int) -> Row:
    return {"pkey": f"tenant{number:02}", "description": f"Tenant {number}", "abstimeout": "14400", "chanmax": "30",
            "include": "ALL", "oclo": "OPEN", "operator": str(FIRST_NUMBER + number)}


def big_extension(number: int) -> Row:
    return {"pkey": str(FIRST_NUMBER + number), "cluster": f"tenant{number % TENANTS:02}",
            "desc": f"{PHONE_NAMES[number % len(PHONE_NAMES)]} {number}", "device": "General SIP", "technology": "SIP",
            "location": "local", "passwd": f"big{number:09}", "callerid": str(FIRST_NUMBER + number)}

def with_copies(seed: Seed) -> Seed:
    """The seed with a backup and a snapshot of what it holds."""
    state = State(seed, now=WRITTEN)
    image = state.tables.dump()
    copies = {f"{pbx_files.BACKUPS}/sarkbak.{WRITTEN}.zip": pack(state, PbxFile(image, WRITTEN)),
              f"{pbx_files.SNAPSHOTS}/sark.db.{WRITTEN}": image}
    return replace(seed, files=seed.files | copies)

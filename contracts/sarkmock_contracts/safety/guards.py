"""A run against a box, made safe: the gate before every request, the ledger, the inventories, the clean-up at the end.

The embedded mock needs none of it: nothing can be lost there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sarkmock import load, profiles

from ..client import interrupts
from ..client.target import Target, Unanswered
from ..client.transports import Access, CannotRun
from ..fixtures.keys import Keys, new_prefix
from ..fixtures.rows import Stock
from ..spec.contract import Contract
from ..spec.operation_data import patterns
from . import cleanup, target_snapshot
from .gate import Gate, Permissions
from .ledger import Ledger, create_ledger, stamp
from .ownership import Ownership
from .routing import Reader


@dataclass(frozen=True)
class Caution:
    """What a user has allowed, and how the box is reached."""

    permissions: Permissions = field(default_factory=Permissions)
    access: Access = field(default_factory=Access)
    ledger: str | None = None
    meant: str | None = None  # the host that the user has named

    def check(self, url: str) -> None:
        """CannotRun unless what is disruptive is meant for this host."""
        host = urlsplit(url).hostname
        if "disruptive" in self.permissions.hazards and self.meant != host:
            said = f", not {self.meant}" if self.meant else ""
            raise CannotRun(f"--allow-disruptive reboots, stops and restores {host}: say --yes-i-mean {host}{said}")


class Safety:
    """Holds the parts together for one run."""

    def __init__(self, contract: Contract, target: Target, caution: Caution, profile: str) -> None:
        self.target = target
        self.contracts = [contract, *(Contract(load(name)) for name in profiles() if name != profile)]
        self.caution = caution
        self.keys = Keys(new_prefix(), patterns()) if caution.permissions.writes else Keys(patterns=patterns())
        self.journal: Ledger | None = None
        self.gate = Gate(Reader(self.contracts), caution.permissions)
        self.before: target_snapshot.Inventory = {}
        self.troubles: list[str] = []
        self._ended = False
        target.guards.append(self.gate.guard)  # the last word: what it writes down does leave
        target.witnesses.insert(0, self.gate.witness)

    def begin(self, stock: Stock, profile: str) -> None:
        """Before the first write: open the ledger, see what is there, and take keys that are free."""
        stock.texts = self.keys
        if not self.caution.permissions.writes:
            return
        file = Path(self.caution.ledger or f"sarkmock-{urlsplit(self.target.url).hostname}-{self.keys.prefix}.ledger")
        self.journal = create_ledger(file, self._head(profile))
        self.before = target_snapshot.take(self.target, target_snapshot.lists(self.contracts))
        self.journal.note_inventory(target_snapshot.digests(self.before))
        owning = Ownership(self.contracts, self.target, self.keys, self.journal, target_snapshot.keys(self.before))
        self.gate.ownership = owning
        stock.spared = lambda operation: owning.settings.spared(stock.contract, operation)
        self.keys.is_free = lambda key: key not in owning.taken

    def _head(self, profile: str) -> dict[str, Any]:
        access = asdict(self.caution.access)
        return {"url": self.target.url, "profile": profile, "prefix": self.keys.prefix, "started": stamp(),
                "hazards": sorted(self.caution.permissions.hazards), "access": absolute(access)}

    def end(self) -> list[str]:
        """Clean up and compare; what is left or changed, one line each. Signals wait meanwhile."""
        if self.journal is None or self._ended:
            return self.troubles
        self._ended = True
        later = f"cleaning up; if it must stop at once: kill -9, then sarkmock cleanup {self.journal.file}"
        with interrupts.deferred(later):
            try:
                self.troubles = self._finish(self.journal)
            except (CannotRun, Unanswered) as error:
                self.troubles = [str(error)]
        return self.troubles

    def _finish(self, ledger: Ledger) -> list[str]:
        left = cleanup.clean_up(self.target, ledger, self.contracts)
        after = target_snapshot.take(self.target, dict.fromkeys(self.before) | self._named())
        left += target_snapshot.differences(self.before, after, put_back(ledger))
        if not left:
            ledger.finish()
            if self.caution.ledger is None:
                ledger.file.unlink()
        ledger.close()
        return left

    def _named(self) -> dict[str, str | None]:
        return {path: key for path, key in target_snapshot.lists(self.contracts).items() if path in self.before}


def put_back(ledger: Ledger) -> frozenset[str]:
    """Paths of values that the run has replaced and stored again."""
    return frozenset(step["put"][1] for entry in ledger.entries for step in entry.undo if "put" in step)


def absolute(access: dict[str, Any]) -> dict[str, Any]:
    """Access as a ledger may hold it: files by full path, of headers the names alone."""
    files = {name: str(Path(access[name]).absolute()) for name in ("ca", "cert", "key") if access[name]}
    return {**access, **files, "headers": [line.partition(":")[0] for line in access["headers"]]}

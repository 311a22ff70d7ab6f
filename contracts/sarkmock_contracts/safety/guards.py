"""A run against a box, made safe: the gate before every request, the ledger, the inventories, the clean-up at the end.

The embedded mock needs none of it: nothing can be lost there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sarkmock.suite_api import Operation, profiles

from ..client import interrupts
from ..client.target import Client
from ..client.transports import Access, Transport, split_url
from ..errors import CannotRun, Unanswered
from ..fixtures.keys import Keys, new_prefix
from ..spec.contract import Contract, contract_of
from ..spec.operation_data import patterns
from . import cleanup, target_snapshot
from .gate import Gate, Permissions
from .ledger import Ledger, stamp
from .ownership import Ownership
from .routing import RequestReader


@dataclass(frozen=True)
class Caution:
    """What a user has allowed, and how the box is reached."""

    permissions: Permissions = field(default_factory=Permissions)
    access: Access = field(default_factory=Access)
    ledger: str | None = None
    meant: str | None = None  # the host that the user has named

    def check(self, url: str) -> None:
        """CannotRun unless what is disruptive is meant for this host."""
        host = split_url(url).hostname
        if "disruptive" in self.permissions.hazards and self.meant != host:
            said = f", not {self.meant}" if self.meant else ""
            raise CannotRun(f"--allow-disruptive reboots, stops and restores {host}: confirm it by --yes-i-mean {host}"
                            f"{said}")


class Safety:
    """The begin and the end of a run against a box, and the gate between."""

    def __init__(self, contract: Contract, url: str, caution: Caution, profile: str, client: Client) -> None:
        self.client, self.url, self.caution, self.profile = client, url, caution, profile
        self.contracts = [contract, *(contract_of(name) for name in profiles() if name != profile)]
        self.keys = Keys(new_prefix(), patterns()) if caution.permissions.writes else Keys(patterns=patterns())
        file = caution.ledger or f"sarkmock-{urlsplit(url).hostname}-{self.keys.prefix}.ledger"
        self.ledger = Ledger(Path(file), self._head())
        self.ownership = Ownership(self.contracts, client, self.keys, self.ledger)
        self.before = self.ownership.before
        self.troubles: list[str] = []
        self.begun = self._ended = False

    def gate(self, inner: Transport) -> Gate:
        """The gate of this run."""
        return Gate(inner, RequestReader(self.contracts), self.caution.permissions, self.ownership)

    def begin(self) -> None:
        """Before the first write: open the ledger, see what is there, and take keys that are free."""
        if not self.caution.permissions.writes:
            return
        self.ledger.open()
        self.begun = True
        paths = target_snapshot.lists(self.contracts)
        self.before.update(target_snapshot.take_snapshot_of(self.client, paths))
        self.ledger.note_inventory(target_snapshot.digests(self.before))
        self.keys.taken = self.ownership.taken = target_snapshot.keys(self.before, paths)

    def spared(self, contract: Contract, operation: Operation) -> frozenset[str]:
        """Fields of an operation whose values could not be put back."""
        if not self.begun:
            return frozenset()
        return self.ownership.restorable.spared(contract, operation)

    def _head(self) -> dict[str, Any]:
        access = asdict(self.caution.access)
        return {"url": self.url, "profile": self.profile, "prefix": self.keys.prefix, "started": stamp(),
                "hazards": sorted(self.caution.permissions.hazards), "access": absolute_access(access)}

    def end(self) -> list[str]:
        """Clean up and compare; what remains or changed, one line each. Signals wait meanwhile."""
        if not self.begun or self._ended:
            return self.troubles
        self._ended = True
        later = f"cleaning up; if it must stop at once: kill -9, then sarkmock cleanup {self.ledger.file}"
        with interrupts.deferred(later):
            try:
                self.troubles = self._finish(self.ledger)
            except (CannotRun, Unanswered) as error:
                self.troubles = [str(error)]
            finally:
                self.ledger.close()
        return self.troubles

    def _finish(self, ledger: Ledger) -> list[str]:
        clean_up = cleanup.CleanUp(self.client, ledger, self.contracts, self.before)
        left = clean_up.send()
        after = target_snapshot.take_snapshot_of(self.client, dict.fromkeys(self.before) | self._named())
        left += clean_up.confirm(after)
        left += target_snapshot.snapshot_differences(self.before, after, put_back(ledger))
        if not left:
            ledger.finish()
            if self.caution.ledger is None:
                ledger.file.unlink()
        return left

    def _named(self) -> dict[str, str | None]:
        return {path: key for path, key in target_snapshot.lists(self.contracts).items() if path in self.before}


def put_back(ledger: Ledger) -> frozenset[str]:
    """Paths of values that the run has replaced and stored again."""
    return frozenset(step["put"][1] for entry in ledger.entries for step in entry.undo if "put" in step)


def absolute_access(access: dict[str, Any]) -> dict[str, Any]:
    """Access as a ledger may hold it: files by full path, of headers the names alone."""
    files = {name: str(Path(access[name]).absolute()) for name in ("ca", "cert", "key") if access[name]}
    return {**access, **files, "headers": [line.partition(":")[0] for line in access["headers"]]}

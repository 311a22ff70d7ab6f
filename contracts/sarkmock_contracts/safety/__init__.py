"""A run against a box, made safe: the gate before every request, the ledger, the inventories, the clean-up at the end.

The embedded mock needs none of it: nothing can be lost there. `sarkmock cleanup` finishes the clean-up of a run that
was killed, from its ledger alone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from urllib.parse import urlsplit

from sarkmock.suite_api import Operation, profiles, redacted

from ..client import interrupts
from ..client.http import Exchange, Request
from ..client.rate_limit import RateLimit
from ..client.target import Client, Target
from ..client.transports import EMBEDDED_URL, LOGIN_TOKEN, Access, Http, Transport, split_url
from ..errors import BadLedger, CannotRun, Unanswered
from ..fixtures.keys import Keys, new_prefix
from ..spec.contract import Contract, contract_of
from ..spec.operation_data import patterns
from .cleanup import CleanUp
from .gate import Gate, Permissions
from .ledger import Ledger, content_digest, open_locked, reopen_ledger, stamp
from .login import logged_in
from .ownership import Ownership
from .preflight import preflight
from .routing import RequestReader
from .target_snapshot import (
    digest_differences,
    keys_of_snapshot,
    lists,
    snapshot_differences,
    snapshot_digests,
    take_snapshot_of,
)


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
        self._lock = write_lock(self.url)
        self.ledger.open()
        self.begun = True
        self.ownership.paths = lists(self.contracts)
        self.before.update(take_snapshot_of(self.client, self.ownership.paths))
        self.ledger.note_inventory(snapshot_digests(self.before))
        self.keys.taken = self.ownership.taken = keys_of_snapshot(self.before, self.ownership.paths)

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
        with interrupts.signals_deferred(later):
            try:
                self.troubles = self._finish(self.ledger)
            except (CannotRun, Unanswered) as error:
                self.troubles = [str(error)]
            finally:
                self.ledger.close()
                self._lock.close()
        return self.troubles

    def _finish(self, ledger: Ledger) -> list[str]:
        paths = dict.fromkeys(self.before) | lists_of(self.contracts, self.before)
        left = CleanUp(self.client, ledger, self.contracts, self.before).finish(paths, snapshot_differences)
        if not left and self.caution.ledger is None:
            ledger.file.unlink(missing_ok=True)
        return left


def write_lock(url: str) -> ExitStack:
    """Hold back other runs of this user that write to a target: each would put back settings of the other."""
    held, parts = ExitStack(), urlsplit(url)
    if url != EMBEDDED_URL:
        place = content_digest(f"{parts.netloc.lower()}{parts.path}".encode())[:16]
        file = Path(gettempdir()) / f"sarkmock-{os.getuid()}-{place}.lock"
        held.callback(os.close, open_locked(file, os.O_CREAT, f"run at {redacted(url)}", BadLedger))
    return held


def lists_of(contracts: Sequence[Contract], before: Collection[str]) -> dict[str, str | None]:
    """The lists that the target had when the run began, and the field that names an item."""
    return {path: key for path, key in lists(contracts).items() if path in before}


def absolute_access(access: dict[str, Any]) -> dict[str, Any]:
    """Access as a ledger may hold it: files by full path, of headers the names alone."""
    files = {name: str(Path(access[name]).absolute()) for name in ("ca", "cert", "key") if access[name]}
    return {**access, **files, "headers": [line.partition(":")[0] for line in access["headers"]]}


def finish_cleanup(file: Path, rate: str = "auto", headers: tuple[str, ...] = (), login: str | None = None,
                   password_env: str | None = None, access: Access | None = None) -> list[str]:
    """Remaining or changed rows and files, one line each; CannotRun if nothing could be tried.

    Without an ``access`` the target is reached as the ledger says.
    """
    ledger = reopen_ledger(file)
    try:
        url, access = ledger.head["url"], access or access_of(ledger, headers, login)
        with logged_in(url, access, login, password_env) as access:
            transport = RateLimit(Http(url, access), rate)
            preflight(Target(transport), access.verify(access.check(url).hostname or ""))
            with interrupts.signals_deferred("cleaning up; run the same command again for the rest"):
                return CleanUpTarget(transport, ledger).finish()
    except Unanswered as error:
        raise CannotRun(str(error)) from None
    finally:
        ledger.close()


class CleanUpTarget(Client):
    """The clean-up at a target: the gate lets out what the ledger asks for, and reads."""

    def __init__(self, transport: Transport, ledger: Ledger) -> None:
        head = ledger.head
        self.ledger = ledger
        self.contracts = [contract_of(name) for name in dict.fromkeys([head["profile"], *profiles()])]
        ownership = Ownership(self.contracts, self, Keys(head["prefix"], patterns()), ledger)
        permissions = Permissions(frozenset(head["hazards"]))
        self.target = Target(Gate(transport, RequestReader(self.contracts), permissions, ownership))

    def send(self, request: Request) -> Exchange:
        return self.target.send(request)

    def finish(self) -> list[str]:
        """Remaining or changed rows and files, one line each."""
        before = self.ledger.inventory or {}
        paths = lists_of(self.contracts, before)
        clean_up = CleanUp(self.target, self.ledger, self.contracts, before)
        return [*clean_up.spare(), *clean_up.finish(paths, digest_differences)]


def access_of(ledger: Ledger, headers: tuple[str, ...], login: str | None) -> Access:
    """How the run reached the box; headers with values are to be given again, as a ledger holds no secret."""
    named = ledger.head["access"]
    given = {line.partition(":")[0].lower() for line in headers}
    missing = [name for name in named["headers"] if name.lower() not in given]
    if missing:
        raise CannotRun(f"{ledger.file}: the run sent {', '.join(missing)}; give it again with --header")
    if named["token_env"] == LOGIN_TOKEN and not login:
        raise CannotRun(f"{ledger.file}: the run had logged in; give --login USER again")
    token_env = None if login else named["token_env"]
    return Access(named["insecure"], named["ca"], named["cert"], named["key"], headers, token_env)

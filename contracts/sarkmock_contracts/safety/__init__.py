"""Safety of a run against a box: the gate before every request, the ledger, the target snapshots and the clean-up.

Runs against the embedded mock do not need it, because nothing can be lost there. `sarkmock cleanup` finishes the
clean-up of a killed run from its ledger alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sarkmock.suite_api import Operation, profile_names

from ..client import interrupts
from ..client.http import Exchange, Request
from ..client.rate_limit import RateLimit
from ..client.target import Client, Target
from ..client.transports import LOGIN_TOKEN, Access, Http, Transport, split_url
from ..errors import CannotRun, Unanswered
from ..fixtures.keys import Keys, new_prefix
from ..spec.contract import Contract, contract_of
from ..spec.operation_data import patterns
from .cleanup import CleanUp
from .gate import Gate, Permissions
from .ledger import Ledger, reopen_ledger, stamp
from .ownership import Ownership
from .preflight import logged_in, preflight
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
    """The permissions that the user has given, and how to connect to the box."""

    permissions: Permissions = field(default_factory=Permissions)
    access: Access = field(default_factory=Access)
    ledger: str | None = None
    meant: str | None = None  # the host that the user confirmed with --yes-i-mean

    def check(self, url: str) -> None:
        """Raise CannotRun if disruptive operations are allowed but not confirmed for the host of the URL."""
        host = split_url(url).hostname
        if "disruptive" in self.permissions.hazards and self.meant != host:
            instead = f", not {self.meant}" if self.meant else ""
            raise CannotRun(f"--allow-disruptive reboots, stops and restores {host}: confirm with --yes-i-mean {host}"
                            f"{instead}")


class Safety:
    """Begins and ends a run against a box, and provides its gate."""

    def __init__(self, contract: Contract, url: str, caution: Caution, profile: str, client: Client) -> None:
        self.client, self.url, self.caution, self.profile = client, url, caution, profile
        self.contracts = [contract, *(contract_of(name) for name in profile_names() if name != profile)]
        self.keys = Keys(new_prefix(), patterns()) if caution.permissions.writes else Keys(patterns=patterns())
        file = caution.ledger or f"sarkmock-{urlsplit(url).hostname}-{self.keys.prefix}.ledger"
        self.ledger = Ledger(Path(file), self._head())
        self.ownership = Ownership(self.contracts, client, self.keys, self.ledger)
        self.before = self.ownership.before
        self.troubles: list[str] = []
        self.begun = self._ended = False

    def gate(self, inner: Transport) -> Gate:
        """Return the gate of this run around a transport."""
        return Gate(inner, RequestReader(self.contracts), self.caution.permissions, self.ownership)

    def begin(self) -> None:
        """Prepare for the first write: open the ledger, take the target snapshot and note the keys in use."""
        if not self.caution.permissions.writes:
            return
        self.ledger.open()
        self.begun = True
        self.ownership.paths = lists(self.contracts)
        self.before.update(take_snapshot_of(self.client, self.ownership.paths))
        self.ledger.note_inventory(snapshot_digests(self.before))
        self.keys.taken = self.ownership.taken = keys_of_snapshot(self.before, self.ownership.paths)

    def unrestorable(self, contract: Contract, operation: Operation) -> frozenset[str]:
        """Return the fields of an operation whose values could not be restored."""
        if not self.begun:
            return frozenset()
        return self.ownership.restorable.unrestorable(contract, operation)

    def _head(self) -> dict[str, Any]:
        access = asdict(self.caution.access)
        return {"url": self.url, "profile": self.profile, "prefix": self.keys.prefix, "started": stamp(),
                "hazards": sorted(self.caution.permissions.hazards), "access": absolute_access(access)}

    def end(self) -> list[str]:
        """Clean up, compare with the snapshot; return one line per remaining or changed item. Signals are deferred."""
        if not self.begun or self._ended:
            return self.troubles
        self._ended = True
        later = f"cleaning up; to stop at once: kill -9, then sarkmock cleanup {self.ledger.file}"
        with interrupts.signals_deferred(later):
            try:
                self.troubles = self._finish(self.ledger)
            except (CannotRun, Unanswered) as error:
                self.troubles = [str(error)]
            finally:
                self.ledger.close()
        return self.troubles

    def _finish(self, ledger: Ledger) -> list[str]:
        paths = dict.fromkeys(self.before) | lists_of(self.contracts, self.before)
        left = CleanUp(self.client, ledger, self.contracts, self.before).finish(paths, snapshot_differences)
        if not left and self.caution.ledger is None:
            ledger.file.unlink(missing_ok=True)
        return left


def lists_of(contracts: Sequence[Contract], before: Collection[str]) -> dict[str, str | None]:
    """Return the paths of the lists that the target had when the run began, with the key field of their items."""
    return {path: key for path, key in lists(contracts).items() if path in before}


def absolute_access(access: dict[str, Any]) -> dict[str, Any]:
    """Return the access in the form stored in a ledger: absolute file paths, and header names without values."""
    files = {name: str(Path(access[name]).absolute()) for name in ("ca", "cert", "key") if access[name]}
    return {**access, **files, "headers": [line.partition(":")[0] for line in access["headers"]]}


def finish_cleanup(file: Path, rate: str = "auto", headers: tuple[str, ...] = (), login: str | None = None,
                   password_env: str | None = None, access: Access | None = None) -> list[str]:
    """Finish the clean-up of a ledger file and return one line per remaining or changed row or file.

    Without ``access``, connect as the ledger describes. Raise CannotRun if the clean-up cannot be attempted.
    """
    if password_env and not login:
        raise CannotRun("--password-env needs --login")
    ledger = reopen_ledger(file)
    try:
        url, access = ledger.head["url"], access or access_of(ledger, headers, login)
        with logged_in(url, access, login, password_env) as access:
            transport = RateLimit(Http(url, access), rate)
            preflight(Target(transport), access.verify(access.check(url).hostname or ""))
            with interrupts.signals_deferred("cleaning up; run the same command again if anything remains"):
                return CleanUpTarget(transport, ledger).finish()
    except Unanswered as error:
        raise CannotRun(str(error)) from None
    finally:
        ledger.close()


class CleanUpTarget(Client):
    """The clean-up of a target from a ledger. Its gate passes reads and the requests that the ledger lists."""

    def __init__(self, transport: Transport, ledger: Ledger) -> None:
        head = ledger.head
        self.ledger = ledger
        self.contracts = [contract_of(name) for name in dict.fromkeys([head["profile"], *profile_names()])]
        ownership = Ownership(self.contracts, self, Keys(head["prefix"], patterns()), ledger)
        permissions = Permissions(frozenset(head["hazards"]))
        self.target = Target(Gate(transport, RequestReader(self.contracts), permissions, ownership))

    def send(self, request: Request) -> Exchange:
        return self.target.send(request)

    def finish(self) -> list[str]:
        """Clean up and return one line per remaining or changed row or file."""
        before = self.ledger.inventory or {}
        paths = lists_of(self.contracts, before)
        clean_up = CleanUp(self.target, self.ledger, self.contracts, before)
        return [*clean_up.spare(), *clean_up.finish(paths, digest_differences)]


def access_of(ledger: Ledger, headers: tuple[str, ...], login: str | None) -> Access:
    """Return the access of the run. The user must give header values again, because a ledger stores no secrets."""
    named = ledger.head["access"]
    sent = {line.partition(":")[0].lower() for line in headers}
    missing = [name for name in named["headers"] if name.lower() not in sent]
    if missing:
        raise CannotRun(f"{ledger.file}: the run sent {', '.join(missing)}; pass it again with --header")
    if named["token_env"] == LOGIN_TOKEN and not login:
        raise CannotRun(f"{ledger.file}: the run had logged in; pass --login USER again")
    token_env = None if login else named["token_env"]
    return Access(named["insecure"], named["ca"], named["cert"], named["key"], headers, token_env)

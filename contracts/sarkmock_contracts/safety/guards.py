"""What a run may do to its target, and how the target is put back as it was.

The embedded mock needs none of it: nothing can be lost there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sarkmock.suite_api import Operation, profiles

from ..client import interrupts
from ..client.http import Request, request_for
from ..client.target import Client
from ..client.transports import Access, Transport, split_url
from ..errors import CannotRun, Unanswered
from ..fixtures.keys import Keys, new_prefix
from ..spec.contract import Contract, contract_of
from ..spec.operation_data import patterns
from . import target_snapshot
from .gate import Gate, Permissions
from .ledger import Ledger, LedgerEntry, stamp
from .ownership import Ownership, added_names, keys_listed, keys_with_prefix, removal
from .routing import RequestReader
from .target_snapshot import Inventory, Items, items, shows_something

SKEW = 300  # seconds by which the clock of a box may differ from ours
ROUNDS = 3  # a row may stay until what depends on it is gone


@dataclass
class CleanUp:
    """Takes everything back. An entry stays alive until the target shows that it is gone: a 404 may be the answer to a
    token that is no longer valid, a 200 the page of a proxy."""

    client: Client
    ledger: Ledger
    contracts: Sequence[Contract]
    before: Mapping[str, Any]  # what the target showed before the run, by list
    sent: list[LedgerEntry] = field(default_factory=list)

    def send(self) -> list[str]:
        """Send the requests; what the target does not do, one line each."""
        left: list[str] = []
        for _ in range(ROUNDS):
            open_entries = [entry for entry in self.ledger.alive() if entry not in self.sent]
            left = [line for entry in open_entries for line in self._taken_back(entry)]
            if not left:
                break
        return _commit(self.client, self.contracts) if self.ledger.committed and not left else left

    def _taken_back(self, entry: LedgerEntry) -> Iterator[str]:
        try:
            self._find(entry)
            troubles = [trouble for step in entry.undo for trouble in _undo(self.client, step)]
        except Unanswered as reason:
            troubles = [str(reason)]
        if troubles:
            yield f"{_name(entry)}: {'; '.join(troubles)}"
        else:
            self.sent.append(entry)

    def _find(self, entry: LedgerEntry) -> None:
        """Find the row or file of an entry whose answer was never seen."""
        for step in [step for step in entry.undo if "list" in step]:
            response = self.client.get(step["list"])
            if not shows_something(response) and step["list"] in self.before:
                raise Unanswered(f"GET {step['list']} answers {response.status}")
            names = keys_listed(self.contracts, entry.collection, response)
            found = keys_with_prefix(step, response) if "holds" in step else recent(step, names)
            known = {(other.collection, other.key) for other in self.ledger.alive()}
            removing = [one for key in found if (entry.collection, key) not in known
                        for one in removal(entry.collection, key)]
            self.ledger.settle(entry, entry.state, None, [step, *removing])

    def confirm(self, after: Inventory) -> Iterator[str]:
        """Settle what the target shows to be gone; what it does not, one line each unless the comparison tells it."""
        for entry in self.sent:
            if _is_gone(entry, self.before, after):
                self.ledger.settle(entry, "gone")
            elif _path(entry) not in self.before:
                yield f"{_name(entry)}: the target does not show whether it is gone"
        for entry in self.ledger.entries:
            key, path = entry.key, _path(entry)
            if entry.state == "gone" and key in after.get(path, ()) and key not in self.before.get(path, ()):
                self.ledger.settle(entry, "made")


def _name(entry: LedgerEntry) -> str:
    return f"{entry.operation} {entry.collection} {entry.key or ''}".rstrip()


def _path(entry: LedgerEntry) -> str:
    """Where the target shows it: the list of its collection, or the values that were replaced."""
    replaced = (step["put"][1] for step in entry.undo if "put" in step)
    return f"/{entry.collection}" if entry.collection else next(replaced, "")


def _is_gone(entry: LedgerEntry, before: Mapping[str, Any], after: Inventory) -> bool:
    """Whether the target shows it. What no list showed before is gone if the target still shows others."""
    path = _path(entry)
    if path not in before:
        return bool(after)
    if path not in after:
        return False
    deleted = [unquote(path.rpartition("/")[2]) for step in entry.undo for _, path in step.get("any", ())]
    values = [step["put"][2] for step in entry.undo if "put" in step]
    return not any(name in after[path] for name in deleted) and all(_shows(after[path], old) for old in values)


def _shows(shown: Items, old: Mapping[str, Any]) -> bool:
    """Whether the values are those that were put back."""
    return all(shown.get(name) == value for name, value in old.items()) or shown in map(items, old.values())


def recent(step: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The new name that the answer gave, or the only one that says it was made at that time."""
    new = added_names(step, names)
    near = [name for name in new if _is_near(name, step["since"])]
    return [step["named"]] if step.get("named") in new else near if len(near) == 1 else []


def _is_near(name: str, since: int) -> bool:
    return any(abs(int(number) - since) <= SKEW for number in re.findall(r"\d{9,11}", name))


def _undo(client: Client, step: Mapping[str, Any]) -> Iterator[str]:
    """Send a step; the trouble with it, if there is any. A missing row is fine, a search sends nothing."""
    if "put" in step:
        method, path, body = step["put"]
        response = client.send(request_for(method, path, body)).response
        if not response.ok:
            yield f"{method} {path} answers {response.status}"
        return
    answers = [(method, path, client.send(Request(method, path)).response) for method, path in step.get("any", ())]
    if any(response.ok or response.status == 404 for _, _, response in answers):
        return
    if len(answers) != 1 or client.get(answers[0][1]).status != 404:
        yield from (f"{method} {path} answers {response.status}" for method, path, response in answers)


def _commit(client: Client, contracts: Sequence[Contract]) -> list[str]:
    """Asterisk's configuration was made from rows of the run: make it anew from what is there now."""
    for operation in contracts[0].operations:
        if operation.action == "commit":
            response = client.get(operation.path)
            trouble = f"GET {operation.path} answers {response.status}: the last commit holds rows of this run"
            return [] if response.ok else [trouble]
    return []


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
            raise CannotRun(f"--allow-disruptive reboots, stops and restores {host}: say --yes-i-mean {host}{said}")


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
        self.before.update(target_snapshot.take_snapshot_of(self.client, target_snapshot.lists(self.contracts)))
        self.ledger.note_inventory(target_snapshot.digests(self.before))
        self.keys.taken = self.ownership.taken = target_snapshot.keys(self.before)

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
        clean_up = CleanUp(self.client, ledger, self.contracts, self.before)
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

"""Undoes what a run created or changed, as recorded in its ledger, newest first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from ..client.http import Request
from ..client.target import Client
from ..errors import Unanswered, Withheld
from ..spec.contract import Contract
from .ledger import SKEW, Ledger, LedgerEntry, added_names, content_digest, keys_with_prefix, removal_request
from .ownership import keys_listed
from .restorable import is_setting, restore_settings, start_again
from .target_snapshot import Inventory, Items, items_of, shows_something, take_snapshot_of

TIME = "%Y-%m-%d %H:%M:%S"  # in UTC, as SQLite writes it on every box
ROUNDS = 3  # a row may not be deletable until the rows that depend on it are gone
Differences = Callable[[Mapping[str, Any], Inventory, frozenset[str]], Iterable[str]]


@dataclass
class CleanUp:
    """Undoes all ledger entries.

    An entry stays alive until the lists of the target confirm that it is gone: a 404 may come from an invalid token,
    and a 200 may be the page of a proxy.
    """

    client: Client
    ledger: Ledger
    contracts: Sequence[Contract]
    before: Mapping[str, Any]  # the target snapshot from before the run, by path
    sent: list[LedgerEntry] = field(default_factory=list)

    def finish(self, paths: Mapping[str, str | None], differences: Differences) -> list[str]:
        """Undo everything, compare the lists with the snapshot and return one line per remaining or changed item."""
        left = self.send()
        after = take_snapshot_of(self.client, paths)
        left += self.confirm(after)
        left += differences(self.before, after, self.ledger.replaced_paths())
        if not left:
            self.ledger.finish()
        return left

    def spare(self) -> Iterator[str]:
        """Release rows that somebody else has since created under a key of the run; yield one line each.

        Keys with the run's prefix always belong to the run.
        """
        for entry in self.ledger.alive():
            if entry.key and not entry.key.startswith(self.ledger.head["prefix"]) and self._is_younger(entry):
                self.ledger.settle(entry, "void")
                yield f"{_name(entry)}: was created by somebody else after the run and is kept"

    def _is_younger(self, entry: LedgerEntry) -> bool:
        """Whether the target shows that the item with this key was created after the run could have created it."""
        try:
            response = self.client.get(f"/{entry.collection}/{quote(entry.key or '', safe='')}")
            if entry.digest and response.header("Content-Disposition"):  # a download has no creation time
                return content_digest(response.body) != entry.digest
            made = datetime.strptime(str(response.fields.get("z_created")), TIME).replace(tzinfo=UTC)
        except (Unanswered, ValueError):
            return False
        return 0 < entry.until < made.timestamp()

    def send(self) -> list[str]:
        """Send the undo requests; return one line per failure."""
        others: list[str] = []
        left: list[str] = []
        for _ in range(ROUNDS):
            open_entries = [entry for entry in self.ledger.alive() if entry not in self.sent]
            kept, left = self._put_back([entry for entry in open_entries if is_setting(entry)])
            others += kept
            left += [line for entry in open_entries if not is_setting(entry) for line in self._taken_back(entry)]
            if not left:
                break
        return others + (_commit(self.client, self.contracts) if self.ledger.committed and not left else left)

    def _put_back(self, settings: list[LedgerEntry]) -> tuple[list[str], list[str]]:
        """Return the settings that somebody else has changed meanwhile, and those that could not be restored."""
        try:
            others, failed = restore_settings(self.client, self.ledger, settings)
        except Unanswered as reason:
            others, failed = [], [str(reason)]
        if not failed:
            self.sent += settings
        return others, failed

    def _taken_back(self, entry: LedgerEntry) -> Iterator[str]:
        try:
            self._find(entry)
            troubles = [trouble for step in entry.undo for trouble in self._undo(step)]
        except Withheld as reason:  # an unusual key, which only a list can show
            troubles = [] if self._is_absent(entry) else [str(reason)]
        except Unanswered as reason:
            troubles = [str(reason)]
        if troubles:
            yield f"{_name(entry)}: {'; '.join(troubles)}"
        else:
            self.sent.append(entry)

    def _is_absent(self, entry: LedgerEntry) -> bool:
        """Whether the list of an entry's collection can be read and does not show its key."""
        response = self.client.get(f"/{entry.collection}")
        keys = keys_listed(self.contracts, entry.collection, response) if shows_something(response) else [entry.key]
        return _path_of(entry) in self.before and entry.key not in keys

    def _undo(self, step: Mapping[str, Any]) -> Iterator[str]:
        """Send the requests of an undo step and yield its problems. A missing row is fine; a search sends nothing."""
        if "running" in step:
            if not start_again(self.client, self.contracts):
                yield "the PBX is stopped, and could not be started"
            return
        requests = [Request(method, path) for method, path in step.get("any", ())]
        sent = [(request.method, request.path, self.client.send(request).response) for request in requests]
        if any(response.ok or response.status == 404 for _, _, response in sent):
            return
        if len(sent) != 1 or self.client.get(sent[0][1]).status != 404:
            yield from (f"{method} {path} returned {response.status}" for method, path, response in sent)

    def _find(self, entry: LedgerEntry) -> None:
        """Find the rows or files of an entry by its search steps, and record how to remove them."""
        for step in [step for step in entry.undo if "list" in step]:
            response = self.client.get(step["list"])
            if not shows_something(response) and step["list"] in self.before:
                raise Unanswered(f"GET {step['list']} returned {response.status}")
            names = keys_listed(self.contracts, entry.collection, response)
            keys = keys_with_prefix(step, response) if "holds" in step else recent_name(step, names)
            if "holds" in step and entry.state == "made" and not keys and not self._was_shown(entry.collection):
                raise Unanswered(f"was created, but GET {step['list']} does not show it")
            recorded = {(other.collection, other.key) for other in self.ledger.alive()}
            removing = [undo for key in keys if (entry.collection, key) not in recorded
                        for undo in removal_request(entry.collection, key)]
            self.ledger.settle(entry, entry.state, None, [step, *removing])

    def _was_shown(self, collection: str) -> bool:
        """Whether any entry of a collection has a removal request, which suggests that its list shows such rows."""
        entries = [entry for entry in self.ledger.entries if entry.collection == collection]
        return any("any" in step for entry in entries for step in entry.undo)

    def confirm(self, after: Inventory) -> Iterator[str]:
        """Settle entries that are gone; yield a line per other entry that the snapshot comparison does not cover."""
        for entry in self.sent:
            if _is_gone(entry, self.before, after):
                self.ledger.settle(entry, "gone")
            elif _path_of(entry) not in self.before:
                yield f"{_name(entry)}: the target does not show whether it is gone"
        for entry in self.ledger.entries:
            key, path = entry.key, _path_of(entry)
            if entry.state == "gone" and key in after.get(path, ()) and key not in self.before.get(path, ()):
                self.ledger.settle(entry, "made")


def _name(entry: LedgerEntry) -> str:
    return f"{entry.operation} {entry.collection} {entry.key or ''}".rstrip()


def _path_of(entry: LedgerEntry) -> str:
    """Return the path that shows an entry: the list of its collection, or the replaced settings."""
    replaced = (step["put"][1] for step in entry.undo if "put" in step)
    return f"/{entry.collection}" if entry.collection else next(replaced, "")


def _is_gone(entry: LedgerEntry, before: Mapping[str, Any], after: Inventory) -> bool:
    """Whether an entry is gone. One without a list counts as gone if the target still shows any other list."""
    path = _path_of(entry)
    if path not in before:
        return bool(after)
    if path not in after:
        return False
    deleted = [unquote(path.rpartition("/")[2]) for step in entry.undo for _, path in step.get("any", ())]
    values = [step["put"][2] for step in entry.undo if "put" in step]
    return not any(name in after[path] for name in deleted) and all(_shows(after[path], old) for old in values)


def _shows(items: Items, old: Mapping[str, Any]) -> bool:
    """Whether the target shows the original values."""
    return all(items.get(name) == value for name, value in old.items()) or items in map(items_of, old.values())


def recent_name(step: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the new name given in the response, or else the only new name that contains a matching time stamp."""
    new = added_names(step, names)
    near = [name for name in new
            if any(abs(int(number) - step["since"]) <= SKEW for number in re.findall(r"\d{9,11}", name))]
    return [step["named"]] if step.get("named") in new else near if len(near) == 1 else []


def _commit(client: Client, contracts: Sequence[Contract]) -> list[str]:
    """Commit again, because the last commit wrote rows of this run into Asterisk's configuration."""
    for operation in contracts[0].operations:
        if operation.action == "commit":
            response = client.get(operation.path)
            trouble = f"GET {operation.path} returned {response.status}: the last commit contains rows of this run"
            return [] if response.ok else [trouble]
    return []

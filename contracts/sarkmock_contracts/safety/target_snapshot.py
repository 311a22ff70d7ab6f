"""Which rows, files and settings a target had before a run, and the settings that a run may change and restore.

A value that could not be stored again as it is (the rules refuse it, or it is null, which is stored as an empty text)
is not replaced at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sarkmock.suite_api import TRIMMED, Operation, is_secret, redacted

from ..client.http import Request, Response
from ..client.target import Client
from ..errors import Withheld
from ..judge.oracle import certainly_refused, verdict
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables
from .ledger import Ledger, LedgerEntry
from .routing import Meaning

Items = dict[str, Any]  # by key, or by their whole text where a key stands for several
Inventory = dict[str, Items]
VANISHING = ("z_updated", "z_updater")


def lists(contracts: Sequence[Contract]) -> dict[str, str | None]:
    """Paths of lists whose items can be written, in any profile, and the field that names an item."""
    operations = [operation for contract in contracts for operation in contract.operations]
    found: dict[str, str | None] = {}
    for operation in operations:
        reads = operation.method == "GET" and operation.hazard == "read" and not operation.parameters
        if reads and _is_written(operation, operations):
            found.setdefault(operation.path, operation.table.key if operation.table else None)
    return found


def _is_written(listing: Operation, operations: Sequence[Operation]) -> bool:
    """Whether something but GET works on the path, or on an item of it."""
    item, depth = listing.path + "/{", listing.path.count("/") + 1
    written = (operation.path for operation in operations if operation.method != "GET")
    return any(path == listing.path or (path.startswith(item) and path.count("/") == depth) for path in written)


def take_snapshot_of(client: Client, paths: Mapping[str, str | None]) -> Inventory:
    """The items of every list that the target has."""
    answers = {path: client.get(path) for path in paths}
    return {path: items(answer.json, paths[path]) for path, answer in answers.items() if shows_something(answer)}


def shows_something(answer: Response) -> bool:
    """Whether a response shows something; a page of HTML is not a list, an empty text is one without rows."""
    return answer.ok and (answer.json is not None or not answer.body.strip())


def items(shown: Any, key: str | None = None) -> Items:
    """Rows by key, names by themselves, settings by name."""
    if isinstance(shown, dict):
        return dict(shown)
    rows = shown if isinstance(shown, list) else [shown]
    whole = [json.dumps(row, sort_keys=True) for row in rows]
    names = [str(row[key]) if isinstance(row, dict) and key in row else text
             for row, text in zip(rows, whole, strict=True)]
    if len(set(names)) < len(names):
        names = whole
    return dict(zip(names, rows, strict=True))


def keys(inventory: Inventory) -> frozenset[str]:
    """Every key that is taken, over all lists."""
    return frozenset(key for found in inventory.values() for key in found)


def snapshot_differences(before: Inventory, after: Inventory, put_back: frozenset[str] = frozenset()) -> Iterator[str]:
    """One line for everything that is not as it was; the times of change of what was put back cannot be."""
    for path, was in before.items():
        now = after.get(path)
        if now is None:
            yield f"{path} cannot be read any more"
            continue
        yield from (f"{path}: {redacted(key)} is left over or new" for key in now if key not in was)
        yield from (f"{path}: {redacted(key)} is gone" for key in was if key not in now)
        for key in was.keys() & now.keys():
            if path not in put_back or key not in VANISHING:
                yield from changes(f"{path}: {redacted(key)}", was[key], now[key])


def changes(name: str, was: Any, now: Any) -> Iterator[str]:
    """Which columns of an item changed."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        if was != now:
            secret = is_secret(name.rpartition(" ")[2])
            yield f"{name} has changed" if secret else f"{name} was {redacted(was)!r} and is {redacted(now)!r}"
        return
    for column in sorted(was.keys() | now.keys()):
        if was.get(column) != now.get(column):
            yield from changes(f"{name} {column}", was.get(column), now.get(column))


def digests(inventory: Inventory) -> dict[str, dict[str, str]]:
    """The inventory as a file may hold it: items as digests, secrets left out (short ones could be guessed)."""
    return {path: {redacted(key): _digest(path, key, item) for key, item in found.items()}
            for path, found in inventory.items()}


def _digest(path: str, key: str, item: Any) -> str:
    if isinstance(item, dict):
        item = {name: value for name, value in item.items() if not is_secret(name)}
    text = "" if is_secret(key) else json.dumps(item, sort_keys=True)
    return hashlib.sha256(f"{path} {text}".encode()).hexdigest()[:16]


def digest_differences(before: Mapping[str, Mapping[str, str]], after: Inventory,
                       put_back: frozenset[str] = frozenset()) -> Iterator[str]:
    """The same comparison with what a file holds: which items, not what of them."""
    yield from (f"{path} cannot be read any more" for path in before if path not in after)
    for path, found in digests(after).items():
        was = before.get(path, {})
        yield from (f"{path}: {key} is left over or new" for key in found if key not in was)
        yield from (f"{path}: {key} is gone" for key in was if key not in found)
        changed = [key for key in found if key in was and found[key] != was[key]
                   and not (path in put_back and key in VANISHING)]
        yield from (f"{path}: {key} has changed" for key in changed)


Values = Mapping[str, Any]
SURELY = 2  # rejected fields, so that a box that lacks one rule still stores nothing


@dataclass
class Restorable:
    """Judges what a request would replace, by what the target shows at this moment."""

    client: Client
    ledger: Ledger
    tables: Callable[[Contract], LiveTables]
    methods: Callable[[str], str]  # those that the target has on a path
    before: Mapping[str, Any] = field(default_factory=dict)  # by path what the target showed when the run began
    _spared: dict[str, frozenset[str]] = field(default_factory=dict)
    _seen: dict[str, Response] = field(default_factory=dict)

    def look(self, meaning: Meaning, request: Request, path: str) -> Response:
        """What a path shows: at this moment, or when it was last asked if the request is surely refused."""
        surely = len(certainly_refused(meaning.contract, meaning.operation, request)) >= SURELY
        if not surely or path not in self._seen:
            self._seen[path] = self.client.get(path)
        return self._seen[path]

    def touch(self, meaning: Meaning, request: Request, post: Values) -> LedgerEntry | None:
        """The entry that puts back what a request replaces; None if it replaces nothing; raises Withheld."""
        path, operation = meaning.operation.path, meaning.operation
        before = self._replaced(path)
        if operation.hazard == "disruptive":
            if before:
                raise Withheld("holds values of this run: nothing is restarted with them", path)
            return None
        shown = self.look(meaning, request, path)
        if shown.status == 404 and path not in self.before and operation.method not in self.methods(path):
            return None  # the target has neither the value nor the operation
        changed = [name for name in operation.rules if name in post and name not in before]
        values = as_input(operation, shown)
        old = {name: values[name] for name in changed if name in values}
        for name in self._unrestorable(meaning.contract, operation, old):
            del old[name]
        if len(old) < len(changed) and not self._surely_refused(meaning, request):
            lost = [name for name in changed if name not in old]
            raise Withheld("could not be put back", f"{path} {', '.join(lost)}")
        return LedgerEntry(operation.id, "", None, [{"put": [operation.method, path, old]}]) if old else None

    def spared(self, contract: Contract, operation: Operation) -> frozenset[str]:
        """Fields of such values that could not be put back, if the operation replaces any."""
        if operation.parameters or operation.hazard != "operational" or operation.method == "GET" or uploads(operation):
            return frozenset()
        if operation.id not in self._spared:
            shown = self.client.get(operation.path) if "GET" in contract.router.allowed(operation.path) else None
            values = as_input(operation, shown) if shown is not None and shown.ok else {}
            self._spared[operation.id] = frozenset(self._unrestorable(contract, operation, values))
        return self._spared[operation.id]

    def _unrestorable(self, contract: Contract, operation: Operation, values: Values) -> list[str]:
        refused = operation.validator.errors(values, self.tables(contract)) if values else {}
        return [name for name, value in values.items() if name in refused or not is_stored_as_sent(value)]

    def _surely_refused(self, meaning: Meaning, request: Request) -> bool:
        if len(certainly_refused(meaning.contract, meaning.operation, request)) >= SURELY:
            return True
        live = self.tables(meaning.contract)
        live.forget()
        return len(verdict(meaning.contract, meaning.operation, request, live).errors) >= SURELY

    def _replaced(self, path: str) -> set[str]:
        """The names of values that this run has replaced and not yet put back."""
        steps = [step["put"] for entry in self.ledger.alive() for step in entry.undo if "put" in step]
        return {name for step in steps if step[1] == path for name in step[2]}


def uploads(operation: Operation) -> bool:
    """Whether files are sent to it: it adds to what is there."""
    return "multipart/form-data" in operation.spec.get("requestBody", {}).get("content", ())


def is_stored_as_sent(value: Any) -> bool:
    """Whether Laravel's middleware and the product leave a value as it is."""
    if isinstance(value, list):
        return all(one not in ("", None) and is_stored_as_sent(one) for one in value)
    return value == value.strip(TRIMMED) if isinstance(value, str) else value is not None


def as_input(operation: Operation, shown: Response) -> dict[str, Any]:
    """What is shown, as it is sent to be stored again."""
    if isinstance(shown.json, dict):
        return {name: value for name, value in shown.json.items() if name in operation.rules}
    return {next(iter(operation.rules)): shown.json}

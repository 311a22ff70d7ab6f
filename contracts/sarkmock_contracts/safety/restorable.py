"""Restorable settings, such as globals and firewall rules: read before a change and restored after it.

Also starts a PBX again that was running before.

A value that could not be stored again unchanged (the rules reject it, or it is null, which is stored as an empty text)
is never replaced. A value that somebody else has changed meanwhile is reported and not restored.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sarkmock.suite_api import TRIMMED, Operation, to_text

from ..client.http import Request, Response, request_for
from ..client.target import Client
from ..errors import Withheld
from ..judge.judge import RUN_STATE
from ..judge.oracle import certainly_rejected, verdict
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables
from .ledger import Ledger, LedgerEntry
from .routing import Meaning
from .target_snapshot import shows_something

Values = Mapping[str, Any]
PBX_START = "syscommands.pbxstart"
SURELY = 2  # number of rejected fields, so that a box that lacks one rule still stores nothing


@dataclass
class Restorable:
    """Determines which settings a request would replace, by their current values on the target."""

    client: Client
    ledger: Ledger
    tables: Callable[[Contract], LiveTables]
    methods: Callable[[str], str]  # returns the target's Allow header for a path
    before: Mapping[str, Any] = field(default_factory=dict)  # the target snapshot from before the run, by path
    _unrestorable: dict[str, frozenset[str]] = field(default_factory=dict)
    _seen: dict[str, Response] = field(default_factory=dict)

    def look(self, meaning: Meaning, request: Request, path: str) -> Response:
        """Read a path; reuse the last response if the request is certain to be rejected."""
        if not self._is_certain(meaning, request) or path not in self._seen:
            self._seen[path] = self.client.get(path)
        return self._seen[path]

    def touch(self, meaning: Meaning, request: Request, post: Values) -> LedgerEntry | None:
        """Return the entry that restores what a request replaces, or None; raise Withheld if it is not allowed."""
        path, operation = meaning.operation.path, meaning.operation
        before = self._replaced(path)
        if operation.hazard == "disruptive":
            if before:
                raise Withheld("has values of this run, so that nothing may be restarted", path)
            return None
        response = self.look(meaning, request, path)
        if not self._is_certain(meaning, request):  # a certain rejection replaces nothing
            self._still_ours(path, before & post.keys(), response)
        if response.status == 404 and path not in self.before and operation.method not in self.methods(path):
            return None  # the target has neither the value nor the operation
        changed = [name for name in operation.rules if name in post and name not in before]
        values = as_input(operation, response)
        old = {name: values[name] for name in changed if name in values}
        for name in self._not_restorable(meaning.contract, operation, old):
            del old[name]
        if len(old) < len(changed) and not self._surely_rejected(meaning, request):
            lost = [name for name in changed if name not in old]
            raise Withheld("could not be restored", f"{path} {', '.join(lost)}")
        sent = {name: post[name] for name in operation.rules if name in old or (name in post and name in before)}
        step = {"put": [operation.method, path, old], "sent": sent}
        return LedgerEntry(operation.id, "", None, [step]) if sent else None

    def _still_ours(self, path: str, names: set[str], response: Response) -> None:
        """Raise Withheld if somebody else has changed a value that the run has stored."""
        stored = stored_values(self.ledger, path)
        theirs = [name for name in names if shows_something(response) and stored[name]
                  and not is_stored(stored[name], values_of(response, [name]).get(name))]
        if theirs:
            raise Withheld("was changed by somebody else meanwhile", f"{path} {', '.join(sorted(theirs))}")

    def left(self, step: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the undo step of an accepted request with the values that the target stored, as ``left``."""
        response = self.client.look(step["put"][1])
        return {**step, "left": values_of(response, step["sent"])} if shows_something(response) else step

    def unrestorable(self, contract: Contract, operation: Operation) -> frozenset[str]:
        """Return the fields of an operation whose settings could not be restored; empty if it replaces none."""
        if (operation.parameters or operation.hazard != "operational" or operation.method == "GET"
                or takes_uploads(operation)):
            return frozenset()
        if operation.id not in self._unrestorable:
            response = self.client.get(operation.path) if "GET" in contract.router.allowed(operation.path) else None
            values = as_input(operation, response) if response is not None and response.ok else {}
            self._unrestorable[operation.id] = frozenset(self._not_restorable(contract, operation, values))
        return self._unrestorable[operation.id]

    def _not_restorable(self, contract: Contract, operation: Operation, values: Values) -> list[str]:
        rejected = operation.validator.errors(values, self.tables(contract)) if values else {}
        return [name for name, value in values.items() if name in rejected or not is_stored_as_sent(value)]

    def _is_certain(self, meaning: Meaning, request: Request) -> bool:
        """Whether a request is rejected regardless of the rows in the tables, even by a target that lacks one rule."""
        return len(certainly_rejected(meaning.contract, meaning.operation, request)) >= SURELY

    def _surely_rejected(self, meaning: Meaning, request: Request) -> bool:
        if self._is_certain(meaning, request):
            return True
        live = self.tables(meaning.contract)
        live.forget()
        return len(verdict(meaning.contract, meaning.operation, request, live).errors) >= SURELY

    def _replaced(self, path: str) -> set[str]:
        """Return the names of the settings that this run has replaced and not yet restored."""
        steps = [step["put"] for entry in self.ledger.alive() for step in entry.undo if "put" in step]
        return {name for step in steps if step[1] == path for name in step[2]}


def takes_uploads(operation: Operation) -> bool:
    """Whether an operation takes file uploads, which add files instead of replacing settings."""
    return "multipart/form-data" in operation.spec.get("requestBody", {}).get("content", ())


def is_stored_as_sent(value: Any) -> bool:
    """Whether Laravel's middleware and the product store a value unchanged."""
    if isinstance(value, list):
        return all(element not in ("", None) and is_stored_as_sent(element) for element in value)
    return value == value.strip(TRIMMED) if isinstance(value, str) else value is not None


def values_of(response: Response, names: Iterable[str]) -> dict[str, Any]:
    """Return the values of some names from a response that holds settings by name or a single value."""
    if isinstance(response.json, dict):
        return {name: response.json[name] for name in names if name in response.json}
    return dict.fromkeys(names, response.json)


def stored_values(ledger: Ledger, path: str) -> defaultdict[str, list[Any]]:
    """Return, by name, the values that the run may have stored at a path."""
    result: defaultdict[str, list[Any]] = defaultdict(list)
    for entry in ledger.alive():
        for step in entry.undo:
            if "put" in step and step["put"][1] == path:
                for name, value in step.get("left", step.get("sent", {})).items():
                    result[name].append(value)
    return result


def is_stored(values: Sequence[Any], current: Any) -> bool:
    """Whether a shown value equals one of the sent values, allowing for how a database may format it."""
    return any(value == current or _as_written(value) == _as_written(current) for value in values)


def _as_written(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return json.dumps(value)
    text = "" if value is None else to_text(value).strip().casefold()
    try:
        return str(float(text))
    except ValueError:
        return text


def restore_settings(client: Client, ledger: Ledger, settings: Sequence[LedgerEntry]) -> tuple[list[str], list[str]]:
    """Restore what the run has replaced; return lines for settings changed by somebody else, and for failures."""
    others: list[str] = []
    failed: list[str] = []
    for path, entries in _entries_by_path(settings).items():
        old, method = _replaced_by(entries)
        response, stored = client.get(path), stored_values(ledger, path)
        if not shows_something(response):
            failed.append(f"GET {path} returned {response.status}: its values cannot be compared and restored")
            continue
        now = values_of(response, old)
        changed = {name for name, value in old.items() if name not in now or now[name] != value}
        theirs = {name for name in changed if stored[name] and not is_stored(stored[name], now.get(name))}
        others += [f"{path} {name} was changed by somebody else meanwhile and is not restored"
                   for name in sorted(theirs)]
        failed += _store(client, method, path, {name: old[name] for name in old if name in changed - theirs})
        for entry in entries if theirs else ():
            _let_go(ledger, entry, theirs)
    return others, failed


def _let_go(ledger: Ledger, entry: LedgerEntry, names: set[str]) -> None:
    """Remove these names from the values that an entry restores."""
    method, path, old = entry.undo[0]["put"]
    kept = {name: value for name, value in old.items() if name not in names}
    ledger.settle(entry, entry.state, None, [{**entry.undo[0], "put": [method, path, kept]}])


def _entries_by_path(settings: Sequence[LedgerEntry]) -> dict[str, list[LedgerEntry]]:
    """Group entries by the path of the settings that they replaced, oldest first."""
    result: dict[str, list[LedgerEntry]] = {}
    for entry in reversed(settings):
        result.setdefault(entry.undo[0]["put"][1], []).append(entry)
    return result


def is_setting(entry: LedgerEntry) -> bool:
    return bool(entry.undo) and "put" in entry.undo[0]


def _replaced_by(entries: Sequence[LedgerEntry]) -> tuple[dict[str, Any], str]:
    """Return the original values before the first of these entries, and the method that stores them."""
    steps = [entry.undo[0]["put"] for entry in entries]
    return {name: value for _, _, old in reversed(steps) for name, value in old.items()}, steps[0][0]


def _store(client: Client, method: str, path: str, values: Mapping[str, Any]) -> list[str]:
    """Store values together or, if that is rejected, one by one; return a line per failure."""
    if not values:
        return []
    status = client.send(request_for(method, path, dict(values))).response.status
    if 200 <= status < 300:
        return []
    if len(values) == 1:
        return [f"{method} {path} {next(iter(values))} returned {status}"]
    return [line for name, value in values.items() for line in _store(client, method, path, {name: value})]


def as_input(operation: Operation, response: Response) -> dict[str, Any]:
    """Return the settings of a response as input of the operation that stores them."""
    if isinstance(response.json, dict):
        return {name: value for name, value in response.json.items() if name in operation.rules}
    return {next(iter(operation.rules)): response.json}


# the PBX


def is_stopped(client: Client, contracts: Sequence[Contract]) -> bool:
    """Whether the target reports that the PBX is stopped; False if it does not report the state."""
    return any(client.get(path).fields.get("pbxrunstate") is False for path in command_paths(contracts, RUN_STATE))


def start_again(client: Client, contracts: Sequence[Contract]) -> bool:
    """Start the PBX if it is stopped, trying the command path of each version; return whether it is not stopped now."""
    for path in command_paths(contracts, PBX_START):
        if not is_stopped(client, contracts):
            return True
        client.get(path)
    return not is_stopped(client, contracts)


def command_paths(contracts: Sequence[Contract], name: str) -> list[str]:
    """Return the distinct paths of a command over all versions."""
    return list(dict.fromkeys(contract.by_id[name].path for contract in contracts if name in contract.by_id))

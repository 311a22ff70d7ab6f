"""Values that there are once for all, settings and firewall rules: read before they are changed, put back exactly.

A value that could not be stored again as it is (the rules refuse it, or it is null, which is stored as an empty text)
is not replaced at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sarkmock.suite_api import TRIMMED, Operation

from ..client.http import Request, Response
from ..client.target import Client
from ..errors import Withheld
from ..judge.oracle import certainly_refused, verdict
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables
from .ledger import Ledger, LedgerEntry
from .routing import Meaning

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

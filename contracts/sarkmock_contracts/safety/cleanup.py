"""Takes back what a ledger says a run has made, newest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..client.http import Request, request_for
from ..client.target import Client
from ..errors import Unanswered
from ..spec.contract import Contract
from .ledger import Ledger, LedgerEntry
from .ownership import added_names, keys_listed, keys_with_prefix, removal

SKEW = 300  # seconds by which the clock of a box may differ from ours
ROUNDS = 3  # a row may stay until what depends on it is gone


def clean_up(client: Client, journal: Ledger, contracts: Sequence[Contract]) -> list[str]:
    """What could not be taken back, one line each; none: all is gone."""
    left: list[str] = []
    for _ in range(ROUNDS):
        left = [line for entry in journal.alive() for line in _taken_back(client, journal, contracts, entry)]
        if not left:
            break
    return _commit(client, contracts) if journal.committed and not left else left


def _taken_back(client: Client, journal: Ledger, contracts: Sequence[Contract], entry: LedgerEntry) -> Iterator[str]:
    try:
        find_entry(client, journal, contracts, entry)
        troubles = [trouble for step in entry.undo for trouble in _undo(client, step)]
    except Unanswered as reason:
        troubles = [str(reason)]
    if troubles:
        yield f"{entry.operation} {entry.collection} {entry.key or ''}: {'; '.join(troubles)}"
    elif entry.alive:
        journal.settle(entry, "gone")


def find_entry(client: Client, journal: Ledger, contracts: Sequence[Contract], entry: LedgerEntry) -> None:
    """Find the row or file of an entry whose answer was never seen."""
    for step in entry.undo:
        if "list" in step:
            response = client.get(step["list"])
            names = keys_listed(contracts, entry.collection, response)
            found = keys_with_prefix(step, response) if "holds" in step else recent(step, names)
            known = {(other.collection, other.key) for other in journal.alive()}
            new = [key for key in found if (entry.collection, key) not in known]
            undo = [removing for key in new for removing in removal(entry.collection, key)]
            journal.settle(entry, entry.state, None, undo)


def recent(step: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The new name that the answer gave, or the only one that says it was made at that time."""
    new = added_names(step, names)
    near = [name for name in new if _is_near(name, step["since"])]
    return [step["named"]] if step.get("named") in new else near if len(near) == 1 else []


def _is_near(name: str, since: int) -> bool:
    return any(abs(int(number) - since) <= SKEW for number in re.findall(r"\d{9,11}", name))


def _undo(client: Client, step: Mapping[str, Any]) -> Iterator[str]:
    """Send a step; the trouble with it, if there is any. A missing row is fine."""
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

"""The writes that a finding depends on. They must be sent to a fresh target before the finding can be reproduced."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sarkmock.suite_api import Operation, UploadedFile

from ..client.http import Exchange, Request
from ..spec.contract import Contract

REMEMBERED_WRITES, REMEMBERED_BYTES = 20_000, 64 << 20  # older writes are unlikely to matter


@dataclass(frozen=True, eq=False, slots=True)
class Write:
    """A successful write: what it created, changed or removed, the names it uses, and the variables it set."""

    exchange: Exchange
    collection: str
    touched: frozenset[tuple[str, str]]  # collection and name
    names: frozenset[str]  # of what it touched
    uses: frozenset[str]
    fields: frozenset[str]
    renames: bool  # whether it sets the key of a row

    @classmethod
    def of(cls, exchange: Exchange, made: Collection[str], fields: Iterable[str], renames: bool) -> Write:
        collection, *rest = path_steps(exchange.request)
        names = frozenset(made or rest[:1])
        touched = frozenset((collection, name) for name in names)
        return cls(exchange, collection, touched, names, names_of(exchange.request), frozenset(fields), renames)


class History:
    """The most recent writes of a run."""

    def __init__(self, contract: Contract, max_bytes: int = REMEMBERED_BYTES) -> None:
        self.contract, self._max_bytes = contract, max_bytes
        self.writes: deque[Write] = deque()
        self._bytes = 0

    def observe(self, operation: Operation, exchange: Exchange) -> None:
        """Record an exchange that changed the target."""
        if operation.hazard == "read" or exchange.request.method in ("HEAD", "OPTIONS") or not exchange.response.ok:
            return
        sent = exchange.request.variables
        renames = operation.table is not None and operation.table.key in sent
        self.writes.append(Write.of(exchange, list(self._made(operation, exchange, sent)), sent, renames))
        self._bytes += exchange.weight
        while len(self.writes) > REMEMBERED_WRITES or self._bytes > self._max_bytes:
            self._bytes -= self.writes.popleft().exchange.weight

    def leading_to(self, evidence: Sequence[Exchange], *, rejected: bool) -> tuple[Exchange, ...]:
        """Return the evidence, preceded by every write without which a fresh target would respond differently.

        Rules depend on which rows exist, not on their other columns: a request that they reject needs no updated row.
        """
        shown = {id(exchange.response) for exchange in evidence}
        rest, steps = list(evidence), list[Exchange]()
        for write in self._needed(Search(evidence, rejected=rejected), shown):
            if id(write.exchange.response) in shown:
                while rest and rest[0].response is not write.exchange.response:
                    steps.append(rest.pop(0))
                rest = rest[1:]
            steps.append(write.exchange)
        return (*steps, *rest)

    def _needed(self, search: Search, shown: set[int]) -> list[Write]:
        """Search the writes backwards for those that created or changed something that is used later."""
        chosen = {id(write) for write in reversed(self.writes)
                  if id(write.exchange.response) in shown or search.needs(write)}
        chosen |= set(map(id, search.removed.values()))
        return [write for write in self.writes if id(write) in chosen]

    def _made(self, operation: Operation, exchange: Exchange, sent: dict[str, Any]) -> Iterator[str]:
        """Yield the keys of created rows and the names of uploaded files."""
        yield from (value.name for value in sent.values() if isinstance(value, UploadedFile))
        yield from (value.name.removesuffix(".zip") for value in sent.values() if isinstance(value, UploadedFile))
        if exchange.request.method != "PUT":
            links = self.contract.links_from(operation).values()
            fields = {field for link in links for field in link.parameters.values()}
            fields |= {operation.table.key} if operation.table else set()
            yield from (str(exchange.response.fields[field]) for field in fields & exchange.response.fields.keys())


class Search:
    """The state of the backward search: what the writes found so far depend on."""

    def __init__(self, evidence: Sequence[Exchange], *, rejected: bool) -> None:
        self.rejected = rejected
        requests = [exchange.request for exchange in evidence]
        self.names = set[str]().union(*map(names_of, requests))
        self.whole = {path_steps(request)[0] for request in requests
                      if len(path_steps(request)) == 1 and request.method in ("GET", "HEAD")}
        self.emptied = {path_steps(request)[-1] for request in requests if request.method == "DELETE"}
        self.later = set[tuple[str, str]]()  # rows that a later write created or removed
        self.covered: dict[str, set[str]] = {}  # variables that a later write of the same path sets
        self.removed: dict[tuple[str, str], Write] = {}  # rows from before the run that the run has removed

    def needs(self, write: Write) -> bool:
        """Return whether a write is needed. If it is, add the names it uses to the search."""
        method = write.exchange.request.method
        touched = write.touched
        if not self._concerns(write) or touched & self.later:
            if method == "POST":
                self._forget(touched)
            return False
        if method == "DELETE":
            self.later |= touched
            self.removed |= dict.fromkeys(touched, write)
            return False
        if method == "PUT":
            if self.rejected and not write.renames:
                return False
            covered = self.covered.setdefault(write.exchange.request.path, set())
            if write.fields and write.fields <= covered:
                return False
            covered |= write.fields
        else:
            self.later |= touched
        self.names |= write.uses
        return True

    def _concerns(self, write: Write) -> bool:
        return (write.collection in self.whole or not self.emptied.isdisjoint(write.uses)
                or not self.names.isdisjoint(write.names))

    def _forget(self, touched: Iterable[tuple[str, str]]) -> None:
        """Drop the removal of rows that the run had created: a fresh target does not have them."""
        for place in touched:
            self.removed.pop(place, None)


def path_steps(request: Request) -> list[str]:
    return [unquote(part) for part in request.path.strip("/").split("/")]


def names_of(request: Request) -> frozenset[str]:
    """Return every path segment and value of a request that can name a row or a file."""
    values = (str(value).strip() for value in request.variables.values() if isinstance(value, (str, int)))
    return frozenset((*path_steps(request)[1:], *filter(None, values)))

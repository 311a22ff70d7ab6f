"""Which version of the API answers, and from which facts: harmless reads that the profiles answer otherwise.

The reads are computed from the profiles' documents; no path is named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sarkmock.suite_api import Operation, profiles

from ..client.http import Exchange, Request, Response
from ..client.target import Client
from ..judge.conformance import conforms
from ..spec.contract import contract_of

READS = 4  # a budget of 60 requests a minute has other uses
HEADERS = ("Server", "X-Powered-By", "X-RateLimit-Limit")


@dataclass(frozen=True)
class Fact:
    """One read, its answer, and the profiles that answer so."""

    request: str
    answer: str
    fits: tuple[str, ...]


@dataclass(frozen=True)
class Fingerprint:
    """What answers: the profile that all or most facts fit."""

    version: str = "unknown"
    facts: tuple[Fact, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=())

    def described(self) -> dict[str, Any]:
        return {"version": self.version, "facts": [vars(fact) | {"fits": list(fact.fits)} for fact in self.facts],
                "headers": dict(self.headers)}

    def __str__(self) -> str:
        fitting = sum(self.version in fact.fits for fact in self.facts)
        return f"{self.version} ({fitting} of {len(self.facts)} facts)" if self.facts else self.version


@cache
def telling_reads() -> tuple[str, ...]:
    """Paths of plain reads that only some profiles document: one for each set of profiles comes first."""
    reads = {name: {one.path: one for one in contract_of(name).operations if is_plain(one)} for name in profiles()}
    every = dict.fromkeys(path for found in reads.values() for path in found)
    having = {path: tuple(name for name in reads if path in reads[name]) for path in every}
    some = [path for path in every if len(having[path]) < len(reads)]
    first = {having[path]: path for path in reversed(some)}
    return tuple(sorted(some, key=lambda path: first[having[path]] != path)[:READS])


def is_plain(operation: Operation) -> bool:
    return operation.method == "GET" and operation.hazard == "read" and not operation.parameters


def fingerprint(client: Client, first: Response) -> Fingerprint:
    """Ask and compare; the first answer of a run has the server's headers."""
    headers = tuple((name, str(first.header(name))) for name in HEADERS if first.header(name))
    facts = [fact(client.send(Request("GET", path))) for path in telling_reads()]
    points = {name: sum(name in one.fits for one in facts) for name in profiles()}
    best = max(points.values(), default=0)
    winners = [name for name, count in points.items() if count == best]
    return Fingerprint(winners[0] if len(winners) == 1 and 2 * best > len(facts) else "unknown", tuple(facts), headers)


def fact(exchange: Exchange) -> Fact:
    """What an answer says of the version."""
    response = exchange.response
    kind = f" {response.content_type}" if response.content_type else ""
    return Fact(f"GET {exchange.request.path}", f"{response.status}{kind}", tuple(fitting(exchange)))


def fitting(exchange: Exchange) -> Iterator[str]:
    """The profiles in which the answer is a right one: 404 where there is no such path, conforming where there is."""
    for name in profiles():
        contract = contract_of(name)
        plain = {one.path: one for one in contract.operations if is_plain(one)}
        operation = plain.get(exchange.request.path)
        if operation is None:
            right = exchange.response.status == 404
        else:
            right = not list(conforms(contract, operation, exchange))
        if right:
            yield name

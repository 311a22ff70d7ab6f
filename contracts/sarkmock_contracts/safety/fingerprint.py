"""Which version of the API answers, and from which facts: harmless reads that the profiles answer differently.

The reads are chosen by asking a mock of each profile; no path is named here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from typing import Any

from sarkmock.suite_api import Engine, Operation, create_app, profiles

from ..client.http import Exchange, Request, Response, fill_path
from ..client.target import Client
from ..client.transports import InProcess, SignedIn
from ..errors import Withheld
from ..spec.contract import contract_of

READS = 8  # a budget of 60 requests a minute has other uses
UNKNOWN = "zznosuchkey"
DEBUG = ("file", "line", "trace")
HEADERS = ("Server", "X-Powered-By", "X-RateLimit-Limit")
Pairs = set[tuple[str, str]]


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
def telling_reads() -> tuple[Request, ...]:
    """Few reads that tell all profiles apart twice over, as far as reads do."""
    answers = {request: answers_to(request) for request in candidates()}
    chosen: list[Request] = []
    for _ in range(2):
        alike = set(combinations(profiles(), 2))
        while alike and len(chosen) < READS:
            left = [request for request in answers if request not in chosen]
            best = max(left, key=lambda request: len(told_apart(alike, answers[request])))
            if not told_apart(alike, answers[best]):
                break
            alike -= told_apart(alike, answers[best])
            chosen.append(best)
    return tuple(chosen)


def told_apart(pairs: Pairs, answers: Mapping[str, str]) -> Pairs:
    return {(one, other) for one, other in pairs if answers[one] != answers[other]}


@cache
def candidates() -> tuple[Request, ...]:
    """Reads whose answers do not depend on what a target holds: an unknown path, an unknown key, a path's methods."""
    hazards: dict[str, set[str]] = {}
    requests: dict[tuple[str, Request], None] = {}
    for name in profiles():
        for operation in contract_of(name).operations:
            hazards.setdefault(operation.path, set()).add(operation.hazard)
            requests |= dict.fromkeys(reads_of(operation))
    harmless = {path for path, found in hazards.items() if found <= {"read", "write"}}
    return (Request("GET", f"/{UNKNOWN}"), *(request for path, request in requests if path in harmless))


def reads_of(operation: Operation) -> Iterator[tuple[str, Request]]:
    if operation.table is None:
        return
    path = fill_path(operation.path, dict.fromkeys(operation.parameters, UNKNOWN))
    yield operation.path, Request("OPTIONS", path)
    if operation.method == "GET":
        yield operation.path, Request("GET", path)


@cache
def answers_to(request: Request) -> dict[str, str]:
    """What each profile's mock answers."""
    return {name: answer_of(Exchange(request, mock_of(name).send(request))) for name in profiles()}


@cache
def mock_of(profile: str) -> SignedIn:
    engine = Engine(profile=profile)
    return SignedIn(InProcess(create_app(engine)), engine.state)


def answer_of(exchange: Exchange) -> str:
    """An answer without what differs between two targets of one version."""
    response = exchange.response
    if exchange.request.method == "OPTIONS":
        methods = (response.header("Allow") or "").replace(" ", "").split(",")
        return f"{response.status} {', '.join(sorted(methods))}"
    if response.status >= 500:
        return str(response.status)
    if response.ok or not isinstance(response.json, dict):
        return f"{response.status} {response.content_type}"
    words = (f"{name}: {value}" for name, value in response.json.items() if name not in DEBUG)
    return f"{response.status} {'; '.join(words)}"


def fingerprint(client: Client, first: Response) -> Fingerprint:
    """Ask and compare; the first answer of a run has the server's headers."""
    headers = tuple((name, str(first.header(name))) for name in HEADERS if first.header(name))
    facts = tuple(facts_of(client, telling_reads()))
    points = {name: sum(name in one.fits for one in facts) for name in profiles()}
    best = max(points.values(), default=0)
    winners = [name for name, count in points.items() if count == best]
    return Fingerprint(winners[0] if len(winners) == 1 and 2 * best > len(facts) else "unknown", facts, headers)


def facts_of(client: Client, reads: Sequence[Request]) -> Iterator[Fact]:
    for request in reads:
        try:
            answer = answer_of(client.send(request))
        except Withheld:
            continue
        fits = tuple(name for name, expected in answers_to(request).items() if expected == answer)
        yield Fact(f"{request.method} {request.path}", answer, fits)

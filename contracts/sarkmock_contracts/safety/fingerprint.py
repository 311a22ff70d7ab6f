"""Identifies the version of the API by harmless reads to which the profiles respond differently.

The reads are chosen by comparing the mocks of all profiles; no path is hard-coded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from typing import Any

from sarkmock.suite_api import Operation, profile_names

from ..client.http import Exchange, Request, Response, fill_path
from ..client.target import Client
from ..client.transports import embedded_transport
from ..errors import CannotRun, Withheld
from ..spec.contract import contract_of

LEAST_FITTING = 0.25  # share of the reads that a SARK of any version answers as the nearest published one
AUTO = "auto"  # as a profile name: that of the detected version
MOST_READS = 9  # leaves most of the limit of 60 requests a minute to the run
UNKNOWN_PATH_KEY = "zznosuchkey"
DEBUG = ("exception", "file", "line", "trace")  # error fields that depend on the box's APP_DEBUG setting
VERSION_HEADERS = ("Server", "X-Powered-By", "X-RateLimit-Limit")
ProfilePair = tuple[str, str]


@dataclass(frozen=True)
class VersionFact:
    """One read, its canonical response, and the profiles that give the same response."""

    request: str
    response: str
    versions: tuple[str, ...]


@dataclass(frozen=True)
class Fingerprint:
    """The detected version of a target: the profile that all or most facts fit."""

    version: str = "unknown"
    facts: tuple[VersionFact, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=())

    @property
    def nearest(self) -> str:
        """The profile that fits the most facts; the first one on a tie."""
        return max(profile_names(), key=self.fitting) if self.facts else self.version

    @property
    def exact(self) -> bool:
        """Whether the target responds to every distinguishing read as one profile does."""
        return self.version in profile_names() and self.fitting(self.version) == len(distinguishing_reads())

    def fitting(self, profile: str) -> int:
        return sum(profile in fact.versions for fact in self.facts)

    def lines(self) -> list[str]:
        """Describe the detected version in text lines: a published version, or the differences from the nearest one."""
        count, differences = len(self.facts), self._differences()
        if not differences:
            return [f"recognised as {self}"]
        fitting = count - len(differences)
        return [f"matches no published version; {self.nearest} is the nearest ({fitting} of {count} facts)",
                *(f"  {difference}" for difference in differences),
                "  sarkmock baseline and sarkmock overlay turn it into a profile"]

    def _differences(self) -> list[str]:
        """Describe the responses that differ from those of the nearest version."""
        near = self.nearest
        expected = {f"{request.method} {request.path}": answers_to(request)[near] for request in distinguishing_reads()}
        return [f"{fact.request} returned {fact.response}, expected {expected[fact.request]}" for fact in self.facts
                if near not in fact.versions]

    def check(self, url: str) -> Fingerprint:
        """Return this; raise CannotRun if the target responds as no version of SARK would."""
        count, differences = len(self.facts), self._differences()
        if count - len(differences) >= LEAST_FITTING * count:
            return self
        raise CannotRun(f"{url}: this does not look like a SARK API: {len(differences)} of {count} reads were not "
                        f"answered as expected, such as {differences[0]}; check host and base path, "
                        "which usually is /api")

    def described(self) -> dict[str, Any]:
        facts = [vars(fact) | {"versions": list(fact.versions)} for fact in self.facts]
        return {"version": self.version, "facts": facts, "headers": dict(self.headers)}

    def __str__(self) -> str:
        count = len(self.facts)
        return f"{self.version} ({self.fitting(self.version)} of {count} facts)" if count else self.version


@cache
def distinguishing_reads() -> tuple[Request, ...]:
    """Choose reads that distinguish the profiles: pairs that few reads separate come first, then new groupings."""
    answers = {request: answers_to(request) for request in candidate_reads()}
    times: Counter[ProfilePair] = Counter()
    chosen: list[Request] = []
    for _ in range(MOST_READS):
        ways = {profiles_by_answer(answers[request]) for request in chosen}
        best = max((request for request in answers if request not in chosen), key=lambda request: (
            sum(4.0 ** -times[pair] for pair in separated_pairs(answers[request])),
            profiles_by_answer(answers[request]) not in ways))
        times.update(separated_pairs(answers[best]))
        chosen.append(best)
    return tuple(chosen)


def separated_pairs(answers: Mapping[str, str]) -> list[ProfilePair]:
    return [(first, second) for first, second in combinations(profile_names(), 2) if answers[first] != answers[second]]


def profiles_by_answer(answers: Mapping[str, str]) -> tuple[int, ...]:
    """Group the profiles by their response."""
    texts = list(answers.values())
    return tuple(map(texts.index, texts))


@cache
def candidate_reads() -> tuple[Request, ...]:
    """Return reads whose responses do not depend on the target's rows: unknown paths, unknown keys and OPTIONS."""
    hazards: dict[str, set[str]] = {}
    requests: dict[tuple[str, Request], None] = {}
    for name in profile_names():
        for operation in contract_of(name).operations:
            hazards.setdefault(operation.path, set()).add(operation.hazard)
            requests |= dict.fromkeys(reads_of(operation))
    harmless = {path for path, used in hazards.items() if used <= {"read", "write"}}
    return (Request("GET", f"/{UNKNOWN_PATH_KEY}"), *(request for path, request in requests if path in harmless or
                                                      (request.method == "OPTIONS" and "{" in path)))


def reads_of(operation: Operation) -> Iterator[tuple[str, Request]]:
    path = fill_path(operation.path, dict.fromkeys(operation.parameters, UNKNOWN_PATH_KEY))
    if operation.table is not None or operation.parameters:
        yield operation.path, Request("OPTIONS", path)
    if operation.table is not None and operation.method == "GET":
        yield operation.path, Request("GET", path)


mock_of = cache(embedded_transport)


@cache
def answers_to(request: Request) -> dict[str, str]:
    """Return the canonical response of each profile's mock to a request."""
    return {name: canonical_answer(Exchange(request, mock_of(name).send(request))) for name in profile_names()}


def canonical_answer(exchange: Exchange) -> str:
    """Return a summary of a response, without details that differ between targets of the same version."""
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
    """Send the distinguishing reads and compare the responses; ``first`` provides the server's headers."""
    headers = tuple((name, str(first.header(name))) for name in VERSION_HEADERS if first.header(name))
    facts = tuple(facts_of(client, distinguishing_reads()))
    result = Fingerprint(facts=facts, headers=headers)
    best = result.fitting(result.nearest)
    clear = 2 * best > len(facts) and [result.fitting(name) for name in profile_names()].count(best) == 1
    return replace(result, version=result.nearest) if clear else result


def facts_of(client: Client, reads: Sequence[Request]) -> Iterator[VersionFact]:
    for request in reads:
        try:
            answer = canonical_answer(client.send(request))
        except Withheld:
            continue
        versions = tuple(name for name, expected in answers_to(request).items() if expected == answer)
        yield VersionFact(f"{request.method} {request.path}", answer, versions)

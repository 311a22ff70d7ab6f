"""The cases of a recording: survey of the paths, reads, rules, sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

from sarkmock.suite_api import profile_names

from ..client.http import Request
from ..client.target import Client
from ..errors import Unanswered, Unavailable, Withheld
from ..fixtures import Unrestorable
from ..fixtures.keys import Keys
from ..safety.restorable import start_again
from ..safety.routing import HAZARDS
from ..spec.contract import contract_of, is_plain_read
from ..spec.operation_data import recipe
from .catalogue import CatalogueEntry, catalogue
from .facts import BOX, Fact, Facts
from .observer import ABSENT_ROW, NOT_ALLOWED, NOT_REACHED, NOT_TESTED, TAKES_EFFECT, TESTED, THERE, Depth, Observer
from .questions import (
    ask_box,
    ask_existing,
    ask_plain_read,
    ask_rules,
    ask_unknown,
    survey_path,
    surveyed_paths,
)
from .sequences import ask_sequence, links, makes_rows

RECORDING_PARTS = {"survey": "methods of each path", "read": "existing rows", "unknown key": "unknown keys",
                   "rules": "rules of variables", "sequence": "rows: create, read, update, delete",
                   "answer": "other operations"}
FACT_KINDS = ("limit", "token", "version", "reach", "part", "status", "type", "header", "field", "error", "sequence",
              "default", "stores", "rule")


@dataclass(frozen=True)
class RecordingCase:
    """A unit of a recording: it yields all of its facts or, if interrupted, none."""

    part: str
    name: str
    run: Callable[[Observer], Iterator[Fact]]

    def __str__(self) -> str:
        return f"{self.part}: {self.name}"


@dataclass
class BoxRecorder:
    """Records one box. ``prepare`` is called after the first look, before anything that may write."""

    client: Client
    depth: Depth
    hazards: frozenset[str]
    only: str | None = None
    texts: Keys | None = None
    unrestorable: Unrestorable | None = None
    prepare: Callable[[Observer], None] = lambda _: None
    fits: Callable[[RecordingCase], bool] = lambda _: True  # whether a case fits into the remaining budget
    done: dict[str, list[Fact]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.observer = Observer(self.client, self.depth, self.texts, self.unrestorable)
        self.names = [name for name, entry in catalogue().items() if entry.is_in(self.only)]
        self.unasked: dict[str, str] = {}  # reasons by case without facts

    def first_look(self) -> list[RecordingCase]:
        """Return the cases that send only OPTIONS and reads without parameters."""
        cases = [RecordingCase("survey", path, partial(survey_path, path=path)) for path in surveyed_paths(self.names)]
        cases.append(RecordingCase("survey", BOX, ask_box))
        return cases + [RecordingCase("read", entry.name, partial(ask_plain_read, entry=entry))
                        for entry in self._entries() if is_plain_read(entry.first)]

    def second_look(self) -> list[RecordingCase]:
        """Return all other cases, those with the most facts per request first."""
        entries = list(self._entries())
        plain = [entry for entry in entries
                 if entry.method == "GET" and entry.hazard == "read" and "{" in entry.path]
        allowed = [entry for entry in entries
                   if entry.hazard in self.hazards and not self.observer.is_absent(entry.name)]
        made = [entry for entry in allowed if entry.hazard == "write" and makes_rows(self.observer, entry)]
        ruled = sorted((entry for entry in allowed if entry.fields and entry.hazard != "read"),
                       key=lambda entry: (HAZARDS.index(entry.hazard), entry.method != "POST"))
        followed = {link.target for entry in made for link in self._links(entry)}
        rest = sorted((entry for entry in allowed
                       if entry not in made and not entry.ids & followed and not is_plain_read(entry.first)
                       and (entry.hazard != "read" or self._needs_file(entry))),
                      key=lambda entry: HAZARDS.index(entry.hazard))
        keyed = [entry for entry in allowed
                 if entry.hazard == "write" and entry.method != "POST" and "{" in entry.path]
        return [*_cases("read", ask_existing, plain), *_cases("unknown key", ask_unknown, [*plain, *keyed]),
                *_cases("rules", ask_rules, ruled), *_cases("sequence", ask_sequence, made),
                *_cases("answer", ask_once, rest)]

    def _entries(self) -> Iterator[CatalogueEntry]:
        yield from (catalogue()[name] for name in self.names)

    def _links(self, entry: CatalogueEntry) -> Iterable[Any]:
        operation = self.observer.operation(entry)
        return links(self.observer, operation) if operation else ()

    def _needs_file(self, entry: CatalogueEntry) -> bool:
        """Whether an operation is a download of a file that the recording has to create or upload first, and may."""
        contract = self.observer.contract
        makers = {link.source for link in contract.links if link.target in entry.ids}
        makers.update(maker for name in entry.ids for maker in recipe("uploaded", name).values())
        return entry.first.table is None and any(contract.by_id[name].hazard in self.hazards
                                                 for name in makers & contract.by_id.keys())

    # running

    def there(self) -> dict[str, bool]:
        """Return, by operation name, whether the box has the operation; only those for which this is known."""
        seen = {name: self.observer.facts.get(name, "reach") for name in catalogue()}
        return {name: reach == THERE for name, reach in seen.items() if reach is not None}

    def run(self, watch: Callable[[RecordingCase, int, int], None] = lambda *_: None) -> Facts:
        """Run all cases. ``watch`` is called before each with the case, its number and the total (0 if unknown)."""
        first = self.first_look()
        for number, case in enumerate(first):
            watch(case, number, 0)
            self.attempt(case)
        self.observer.work_by(self.there())
        self.prepare(self.observer)
        second = self.second_look()
        for number, case in enumerate(second):
            watch(case, len(first) + number, len(first) + len(second))
            self.attempt(case)
        self.observer.fixtures.sweep(keep_fixtures=False)
        return self.result()

    def attempt(self, case: RecordingCase) -> None:
        """Run a case unless it is done. A case that is interrupted yields no facts."""
        if str(case) in self.done:
            self.observer.learn(self.done[str(case)])
            return
        if not self.fits(case):
            self._leave_out(case, "beyond the budget")
            return
        try:
            facts = list(case.run(self.observer))
        except Withheld as reason:
            facts = [Fact(case.name, "part", case.part, self.observer.plain(f"withheld: {reason}"))]
        except Unanswered as reason:
            self._leave_out(case, str(reason))
            return
        self.done[str(case)] = self.observer.learn(facts)

    def _leave_out(self, case: RecordingCase, reason: str) -> None:
        self.unasked[str(case)] = reason
        if case.name in catalogue():
            self.observer.learn([Fact(case.name, "part", case.part, NOT_TESTED)])

    def result(self) -> Facts:
        """Return all facts in the order of a recording, with facts for what was not reached or not allowed."""
        facts = list(self.observer.facts)
        for entry in self._entries():
            if self.observer.facts.get(entry.name, "reach") is None:
                facts.append(Fact(entry.name, "reach", "", NOT_REACHED))
            if entry.hazard not in self.hazards and not self.observer.is_absent(entry.name):
                facts.append(Fact(entry.name, "part", NOT_ALLOWED, f"not allowed: {entry.hazard}"))
        return sorted_facts(fact for fact in facts if fact.fact == "reach" or not self.observer.is_absent(fact.op))


def sorted_facts(facts: Iterable[Fact]) -> Facts:
    """Sort facts by operation in document order, then by kind, then by the rest of their key."""
    places = {name: number for number, name in enumerate((BOX, *catalogue()))}
    return Facts(sorted(facts, key=lambda fact: (places[fact.op], FACT_KINDS.index(fact.fact), *fact.key[2:])))


def _cases(part: str, ask: Callable[..., Iterator[Fact]], entries: Iterable[CatalogueEntry]) -> Iterator[RecordingCase]:
    for entry in entries:
        yield RecordingCase(part, entry.name, partial(ask, entry=entry))


ANSWER_PART = "answer"


def ask_elsewhere(observer: Observer, entry: CatalogueEntry) -> Iterator[Fact]:
    """Test by GET whether a command exists at a path where the working document lacks it. OPTIONS does not show GET."""
    if entry.method != "GET" or "{" in entry.path or not entry.ids & observer.contract.by_id.keys():
        return
    try:
        exchange = observer.send(Request("GET", entry.path))
    except Withheld:
        return
    yield Fact(entry.name, "reach", "", ABSENT_ROW if observer.is_missing(exchange) else THERE)


def ask_once(observer: Observer, entry: CatalogueEntry) -> Iterator[Fact]:
    """Send one request with the minimal input of the operation."""
    operation = observer.operation(entry)
    if operation is None:
        yield from ask_elsewhere(observer, entry)
        return
    if operation.table and operation.key and operation.method != "GET" and not observer.fixtures.fixture(operation):
        yield Fact(entry.name, "part", ANSWER_PART, "no row of the run to test with")
        return
    makes = operation.method == "POST" and operation.table is not None
    part = "sequence" if makes else ANSWER_PART
    try:
        body = observer.fixtures.minimal(operation) if operation.rules else None
        exchange = observer.send(observer.fixtures.request(operation, body))
    except Unavailable as reason:
        yield Fact(entry.name, "part", part, f"{NOT_TESTED}: {observer.plain(str(reason))}")
        return
    except Withheld as reason:
        yield Fact(entry.name, "part", part, f"withheld: {observer.plain(str(reason))}")
        return
    if observer.is_missing(exchange):
        yield Fact(entry.name, "reach", "", ABSENT_ROW)
        return
    yield Fact(entry.name, "reach", "", THERE)
    yield Fact(entry.name, "part", part, TESTED)
    kind, by = ("minimal request", operation.id) if makes else ("valid request", "")
    yield from observer.answered(entry, kind, exchange, by)
    if operation.method == "DELETE" and exchange.response.ok:
        yield from deleted_file(observer, entry, exchange.request.path)
    if operation.hazard == "disruptive":
        start_again(observer, [contract_of(name) for name in profile_names()])
    observer.fixtures.sweep()


def deleted_file(observer: Observer, entry: CatalogueEntry, path: str) -> Iterator[Fact]:
    """Yield whether the list of files no longer shows one that was deleted."""
    listing, _, name = path.rpartition("/")
    if f"GET {listing}" in catalogue():
        yield Fact(entry.name, "sequence", TAKES_EFFECT, unquote(name) not in observer.get(listing).names)

"""The cases of a recording: survey of the paths, reads, rules, sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sarkmock.suite_api import profiles

from ..client.target import Client
from ..errors import Unanswered, Unavailable, Withheld
from ..fixtures.keys import Keys
from ..fixtures.rows import Spared
from ..safety.restorable import start_again
from ..safety.routing import HAZARDS
from ..spec.contract import contract_of
from ..spec.operation_data import recipe
from .catalogue import Known, catalogue
from .facts import BOX, Fact, Facts, canonical_json
from .observer import ABSENT_ROW, REQUESTED, THERE, Depth, Observer, get
from .questions import (
    ask_rules,
    ask_unknown,
    ask_without_token,
    is_plain_read,
    plain_read,
    read_standing,
    survey_path,
    surveyed_paths,
)
from .sequences import ask_sequence, links, makes_rows

RECORDING_PARTS = {"survey": "what the paths can do", "read": "what is there", "unknown key": "keys of nothing",
         "rules": "every rule", "sequence": "rows: made, shown, changed, removed", "answer": "everything else"}
FACT_KINDS = ("limit", "token", "reach", "part", "status", "type", "header", "field", "error", "sequence", "stores",
              "rule")


@dataclass(frozen=True)
class RecordingCase:
    """A part of the recording that is done or not: all of its facts count, or none."""

    part: str
    name: str
    run: Callable[[Observer], Iterator[Fact]]

    def __str__(self) -> str:
        return f"{self.part}: {self.name}"


@dataclass
class BoxRecorder:
    """Records one box. ``prepare`` is called between the first look and all that may write."""

    client: Client
    depth: Depth
    hazards: frozenset[str]
    only: str | None = None
    texts: Keys | None = None
    spared: Spared | None = None
    prepare: Callable[[Observer], None] = lambda _: None
    fits: Callable[[RecordingCase], bool] = lambda _: True  # whether a case can still be afforded
    done: dict[str, list[Fact]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.observer = Observer(self.client, self.depth, self.texts, self.spared)
        self.names = [name for name, known in catalogue().items() if known.is_in(self.only)]
        self.unasked: dict[str, str] = {}  # cases without facts, and why

    def first_look(self) -> list[RecordingCase]:
        """The cases that send only reads without parameters and OPTIONS."""
        cases = [RecordingCase("survey", path, partial(_survey, path)) for path in surveyed_paths(self.names)]
        cases.append(RecordingCase("survey", BOX, ask_without_token))
        return cases + [RecordingCase("read", known.name, partial(plain_read, known=known))
                        for known in self._known() if is_plain_read(known)]

    def second_look(self) -> list[RecordingCase]:
        """Everything else, after the first look; the cases with most facts for a request come first."""
        known = list(self._known())
        plain = [one for one in known if one.method == "GET" and one.hazard == "read" and "{" in one.path]
        allowed = [one for one in known if one.hazard in self.hazards and not self.is_absent(one)]
        made = [one for one in allowed if one.hazard == "write" and makes_rows(self.observer, one)]
        ruled = sorted((one for one in allowed if one.fields and one.hazard != "read"),
                       key=lambda one: (HAZARDS.index(one.hazard), one.method != "POST"))
        followed = {link.target for one in made for link in self._links(one)}
        rest = sorted((one for one in allowed if one not in made and not one.ids & followed and not is_plain_read(one)
                       and (one.hazard != "read" or self._needs_file(one))),
                      key=lambda one: HAZARDS.index(one.hazard))
        keyed = [one for one in allowed if one.hazard == "write" and one.method != "POST" and "{" in one.path]
        return [*_cases("read", read_standing, plain), *_cases("unknown key", ask_unknown, [*plain, *keyed]),
                *_cases("rules", ask_rules, ruled), *_cases("sequence", ask_sequence, made),
                *_cases("answer", ask_once, rest)]

    def _known(self) -> Iterator[Known]:
        yield from (catalogue()[name] for name in self.names)

    def _links(self, known: Known) -> Iterable[Any]:
        operation = self.observer.operation(known)
        return links(self.observer, operation) if operation else ()

    def _needs_file(self, known: Known) -> bool:
        """A download: it is there only when something was made or sent before."""
        made = {link.target for link in self.observer.contract.links}
        sent = any(recipe("uploaded", name) for name in known.ids)
        return known.first.table is None and self.hazards > {"read"} and (sent or bool(known.ids & made))

    def is_absent(self, known: Known) -> bool:
        return bool(self.observer.facts.get(known.name, "reach") == ABSENT_ROW)

    # running

    def there(self) -> dict[str, bool]:
        """Of which operations it is known whether the box has them."""
        seen = {name: self.observer.facts.get(name, "reach") for name in catalogue()}
        return {name: given == THERE for name, given in seen.items() if given is not None}

    def run(self, watch: Callable[[RecordingCase, int, int], None] = lambda *_: None) -> Facts:
        """Everything; ``watch`` is called with each case that begins, its number and the number of cases."""
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
        """Do a case unless it was done; a case that is cut short has no facts."""
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
            self.observer.learn([Fact(case.name, "part", case.part, "not asked")])

    def result(self) -> Facts:
        """All facts in the order of a recording; what is not known is said, too."""
        facts = list(self.observer.facts)
        for known in self._known():
            if self.observer.facts.get(known.name, "reach") is None:
                facts.append(Fact(known.name, "reach", "", "not reached"))
            if known.hazard not in self.hazards and not self.is_absent(known):
                facts.append(Fact(known.name, "part", "asking", f"not allowed: {known.hazard}"))
        return ordered(fact for fact in facts if fact.fact == "reach" or not self._is_gone(fact))

    def _is_gone(self, fact: Fact) -> bool:
        return bool(self.observer.facts.get(fact.op, "reach") == ABSENT_ROW)


def ordered(facts: Iterable[Fact]) -> Facts:
    """By operation as the documents have them, then by kind, then by name."""
    places = {name: number for number, name in enumerate((BOX, *catalogue()))}
    return Facts(sorted(facts, key=lambda one: (places[one.op], FACT_KINDS.index(one.fact), one.of, one.by,
                                                canonical_json(one.sent) if one.has_value else "")))


def _survey(path: str, observer: Observer) -> Iterator[Fact]:
    return survey_path(observer, path, observer.fixtures.texts.prefix)


def _cases(part: str, ask: Callable[[Observer, Known], Iterator[Fact]],
           members: Iterable[Known]) -> Iterator[RecordingCase]:
    for known in members:
        yield RecordingCase(part, known.name, partial(_asked, ask, known))


def _asked(ask: Callable[[Observer, Known], Iterator[Fact]], known: Known, observer: Observer) -> Iterator[Fact]:
    return ask(observer, known)


ANSWER_PART = "answer"


def ask_elsewhere(observer: Observer, known: Known) -> Iterator[Fact]:
    """Whether a command is there that is expected at another path: OPTIONS says nothing about GET."""
    if known.method != "GET" or "{" in known.path or not known.ids & observer.contract.by_id.keys():
        return
    try:
        exchange = observer.send(get(known.path))
    except Withheld:
        return
    yield Fact(known.name, "reach", "", ABSENT_ROW if observer.is_missing(exchange) else THERE)


def ask_once(observer: Observer, known: Known) -> Iterator[Fact]:
    """One request with what the operation needs."""
    operation = observer.operation(known)
    if operation is None:
        yield from ask_elsewhere(observer, known)
        return
    if operation.table and operation.key and operation.method != "GET" and not observer.fixtures.fixture(operation):
        yield Fact(known.name, "part", ANSWER_PART, "no row of the run's own to try it on")
        return
    makes = operation.method == "POST" and operation.table is not None
    part = "sequence" if makes else ANSWER_PART
    try:
        body = observer.fixtures.minimal(operation) if operation.rules else None
        exchange = observer.send(observer.fixtures.request(operation, body))
    except Unavailable as reason:
        yield Fact(known.name, "part", part, f"not asked: {observer.plain(str(reason))}")
        return
    except Withheld as reason:
        yield Fact(known.name, "part", part, f"withheld: {observer.plain(str(reason))}")
        return
    if observer.is_missing(exchange):
        yield Fact(known.name, "reach", "", ABSENT_ROW)
        return
    yield Fact(known.name, "reach", "", THERE)
    yield Fact(known.name, "part", part, REQUESTED)
    yield from observer.answered(known, "minimal" if makes else "asked", exchange, operation.id if makes else "")
    if operation.hazard == "disruptive":
        start_again(observer, [contract_of(name) for name in profiles()])
    observer.fixtures.sweep()

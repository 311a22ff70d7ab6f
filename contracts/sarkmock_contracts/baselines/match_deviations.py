"""Which known deviations a box shows: mocks of candidate documents are recorded and compared with it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sarkmock.suite_api import (
    BASE,
    Deviation,
    Document,
    Engine,
    OverlayError,
    Seed,
    State,
    apply_overlay,
    create_app,
    described,
    deviations_of,
    keys_of,
    load,
    overlay_of,
    pointer,
    product,
    profiles,
    references,
)

from ..client.target import Target
from ..client.transports import InProcess, SignedIn
from ..errors import Unfit
from ..judge.places import touches
from ..safety.fingerprint import AUTO
from ..safety.routing import HAZARDS
from ..spec.contract import contract_of
from .catalogue import catalogue
from .comparing import Comparison, compare_baselines
from .facts import Baseline, Facts
from .observer import DEPTHS
from .recording import BoxRecorder
from .severity import INFORMATIVE

MOCK_TOKEN = "1|embeddedmock"
NOW = 1_717_236_000  # the clock of a mock that is only looked at stands still
OverlayAction = Mapping[str, Any]
_factory = cache(Seed.factory)


def document_of(actions: Sequence[OverlayAction]) -> Document:
    """The base document with actions applied; Unfit if they do not fit together."""
    try:
        document: Document = apply_overlay(load(), list(actions))
    except OverlayError as error:
        raise Unfit(str(error)) from None
    for place in references(document):
        if not leads_somewhere(document, place):
            raise Unfit(f"nothing stands at #{place}")
    return document


def leads_somewhere(document: Any, place: str) -> bool:
    for key in keys_of(place):
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True


def recording_of(document: Document, like: Baseline) -> Facts:
    """What a mock of a document looks like, asked as a box was; Unfit if it cannot be served."""
    try:
        state = State(_factory(document["x-database"]), now=NOW, token=MOCK_TOKEN)
        target = Target(SignedIn(InProcess(create_app(Engine(document, state))), state))
        return BoxRecorder(target, DEPTHS[like.depth], frozenset(like.allowed), like.only).run()
    except (KeyError, ValueError, AttributeError, TypeError, AssertionError) as error:
        raise Unfit(f"a mock of it fails: {error!r}") from None


def profile_baseline(name: str, like: Baseline | None = None) -> Baseline:
    """What a mock of a profile looks like, asked as for another baseline. FileError if there is no such profile."""
    document = load(name)
    shape = like or Baseline("", "usual", HAZARDS, None, Facts())
    return Baseline(f"the profile {described(name).name}", shape.depth, shape.allowed, shape.only,
                    recording_of(document, shape), name=name)


def beside(document: Document, box: Baseline) -> Comparison:
    """How a box differs from a mock of a document."""
    mock = copy.copy(box)
    mock.facts, mock.recorded = recording_of(document, box), {}
    return compare_baselines(mock, box)


def distance(comparison: Comparison) -> int:
    """The number of differences."""
    return sum(difference.level != INFORMATIVE for difference in comparison.differences)


FEW = 12  # a step that adds more differences than this is not taken
OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Choice:
    """Deviations of a profile that are taken over, and how the box differs from a mock of them."""

    profile: str
    taken: list[str]
    comparison: Comparison

    @property
    def actions(self) -> list[OverlayAction]:
        return actions_of(self.profile, self.taken)


def actions_of(profile: str, taken: Iterable[str]) -> list[OverlayAction]:
    """The actions of some deviations of a profile, in the overlay's order."""
    wanted = set(taken)
    return [action for action in overlay_of(profile)["actions"] if action["x-deviation"] in wanted]


def nearest_choice(box: Baseline) -> Choice:
    """The profile in the package from which a box differs least, with all of its deviations."""
    return min((whole_profile(profile, box) for profile in profiles()), key=lambda choice: distance(choice.comparison))


def whole_profile(profile: str, box: Baseline) -> Choice:
    """A profile with all of its deviations."""
    return Choice(profile, [one.id for one in deviations_of(profile)], beside(document_of(all_of(profile)), box))


def choose(box: Baseline, profile: str = AUTO, on_step: OnStep = lambda _: None) -> Choice:
    """A profile, then each deviation that concerns a remaining difference, with it and without."""
    on_step("which profile is nearest")
    best = nearest_choice(box) if profile == AUTO else whole_profile(profile, box)
    if best.profile == BASE:  # it may still show deviations of the product
        best = Choice(product(), [], best.comparison)
    before = distance(best.comparison) + 1
    while distance(best.comparison) < before:
        before = distance(best.comparison)
        for deviation in deviations_of(best.profile):
            if deviation_concerns(deviation, best.comparison):
                on_step(f"whether it shows {deviation.id}")
                best = better(best, deviation, box)
    return best


def all_of(profile: str) -> list[OverlayAction]:
    return list(overlay_of(profile)["actions"])


def better(choice: Choice, deviation: Deviation, box: Baseline, further: bool = True) -> Choice:
    """The choice with a deviation turned over, if the box is then nearer: at once, or with another one turned too."""
    turned = {*choice.taken} ^ {deviation.id}
    taken = [one.id for one in deviations_of(choice.profile) if one.id in turned]
    section = section_of(deviation)
    try:
        found = beside(document_of(actions_of(choice.profile, taken)), replace(box, only=box.only or section))
    except Unfit:
        return choice
    if differences_in(found, section) < differences_in(choice.comparison, section):
        return Choice(choice.profile, taken, beside(document_of(actions_of(choice.profile, taken)), box))
    if not further or differences_in(found, section) > differences_in(choice.comparison, section) + FEW:
        return choice
    for other in deviations_of(choice.profile):
        if other is not deviation and section_of(other) == section and deviation_concerns(other, found):
            both = better(replace(choice, taken=taken, comparison=found), other, box, further=False)
            if distance(both.comparison) < distance(choice.comparison) and both.taken != taken:
                return both
    return choice


def section_of(deviation: Deviation) -> str | None:
    """The section of the page that a deviation is about; None if it is about several."""
    found = {known.first.section for op, known in catalogue().items()
             if touches(deviation, set(places_of_operation(op)))}
    return found.pop() if len(found) == 1 else None


def differences_in(comparison: Comparison, section: str | None) -> int:
    """The number of differences in a section."""
    return sum(one.level != INFORMATIVE and (section is None or (
        one.op in catalogue() and catalogue()[one.op].first.section == section)) for one in comparison.differences)


def deviation_concerns(deviation: Deviation, comparison: Comparison) -> bool:
    """Whether a deviation changes an operation that still differs."""
    ops = {place for difference in comparison.differences if difference.level != INFORMATIVE
           for place in (difference.op, difference.after) if isinstance(place, str) and place in catalogue()}
    found = {place for op in ops for place in places_of_operation(op)}
    if any("crash" in one.kind for one in comparison.differences):
        found.add(pointer("x-crashes"))
    return touches(deviation, found)


@cache
def places_of_operation(op: str) -> frozenset[str]:
    """Where an operation stands in any profile: itself, its body, its row."""
    found = set()
    for profile, operation in catalogue()[op].versions.items():
        contract = contract_of(profile)
        found.add(pointer("paths", operation.path))
        inner = (contract.body_place(operation), contract.row_place(operation))
        found |= {contract.resolve(place)[0] for place in inner if place is not None}
    return frozenset(found)

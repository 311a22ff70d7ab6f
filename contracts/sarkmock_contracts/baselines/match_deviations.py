"""Which known deviations a box shows: those of the nearest profile that a recording does not contradict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

from sarkmock.suite_api import BASE, Deviation, deviations_of, overlay_of, pointer, product, profiles

from ..errors import Unfit
from ..judge.places import touches
from ..safety.fingerprint import AUTO
from ..spec.contract import contract_of
from .catalogue import catalogue
from .comparing import Comparison
from .files import Baseline
from .mocking import OverlayAction, beside, distance, document_of
from .severity import INFORMATIVE

FEW = 12  # a step that adds more differences than this is not taken
Told = Callable[[str], None]


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


def choose(box: Baseline, profile: str = AUTO, tell: Told = lambda _: None) -> Choice:
    """A profile, then each deviation that concerns a remaining difference, with it and without."""
    tell("which profile is nearest")
    best = nearest_choice(box) if profile == AUTO else whole_profile(profile, box)
    if best.profile == BASE:  # it may still show deviations of the product
        best = Choice(product(), [], best.comparison)
    before = distance(best.comparison) + 1
    while distance(best.comparison) < before:
        before = distance(best.comparison)
        for deviation in deviations_of(best.profile):
            if deviation_concerns(deviation, best.comparison):
                tell(f"whether it shows {deviation.id}")
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
    ops = {place for one in comparison.differences if one.level != INFORMATIVE
           for place in (one.op, one.after) if isinstance(place, str) and place in catalogue()}
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

"""Turns a recording into a profile: an overlay that makes the documented API behave as recorded.

To find the deviations of the box, mocks of candidate documents are recorded in this process and compared with it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
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
    describe_profile,
    deviations_of,
    follow,
    load,
    overlay_of,
    pointer,
    product,
    profile_names,
    redacted,
    references,
    write_whole,
    yaml_text,
)

from ..client.target import Target
from ..client.transports import embedded_mock
from ..errors import Unfit, file_errors
from ..safety.fingerprint import AUTO
from ..safety.routing import HAZARDS
from ..spec.contract import contract_of
from .catalogue import catalogue
from .comparing import Comparison, compare_baselines
from .facts import Baseline, Facts
from .observer import DEPTHS
from .recording import BoxRecorder
from .severity import BREAKING, RISKY, Difference, before_and_after
from .synthesize import OverlayAction, Synthesis, synthesize

MOCK_TOKEN = "1|embeddedmock"
NOW = 1_717_236_000  # fixed clock of these mocks
_factory = cache(Seed.factory)


def document_of(actions: Sequence[OverlayAction]) -> Document:
    """Return the base document with actions applied; raise Unfit if they conflict or break a reference."""
    try:
        document: Document = apply_overlay(load(), list(actions))
    except OverlayError as error:
        raise Unfit(str(error)) from None
    for place in references(document):
        try:
            follow(document, place)
        except (LookupError, TypeError, ValueError):
            raise Unfit(f"no value at #{place}") from None
    return document


def recording_of(document: Document, like: Baseline) -> Facts:
    """Record a mock of a document with the options of a baseline; raise Unfit if it cannot be served."""
    try:
        state = State(_factory(document["x-database"]), now=NOW, token=MOCK_TOKEN)
        target = Target(embedded_mock(Engine(document, state)))
        return BoxRecorder(target, DEPTHS[like.depth], frozenset(like.allowed), like.only).run()
    except (KeyError, ValueError, AttributeError, TypeError, AssertionError) as error:
        raise Unfit(f"a mock of it fails: {error!r}") from None


def profile_baseline(name: str, like: Baseline | None = None) -> Baseline:
    """Record a mock of a profile with the options of another baseline. Raise FileError for an unknown profile."""
    document = load(name)
    shape = like or Baseline("", "usual", HAZARDS, None, Facts())
    return Baseline(f"the profile {describe_profile(name).name}", shape.depth, shape.allowed, shape.only,
                    recording_of(document, shape), name=name)


def differences_to_mock(document: Document, box: Baseline) -> Comparison:
    mock = copy.copy(box)
    mock.facts, mock.recorded = recording_of(document, box), {}
    return compare_baselines(mock, box)


def distance(comparison: Comparison, section: str | None = None) -> int:
    """Return the number of relevant differences, in one section or in all."""
    return sum(section is None or (op in catalogue() and catalogue()[op].first.section == section)
               for op in (difference.op for difference in comparison.relevant))


FEW = 12  # a step that adds more differences than this is not taken
OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Choice:
    """The chosen deviations of a profile, and the comparison of their mock with the box."""

    profile: str
    taken: list[str]
    comparison: Comparison

    @property
    def actions(self) -> list[OverlayAction]:
        return actions_of(self.profile, self.taken)


def actions_of(profile: str, taken: Iterable[str]) -> list[OverlayAction]:
    """Return the actions of some deviations of a profile, in overlay order."""
    wanted = set(taken)
    return [action for action in overlay_of(profile)["actions"] if action["x-deviation"] in wanted]


def nearest_choice(box: Baseline) -> Choice:
    """Return the packaged profile from which a box differs least, with all of its deviations."""
    return min((whole_profile(name, box) for name in profile_names()), key=lambda choice: distance(choice.comparison))


def whole_profile(profile: str, box: Baseline) -> Choice:
    taken = [deviation.id for deviation in deviations_of(profile)]
    return Choice(profile, taken, differences_to_mock(document_of(overlay_of(profile)["actions"]), box))


def choose_deviations(box: Baseline, profile: str = AUTO, on_step: OnStep = lambda _: None) -> Choice:
    """Choose a profile, then toggle each deviation that concerns a remaining difference while that improves the fit."""
    on_step("which profile is nearest")
    best = nearest_choice(box) if profile == AUTO else whole_profile(profile, box)
    if best.profile == BASE:  # the box may still show deviations of the product
        best = Choice(product(), [], best.comparison)
    before = distance(best.comparison) + 1
    while distance(best.comparison) < before:
        before = distance(best.comparison)
        for deviation in deviations_of(best.profile):
            if deviation_concerns(deviation, best.comparison):
                on_step(f"whether it shows {deviation.id}")
                best = improved_choice(best, deviation, box)
    return best if best.taken else replace(best, profile=BASE)


def improved_choice(choice: Choice, deviation: Deviation, box: Baseline, further: bool = True) -> Choice:
    """Return the choice with a deviation toggled, alone or with a second one, if the box is then nearer."""
    turned = {*choice.taken} ^ {deviation.id}
    taken = [listed.id for listed in deviations_of(choice.profile) if listed.id in turned]
    section = section_of(deviation)
    try:
        document = document_of(actions_of(choice.profile, taken))
        differences = differences_to_mock(document, replace(box, only=box.only or section))
    except Unfit:
        return choice
    if distance(differences, section) < distance(choice.comparison, section):
        return Choice(choice.profile, taken, differences_to_mock(document_of(actions_of(choice.profile, taken)), box))
    if not further or distance(differences, section) > distance(choice.comparison, section) + FEW:
        return choice
    for other in deviations_of(choice.profile):
        if other is not deviation and section_of(other) == section and deviation_concerns(other, differences):
            both = improved_choice(replace(choice, taken=taken, comparison=differences), other, box, further=False)
            if distance(both.comparison) < distance(choice.comparison) and both.taken != taken:
                return both
    return choice


def section_of(deviation: Deviation) -> str | None:
    """Return the section of the documentation that a deviation concerns; None unless it is exactly one."""
    sections = {entry.first.section for op, entry in catalogue().items()
                if deviation.touches(places_of_operation(op))}
    return sections.pop() if len(sections) == 1 else None


def deviation_concerns(deviation: Deviation, comparison: Comparison) -> bool:
    """Whether a deviation changes an operation that still differs."""
    ops = {place for difference in comparison.relevant for place in (difference.op, difference.after)
           if isinstance(place, str) and place in catalogue()}
    places = {place for op in ops for place in places_of_operation(op)}
    if any("crash" in difference.kind for difference in comparison.differences):
        places.add(pointer("x-crashes"))
    return deviation.touches(places)


@cache
def places_of_operation(op: str) -> frozenset[str]:
    """Return the pointers to an operation, its body schema and its row schema, over all profiles."""
    places = set()
    for profile, operation in catalogue()[op].versions.items():
        contract = contract_of(profile)
        places.add(pointer("paths", operation.path))
        inner = (contract.body_place(operation), contract.row_place(operation))
        places |= {contract.resolve(place)[0] for place in inner if place is not None}
    return frozenset(places)


# the overlay

OWN_DEVIATION = "box-recorded"
SEVERITY_OF_LEVEL = {BREAKING: "breaks", RISKY: "surprises"}


@dataclass(frozen=True)
class RecordedProfile:
    """An overlay, and the differences that remain between its mock and the box."""

    overlay: dict[str, Any]
    choice: Choice
    expressed: Synthesis
    left: list[Difference]
    facts: int


def profile_from(box: Baseline, profile: str = AUTO, on_step: OnStep = lambda _: None) -> RecordedProfile:
    """Build the overlay of a recording from known deviations, with new actions for the remaining differences."""
    choice = choose_deviations(box, profile, on_step)
    on_step("differences that no known deviation explains")
    synthesis = fitting_actions(choice, box)
    actions = [*profile_action(box), *choice.actions, *synthesis.actions]
    left = differences_to_mock(document_of(actions), box).relevant
    return RecordedProfile(overlay_document(box, choice, synthesis, actions), choice, synthesis, left, len(box.facts))


def fitting_actions(choice: Choice, box: Baseline) -> Synthesis:
    """Return actions for the remaining differences, without deviations that do not improve the fit or conflict."""
    whole = synthesize(document_of(choice.actions), box, choice.comparison.differences)
    kept = Synthesis(beyond=whole.beyond)
    now = distance(choice.comparison)
    for name, differences in whole.deviations.items():
        own = [action for action in whole.actions if action["x-deviation"] == name]
        try:
            then = distance(differences_to_mock(document_of([*choice.actions, *kept.actions, *own]), box))
        except Unfit:
            then = now
        if then < now:
            kept.actions += own
            kept.deviations[name] = differences
            now = then
        else:
            kept.beyond += differences
    return kept


def profile_action(box: Baseline) -> list[OverlayAction]:
    """Return the action of every recorded profile, which sets the title of the document."""
    title = f"SARK V6 API as recorded from {box.target}"
    return [{"target": "$.info", "update": {"title": title}, "x-deviation": OWN_DEVIATION}]


def overlay_document(box: Baseline, choice: Choice, synthesis: Synthesis,
                     actions: list[OverlayAction]) -> dict[str, Any]:
    known = overlay_of(choice.profile)["x-deviations"]
    recorded = str(box.recorded.get("recorded", "some time"))
    listed = {OWN_DEVIATION: {"summary": f"This is the box at {box.target}.", "severity": "cosmetic",
                              "reason": f"Recorded {recorded}, {box.depth} values, allowed: {', '.join(box.allowed)}."}}
    listed |= {name: known[name] for name in known if name in choice.taken}
    listed |= {name: own_deviations(differences) for name, differences in synthesis.deviations.items()}
    return {"overlay": "1.0.0", "info": {"title": f"SARK V6 API as recorded from {box.target}", "version": recorded},
            "x-deviations": listed, "actions": [plain_action(action) for action in actions]}


def own_deviations(differences: Iterable[Difference]) -> dict[str, str]:
    """Describe a deviation that is specific to the box, from the differences of the comparison."""
    listed = list(differences)
    levels = {difference.level for difference in listed}
    worst = next((severity for level, severity in SEVERITY_OF_LEVEL.items() if level in levels), "cosmetic")
    summary = "; ".join(f"{difference.op}: {difference.kind} {difference.of}".strip() for difference in listed)
    reason = "; ".join(filter(None, (before_and_after(difference.before, difference.after) for difference in listed)))
    return {"summary": str(redacted(summary)), "severity": worst,
            "reason": str(redacted(reason)) or "Seen in the recording."}


def plain_action(action: OverlayAction) -> dict[str, Any]:
    """Return an action with its keys in conventional order."""
    return {key: action[key] for key in ("target", "description", "remove", "update", "x-deviation") if key in action}


def write_profile(profile: RecordedProfile, file: Path) -> None:
    """Write the overlay to a file, after checking with the strict loader that it is valid."""
    trial = file.with_name(f".{file.name}.trial.yaml")
    with file_errors(file):
        try:
            trial.write_text(yaml_text(profile.overlay), encoding="utf-8")
            load(str(trial))
        finally:
            trial.unlink(missing_ok=True)
        write_whole(file, yaml_text(profile.overlay).encode())


def profile_lines(profile: RecordedProfile) -> Iterator[str]:
    """Yield the summary lines of a recorded profile."""
    yield (f"nearest to {profile.choice.profile}: {len(profile.choice.taken)} of its deviations, "
           f"{len(profile.expressed.deviations)} of the box's own")
    for difference in profile.left:
        yield f"missing from the profile: {difference.op}: {difference.kind} {difference.of}".rstrip()
    yield f"a mock of it differs from the recording in {len(profile.left)} of {profile.facts} facts"

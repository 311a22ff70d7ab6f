"""Turns a recording into a profile: an overlay that makes the documented API behave as recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sarkmock.suite_api import load, overlay_of, redacted, write_whole, yaml_text

from ..errors import CannotRun, Unfit
from ..safety.fingerprint import AUTO
from .facts import Baseline
from .match_deviations import Choice, OnStep, OverlayAction, beside, choose, distance, document_of
from .severity import BREAKING, INFORMATIVE, RISKY, Difference, before_and_after
from .synthesize import Expressed, express

OWN_DEVIATION = "box-recorded"
SEVERITY_OF_LEVEL = {BREAKING: "breaks", RISKY: "surprises"}


@dataclass(frozen=True)
class RecordedProfile:
    """An overlay, and where a mock of it still differs from the box."""

    overlay: dict[str, Any]
    choice: Choice
    expressed: Expressed
    left: list[Difference]
    facts: int


def profile_from(box: Baseline, profile: str = AUTO, on_step: OnStep = lambda _: None) -> RecordedProfile:
    """The overlay of a recording: known deviations where they explain what was seen, and new actions for the rest."""
    choice = choose(box, profile, on_step)
    on_step("what no known deviation explains")
    found = fitting(choice, box)
    actions = [*head(box), *choice.actions, *found.actions]
    left = [one for one in beside(document_of(actions), box).differences if one.level != INFORMATIVE]
    return RecordedProfile(overlay_document(box, choice, found, actions), choice, found, left, len(box.facts))


def fitting(choice: Choice, box: Baseline) -> Expressed:
    """Actions for the remaining differences, without deviations that improve nothing or do not fit."""
    whole = express(document_of(choice.actions), box, choice.comparison.differences)
    kept = Expressed(beyond=whole.beyond)
    now = distance(choice.comparison)
    for name, differences in whole.deviations.items():
        own = [action for action in whole.actions if action["x-deviation"] == name]
        try:
            then = distance(beside(document_of([*choice.actions, *kept.actions, *own]), box))
        except Unfit:
            then = now
        if then < now:
            kept.actions += own
            kept.deviations[name] = differences
            now = then
        else:
            kept.beyond += differences
    return kept


def head(box: Baseline) -> list[OverlayAction]:
    """The one action that every box has: whose profile it is."""
    title = f"SARK V6 API as recorded from {box.target}"
    return [{"target": "$.info", "update": {"title": title}, "x-deviation": OWN_DEVIATION}]


def overlay_document(box: Baseline, choice: Choice, found: Expressed, actions: list[OverlayAction]) -> dict[str, Any]:
    known = overlay_of(choice.profile)["x-deviations"]
    recorded = str(box.recorded.get("recorded", "some time"))
    listed = {OWN_DEVIATION: {"summary": f"This is the box at {box.target}.", "severity": "cosmetic",
                    "reason": f"Recorded {recorded}, {box.depth} values, allowed: {', '.join(box.allowed)}."}}
    listed |= {name: known[name] for name in known if name in choice.taken}
    listed |= {name: own_deviations(differences) for name, differences in found.deviations.items()}
    return {"overlay": "1.0.0", "info": {"title": f"SARK V6 API as recorded from {box.target}", "version": recorded},
            "x-deviations": listed, "actions": [plain_action(action) for action in actions]}


def own_deviations(differences: Iterable[Difference]) -> dict[str, str]:
    """A deviation of the box's own, in the words of the comparison with a mock."""
    found = list(differences)
    levels = {one.level for one in found}
    worst = next((severity for level, severity in SEVERITY_OF_LEVEL.items() if level in levels), "cosmetic")
    summary = "; ".join(f"{one.op}: {one.kind} {one.of}".strip() for one in found)
    reason = "; ".join(filter(None, (before_and_after(one.before, one.after) for one in found)))
    return {"summary": str(redacted(summary)), "severity": worst,
            "reason": str(redacted(reason)) or "Seen in the recording."}


def plain_action(action: OverlayAction) -> dict[str, Any]:
    """An action in the order in which people write it."""
    return {key: action[key] for key in ("target", "description", "remove", "update", "x-deviation") if key in action}


def write_profile(profile: RecordedProfile, file: Path) -> None:
    """The overlay in a file, read back by the strict loader; nothing is written that it refuses."""
    try:
        trial = file.with_name(f".{file.name}.trial.yaml")
        try:
            trial.write_text(yaml_text(profile.overlay), encoding="utf-8")
            load(str(trial))
        finally:
            trial.unlink(missing_ok=True)
        write_whole(file, yaml_text(profile.overlay).encode())
    except OSError as error:
        raise CannotRun(f"{file}: {error.strerror}") from None


def profile_lines(profile: RecordedProfile) -> Iterator[str]:
    """What became of it, for people."""
    yield (f"nearest to {profile.choice.profile}: {len(profile.choice.taken)} of its deviations, "
           f"{len(profile.expressed.deviations)} of the box's own")
    for one in profile.left:
        yield f"not in the profile: {one.op}: {one.kind} {one.of}".rstrip()
    yield f"a mock of it differs from the recording in {len(profile.left)} of {profile.facts} facts' places"

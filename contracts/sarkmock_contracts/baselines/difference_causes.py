"""Which differences of a comparison have one cause, so that they are reported as one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..judge.causes import Feature, grouped, template
from .catalogue import catalogue
from .severity import DIFFERENCE_LEVELS, Difference, as_text, before_and_after

VARIABLE_KINDS = {"rule tightened", "rule loosened", "rule changed", "value newly crashes", "value no longer crashes",
                  "crash instead of refusal", "variable ignored", "variable stored"}
CRASH_KINDS = {"newly crashes", "no longer crashes"}
SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")


class DifferenceCause(NamedTuple):
    """Differences with one cause, of one level; `feature` is what they have in common."""

    feature: Feature
    differences: list[Difference]

    @property
    def title(self) -> str:
        return str(self.feature)


def difference_causes(differences: Sequence[Difference]) -> list[DifferenceCause]:
    """All causes: what concerns the client first, then by level, then the largest. Every difference is in one."""
    sections: dict[tuple[bool, str], list[Difference]] = {}
    for level in DIFFERENCE_LEVELS:
        for difference in differences:
            if difference.level == level:
                sections.setdefault((not difference.client, level), []).append(difference)
    return [DifferenceCause(*group) for _, members in sorted(sections.items(), key=lambda item: place(*item[0]))
            for group in grouped(members, features_of_difference)]


def place(other: bool, level: str) -> tuple[bool, int]:
    """Where a section stands in a report."""
    return other, DIFFERENCE_LEVELS.index(level)


def features_of_difference(one: Difference) -> Iterator[Feature]:
    """What a difference may have in common with others, the most general first."""
    known = catalogue().get(one.op)
    section = Feature(one.kind, known.first.section if known else one.op)
    change = before_and_after(one.before, one.after)
    changed = ": ".join(filter(None, (one.of, change)))
    if one.kind == "message changed":
        yield from (Feature(one.kind, edit) for edit in edits(one))
    elif one.kind == "error form changed":
        yield Feature(one.kind, change)
    elif not one.of:
        yield section
    elif one.kind in CRASH_KINDS:
        yield from (section, Feature(one.kind, changed))
    else:
        yield from (Feature(one.kind, one.of if one.kind in VARIABLE_KINDS else changed), section)
    yield Feature(one.kind, one.id)


def edits(one: Difference) -> Iterator[str]:
    """What changed in the templates of messages: the words that both share at the beginning and the end left out."""
    before, after = (SENTENCE.split(re.sub(r"(^|; )refused: ", r"\1", as_text(side)).replace(".; ", ". "))
                     for side in (one.before, one.after))
    if len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            words = [template(text, one.of).split() for text in (old, new)]
            if words[0] != words[1]:
                yield edit(*words)


def edit(old: list[str], new: list[str]) -> str:
    """The words that differ, quoted."""
    start = shared_words(old, new)
    old, new = old[start:], new[start:]
    end = shared_words(old[::-1], new[::-1])
    words = (" ".join(text[:len(text) - end]) for text in (old, new))
    return " -> ".join(f"'{text}'" if text else "nothing" for text in words)


def shared_words(old: list[str], new: list[str]) -> int:
    """How many words both begin with."""
    return next((number for number, (one, other) in enumerate(zip(old, new, strict=False)) if one != other),
                min(len(old), len(new)))

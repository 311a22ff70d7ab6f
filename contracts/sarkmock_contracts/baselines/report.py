"""A comparison for people and programs: differences grouped by cause, as text, Markdown, HTML and JSON.

The JSON form lists every difference; the others fold those that have one cause.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sarkmock.suite_api import counted, harmless, redacted

from ..judge.causes import SHOWN, Feature, grouped, template, unique
from ..reports.console import listed_names
from ..reports.data import Data
from ..reports.pages import cell, details_lines, render_page, table_lines
from .catalogue import catalogue
from .comparing import Comparison
from .facts import BOX, Baseline
from .severity import BREAKING, DIFFERENCE_LEVELS, RISKY, Difference, Unreached, as_text, before_and_after

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
    entry = catalogue().get(one.op)
    section = Feature(one.kind, entry.first.section if entry else one.op)
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


COMPARE_FORMAT = "sarkmock-compare/1"
COMPARE_TEMPLATE = Path(__file__).with_name("compare.html.j2")
MOST_SHOWN = 100  # causes of a level in Markdown; a job summary has an end


def describe_comparison(comparison: Comparison, clients: str | None = None) -> Data:
    """The whole comparison, described by compare.schema.json."""
    found: Data = {
        "format": COMPARE_FORMAT,
        "before": side(comparison.before),
        "after": side(comparison.after),
        "clients": clients,
        "summary": {**{level: len(comparison.of(level)) for level in DIFFERENCE_LEVELS},
                    "client": sum(one.client for one in comparison.differences),
                    "unreached": len({one.op for one in comparison.unreached})},
        "notes": list(notes(comparison.before, comparison.after)),
        "causes": [cause_data(one) for one in difference_causes(comparison.differences)],
        "differences": [difference(one) for one in comparison.differences],
        "unreached": [unreached_data(one) for one in comparison.unreached],
    }
    return harmless(redacted(found))  # type: ignore[no-any-return]


def side(baseline: Baseline) -> Data:
    return {"name": baseline.name, "target": baseline.target, "recorded": baseline.recorded.get("recorded"),
            "depth": baseline.depth, "allowed": list(baseline.allowed), "only": baseline.only}


def difference(one: Difference) -> Data:
    return {"id": one.id, "kind": one.kind, "level": one.level, "operation": one.op, "of": one.of,
            "before": one.before, "after": one.after, "reason": one.reason, "examples": list(one.examples),
            "client": one.client}


def cause_data(cause: DifferenceCause) -> Data:
    first = cause.differences[0]
    return {"title": cause.title, "kind": first.kind, "level": first.level, "reason": first.reason,
            "client": first.client, "operations": unique(one.op for one in cause.differences),
            "of": unique(one.of for one in cause.differences),
            "differences": [one.id for one in cause.differences]}


def unreached_data(one: Unreached) -> Data:
    return {"operation": one.op, "part": one.part, "before": one.before, "after": one.after}


def notes(before: Baseline, after: Baseline) -> Iterator[str]:
    """Why less was compared than could have been."""
    if before.allowed != after.allowed:
        yield (f"before could {', '.join(before.allowed)}, after could {', '.join(after.allowed)}: "
               "only what both have asked is compared")
    if before.depth != after.depth:
        yield f"before tried {before.depth} values, after {after.depth}: only those that both have tried are compared"
    if before.only != after.only:
        yield f"before is of {before.only or 'all sections'}, after of {after.only or 'all sections'}"


# sections: what breaks the client first, then the rest by level


def cause_sections(data: Data) -> list[tuple[str, list[Data]]]:
    """Titles and causes, in the order of a report."""
    sections: dict[str, list[Data]] = {}
    for cause in data["causes"]:
        sections.setdefault(section_title(cause), []).append(cause)
    return list(sections.items())


def section_title(cause: Data) -> str:
    verbs = {BREAKING: "breaks", RISKY: "may break"}
    if cause["client"] and cause["level"] in verbs:
        return f"This {verbs[cause['level']]} YOUR client"
    return str(cause["level"]).capitalize()


def members_by_cause(data: Data) -> Callable[[Data], list[Data]]:
    """A function that gives the differences of a cause."""
    by_id = {one["id"]: one for one in data["differences"]}
    return lambda cause: [by_id[name] for name in cause["differences"]]


def headline(data: Data) -> str:
    counts = data["summary"]
    text = ", ".join(f"{counts[level]} {level}" for level in DIFFERENCE_LEVELS)
    return f"{text}; {counts['unreached']} operations not reached in one of the two"


def difference_name(one: Data) -> str:
    return "the box" if one["operation"] == BOX else str(one["operation"])


def change_of(one: Data) -> str:
    return before_and_after(one["before"], one["after"])


def comparison_text(data: Data, shown: int | None = None) -> str:
    """The causes as text; `shown` of them with some of their operations, or all."""
    return "\n".join(_text(data, shown)) + "\n"


def terminal_text(data: Data) -> str:
    """The first causes, for a terminal."""
    return comparison_text(data, SHOWN)


def _text(data: Data, shown: int | None) -> Iterator[str]:
    for name in ("before", "after"):
        one = data[name]
        yield f"{name:7} {one['name'] or one['target']} ({one['target']}, {one['recorded'] or 'in this process'})"
    yield from (f"note    {note}" for note in data["notes"])
    yield f"result  {headline(data)}"
    first, members = data["causes"][:shown], members_by_cause(data)
    for title, causes in cause_sections({**data, "causes": first}):
        yield from ("", title.upper())
        for cause in causes:
            yield from cause_text(cause, members(cause), shown is None)
    if len(first) < len(data["causes"]):
        yield from ("", f"and {len(data['causes']) - len(first)} more causes: --report DIR writes all of them")
    if data["unreached"]:
        yield from ("", "NOT REACHED in one of the two, so neither gone nor fixed")
        yield from (f"  {line}" for line in unreached_lines(data, shown is None))


def cause_text(cause: Data, members: list[Data], whole: bool) -> Iterator[str]:
    """A cause and the differences that it explains; a single difference speaks for itself."""
    first = members[0]
    if len(members) == 1:
        yield f"  {difference_name(first)}: {first['kind']}{': ' if first['of'] else ''}{first['of']}"
    else:
        yield f"  {cause['title']} ({counted(len(members), 'difference')})"
        yield f"      in {names(cause['operations'], whole)}"
    if len(members) > 1 and len(cause["of"]) > 1:
        yield f"      of {names(cause['of'], whole)}"
    example = change_of(first)
    if example and (len(members) == 1 or example not in cause["title"]):
        yield f"      {example}"
    yield f"      {cause['reason']}"


def names(texts: list[str], whole: bool) -> str:
    return ", ".join(texts) if whole else listed_names(texts)


def unreached_lines(data: Data, whole: bool = True) -> Iterator[str]:
    """One line for each reason."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for one in data["unreached"]:
        operations = found.setdefault((one["before"], one["after"]), {})
        operations.setdefault(one["operation"], []).append(one["part"])
    for (before, after), operations in found.items():
        texts = [f"{operation} ({', '.join(parts)})" for operation, parts in operations.items()]
        yield f"before: {before}; after: {after}: {names(texts, whole)}"


# Markdown


def comparison_markdown(data: Data) -> str:
    return "\n".join(_markdown(data)) + "\n"


def _markdown(data: Data) -> Iterator[str]:
    yield from ("## SARK API, before and after", "", f"{headline(data)}.", "")
    for name in ("before", "after"):
        one = data[name]
        yield cell(f"- {name}: `{one['name'] or one['target']}` ({one['target']}, "
                   f"{one['recorded'] or 'in this process'})")
    yield from (f"- {cell(note)}" for note in data["notes"])
    members_of = members_by_cause(data)
    for title, causes in cause_sections(data):
        yield from ("", f"### {title}", "")
        yield from table_lines(("what", "differences:", "operations", "of", "change", "why"),
                         (cause_row(cause, members_of(cause)) for cause in causes[:MOST_SHOWN]))
        if len(causes) > MOST_SHOWN:
            yield from ("", f"... and {len(causes) - MOST_SHOWN} more.")
    if data["unreached"]:
        yield from details_lines("Not reached in one of the two: neither gone nor fixed",
                           (f"- {cell(line)}" for line in unreached_lines(data)))


def cause_row(cause: Data, members: list[Data]) -> tuple[object, ...]:
    what = cause["title"] if len(members) > 1 else cause["kind"]
    return (what, len(members), listed_names(cause["operations"]), listed_names(cause["of"]), change_of(members[0]),
            cause["reason"])


def by_kind(data: Data) -> list[tuple[str, int]]:
    """How many differences there are of each kind."""
    return Counter(one["kind"] for one in data["differences"]).most_common()


# HTML


def comparison_html(data: Data) -> str:
    filters = {"change": change_of, "name_of": difference_name, "members": members_by_cause(data)}
    return render_page(COMPARE_TEMPLATE, filters, data=data, sections=cause_sections(data), headline=headline(data),
                       kinds=by_kind(data), unreached=list(unreached_lines(data)))

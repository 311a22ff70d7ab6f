"""Reports of a comparison: differences grouped by cause, as text, Markdown, HTML and JSON.

The JSON report lists every difference; the others combine the differences of one cause.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sarkmock.suite_api import counted, harmless, redacted

from ..judge.causes import SHOWN, Feature, grouped_by_feature, message_template, unique
from ..reports import cell, details_lines, render_page, table_lines
from ..reports.console import listed_names
from ..reports.data import Data
from .catalogue import catalogue
from .comparing import Comparison
from .facts import BOX, Baseline
from .severity import (
    BREAKING,
    DIFFERENCE_LEVELS,
    KNOWN_BY_VERSION,
    RISKY,
    Difference,
    Unreached,
    as_text,
    before_and_after,
)

VARIABLE_KINDS = {"rule tightened", "rule loosened", "rule changed", "value now crashes", "value no longer crashes",
                  "crash instead of rejection", "variable ignored", "variable stored"}
CRASH_KINDS = {"now crashes", "no longer crashes"}
SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")


class DifferenceCause(NamedTuple):
    """Differences of one level with one cause; `feature` is what they have in common."""

    feature: Feature
    differences: list[Difference]

    @property
    def title(self) -> str:
        return str(self.feature)


def difference_causes(differences: Sequence[Difference]) -> list[DifferenceCause]:
    """Group all differences by cause: those that concern the client first, then by level, then the largest causes."""
    sections: dict[tuple[bool, str], list[Difference]] = {}
    for difference in differences:
        sections.setdefault((not difference.client, difference.level), []).append(difference)
    return [DifferenceCause(*group) for of_others in (False, True) for level in DIFFERENCE_LEVELS
            for group in grouped_by_feature(sections.get((of_others, level), []), features_of_difference)]


def features_of_difference(difference: Difference) -> Iterator[Feature]:
    """Yield the features that a difference may share with others, the most general first."""
    entry = catalogue().get(difference.op)
    place = entry.first.section if entry else difference.op
    section = Feature(difference.kind, f"{place}, {KNOWN_BY_VERSION}" if difference.versions else place)
    change = before_and_after(difference.before, difference.after)
    changed = ": ".join(filter(None, (difference.of, change)))
    if difference.kind == "message changed":
        yield from (Feature(difference.kind, edit) for edit in message_edits(difference))
    elif difference.kind == "error form changed":
        yield Feature(difference.kind, change)
    elif not difference.of:
        yield section
    elif difference.kind in CRASH_KINDS:
        yield from (section, Feature(difference.kind, changed))
    else:
        yield from (Feature(difference.kind, difference.of if difference.kind in VARIABLE_KINDS else changed), section)
    yield Feature(difference.kind, difference.id)


def message_edits(difference: Difference) -> Iterator[str]:
    """Yield the changed words of message templates, without the common words at the beginning and the end."""
    before, after = (SENTENCE.split(re.sub(r"(^|; )rejected: ", r"\1", as_text(side)).replace(".; ", ". "))
                     for side in (difference.before, difference.after))
    if len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            words = [message_template(text, difference.of).split() for text in (old, new)]
            if words[0] != words[1]:
                yield differing_words(*words)


def differing_words(old: list[str], new: list[str]) -> str:
    """Return the differing words of two texts, quoted."""
    start = shared_words(old, new)
    old, new = old[start:], new[start:]
    end = shared_words(old[::-1], new[::-1])
    words = (" ".join(text[:len(text) - end]) for text in (old, new))
    return " -> ".join(f"'{text}'" if text else "nothing" for text in words)


def shared_words(old: list[str], new: list[str]) -> int:
    """Return the number of common words at the beginning."""
    return next((number for number, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]),
                min(len(old), len(new)))


COMPARE_FORMAT = "sarkmock-compare/1"
COMPARE_TEMPLATE = Path(__file__).with_name("compare.html.j2")
MOST_SHOWN = 100  # causes per level in Markdown, because CI job summaries have a size limit


def describe_comparison(comparison: Comparison, clients: str | None = None) -> Data:
    """Return the comparison as plain data, as described by compare.schema.json."""
    data: Data = {
        "format": COMPARE_FORMAT,
        "before": side_data(comparison.before),
        "after": side_data(comparison.after),
        "clients": clients,
        "summary": {**{level: len(comparison.of(level)) for level in DIFFERENCE_LEVELS},
                    "client": sum(difference.client for difference in comparison.differences),
                    "unreached": len({unreached.op for unreached in comparison.unreached})},
        "notes": list(notes(comparison.before, comparison.after)),
        "causes": list(map(cause_data, difference_causes(comparison.differences))),
        "differences": list(map(difference_data, comparison.differences)),
        "unreached": list(map(unreached_data, comparison.unreached)),
    }
    return harmless(redacted(data))  # type: ignore[no-any-return]


def side_data(baseline: Baseline) -> Data:
    return {"name": baseline.name, "target": baseline.target, "recorded": baseline.recorded.get("recorded"),
            "depth": baseline.depth, "allowed": list(baseline.allowed), "only": baseline.only}


def difference_data(difference: Difference) -> Data:
    return {"id": difference.id, "kind": difference.kind, "level": difference.level, "operation": difference.op,
            "of": difference.of, "before": difference.before, "after": difference.after, "reason": difference.reason,
            "examples": list(difference.examples), "client": difference.client}


def cause_data(cause: DifferenceCause) -> Data:
    first = cause.differences[0]
    return {"title": cause.title, "kind": first.kind, "level": first.level, "reason": first.reason,
            "client": first.client, "operations": unique(difference.op for difference in cause.differences),
            "of": unique(difference.of for difference in cause.differences),
            "differences": [difference.id for difference in cause.differences]}


def unreached_data(unreached: Unreached) -> Data:
    return {"operation": unreached.op, "part": unreached.part, "before": unreached.before, "after": unreached.after}


def notes(before: Baseline, after: Baseline) -> Iterator[str]:
    """Yield notes on differences in recording options that reduce what is compared."""
    if before.allowed != after.allowed:
        yield (f"before allowed {', '.join(before.allowed)}, after {', '.join(after.allowed)}: "
               "only what both have requested is compared")
    if before.depth != after.depth:
        yield f"before tried {before.depth} values, after {after.depth}: only values that both have tried are compared"
    if before.only != after.only:
        yield f"before covers {before.only or 'all sections'}, after {after.only or 'all sections'}"


# sections: what breaks the client first, then the rest by level


def cause_sections(data: Data) -> list[tuple[str, list[Data]]]:
    """Return section titles with their causes, in report order."""
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
    """Return a function from a cause to its differences."""
    by_id = {difference["id"]: difference for difference in data["differences"]}
    return lambda cause: [by_id[name] for name in cause["differences"]]


def headline(data: Data) -> str:
    counts = data["summary"]
    text = ", ".join(f"{counts[level]} {level}" for level in DIFFERENCE_LEVELS)
    return f"{text}; {counts['unreached']} operations not reached in one of the two"


def side_name(side: Data) -> str:
    return str(side["name"] or side["target"])


def side_origin(side: Data) -> str:
    return f"{side['target']}, {side['recorded'] or 'in this process'}"


def difference_name(difference: Data) -> str:
    return "the box" if difference["operation"] == BOX else str(difference["operation"])


def change_of(difference: Data) -> str:
    return before_and_after(difference["before"], difference["after"])


def comparison_text(data: Data, limit: int | None = None) -> str:
    """Return the report as text: the first `limit` causes with some of their operations, or everything."""
    return "\n".join(_text_lines(data, limit)) + "\n"


def terminal_text(data: Data) -> str:
    """Return the text report for a terminal, with the first causes only."""
    return comparison_text(data, SHOWN)


def _text_lines(data: Data, limit: int | None) -> Iterator[str]:
    yield from (f"{name:7} {side_name(data[name])} ({side_origin(data[name])})" for name in ("before", "after"))
    yield from (f"note    {note}" for note in data["notes"])
    yield f"result  {headline(data)}"
    first, members = data["causes"][:limit], members_by_cause(data)
    for title, causes in cause_sections({**data, "causes": first}):
        yield from ("", title.upper())
        for cause in causes:
            yield from cause_text(cause, members(cause), limit is None)
    if len(first) < len(data["causes"]):
        yield from ("", f"and {len(data['causes']) - len(first)} more causes: --report DIR writes all of them")
    if data["unreached"]:
        yield from ("", "NOT REACHED in one of the two, so neither removed nor fixed")
        yield from (f"  {line}" for line in unreached_lines(data, limit is None))


def cause_text(cause: Data, members: list[Data], whole: bool) -> Iterator[str]:
    """Yield the lines of a cause, or of its difference if there is only one."""
    first = members[0]
    if len(members) == 1:
        yield f"  {difference_name(first)}: {first['kind']}{': ' if first['of'] else ''}{first['of']}"
    else:
        yield f"  {cause['title']} ({counted(len(members), 'difference')})"
        yield f"      in {listed_text(cause['operations'], whole)}"
    if len(members) > 1 and len(cause["of"]) > 1:
        yield f"      of {listed_text(cause['of'], whole)}"
    example = change_of(first)
    if example and (len(members) == 1 or example not in cause["title"]):
        yield f"      {example}"
    yield f"      {cause['reason']}"


def listed_text(texts: list[str], whole: bool) -> str:
    return ", ".join(texts) if whole else listed_names(texts)


def unreached_lines(data: Data, whole: bool = True) -> Iterator[str]:
    """Yield one line per pair of reasons, with its operations and parts."""
    changes: dict[tuple[str, str], dict[str, list[str]]] = {}
    for entry in data["unreached"]:
        operations = changes.setdefault((entry["before"], entry["after"]), {})
        operations.setdefault(entry["operation"], []).append(entry["part"])
    for (before, after), operations in changes.items():
        texts = [f"{operation} ({', '.join(parts)})" for operation, parts in operations.items()]
        yield f"before: {before}; after: {after}: {listed_text(texts, whole)}"


# Markdown


def comparison_markdown(data: Data) -> str:
    return "\n".join(_markdown_lines(data)) + "\n"


def _markdown_lines(data: Data) -> Iterator[str]:
    yield from ("## SARK API, before and after", "", f"{headline(data)}.", "")
    for name in ("before", "after"):
        yield cell(f"- {name}: `{side_name(data[name])}` ({side_origin(data[name])})")
    yield from (f"- {cell(note)}" for note in data["notes"])
    members_of = members_by_cause(data)
    for title, causes in cause_sections(data):
        yield from ("", f"### {title}", "")
        yield from table_lines(("what", "differences:", "operations", "of", "change", "why"),
                               (cause_row(cause, members_of(cause)) for cause in causes[:MOST_SHOWN]))
        if len(causes) > MOST_SHOWN:
            yield from ("", f"... and {len(causes) - MOST_SHOWN} more.")
    if data["unreached"]:
        yield from details_lines("Not reached in one of the two, so neither removed nor fixed",
                                 (f"- {cell(line)}" for line in unreached_lines(data)))


def cause_row(cause: Data, members: list[Data]) -> tuple[object, ...]:
    what = cause["title"] if len(members) > 1 else cause["kind"]
    return (what, len(members), listed_names(cause["operations"]), listed_names(cause["of"]), change_of(members[0]),
            cause["reason"])


# HTML


def comparison_html(data: Data) -> str:
    filters = {"change": change_of, "name_of": difference_name, "members": members_by_cause(data)}
    kinds = Counter(difference["kind"] for difference in data["differences"])
    return render_page(COMPARE_TEMPLATE, filters, data=data, sections=cause_sections(data), headline=headline(data),
                       kinds=kinds.most_common(), unreached=list(unreached_lines(data)))

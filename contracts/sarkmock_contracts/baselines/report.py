"""A comparison as plain data, which is its JSON form, and as text and Markdown. Secrets are taken out here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sarkmock.suite_api import harmless, redacted

from ..reports.data import Data
from ..reports.html import render_page
from ..reports.markdown import cell
from .comparing import Comparison
from .facts import BOX
from .files import Baseline
from .severity import DIFFERENCE_LEVELS, Difference, Unreached

COMPARE_FORMAT = "sarkmock-compare/1"
COMPARE_TEMPLATE = Path(__file__).with_name("compare.html.j2")
MOST_SHOWN = 100  # differences of a level in Markdown; a job summary has an end


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


def difference_sections(data: Data) -> list[tuple[str, list[Data]]]:
    """Titles and differences, in the order of a report."""
    found = data["differences"]
    mine = [one for one in found if one["client"] and one["level"] in DIFFERENCE_LEVELS[:2]]
    first = [(f"This {verb} YOUR client", [one for one in mine if one["level"] == level])
             for level, verb in zip(DIFFERENCE_LEVELS, ("breaks", "may break"), strict=False)]
    rest = [(level.capitalize(), [one for one in found if one["level"] == level and one not in mine])
            for level in DIFFERENCE_LEVELS]
    return [(title, members) for title, members in (*first, *rest) if members]


def headline(data: Data) -> str:
    counts = data["summary"]
    text = ", ".join(f"{counts[level]} {level}" for level in DIFFERENCE_LEVELS)
    return f"{text}; {counts['unreached']} operations not reached in one of the two"


def difference_name(one: Data) -> str:
    return "the box" if one["operation"] == BOX else str(one["operation"])


def before_and_after(one: Data) -> str:
    """Before and after for people; nothing where the kind says it all."""
    words = [", ".join(value) if isinstance(value, list) else "nothing" if value is None else str(value)
             for value in (one["before"], one["after"])]
    return "" if one["before"] is None and one["after"] is None else f"{words[0]} -> {words[1]}"


def comparison_text(data: Data) -> str:
    """For a terminal."""
    return "\n".join(_text(data)) + "\n"


def _text(data: Data) -> Iterator[str]:
    for name in ("before", "after"):
        one = data[name]
        yield f"{name:7} {one['name'] or one['target']} ({one['target']}, {one['recorded'] or 'in this process'})"
    yield from (f"note    {note}" for note in data["notes"])
    yield f"result  {headline(data)}"
    for title, members in difference_sections(data):
        yield from ("", title.upper())
        for one in members:
            of = f" {one['of']}" if one["of"] else ""
            yield f"  {difference_name(one)}: {one['kind']}:{of}" if of else f"  {difference_name(one)}: {one['kind']}"
            yield from (f"      {line}" for line in (before_and_after(one), one["reason"]) if line)
    if data["unreached"]:
        yield from ("", "NOT REACHED in one of the two, so neither gone nor fixed")
        yield from (f"  {line}" for line in unreached_lines(data))


def unreached_lines(data: Data) -> Iterator[str]:
    """One line for each operation and reason."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for one in data["unreached"]:
        found.setdefault((one["operation"], one["before"], one["after"]), []).append(one["part"])
    for (operation, before, after), parts in found.items():
        yield f"{operation}: {', '.join(parts)}: before: {before}; after: {after}"


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
    for title, members in difference_sections(data):
        yield from ("", f"### {title}", "")
        yield from ("| operation | what | of | change | why |", "| --- | --- | --- | --- | --- |")
        for one in members[:MOST_SHOWN]:
            cells = (f"`{difference_name(one)}`", one["kind"], one["of"], before_and_after(one), one["reason"])
            yield f"| {' | '.join(map(cell, cells))} |"
        if len(members) > MOST_SHOWN:
            yield from ("", f"... and {len(members) - MOST_SHOWN} more.")
    if data["unreached"]:
        yield from ("", "<details><summary>Not reached in one of the two: neither gone nor fixed</summary>", "")
        yield from (f"- {cell(line)}" for line in unreached_lines(data))
        yield from ("", "</details>")


def by_kind(data: Data) -> list[tuple[str, int]]:
    """How many differences there are of each kind."""
    return Counter(one["kind"] for one in data["differences"]).most_common()


# HTML


def comparison_html(data: Data) -> str:
    return render_page(COMPARE_TEMPLATE, {"change": before_and_after, "name_of": difference_name}, data=data,
                       sections=difference_sections(data),
                       headline=headline(data), kinds=by_kind(data), unreached=list(unreached_lines(data)))

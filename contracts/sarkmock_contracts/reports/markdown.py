"""The run as Markdown: a summary that a CI job can show. New findings in full, known ones by their deviation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .data import Data

NAMED_OPERATIONS = 6  # operations of one cause
MOST_FINDINGS = 50  # findings of one kind; a job summary has an end
COUNT_LINE = ("{new} new, {expired} expired, {known} known and {accepted} accepted findings; "
          "{fixed} listed deviations fixed.")
MARKS = {"passed": "✅", "failed": "❌", "stopped": "⚠️"}


def as_markdown(data: Data) -> str:
    return "\n".join(_lines(data)) + "\n"


def _lines(data: Data) -> Iterator[str]:
    run, counts = data["run"], data["summary"]
    yield f"## {MARKS[data['result']]} SARK API: {data['result']}"
    yield ""
    yield COUNT_LINE.format(**counts)
    yield ""
    version = data["target"]["version"]
    text = "`{url}` answers as {version}; judged by {profile}, {requests} requests in {seconds} s, seed {random_seed}."
    yield text.format(version=version, **run)
    yield from _incomplete(run)
    yield from _causes(data["causes"])
    for status in ("new", "expired", "known") if run["strict"] else ("new", "expired"):
        yield from _findings(status, [finding for finding in data["findings"] if finding["status"] == status])
    yield from _deviations("Fixed", [deviation for deviation in data["deviations"] if deviation["status"] == "fixed"])
    yield from _deviations("Known", [one for one in data["deviations"] if one["status"] == "known"])
    yield from _coverage(data)


def _incomplete(run: Data) -> Iterator[str]:
    if run["ending"]:
        yield from ("", f"**{cell(run['ending'])}**")
    yield from (f"- not as before: {cell(line)}" for line in run["residue"])
    if run["untested"]:
        yield from ("", f"{len(run['untested'])} cases were left untested.")


def _causes(causes: list[Data]) -> Iterator[str]:
    if not causes:
        return
    yield from ("", "### Causes", "", "| severity | what findings have in common | findings | where |",
                "| --- | --- | --: | --- |")
    for cause in causes[:MOST_FINDINGS]:
        more = ["..."] if len(cause["operations"]) > NAMED_OPERATIONS else []
        where = ", ".join([*cause["operations"][:NAMED_OPERATIONS], *more])
        yield f"| {cause['severity']} | {cell(cause['title'])} | {len(cause['findings'])} | {cell(where)} |"


def _findings(status: str, found: list[Data]) -> Iterator[str]:
    if not found:
        return
    yield from ("", f"<details><summary>{status.capitalize()} ({len(found)})</summary>", "")
    yield from ("| severity | finding | what | page |", "| --- | --- | --- | --- |")
    for one in found[:MOST_FINDINGS]:
        yield f"| {one['severity']} | `{cell(one['id'])}` | {cell(one['message'])} | {_numbers(one['page_lines'])} |"
    if len(found) > MOST_FINDINGS:
        yield from ("", f"... and {len(found) - MOST_FINDINGS} more.")
    yield from ("", "</details>")


def _deviations(title: str, listed: list[Data]) -> Iterator[str]:
    if not listed:
        return
    yield from ("", f"<details><summary>{title} deviations ({len(listed)})</summary>", "")
    yield from (f"- `{one['id']}` ({one['severity']}): {cell(one['summary'])}" for one in listed)
    yield from ("", "</details>")


def _coverage(data: Data) -> Iterator[str]:
    yield from ("", "| section | operations | rules | accepted | refused | findings |",
                "| --- | --: | --: | --: | --: | --: |")
    for section in dict.fromkeys(one["section"] for one in data["coverage"]):
        members = [one for one in data["coverage"] if one["section"] == section]
        rules = [rule for member in members for rule in member["rules"]]
        found = sum(finding["section"] == section for finding in data["findings"])
        yield (f"| {section} | {sum(bool(one['statuses']) for one in members)}/{len(members)} | {len(rules)} "
               f"| {sum(rule['accepted'] for rule in rules)} | {sum(rule['refused'] for rule in rules)} | {found} |")


def _numbers(lines: list[int]) -> str:
    return ", ".join(map(str, lines))


def cell(value: Any) -> str:
    """A value as a cell of a table."""
    text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
    return text.replace("](", "]\\(")

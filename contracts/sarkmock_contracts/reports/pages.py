"""The HTML report, with filters, and the Markdown summary for CI jobs. Both are made from plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from sarkmock.suite_api import counted

from ..judge.findings import SEVERITIES
from .data import Data, coverage_by_section, failing_statuses

REPORT_TEMPLATE = Path(__file__).with_name("report.html.j2")
STATUSES = ("new", "expired", "known", "accepted")


def render_page(template: Path, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """Render a template as a self-contained page."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    environment.filters.update(filters)
    return environment.from_string(template.read_text(encoding="utf-8")).render(**values)


def as_html(data: Data) -> str:
    status_of = {finding["id"]: finding["status"] for finding in data["findings"]}
    return render_page(REPORT_TEMPLATE, {"state": rule_state}, data=data, sections=coverage_by_section(data).items(),
                       statuses=STATUSES, severities=SEVERITIES, findings=sorted(data["findings"], key=finding_rank),
                       status_of=status_of)


def finding_rank(finding: Data) -> tuple[int, int]:
    return STATUSES.index(finding["status"]), SEVERITIES.index(finding["severity"])


def rule_state(rule: Any) -> str:
    """Return how far a variable's rules were tested; the words are also names of CSS classes."""
    if rule["findings"]:
        return "finding"
    if rule["accepted"] and rule["rejected"]:
        return "both"
    return "accepted" if rule["accepted"] else "rejected" if rule["rejected"] else "untested"


# Markdown

NAMED_OPERATIONS = 6  # operations named per cause
MOST_FINDINGS = 50  # findings per status, because job summaries have a size limit
COUNT_LINE = ("{new} new, {expired} expired, {known} known and {accepted} accepted findings; "
              "{fixed} listed deviations fixed.")
RUN_LINE = ("`{url}` is recognised as {version}; judged by {profile}, {requests} requests in {seconds} s, "
            "seed {random_seed}.")
MARKS = {"passed": "✅", "failed": "❌", "stopped": "⚠️"}


def as_markdown(data: Data) -> str:
    return "\n".join(markdown_lines(data)) + "\n"


def markdown_lines(data: Data) -> Iterator[str]:
    run = data["run"]
    yield from (f"## {MARKS[data['result']]} SARK API: {data['result']}", "", COUNT_LINE.format(**data["summary"]), "")
    yield RUN_LINE.format(version=data["target"]["version"], **run)
    if run["ending"]:
        yield from ("", f"**{cell(run['ending'])}**")
    yield from (f"- not restored: {cell(line)}" for line in run["residue"])
    if run["untested"]:
        yield from ("", f"Not tested: {counted(len(run['untested']), 'case')}.")
    if data["causes"]:
        yield from ("", "### Causes", "")
        yield from table_lines(("severity", "what findings have in common", "findings:", "where"),
                               map(_cause_row, data["causes"][:MOST_FINDINGS]))
    for status in failing_statuses(data):
        yield from _findings(status, [finding for finding in data["findings"] if finding["status"] == status])
    for status in ("fixed", "known"):
        listed = [deviation for deviation in data["deviations"] if deviation["status"] == status]
        lines = (f"- `{entry['id']}` ({entry['severity']}): {cell(entry['summary'])}" for entry in listed)
        yield from details_lines(f"{status.capitalize()} deviations ({len(listed)})", lines) if listed else ()
    yield ""
    headings = ("section", "operations:", "rules:", "accepted:", "rejected:", "findings:")
    yield from table_lines(headings, _coverage_rows(data))


def _cause_row(cause: Data) -> tuple[object, ...]:
    more = ["..."] if len(cause["operations"]) > NAMED_OPERATIONS else []
    where = ", ".join([*cause["operations"][:NAMED_OPERATIONS], *more])
    return cause["severity"], cause["title"], len(cause["findings"]), where


def _findings(status: str, findings: list[Data]) -> Iterator[str]:
    rows = ((finding["severity"], f"`{finding['id']}`", finding["message"],
             ", ".join(map(str, finding["documentation_lines"])))
            for finding in findings[:MOST_FINDINGS])
    more = ["", f"... and {len(findings) - MOST_FINDINGS} more."] if len(findings) > MOST_FINDINGS else []
    if findings:
        yield from details_lines(f"{status.capitalize()} ({len(findings)})",
                                 (*table_lines(("severity", "finding", "what", "documentation line"), rows), *more))


def _coverage_rows(data: Data) -> Iterator[tuple[object, ...]]:
    for section, members in coverage_by_section(data).items():
        rules = [rule for member in members for rule in member["rules"]]
        yield (section, f"{sum(bool(operation['statuses']) for operation in members)}/{len(members)}", len(rules),
               sum(rule["accepted"] for rule in rules), sum(rule["rejected"] for rule in rules),
               sum(finding["section"] == section for finding in data["findings"]))


def table_lines(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a Markdown table. A heading that ends in a colon marks a right-aligned column."""
    names = list(headings)
    yield f"| {' | '.join(name.removesuffix(':') for name in names)} |"
    yield f"| {' | '.join('--:' if name.endswith(':') else '---' for name in names)} |"
    yield from (f"| {' | '.join(map(cell, row))} |" for row in rows)


def details_lines(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield lines in a collapsed section."""
    yield from ("", f"<details><summary>{title}</summary>", "", *lines, "", "</details>")


def cell(value: Any) -> str:
    """Return a value escaped as a cell of a Markdown table."""
    text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
    return text.replace("](", "]\\(")

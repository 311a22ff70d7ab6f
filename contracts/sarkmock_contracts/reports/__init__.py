"""The files of --report: JSON, JUnit XML, HTML, Markdown and SARIF, all from the same plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import jinja2

from sarkmock.suite_api import counted, write_whole

from ..judge.findings import FINDING_TYPES, SEVERITIES
from ..judge.verdicts import Outcome
from ..run import Run
from .data import Data, as_json, coverage_by_section, failing_statuses, report_data

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


_XML = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}


class JunitCase(NamedTuple):
    """An operation, whether a request was sent to it, and the total time of its responses."""

    name: str
    sent: bool
    seconds: float


def as_junit(data: Data) -> str:
    """Return JUnit XML: a suite per section, a case per operation, and one failure for its failing findings.

    Findings that do not fail the run are listed in the output of the case.
    """
    root = ElementTree.Element("testsuites", name="sarkmock", time=str(data["run"]["seconds"]))
    failing = failing_statuses(data)
    by_operation: dict[str, list[Data]] = {}
    for finding in data["findings"]:
        by_operation.setdefault(finding["operation"], []).append(finding)
    for section, members in coverage_by_section(data).items():
        cases = [JunitCase(covered["operation"], bool(covered["statuses"]), covered["seconds"]) for covered in members]
        _suite(root, section, cases, by_operation, failing)
    covered_ids = {operation["operation"] for operation in data["coverage"]}
    others = [JunitCase(name or "unknown paths", True, 0.0) for name in by_operation if name not in covered_ids]
    by_operation["unknown paths"] = by_operation.pop("", [])
    if others:
        _suite(root, "other", others, by_operation, failing)
    if data["run"]["residue"]:
        residue = data["run"]["residue"]
        _single(root, "clean-up", "everything is restored", "failure", f"{len(residue)} not restored", residue)
    if data["run"]["ending"]:
        _single(root, "run", "the run is complete", "error", data["run"]["ending"], data["run"]["broken"])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _single(root: ElementTree.Element, suite: str, name: str, tag: str, message: str, lines: list[str]) -> None:
    """Add a suite with one case that has a failure or an error."""
    counts = {"failures": "0", "errors": "0", f"{tag}s": "1"}
    element = ElementTree.SubElement(root, "testsuite", {"name": suite, "tests": "1", **counts, "skipped": "0",
                                                         "time": "0.000"})
    case = ElementTree.SubElement(element, "testcase", classname=f"sarkmock.{suite}", name=name, time="0.000")
    ElementTree.SubElement(case, tag, message=_clean(message)).text = _clean("\n".join(lines))


def _suite(root: ElementTree.Element, section: str, cases: list[JunitCase],
           findings: Mapping[str, list[Data]], failing: tuple[str, ...]) -> None:
    bad = sum(any(finding["status"] in failing for finding in findings.get(case.name, ())) for case in cases)
    unsent = sum(not case.sent and case.name not in findings for case in cases)
    suite = ElementTree.SubElement(root, "testsuite", name=section, tests=str(len(cases)), failures=str(bad),
                                   errors="0", skipped=str(unsent), time=f"{sum(case.seconds for case in cases):.6f}")
    for name, sent, seconds in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=f"sarkmock.{section}", name=name,
                                      time=f"{seconds:.6f}")
        mine = findings.get(name, [])
        failures = [finding for finding in mine if finding["status"] in failing]
        if failures:
            message = f"{counted(len(failures), 'finding')}, first: {failures[0]['message']}"
            element = ElementTree.SubElement(case, "failure", type=failures[0]["severity"], message=_clean(message))
            texts = ["\n".join([_line(failure), *failure["script"]]) for failure in failures]
            element.text = _clean("\n\n".join(texts))
        elif not sent and not mine:
            ElementTree.SubElement(case, "skipped", message="no request was sent")
        rest = [finding for finding in mine if finding not in failures]
        if rest:
            ElementTree.SubElement(case, "system-out").text = "\n".join(_clean(_line(finding)) for finding in rest)


def _line(finding: Mapping[str, Any]) -> str:
    lines = ", ".join(map(str, finding["documentation_lines"]))
    where = f" (documentation line {lines})" if lines else ""
    return f"{finding['status']} {finding['severity']} {finding['id']}: {finding['message']}{where}"


def _clean(text: str) -> str:
    """Remove characters that XML 1.0 does not allow: control characters and lone surrogates."""
    return text.encode("utf-8", "replace").decode().translate(_XML)


SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
PACKAGE_ROOT = "SARKMOCK"  # stands for the folder of the installed OpenAPI files
SARIF_LEVELS = {"breaks": "error", "surprises": "warning", "cosmetic": "note"}


def as_sarif(data: Data) -> str:
    """Return SARIF 2.1.0, with findings located in the user's own file or else in the installed OpenAPI files.

    Findings that do not fail the run are suppressed and have the level note, for tools that only count levels.
    """
    checks = sorted({finding["check"] for finding in data["findings"]})
    rules = [{"id": check, "shortDescription": {"text": FINDING_TYPES[check].text}} for check in checks]
    driver = {"name": data["tool"]["name"], "version": data["tool"]["version"], "rules": rules}
    failing, ending = failing_statuses(data), data["run"]["ending"]
    invocation = {"executionSuccessful": not ending,
                  "toolExecutionNotifications": [{"level": "error", "message": {"text": ending}}] if ending else []}
    run = {"tool": {"driver": driver},
           "originalUriBaseIds": {PACKAGE_ROOT: {"description": {"text": "the folder with openapi/ of sarkmock"}}},
           "results": [_sarif_result(finding, checks, finding["status"] not in failing, data["run"]["file"])
                       for finding in data["findings"]],
           "invocations": [invocation],
           "columnKind": "unicodeCodePoints",
           "properties": {"target": data["target"], "profile": data["run"]["profile"]}}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _sarif_result(finding: Data, checks: list[str], suppressed: bool, file: str | None) -> Data:
    place = finding["place"]
    of_package = {"artifactLocation": {"uri": place["file"], "uriBaseId": PACKAGE_ROOT},
                  "region": {"startLine": place["line"]}}
    of_user = {"artifactLocation": {"uri": file}, "region": {"startLine": 1}}
    location = {"physicalLocation": of_user if file else of_package,
                "logicalLocations": [{"fullyQualifiedName": place["pointer"] or "/", "kind": "element"}]}
    result: Data = {
        "ruleId": finding["check"], "ruleIndex": checks.index(finding["check"]),
        "level": "note" if suppressed else SARIF_LEVELS[finding["severity"]],
        "message": {"text": f"{finding['id']}: {finding['message']}"}, "locations": [location],
        "baselineState": "new" if finding["status"] == "new" else "unchanged",
        "partialFingerprints": {"identity/v1": hashlib.sha256(finding["id"].encode()).hexdigest()},
        "properties": {"status": finding["status"], "deviations": finding["deviations"],
                       "documentationLines": finding["documentation_lines"],
                       "script": finding["script"]}}
    if file:
        result["relatedLocations"] = [{"physicalLocation": of_package}]
    if suppressed:
        why = (finding["accepted"] or {}).get("reason") or "known: " + ", ".join(finding["deviations"])
        result["suppressions"] = [{"kind": "external", "justification": why}]
    return result


WRITERS = {
    "report.json": as_json,
    "junit.xml": as_junit,
    "report.html": as_html,
    "summary.md": as_markdown,
    "report.sarif": as_sarif,
}


def write_files(run: Run, outcome: Outcome, directory: Path) -> None:
    """Write every report except the traffic, which is written during the run."""
    write_data(report_data(run, outcome), directory)


def write_data(data: Data, directory: Path) -> None:
    for name, write in WRITERS.items():
        write_whole(directory / name, write(data).encode("utf-8", "backslashreplace"))

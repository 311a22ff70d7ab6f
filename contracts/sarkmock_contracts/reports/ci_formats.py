"""Reports for CI systems, made from plain data: JUnit XML and SARIF."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree

from sarkmock.suite_api import counted

from ..judge.findings import FINDING_TYPES
from .data import Data, coverage_by_section, failing_statuses

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
            _failure(case, failures)
        elif not sent and not mine:
            ElementTree.SubElement(case, "skipped", message="no request was sent")
        rest = [finding for finding in mine if finding not in failures]
        if rest:
            ElementTree.SubElement(case, "system-out").text = "\n".join(_clean(_line(finding)) for finding in rest)


def _failure(case: ElementTree.Element, failures: list[Data]) -> None:
    message = f"{counted(len(failures), 'finding')}, first: {failures[0]['message']}"
    element = ElementTree.SubElement(case, "failure", type=failures[0]["severity"], message=_clean(message))
    texts = ["\n".join([_line(failure), *failure["script"]]) for failure in failures]
    element.text = _clean("\n\n".join(texts))


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
    failing = failing_statuses(data)
    run = {"tool": {"driver": driver},
           "originalUriBaseIds": {PACKAGE_ROOT: {"description": {"text": "the folder with openapi/ of sarkmock"}}},
           "results": [_sarif_result(finding, checks, finding["status"] not in failing, data["run"]["file"])
                       for finding in data["findings"]],
           "invocations": [_invocation(data["run"]["ending"])],
           "columnKind": "unicodeCodePoints",
           "properties": {"target": data["target"], "profile": data["run"]["profile"]}}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _invocation(ending: str | None) -> Data:
    """Return the invocation, which tells whether the run was complete."""
    notifications = [{"level": "error", "message": {"text": ending}}] if ending else []
    return {"executionSuccessful": not ending, "toolExecutionNotifications": notifications}


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

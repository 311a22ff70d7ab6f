"""The run as JUnit XML for CI systems: a suite per section, a case per operation, a failure per finding that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree

from sarkmock.suite_api import counted

from .data import Data

FAILING = ("new", "expired")
_XML = {code: None for code in range(32) if code not in (9, 10, 13)} | {0xFFFE: None, 0xFFFF: None}


class JunitCase(NamedTuple):
    """An operation, whether a request was sent to it, and how long its answers took."""

    name: str
    sent: bool
    seconds: float


def as_junit(data: Data) -> str:
    """Known and accepted findings do not fail a case; its output names them."""
    root = ElementTree.Element("testsuites", name="sarkmock", time=str(data["run"]["seconds"]))
    failing = {*FAILING, *(["known"] if data["run"]["strict"] else [])}
    by_operation: dict[str, list[Data]] = {}
    for finding in data["findings"]:
        by_operation.setdefault(finding["operation"], []).append(finding)
    sections = dict.fromkeys(one["section"] for one in data["coverage"])
    for section in sections:
        cases = [JunitCase(one["operation"], bool(one["statuses"]), one["seconds"]) for one in data["coverage"]
                 if one["section"] == section]
        _suite(root, section, cases, by_operation, failing)
    known = {one["operation"] for one in data["coverage"]}
    others = [JunitCase(name or "unknown paths", True, 0.0) for name in by_operation if name not in known]
    by_operation["unknown paths"] = by_operation.pop("", [])
    if others:
        _suite(root, "other", others, by_operation, failing)
    if data["run"]["residue"]:
        _residue(root, data["run"]["residue"])
    if data["run"]["ending"]:
        _ending(root, data["run"])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _residue(root: ElementTree.Element, lines: list[str]) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name="clean-up", tests="1", failures="1", errors="0", skipped="0",
                                   time="0.000")
    case = ElementTree.SubElement(suite, "testcase", classname="sarkmock.clean-up", name="all is as before",
                                  time="0.000")
    ElementTree.SubElement(case, "failure", message=f"{len(lines)} things are not as before").text = "\n".join(
        line.translate(_XML) for line in lines)


def _ending(root: ElementTree.Element, run: Data) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name="run", tests="1", failures="0", errors="1", skipped="0",
                                   time="0.000")
    case = ElementTree.SubElement(suite, "testcase", classname="sarkmock.run", name="the run is complete", time="0.000")
    ElementTree.SubElement(case, "error", message=_clean(run["ending"])).text = _clean("\n".join(run["broken"]))


def _suite(root: ElementTree.Element, section: str, cases: list[JunitCase],
           found: Mapping[str, list[Data]], failing: set[str]) -> None:
    bad = sum(any(one["status"] in failing for one in found.get(case.name, ())) for case in cases)
    unsent = sum(not case.sent and case.name not in found for case in cases)
    suite = ElementTree.SubElement(root, "testsuite", name=section, tests=str(len(cases)), failures=str(bad),
                                   errors="0", skipped=str(unsent), time=f"{sum(case.seconds for case in cases):.3f}")
    for name, sent, seconds in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=f"sarkmock.{section}", name=name,
                                      time=f"{seconds:.3f}")
        mine = found.get(name, [])
        failures = [one for one in mine if one["status"] in failing]
        if failures:
            _failure(case, failures)
        elif not sent and not mine:
            ElementTree.SubElement(case, "skipped", message="no request was sent")
        rest = [one for one in mine if one not in failures]
        if rest:
            ElementTree.SubElement(case, "system-out").text = "\n".join(_clean(_line(one)) for one in rest)


def _failure(case: ElementTree.Element, failures: list[Data]) -> None:
    message = f"{counted(len(failures), 'finding')}, first: {failures[0]['message']}"
    element = ElementTree.SubElement(case, "failure", type=failures[0]["severity"], message=_clean(message))
    texts = ["\n".join([_line(failure), *failure["script"]]) for failure in failures]
    element.text = _clean("\n\n".join(texts))


def _line(finding: Mapping[str, Any]) -> str:
    lines = ", ".join(map(str, finding["page_lines"]))
    where = f" (page line {lines})" if lines else ""
    return f"{finding['status']} {finding['severity']} {finding['id']}: {finding['message']}{where}"


def _clean(text: str) -> str:
    """XML 1.0 has no control characters and no lone surrogates."""
    return text.encode("utf-8", "replace").decode().translate(_XML)

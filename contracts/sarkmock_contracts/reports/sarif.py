"""The run as SARIF 2.1.0: findings at a file of the user's, else at the line of the installed OpenAPI files.

What does not fail the run is suppressed and a note, for readers that count levels alone. Knows plain data.
"""

from __future__ import annotations

import hashlib
import json

from ..judge.findings import FINDING_TYPES
from .data import Data

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
PACKAGE_ROOT = "SARKMOCK"  # stands for the folder of the installed document
SARIF_LEVELS = {"breaks": "error", "surprises": "warning", "cosmetic": "note"}

def as_sarif(data: Data) -> str:
    checks = sorted({finding["check"] for finding in data["findings"]})
    rules = [{"id": check, "shortDescription": {"text": FINDING_TYPES[check].text}} for check in checks]
    driver = {"name": data["tool"]["name"], "version": data["tool"]["version"], "rules": rules}
    failing = {"new", "expired", *(["known"] if data["run"]["strict"] else [])}
    run = {"tool": {"driver": driver},
           "originalUriBaseIds": {PACKAGE_ROOT: {"description": {"text": "the folder that holds sarkmock's openapi/"}}},
           "results": [_result(one, checks, one["status"] not in failing, data["run"]["file"])
                       for one in data["findings"]],
           "invocations": [_invocation(data["run"]["ending"])],
           "columnKind": "unicodeCodePoints",
           "properties": {"target": data["target"], "profile": data["run"]["profile"]}}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _invocation(ending: str | None) -> Data:
    """Whether the results are those of a whole run."""
    notifications = [{"level": "error", "message": {"text": ending}}] if ending else []
    return {"executionSuccessful": not ending, "toolExecutionNotifications": notifications}


def _result(finding: Data, checks: list[str], suppressed: bool, file: str | None) -> Data:
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
                       "pageLines": finding["page_lines"],
                       "script": finding["script"]}}
    if file:
        result["relatedLocations"] = [{"physicalLocation": of_package}]
    if suppressed:
        why = (finding["accepted"] or {}).get("reason") or "known: " + ", ".join(finding["deviations"])
        result["suppressions"] = [{"kind": "external", "justification": why}]
    return result

"""The run as SARIF 2.1.0: every finding at the line of the OpenAPI files that it speaks of. Knows plain data."""

from __future__ import annotations

import hashlib
import json

from ..judge.finding_types import FINDING_TYPES
from .data import Data

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"breaks": "error", "surprises": "warning", "cosmetic": "note"}

def as_sarif(data: Data) -> str:
    checks = sorted({one["check"] for one in data["findings"]})
    rules = [{"id": check, "shortDescription": {"text": FINDING_TYPES[check].text}} for check in checks]
    driver = {"name": data["tool"]["name"], "version": data["tool"]["version"], "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(one, checks) for one in data["findings"]],
           "columnKind": "unicodeCodePoints",
           "properties": {"target": data["target"], "profile": data["run"]["profile"]}}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _result(finding: Data, checks: list[str]) -> Data:
    place = finding["place"]
    physical = {"artifactLocation": {"uri": place["file"]}, "region": {"startLine": place["line"]}}
    location = {"physicalLocation": physical,
                "logicalLocations": [{"fullyQualifiedName": place["pointer"] or "/", "kind": "element"}]}
    result: Data = {
        "ruleId": finding["check"], "ruleIndex": checks.index(finding["check"]), "level": LEVELS[finding["severity"]],
        "message": {"text": f"{finding['id']}: {finding['message']}"}, "locations": [location],
        "baselineState": "new" if finding["status"] == "new" else "unchanged",
        "partialFingerprints": {"identity/v1": hashlib.sha256(finding["id"].encode()).hexdigest()},
        "properties": {"status": finding["status"], "deviations": finding["deviations"],
                       "pageLines": finding["page_lines"],
                       "curl": [step["curl"] for step in finding["exchanges"]]}}
    if finding["status"] in ("known", "accepted"):
        why = (finding["accepted"] or {}).get("reason") or "known: " + ", ".join(finding["deviations"])
        result["suppressions"] = [{"kind": "external", "justification": why}]
    return result

"""A run as plain data: what every report is made from, and the JSON report itself (report.schema.json). Sends nothing.

Secrets are taken out here, so that no report can hold one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from sarkmock import Operation, body_text, redacted, source_of

from ..client.curl import curl_line
from ..client.http import Exchange
from ..judge.attribution import places
from ..judge.verdicts import Judged, Listed, Outcome, page_lines
from ..run import Suite

Data = dict[str, Any]
FORMAT = "sarkmock-report/1"
STEPS = 12  # a longer sequence is told by its end


def describe(suite: Suite, outcome: Outcome) -> Data:
    """The whole run."""
    return {
        "format": FORMAT,
        "tool": {"name": "sarkmock", "version": version("sarkmock")},
        "run": run(suite),
        "target": redacted(suite.fingerprint.described()),
        "result": "failed" if outcome.failures or suite.residue else "stopped" if suite.stopped else "passed",
        "summary": summary(outcome),
        "findings": [finding(suite, judged) for judged in outcome.findings],
        "deviations": [deviation(listed) for listed in outcome.listed],
        "accepted": {"unused": [entry.id for entry in outcome.unused]},
        "coverage": [covered(suite, outcome, operation) for operation in suite.chosen()],
    }


def run(suite: Suite) -> Data:
    settings = suite.settings
    seconds = time.monotonic() - suite.began
    started = datetime.now(UTC).timestamp() - seconds
    return {"url": redacted(suite.target.url), "embedded": settings.url is None, "profile": settings.profile,
            "seed": settings.seed, "only": settings.only, "quick": settings.quick, "strict": settings.strict,
            "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 1), "requests": suite.target.requests, "stopped": redacted(suite.stopped) or None,
            "untested": suite.untested, "residue": redacted(suite.residue)}


def summary(outcome: Outcome) -> dict[str, int]:
    found = {status: len(outcome.of(status)) for status in ("new", "expired", "accepted", "known")}
    listed = {status: len(outcome.deviations(status)) for status in ("fixed", "untested", "unseen")}
    return {**found, "deviations_known": len(outcome.deviations("known")), **listed}


def finding(suite: Suite, judged: Judged) -> Data:
    """One finding with its evidence and its places."""
    found = judged.finding
    operation = suite.contract.by_id.get(found.identity.operation)
    place = next(places(suite.contract, found), "")
    file, line = source_of(place)
    return {
        "id": judged.id, **found.identity._asdict(), "section": operation.section if operation else "",
        "status": judged.status, "severity": judged.severity, "message": redacted(found.message), "count": found.count,
        "deviations": list(judged.deviations), "page_lines": list(page_lines(suite.contract, found)),
        "place": {"pointer": place, "file": f"openapi/{file}", "line": line},
        "accepted": acceptance(judged),
        "exchanges": [exchanged(suite.target.url, one) for one in found.evidence[-STEPS:]],
    }


def acceptance(judged: Judged) -> Data | None:
    entry = judged.acceptance
    if entry is None:
        return None
    return {"reason": entry.reason, "expires": entry.expires.isoformat() if entry.expires else None}


def exchanged(url: str, exchange: Exchange) -> Data:
    """A request and its answer as texts, and the line that repeats it."""
    request, response = exchange.request, exchange.response
    return {
        "curl": redacted(curl_line(url, request)),
        "request": {"method": request.method, "target": redacted(request.target), "body": body_text(request.body),
                    "headers": [list(pair) for pair in redacted(request.headers)]},
        "response": {"status": response.status, "body": body_text(response.body),
                     "headers": [list(pair) for pair in redacted(response.headers)]},
    }


def deviation(listed: Listed) -> Data:
    one = listed.deviation
    return {"id": one.id, "summary": one.summary, "severity": one.severity, "status": listed.status,
            "reason": listed.reason}


def covered(suite: Suite, outcome: Outcome, operation: Operation) -> Data:
    """What the run saw of an operation: statuses, and what became of every variable with rules."""
    statuses = {str(status): count for (name, status), count in sorted(suite.tally.statuses.items())
                if name == operation.id}
    found = [judged for judged in outcome.findings if judged.finding.identity.operation == operation.id]
    return {"operation": operation.id, "method": operation.method, "path": operation.path, "section": operation.section,
            "hazard": operation.hazard, "page_lines": list(operation.source), "statuses": statuses,
            "findings": [judged.id for judged in found if judged.finding.identity.field not in operation.rules],
            "rules": list(variables(suite, found, operation))}


def variables(suite: Suite, found: list[Judged], operation: Operation) -> Iterator[Data]:
    for name, rules in operation.rules.items():
        field = (operation.id, name)
        yield {"field": name, "rules": rules if isinstance(rules, list) else rules.split("|"),
               "accepted": field in suite.tally.accepted, "refused": field in suite.tally.refused,
               "findings": [judged.id for judged in found if judged.finding.identity.field == name]}

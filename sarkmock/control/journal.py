"""The journal over HTTP. What leaves the process here has its secrets taken out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sarkmock.control.asking import Asked, Text
from sarkmock.control.mock_control import MockControl
from sarkmock.control.problems import Problem
from sarkmock.control.times import instant
from sarkmock.journal import CriteriaError, Entry, Journal, Notice, Reason
from sarkmock.redaction import redacted


def index(mock: MockControl, asked: Asked) -> dict[str, Any]:
    kept = of(mock)
    return {"count": kept.count, "kept": len(kept), "entries": [shown(kept, entry) for entry in found(kept, asked)]}


def har(mock: MockControl, asked: Asked) -> Text:
    kept = of(mock)
    return Text(kept.har(found(kept, asked), asked.origin), "application/json")


def found(kept: Journal, asked: Asked) -> list[Entry]:
    criteria = {name: value for name, value in asked.query.items() if name != "limit"}
    try:
        return kept.find(**criteria)[-asked.query.get("limit", 0):]
    except CriteriaError as error:
        raise Problem(422, str(error)) from None


def show(mock: MockControl, asked: Asked) -> dict[str, Any]:
    kept = of(mock)
    entry = kept.entry(asked.path["number"])
    if entry is None:
        last = kept.count
        raise Problem(404, f"there is no entry {asked.path['number']}; the journal has {last - len(kept) + 1} to {last}"
                           if kept else "the journal is empty")
    return shown(kept, entry)


def clear(mock: MockControl, asked: Asked) -> None:
    of(mock).clear()


def verify(mock: MockControl, asked: Asked) -> dict[str, Any]:
    try:
        verdict = of(mock).verify(**asked.body)
    except CriteriaError as error:
        raise Problem(422, str(error)) from None
    nearest = [{"number": entry.number, "request": redacted(str(entry)), "differences": redacted(differences)}
               for entry, differences in verdict.nearest]
    return {"ok": verdict.ok, "expected": redacted(verdict.expected),
            "found": [entry.number for entry in verdict.entries],
            "explanation": redacted(verdict.explanation), "nearest": nearest}


def of(mock: MockControl) -> Journal:
    if mock.journal is None:
        raise Problem(404, "no journal is kept; start the mock with --journal N")
    return mock.journal


def shown(kept: Journal, entry: Entry) -> dict[str, Any]:
    """An entry as JSON."""
    return {
        "number": entry.number, "time": instant(entry.time), "received": instant(entry.received),
        "seconds": round(entry.seconds, 6), "delay": entry.delay, "method": entry.method, "path": redacted(entry.path),
        "query": redacted(entry.query), "operation": entry.operation, "status": entry.status,
        "fault": entry.fault or None,
        "why": [given(reason, {"text": redacted(reason.text)}) for reason in kept.why(entry)],
        "warnings": [given(warning, {"text": redacted(warning.text)}) for warning in kept.warnings(entry)],
        "request": message(entry.request_headers, entry.request_body, entry.sizes[0]),
        "response": message(entry.response_headers, entry.response_body, entry.sizes[1])}


def given(what: Reason | Notice, changed: dict[str, Any]) -> dict[str, Any]:
    """Those parts of a reason or warning that say something."""
    return {name: value for name, value in {**asdict(what), **changed}.items() if value}


def message(headers: dict[str, str], body: bytes, size: int) -> dict[str, Any]:
    return {"headers": redacted(headers), "size": size, "body": redacted(body.decode("utf-8", "replace"))}

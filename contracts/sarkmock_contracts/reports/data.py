"""A run as plain data: the JSON report (report.schema.json), from which all other reports are made.

Secrets are redacted here, so that no report contains one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from itertools import chain
from typing import Any

from sarkmock.suite_api import (
    Operation,
    body_text,
    compile_document,
    harmless,
    is_secret,
    load,
    profile_names,
    redacted,
    source_of,
)

from ..client.formats import curl_line, curl_script, with_run_headers, without_secrets
from ..client.http import Exchange, Request
from ..client.transports import LOGIN_TOKEN, header_in_shell
from ..judge.causes import Cause
from ..judge.findings import Finding, judging, places
from ..judge.verdicts import Classified, Listed, Outcome, causes, documentation_lines, worst_severity
from ..run import Run
from ..run_options import RunOptions
from ..spec.boundary_values import ARRAYS, NOTHING
from ..spec.contract import Contract
from ..spec.operation_data import bounds_in

Data = dict[str, Any]
TOKEN_VARIABLE = "TOKEN"  # as in `sarkmock export curl`
REPORT_FORMAT = "sarkmock-report/1"
EXIT_CODES = {"passed": 0, "failed": 1, "stopped": 2}  # by the result of a run
SHOWN_STEPS = 12  # only the last steps of a longer sequence are shown


def report_data(run: Run, outcome: Outcome) -> Data:
    """Return the whole run as plain data."""
    data = {
        "format": REPORT_FORMAT, "tool": {"name": "sarkmock", "version": version("sarkmock")}, "run": run_data(run),
        "target": redacted(run.fingerprint.described()), "result": result_of(run, outcome),
        "summary": finding_counts(outcome),
        "causes": [cause_members_data(cause, members) for cause, members in causes(outcome)],
        "findings": [finding_data(run, judged) for judged in outcome.findings],
        "deviations": [deviation_data(listed) for listed in outcome.listed],
        "accepted": {"unused": [entry.id for entry in outcome.unused]},
        "coverage": [coverage_data(run, outcome, operation) for operation in run.chosen()],
        **({"seen": shard_data(run)} if run.options.shard else {})}
    return harmless(data)  # type: ignore[no-any-return]


def result_of(run: Run, outcome: Outcome) -> str:
    """Return the result of a run. It is "stopped" even if there are findings; findings outweigh errors of the suite."""
    if run.gaps.stopped:
        return "stopped"
    if outcome.failures or run.residue:
        return "failed"
    return "stopped" if run.gaps.broken else "passed"


def shard_data(run: Run) -> Data:
    """Return the results of a shard that `sarkmock report merge` needs and that the rest of the report lacks."""
    return {"coverage": {name: plain_json(value) for name, value in run.coverage.seen.items()},
            "unavailable": redacted(sorted(run.gaps.unavailable))}


def plain_json(value: Any) -> Any:
    """Convert a counter or a set to JSON lists; return other values unchanged."""
    if isinstance(value, dict):
        return [[*key, count] for key, count in sorted(value.items())]
    return sorted(map(list, value) if all(isinstance(element, tuple) for element in value) else value) if isinstance(
        value, set) else value


def run_data(run: Run) -> Data:
    """Return the options of the run, and how it ended."""
    options = run.options
    seconds = time.monotonic() - run.began
    started = datetime.now(UTC).timestamp() - seconds
    return {"url": redacted(run.target.url), "embedded": options.url is None, "profile": options.profile,
            "file": users_file(options),
            "random_seed": options.random_seed, "only": options.only, "quick": options.quick,
            "shard": str(options.shard) if options.shard else None,
            "strict": options.strict,
            "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 1), "requests": run.target.requests,
            "ending": redacted(run.gaps.ending) or None,
            "stopped": redacted(run.gaps.stopped) or None, "broken": run.gaps.broken,
            "untested": run.gaps.untested, "residue": redacted(run.residue)}


def users_file(options: RunOptions) -> str | None:
    """Return the user's file, below the working directory, that can show findings: the overlay, else the allowlist."""
    overlay = options.profile if options.profile not in profile_names() else None
    files = [name for name in (overlay, options.accept) if name]
    return next((name for name in (os.path.relpath(file).replace(os.sep, "/") for file in files)
                 if not name.startswith("../")), None)


def finding_counts(outcome: Outcome) -> dict[str, int]:
    counts = {status: len(outcome.of(status)) for status in ("new", "expired", "accepted", "known")}
    listed = {status: len(outcome.deviations(status)) for status in ("fixed", "absent", "untested", "unseen")}
    return {**counts, "deviations_known": len(outcome.deviations("known")), **listed}


def cause_members_data(cause: Cause, members: list[Classified]) -> Data:
    """Return a cause for which the run fails, with its findings."""
    return {"title": redacted(cause.title), "kind": cause.feature.kind, "operations": cause.operations,
            "fields": cause.fields, "severity": worst_severity(members),
            "findings": [member.id for member in members]}


def finding_data(run: Run, judged: Classified) -> Data:
    """Return a finding with its evidence and locations."""
    finding = judged.finding
    operation = judging(run.contract, finding).by_id.get(finding.identity.operation)
    place = next(places(run.contract, finding), "")
    file, line = source_of(place)
    headers = headers_in_shell(run)
    return {
        "id": judged.id, **finding.identity._asdict(), "section": operation.section if operation else "",
        "status": judged.status, "severity": judged.severity, "message": redacted(finding.message),
        "profile": finding.profile or run.options.profile, "count": finding.count,
        "deviations": list(judged.deviations), "documentation_lines": list(documentation_lines(run.contract, finding)),
        "place": {"pointer": place, "file": f"openapi/{file}", "line": line},
        "accepted": acceptance_data(judged),
        "exchanges": [exchange_data(run.target.url, exchange, headers, run.listens)
                      for exchange in finding.evidence[-SHOWN_STEPS:]],
        "script": reproduction_script(run, finding),
    }


def acceptance_data(judged: Classified) -> Data | None:
    entry = judged.acceptance
    if entry is None:
        return None
    return {"reason": entry.reason, "expires": entry.expires.isoformat() if entry.expires else None}


def reproduction_script(run: Run, finding: Finding) -> list[str]:
    """Return lines for bash that reproduce a finding at a fresh target."""
    exchanges: Sequence[Exchange] = finding.steps or finding.evidence
    if run.listens:
        own = {name: value for exchange in exchanges for name, value in credentials_in_shell(exchange).items()}
        shown = [replace(exchange, request=shown_request(exchange.request)) for exchange in exchanges]
    else:
        own = headers_in_shell(run)
        contract = judging(run.contract, finding)
        shown = [exchange if holds_test_values(run, contract, exchange.request)
                 else replace(exchange, request=without_secrets(exchange.request)) for exchange in exchanges]
    return curl_script(run.target.url, shown, own)


def credentials_in_shell(exchange: Exchange) -> dict[str, str]:
    """Return the credential headers of a client as shell text that reads them from the environment."""
    return {name: header_in_shell(name, value, TOKEN_VARIABLE) for name, value in exchange.request.headers
            if is_secret(name) and value}


def shown_request(request: Request) -> Request:
    """Return a request of a client without its credentials and secrets, and without a body that is not text."""
    headers = tuple(pair for pair in request.headers if not is_secret(pair[0]))
    try:
        request.body.decode()
    except UnicodeDecodeError:
        request = replace(request, body=body_text(request.body).encode())
    return without_secrets(replace(request, headers=headers))


def headers_in_shell(run: Run) -> dict[str, str]:
    """Return the headers of every request as shell text that reads them from the environment."""
    variable = token_variable(run)
    if run.options.url:
        return run.options.caution.access.in_shell(variable)
    return {"Authorization": f"Bearer ${variable}"} if variable else {}


def token_variable(run: Run) -> str:
    """Return the environment variable from which shell lines read the token; empty if the run needs none."""
    access = run.options.caution.access
    if run.options.url:
        named = access.token_env if access.token_env != LOGIN_TOKEN else None
        return named or (TOKEN_VARIABLE if access.credential else "")
    return TOKEN_VARIABLE if is_guarded(run.version()) else ""


@cache
def is_guarded(profile: str) -> bool:
    """Whether a mock of a profile requires a token."""
    return any(operation.guard for operation in compile_document(load(profile)))


def holds_test_values(run: Run, contract: Contract, request: Request) -> bool:
    """Whether the only secrets of a request are passwords from the suite's tables, which its script may show."""
    operation = contract.operation_of(request)
    sent = request.variables
    rest = {name: value for name, value in sent.items() if not is_secret(name)}
    if operation is None or redacted([request.target, rest]) != [request.target, rest] or redacted(
            request.headers) != request.headers:
        return False
    return all(name in operation.rules and repr(sent[name]) in table_values(run, operation, name)
               for name in sent.keys() - rest.keys())


def table_values(run: Run, operation: Operation, field: str) -> set[str]:
    bounds, theirs = run.fixtures.bounds(operation, field), bounds_in(run.fixtures.version(), operation, field)
    values = (bounds.accept, bounds.reject, bounds.fatal, bounds.foreign, theirs.accept, theirs.reject, NOTHING, ARRAYS)
    return {text for value in chain(*values) for text in (repr(value), repr(str(value)))}


def exchange_data(url: str, exchange: Exchange, headers: Mapping[str, str], of_client: bool) -> Data:
    """Return an exchange as text with its curl line. A client's exchange contains its own credentials."""
    request, response = exchange.request, exchange.response
    sent = shown_request(request) if of_client else without_secrets(request)
    own = credentials_in_shell(exchange) if of_client else headers
    return {
        "curl": with_run_headers(sent, curl_line(url, sent), own),
        "request": {"method": request.method, "target": redacted(request.target), "body": body_text(request.body),
                    "headers": [list(pair) for pair in redacted(request.headers)]},
        "response": {"status": response.status, "body": body_text(response.body),
                     "headers": [list(pair) for pair in redacted(response.headers)]},
    }


def deviation_data(listed: Listed) -> Data:
    deviation = listed.deviation
    return {"id": deviation.id, "summary": deviation.summary, "severity": deviation.severity, "status": listed.status,
            "reason": listed.reason}


def coverage_data(run: Run, outcome: Outcome, operation: Operation) -> Data:
    """Return the coverage of an operation: statuses, and the results of every variable with rules."""
    statuses = {str(status): count for (name, status), count in sorted(run.coverage.statuses.items())
                if name == operation.id}
    findings = [judged for judged in outcome.findings if judged.finding.identity.operation == operation.id]
    return {"operation": operation.id, "method": operation.method, "path": operation.path, "section": operation.section,
            "hazard": operation.hazard, "documentation_lines": list(operation.source), "statuses": statuses,
            "seconds": round(run.coverage.seconds[operation.id,], 6),
            "findings": [judged.id for judged in findings if judged.finding.identity.field not in operation.rules],
            "rules": list(variable_data(run, findings, operation))}


def variable_data(run: Run, findings: list[Classified], operation: Operation) -> Iterator[Data]:
    for name, rules in operation.rules.items():
        field = (operation.id, name)
        yield {"field": name, "rules": rules if isinstance(rules, list) else rules.split("|"),
               "accepted": field in run.coverage.accepted, "rejected": field in run.coverage.rejected,
               "findings": [judged.id for judged in findings if judged.finding.identity.field == name]}


def failing_statuses(data: Data) -> tuple[str, ...]:
    """Return the statuses of findings that fail a run."""
    return ("new", "expired", *(["known"] if data["run"]["strict"] else []))


def coverage_by_section(data: Data) -> dict[str, list[Data]]:
    """Return the coverage of operations by section of the documentation."""
    result: dict[str, list[Data]] = {}
    for operation in data["coverage"]:
        result.setdefault(operation["section"], []).append(operation)
    return result


def as_json(data: Data) -> str:
    """Return a report as JSON text."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"

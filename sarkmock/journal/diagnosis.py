"""Why a request failed, and whether the expected number of requests was made."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sarkmock.http.engine import Program
from sarkmock.http.web_server import PAGE
from sarkmock.journal.entries import Criteria, CriteriaError, Entry, show_value
from sarkmock.pbx.actions import check_texts
from sarkmock.redaction import MASK, is_secret
from sarkmock.spec.loading import METHODS
from sarkmock.spec.operations import Operation, body_schema, source_lines
from sarkmock.suggest import nearest_names


@dataclass(frozen=True)
class Reason:
    """One sentence, with the field, its rule and the lines of the documentation that it refers to."""

    text: str
    field: str = ""
    rule: str = ""
    lines: tuple[int, ...] = ()


def why(entry: Entry) -> list[Reason]:
    """Return the reasons for a response that is not a success; empty for a success."""
    if entry.fault and not 200 <= entry.status < 400:
        return [Reason(f"caused by the fault {entry.fault}")]
    before_php = entry.program.before_php(entry.method, entry.request.raw_path)
    if before_php and entry.response_headers.get("Content-Type") == PAGE:
        return [Reason(before_php.reason)]
    if entry.status < 400:
        return []
    operation = entry.program.router.operation(entry.method, entry.request.path)
    if operation is None:
        return list(why_unrouted(entry))
    by_status = {404: why_missing, 409: why_conflict, 422: why_unprocessable, 500: why_crashed, 503: why_unavailable}
    reasons = by_status.get(entry.status)
    return list(reasons(entry, operation)) if reasons else list(why_throttled(entry))


def why_unrouted(entry: Entry) -> Iterator[Reason]:
    """No operation has that method and path."""
    path, program = entry.request.path, entry.program
    allowed = [*filter(None, (program.router.operation(method.upper(), path) for method in METHODS))]
    for operation in allowed:
        takes = f"{operation.method} ({operation.id}), not {entry.method}"
        yield Reason(f"{entry.path} supports {takes}", lines=operation.source)
    if not allowed:
        nearest = nearest_operations(program, entry.method, path.strip("/").split("/"))
        named = (f"{operation.method} /api{operation.path} ({operation.id})" for operation in nearest)
        meant = f"; the nearest are {', '.join(named)}"
        yield Reason(f"the API has no path {entry.path}{meant if nearest else ''}",
                     lines=nearest[0].source if nearest else ())


def nearest_operations(program: Program, method: str, steps: list[str]) -> list[Operation]:
    """Return up to three operations of the most similar resource, preferring equal depth, then equal method."""
    def distance(operation: Operation) -> tuple[int, bool, int]:
        template = operation.path.strip("/").split("/")
        equal = sum(step == other for step, other in zip(template, steps, strict=False))
        return abs(len(template) - len(steps)), operation.method != method, -equal
    return sorted(nearest_resource(program, steps[0]), key=distance)[:3]


@lru_cache(maxsize=256)
def nearest_resource(program: Program, name: str) -> list[Operation]:
    """Return the operations whose first path segment is most similar to a name."""
    resources = {operation.collection for operation in program.operations}
    nearest = nearest_names(name, sorted(resources))
    return [operation for operation in program.operations if operation.collection in nearest]


def why_missing(entry: Entry, operation: Operation) -> Iterator[Reason]:
    """The row, file or entry that the path names does not exist."""
    path = entry.program.router.find(entry.method, entry.request.path)[1]
    if operation.table and operation.key:
        text = f"the table {operation.table.name} has no row whose {operation.table.key} is {path[operation.key]!r}"
    else:
        text = f"there is no {', '.join(f'{name} {value!r}' for name, value in path.items()) or operation.path}"
    yield Reason(text, lines=operation.source)


def why_conflict(entry: Entry, operation: Operation) -> Iterator[Reason]:
    """The state does not allow the request."""
    checks = f" (one of the checks {', '.join(operation.checks)})" if operation.checks else ""
    yield Reason(f"the state forbids it{checks}: {answer_value(entry, 'Error')}", lines=operation.source)


def why_unprocessable(entry: Entry, operation: Operation) -> Iterator[Reason]:
    """Yield a reason for every message of a 422, with the rule or check that caused it."""
    errors = entry.response_json
    sent = entry.request_json
    for field, messages in (errors if isinstance(errors, dict) else {}).items():
        for message in messages if isinstance(messages, list) else [messages]:
            yield reason_for(entry, operation, field, str(message), sent if isinstance(sent, dict) else {})


def reason_for(entry: Entry, operation: Operation, field: str, message: str, sent: dict[str, Any]) -> Reason:
    rule = operation.validator.behind(field, message)
    value = f"got {MASK if is_secret(field) else show_value(sent[field])}" if field in sent else "it was not sent"
    if rule:
        variables = body_schema(entry.program.document, operation.spec)["properties"]
        place = source_lines(variables[field].get("x-source", ()))
        return Reason(f"{field} breaks its rule {rule} ({value}): {message}", field, rule, place or operation.source)
    checks = [name for name, fields in check_texts(operation).items() if field in fields]
    behind = f"the check {' or '.join(checks)} names {field}" if checks else f"{field} cannot be read as text ({value})"
    return Reason(f"{behind}: {message}", field, lines=operation.source)


def why_crashed(entry: Entry, operation: Operation) -> Iterator[Reason]:
    yield Reason(f"the product crashes here: {answer_value(entry, 'message')}", lines=operation.source)


def why_unavailable(entry: Entry, operation: Operation) -> Iterator[Reason]:
    start = "; POST /_mock/pbx/start starts it" if "not running" in str(answer_value(entry, "message")) else ""
    yield Reason(f"{answer_value(entry, 'message')}{start}", lines=operation.source)


def why_throttled(entry: Entry) -> Iterator[Reason]:
    if entry.status == 429:
        limit = entry.response_headers.get("X-RateLimit-Limit", "?")
        yield Reason(f"more than {limit} requests in a minute, the limit of --throttle")


def answer_value(entry: Entry, key: str) -> Any:
    """Return a member of the JSON response, or the title of a page, or the first characters."""
    body = entry.response_json
    if isinstance(body, dict):
        return body.get(key, body)
    text = entry.response_body[:2000].decode("utf-8", "replace")
    title = re.search(r"<title>([^<]+)</title>", text)
    return html.unescape(title[1]) if title else text[:200]


NEAREST, REASONS = 3, 2


@dataclass(frozen=True)
class Verification:
    """The expectation, the entries that meet it, and the nearest other entries with their differences."""

    ok: bool
    expected: str
    entries: list[Entry]
    nearest: list[tuple[Entry, list[str]]]

    @property
    def explanation(self) -> str:
        """A message for users, of several lines if the expectation is not met."""
        lines = [f"expected {self.expected}; found {count(len(self.entries))}"]
        if not self.ok:
            lines += [f"  matched by {entry}" for entry in self.entries[-NEAREST:]]
            for entry, differences in self.nearest:
                lines += [f"  nearest {entry}", *(f"    {difference}" for difference in differences)]
                lines += [f"    why {entry.status}: {reason.text}" for reason in why(entry)[:REASONS]]
            if not self.entries and not self.nearest:
                lines.append("  no requests were recorded")
        return "\n".join(lines)


def verdict_on(criteria: Criteria, entries: Sequence[Entry], times: int | None, at_least: int | None,
               at_most: int | None) -> Verification:
    """Check the entries of a journal; at least one match is expected if no number is given."""
    if times is not None and (at_least, at_most) != (None, None):
        raise CriteriaError("times cannot be combined with at_least and at_most")
    if (times, at_least, at_most) == (None, None, None):
        at_least = 1
    low, high = (times, times) if times is not None else (at_least, at_most)
    met = criteria.matching(entries)
    ok = (low is None or len(met) >= low) and (high is None or len(met) <= high)
    too_few = low is not None and len(met) < low
    near = nearest_entries(criteria, entries) if too_few else []
    return Verification(ok, f"{criteria}, {bounds_text(low, high)}", met, near)


def nearest_entries(criteria: Criteria, entries: Sequence[Entry]) -> list[tuple[Entry, list[str]]]:
    """Return the entries nearest to the criteria: same operation, then fewest differences, then most recent."""
    missed = [(entry, differences) for entry in reversed(entries)
              if (differences := list(criteria.differences(entry)))]
    return sorted(missed, key=lambda pair: (pair[0].operation != criteria.operation, len(pair[1])))[:NEAREST]


def bounds_text(low: int | None, high: int | None) -> str:
    if low == high:
        return f"exactly {count(low or 0)}"
    parts = [f"at least {count(low)}"] if low is not None else []
    return " and ".join(parts + ([f"at most {count(high)}"] if high is not None else []))


def count(number: int) -> str:
    return "once" if number == 1 else f"{number} times"

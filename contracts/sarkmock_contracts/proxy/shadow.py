"""Compares traffic with another version: two mocks follow it, one of the box's version and one of the other.

A change of state that bypasses the proxy shows in both mocks. It is not reported; the state is read again.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sarkmock.suite_api import JSON, Document, Operation, Seed, redacted, write_whole

from ..baselines.catalogue import field_types, response_fields
from ..baselines.comparing import status_kind
from ..baselines.severity import DIFFERENCE_LEVELS, INFORMATIVE, THE_ANSWER, Difference, as_text, compare_forms
from ..checks.protocol import TRIED_METHODS
from ..client.formats import curl_line
from ..client.http import SAFE_METHODS, Exchange, Headers, Request, Response, header
from ..client.rate_limit import is_away
from ..errors import SuiteError
from ..judge.agreement import mask_volatile
from ..judge.causes import exception_text, message_template
from ..judge.replica import Replica
from ..reports.console import listed_names
from ..reports.data import as_json, exchange_data, shown_request
from ..safety.routing import method_of
from ..spec.contract import Contract

REJECTED = 422
COMMON_METHODS = {*TRIED_METHODS, *SAFE_METHODS}
# Header fields that clients use, and those that only browsers use. Others come from the web server or depend on time.
HEADERS = ("Allow", "Location", "Content-Disposition", "Cache-Control", "Retry-After", "WWW-Authenticate",
           "Accept-Ranges")
OF_BROWSERS = ("Vary", *(f"Access-Control-{name}" for name in (
    "Allow-Origin", "Allow-Methods", "Allow-Headers", "Allow-Credentials", "Expose-Headers", "Max-Age")))
ORIGIN = re.compile("https?://[^/]*")
# Kinds of differences in the status. The rest of such a response cannot be compared.
STATUS_KINDS = frozenset(("rejection status changed", "crash status changed", "now crashes",
                          "no longer crashes", "now rejected", "no longer rejected", "crash instead of rejection",
                          "operation removed", "operation moved"))


def answer_differences(op: str, contract: Contract, operation: Operation | None, before: Response,
                       after: Response, *, browser: bool = False) -> Iterator[Difference]:
    """Yield the differences of two responses. ``browser`` also compares headers that only browsers use."""
    if before.status != after.status:
        yield of_status(op, before, after)
    else:
        yield from of_headers(op, before, after, HEADERS + OF_BROWSERS if browser else HEADERS)
    if before.ok and after.ok:
        yield from of_bodies(op, contract, operation, before, after)
    elif before.status != after.status:
        return
    elif before.status == REJECTED:
        yield from of_rejections(op, before.rejected, after.rejected)
    else:
        yield from of_errors(op, before, after)


def of_status(op: str, before: Response, after: Response) -> Difference:
    was, now = (response.status if response.ok else max(response.status, REJECTED)  # a redirect is not a success
                for response in (before, after))
    kind = status_kind(was, now)
    if kind == "now crashes" and not before.ok:
        kind = "crash instead of rejection"
    return Difference(kind, op, ", ".join(after.rejected), answer_shown(before), answer_shown(after))


def of_headers(op: str, before: Response, after: Response, names: tuple[str, ...]) -> Iterator[Difference]:
    """Yield header fields that are gone, appeared or changed. The host in Location is ignored."""
    for name in names:
        was, now = (response.header(name) or "" for response in (before, after))
        if name == "Location":
            was, now = (ORIGIN.sub("", value) for value in (was, now))
        if mask_volatile(name, was) != mask_volatile(name, now):
            kind = "header removed" if not now else "header added" if not was else "header changed"
            yield Difference(kind, op, name, was or None, now or None)


def of_rejections(op: str, before: Any, after: Any) -> Iterator[Difference]:
    """Yield differences in the rejected fields and their messages."""
    for name in dict.fromkeys([*before, *after]):
        if name not in before:
            yield Difference("rule tightened", op, name, None, after[name])
        elif name not in after:
            yield Difference("rule loosened", op, name, before[name], None)
        elif before[name] != after[name]:
            yield Difference("message changed", op, name, before[name], after[name])


def of_errors(op: str, before: Response, after: Response) -> Iterator[Difference]:
    """Yield a difference of media type or field names. Values are ignored: only a box fills `trace`."""
    was, now = ((", ".join(sorted(side.fields)), side.content_type or "no content type") for side in (before, after))
    if was != now:
        shown = [names if names and was[0] != now[0] else kind for names, kind in (was, now)]
        yield Difference("error form changed", op, str(before.status), shown[0], shown[1])


def of_bodies(op: str, contract: Contract, operation: Operation | None, before: Response,
              after: Response) -> Iterator[Difference]:
    if before.content_type != after.content_type:
        yield Difference("content type changed", op, "", before.content_type, after.content_type)
    elif before.content_type != JSON:
        if bool(before.body) != bool(after.body):
            yield Difference("value changed", op, THE_ANSWER, len(before.body), len(after.body))
    else:
        names = response_fields(contract, operation) if operation else None
        forms = list(compare_forms(op, field_types(before.json, names), field_types(after.json, names), own=True))
        yield from new_fields_together(forms)
        reported = {form.of.partition(".")[0] for form in forms}
        for name in changed_fields(before.json, after.json):
            if name not in reported and THE_ANSWER not in reported:
                yield Difference("value changed", op, name)


def new_fields_together(forms: list[Difference]) -> Iterator[Difference]:
    """Combine all fields that appeared into one difference; yield the others unchanged."""
    new = {form.of: form.after for form in forms if form.kind == "field added"}
    yield from (form for form in forms if len(new) < 2 or form.of not in new)
    if len(new) > 1:
        yield Difference("field added", forms[0].op, ", ".join(new), None, new)


def changed_fields(before: Any, after: Any) -> Iterator[str]:
    """Yield the fields whose values differ, ignoring values that depend on time or chance."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() & after.keys():
            if mask_volatile(name, before[name]) != mask_volatile(name, after[name]):
                yield name
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield "the rows"
            return
        pairs = zip(before, after, strict=True)
        yield from dict.fromkeys(name for pair in pairs for name in changed_fields(*pair))
    elif mask_volatile("", before) != mask_volatile("", after):
        yield THE_ANSWER


def answer_shown(response: Response) -> str:
    """Return the status and the messages of a response."""
    messages = "; ".join(str(text) for texts in response.rejected.values()
                         for text in (texts if isinstance(texts, list) else [texts]))
    return f"{response.status} {messages}".strip()


AGAIN = 10.0  # least seconds between two reads of a list
SAME, UNSURE = "same", "not comparable"
HIDDEN = frozenset(("authorization", "cookie"))
MOST_CAUSES, MOST_BYTES = 1_000, 64 << 20  # of all causes; further ones are only counted
NAMED = 6  # operations named per cause
Reread = Callable[[str], Response]  # sends a GET to a path; raises SuiteError without a response


@dataclass
class ShadowCause:
    """A difference of the other version, the operations that show it, and the shortest exchange with it."""

    difference: Difference
    operations: dict[str, int]
    exchange: Exchange
    shadow_status: int

    @property
    def count(self) -> int:
        return sum(self.operations.values())


class Shadow:
    """Compares with the version ``name``; ``own`` is the document of the box's version."""

    def __init__(self, name: str, document: Document, own: Document, seed: Seed, reread: Reread,
                 max_bytes: int = MOST_BYTES) -> None:
        self.name, self._reread = name, reread
        self._max_bytes, self._held = max_bytes, 0
        self.counts: Counter[str] = Counter()
        self.causes: dict[tuple[str, str], ShadowCause] = {}
        self._other, self._own = Replica(document), Replica(own)
        for side in (self._other, self._own):
            side.state.reseed(seed.for_database(side.state.tables.name))
        self._read: dict[str, float] = {}

    def receive(self, exchange: Exchange) -> list[ShadowCause]:
        """Compare an exchange; return the causes that are new."""
        if exchange.response.status == 429 or is_away(exchange.response):
            return []
        request = exchange.request
        exchange = Exchange(replace(request, headers=headers_without_token(request)), exchange.response)
        for side in (self._other, self._own):
            side.observe(exchange)
        real, drifted, response = self._compare(exchange, seen=True)
        if drifted and self._read_again(request) and request.method in ("GET", "HEAD"):
            real, drifted, response = self._compare(exchange, seen=False)
        if response.ok != exchange.response.ok:
            self._follow()
        real += self._token_needed(request)
        levels = {difference.level for difference in real}
        level = min(levels, key=DIFFERENCE_LEVELS.index, default=UNSURE if drifted else SAME)
        self.counts[SAME if level == INFORMATIVE else level] += 1
        return [cause for difference in real if (cause := self._note(difference, exchange, response))]

    def _compare(self, exchange: Exchange, seen: bool) -> tuple[list[Difference], bool, Response]:
        """Return the differences, whether the box's own version gives another status, and the other's response."""
        answers = [side.answer(side.leader, exchange) if seen else side.leader.answer(exchange.request)
                   for side in (self._other, self._own)]
        other, own = (list(self._differences(exchange, side.leader.contract, response))
                      for side, response in zip((self._other, self._own), answers, strict=True))
        expected = {(difference.kind, difference.of) for difference in own}
        lost = any(difference.kind in STATUS_KINDS for difference in own)
        real = [difference for difference in other if not lost and (difference.kind, difference.of) not in expected]
        return real, lost, answers[0]

    def _differences(self, exchange: Exchange, contract: Contract, response: Response) -> list[Difference]:
        request, box = replace(exchange.request, method=method_of(exchange.request)), exchange.response
        operation, there = self._own.leader.operation(request), contract.operation_of(request)
        named = operation or there
        method = request.method if request.method in COMMON_METHODS else "another method"
        op = named.name if named else f"{method} of no operation"
        if operation is not None and there is None and box.status != response.status and response.status in (404, 405):
            moved = contract.by_id.get(operation.id)
            if moved is None or (moved.method, moved.path) != (operation.method, operation.path):
                kind = "operation moved" if moved else "operation removed"
                return [Difference(kind, op, "", str(box.status), moved.name if moved else None)]
        return list(answer_differences(op, self._own.leader.contract, operation, box, response,
                                       browser=header(request.headers, "Origin") is not None))

    def _follow(self) -> None:
        """Copy the state of the mock of the box's version to the other mock, whose request had another result."""
        other, own = self._other.state, self._own.state
        if other.tables.name != own.tables.name:
            other.hold(own.to_seed().for_database(other.tables.name))
            return
        other.copy_from(own)

    def _token_needed(self, request: Request) -> list[Difference]:
        """Return a difference if only the other version requires a token, which the client does not send."""
        operation, own = (side.leader.operation(request) for side in (self._other, self._own))
        if operation is None or not operation.guard or (own and own.guard) or len(headers_without_token(request)) < len(
                request.headers):
            return []
        return [Difference("token needed", operation.name)]

    def _note(self, difference: Difference, exchange: Exchange, response: Response) -> ShadowCause | None:
        crash = exchange.response if difference.kind == "no longer crashes" else response
        key = difference.kind, shared_cause(difference, crash)
        cause = self.causes.get(key)
        more = exchange.weight - (cause.exchange.weight if cause else 0)
        fits = self._held + more <= self._max_bytes
        if cause is None and fits and len(self.causes) < MOST_CAUSES:
            self._held += more
            self.causes[key] = ShadowCause(difference, {difference.op: 1}, exchange, response.status)
            return self.causes[key]
        if cause is not None:
            cause.operations[difference.op] = cause.operations.get(difference.op, 0) + 1
            if fits and exchange.size < cause.exchange.size:
                self._held += more
                cause.difference, cause.exchange, cause.shadow_status = difference, exchange, response.status
        return None

    def _read_again(self, request: Request) -> bool:
        """Reread the lists that a request concerns, unless they are recent; return whether any was read."""
        operation = self._own.leader.operation(request)
        table = operation.table.name if operation and operation.table else None
        read = [self._take(listing.path) for listing in self._own.leader.contract.operations
                if listing.action == "index" and listing.table and table in (None, listing.table.name)]
        return any(read)

    def _take(self, path: str) -> bool:
        now = time.monotonic()
        if now - self._read.get(path, -AGAIN) < AGAIN:
            return False
        self._read[path] = now
        try:
            exchange = Exchange(Request("GET", path), self._reread(path))
        except SuiteError:
            return False
        for side in (self._other, self._own):
            side.observe(exchange)
        return True


def headers_without_token(request: Request) -> Headers:
    """Return the headers without the client's credentials."""
    return tuple(pair for pair in request.headers if pair[0].lower() not in HIDDEN)


def shared_cause(difference: Difference, crash: Response) -> str:
    """Return the common feature of differences of a kind with one cause; ``crash`` is the crashed response."""
    if difference.kind == "message changed":
        texts = (difference.before, difference.after)
        return " -> ".join(message_template(str(text), difference.of) for text in texts)
    if "crash" in difference.kind:
        return exception_text(crash)
    return "" if difference.kind == "token needed" else difference.of or difference.op


def cause_line(shadow: Shadow, cause: ShadowCause) -> str:
    """Return the line for a new difference."""
    difference = cause.difference
    what = f"{difference.kind}{f' ({difference.of})' if difference.of else ''}"
    values = (difference.before, difference.after)
    change = " -> ".join(as_text(value) for value in values if isinstance(value, str | int | list))
    return str(redacted(f"{shadow.name} {difference.level} {difference.op}: {what}{f': {change}' if change else ''}"))


def sorted_causes(shadow: Shadow) -> list[ShadowCause]:
    """Return the causes, the worst first, then the most frequent."""
    return sorted(shadow.causes.values(),
                  key=lambda cause: (DIFFERENCE_LEVELS.index(cause.difference.level), -cause.count))


def shadow_totals(shadow: Shadow) -> dict[str, int]:
    return {level: shadow.counts[level] for level in (SAME, *reversed(DIFFERENCE_LEVELS[:3]), UNSURE)}


def shadow_lines(shadow: Shadow, url: str) -> Iterator[str]:
    """Yield the lines of the text report."""
    counts = ", ".join(f"{count} {level}" for level, count in shadow_totals(shadow).items() if count) or "no answers"
    yield f"Compared with {shadow.name}: {counts}"
    for cause in sorted_causes(shadow):
        yield f"  {cause_line(shadow, cause)} ({cause.count}x in {listed_names([*cause.operations], NAMED)})"
        yield f"    {cause.difference.reason}"
        yield f"    {curl_line(url, shown_request(cause.exchange.request))}"


def shadow_data(shadow: Shadow, url: str) -> dict[str, Any]:
    """Return the comparison as plain data, without secrets."""
    return {"format": "sarkmock-shadow/1", "shadow": shadow.name, "answers": shadow_totals(shadow), "causes": [
        {"level": cause.difference.level, "kind": cause.difference.kind, "of": cause.difference.of,
         "before": redacted(cause.difference.before), "after": redacted(cause.difference.after),
         "reason": cause.difference.reason, "operations": cause.operations,
         **exchange_data(url, cause.exchange, {}, of_client=True), "shadow_status": cause.shadow_status}
        for cause in sorted_causes(shadow)]}


def write_shadow(shadow: Shadow | None, url: str, directory: Path) -> None:
    """Write the comparison as JSON and as text; without one, remove that of an earlier run."""
    data, text = directory / "shadow.json", directory / "shadow.txt"
    if shadow is None:
        data.unlink(missing_ok=True)
        text.unlink(missing_ok=True)
        return
    write_whole(data, as_json(shadow_data(shadow, url)).encode("utf-8", "backslashreplace"))
    write_whole(text, "".join(f"{line}\n" for line in shadow_lines(shadow, url)).encode("utf-8", "backslashreplace"))

"""In what two answers to one request differ for a client: kinds and levels are those of `compare`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sarkmock.suite_api import Operation

from ..baselines.field_diff import compare_forms
from ..baselines.response_shape import response_fields, shape
from ..baselines.severity import Difference
from ..client.http import JSON, Response
from ..judge.agreement import settle
from ..spec.contract import Contract

REFUSED = 422
WHOLE = "the answer itself"
# Header fields that clients act on, and those that only browsers do. Others are the web server's, or depend on time.
HEADERS = ("Allow", "Location", "Content-Disposition", "Cache-Control", "Retry-After", "WWW-Authenticate",
           "Accept-Ranges")
OF_BROWSERS = ("Vary", *(f"Access-Control-{name}" for name in (
    "Allow-Origin", "Allow-Methods", "Allow-Headers", "Allow-Credentials", "Expose-Headers", "Max-Age")))
ORIGIN = re.compile("https?://[^/]*")
# Kinds of differences in the status, with which nothing can be said of the rest of an answer.
STATUS_KINDS = frozenset(("refusal status changed", "crash status changed", "newly crashes",
                       "no longer crashes", "now refused", "no longer refused", "crash instead of refusal",
                       "operation gone", "operation moved"))


def differences(op: str, contract: Contract, operation: Operation | None, before: Response,
                after: Response, *, browser: bool = False) -> Iterator[Difference]:
    """What the second answer has that the first has not, one difference for each thing. ``browser``: to a page."""
    if before.status != after.status:
        yield of_status(op, before, after)
    else:
        yield from of_headers(op, before, after, HEADERS + OF_BROWSERS if browser else HEADERS)
    if before.ok and after.ok:
        yield from of_bodies(op, contract, operation, before, after)
    elif before.status != after.status:
        return
    elif before.status == REFUSED:
        yield from of_refusals(op, before.refused, after.refused)
    else:
        yield from of_errors(op, before, after)


def of_status(op: str, before: Response, after: Response) -> Difference:
    was, now = before.status, after.status
    if after.ok or before.ok:
        kind = ("success status changed" if before.ok and after.ok else
                "newly crashes" if now >= 500 else "now refused" if before.ok else
                "no longer crashes" if was >= 500 else "no longer refused")
    else:
        kind = ("crash status changed" if was >= 500 and now >= 500 else "no longer crashes" if was >= 500 else
                "crash instead of refusal" if now >= 500 else "refusal status changed")
    return Difference(kind, op, ", ".join(after.refused), answer_shown(before), answer_shown(after))


def of_headers(op: str, before: Response, after: Response, names: tuple[str, ...]) -> Iterator[Difference]:
    """Header fields that are gone, appeared or changed; where a redirection leads counts without its host."""
    for name in names:
        was, now = (response.header(name) or "" for response in (before, after))
        if name == "Location":
            was, now = (ORIGIN.sub("", value) for value in (was, now))
        if settle(name, was) != settle(name, now):
            kind = "header gone" if not now else "header appeared" if not was else "header changed"
            yield Difference(kind, op, name, was or None, now or None)


def of_refusals(op: str, before: Any, after: Any) -> Iterator[Difference]:
    """Which fields are rejected, and in what words."""
    for name in dict.fromkeys([*before, *after]):
        if name not in before:
            yield Difference("rule tightened", op, name, None, after[name])
        elif name not in after:
            yield Difference("rule loosened", op, name, before[name], None)
        elif before[name] != after[name]:
            yield Difference("message changed", op, name, before[name], after[name])


def of_errors(op: str, before: Response, after: Response) -> Iterator[Difference]:
    kinds = before.content_type, after.content_type
    forms = [sorted(shape(response.json)) if response.json is not None else [] for response in (before, after)]
    if kinds[0] != kinds[1] or forms[0] != forms[1]:
        yield Difference("error form changed", op, str(before.status), ", ".join(forms[0]), ", ".join(forms[1]))


def of_bodies(op: str, contract: Contract, operation: Operation | None, before: Response,
              after: Response) -> Iterator[Difference]:
    if before.content_type != after.content_type:
        yield Difference("content type changed", op, "", before.content_type, after.content_type)
    elif before.content_type != JSON:
        if bool(before.body) != bool(after.body):
            yield Difference("value changed", op, WHOLE, len(before.body), len(after.body))
    else:
        names = response_fields(contract, operation) if operation else None
        forms = list(compare_forms(op, shape(before.json, names), shape(after.json, names), own=True))
        yield from forms
        told = {form.of.partition(".")[0] for form in forms}
        for name in changed_fields(before.json, after.json):
            if name not in told and WHOLE not in told:
                yield Difference("value changed", op, name)


def changed_fields(before: Any, after: Any) -> Iterator[str]:
    """The fields whose values differ, apart from values that depend on time or chance."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() & after.keys():
            if settle(name, before[name]) != settle(name, after[name]):
                yield name
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield "the rows"
            return
        pairs = zip(before, after, strict=True)
        yield from dict.fromkeys(name for pair in pairs for name in changed_fields(*pair))
    elif settle("", before) != settle("", after):
        yield WHOLE


def answer_shown(response: Response) -> str:
    """A status, and what a refusal says."""
    said = "; ".join(str(text) for texts in response.refused.values()
                     for text in (texts if isinstance(texts, list) else [texts]))
    return f"{response.status} {said}".strip()

"""Runs a case against an engine: a list of requests with expected responses.

A step names its request (`request: GET /agents`, with `json`, `form`, `files`, `raw`, `headers` and `save` as in
recorded exchanges) and what to expect: `status`, `body` (all of it), `has` and `lacks` (a part of it), `answers`
(headers), `type`, `text` (part of a download). Instead it may look into the document: `document: [key, key, ...]` with
`body`, `has`, `lacks` or `absent: true`; or let time pass: `after: SECONDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sarkmock.http.engine import Engine
from sarkmock.http.replies import Reply
from tests import replay

Step = Mapping[str, Any]


def run(steps: list[Step], engine: Engine) -> None:
    """Run the steps. AssertionError for the first one that fails."""
    replay.factory_fresh(engine.state)
    saved: dict[str, str] = {}
    for number, step in enumerate(steps, 1):
        where = f"step {number}: {step.get('request') or step.get('document') or step}"
        if "document" in step:
            check_document(step, engine.document, where)
        elif "after" in step:
            engine.state.clock.advance(step["after"])
        else:
            check_reply(step, send(step, engine, saved), where)


def send(step: Step, engine: Engine, saved: dict[str, str]) -> Reply:
    method, path = step["request"].split(" ", 1)
    recorded = {**step, "method": method, "path": path}
    reply = engine.handle(replay.request_of(recorded, saved))
    replay.remember(recorded, reply, saved)
    return reply


def check_reply(step: Step, reply: Reply, where: str) -> None:
    where = f"{where} answered {reply.status} {str(reply.body)[:500]}"
    assert reply.status == step["status"], where
    check_value(step, reply.body, where)
    if "type" in step:
        assert reply.content_type == step["type"], f"{where} as {reply.content_type}"
    if "text" in step:
        assert step["text"] in (reply.body or b"").decode("utf-8", "replace"), where
    for name, value in step.get("answers", {}).items():
        assert reply.headers.get(name) == value, f"{where} with {dict(reply.headers)}"


def check_document(step: Step, document: Any, where: str) -> None:
    value = document
    for key in step["document"]:
        value = value.get(key) if isinstance(value, dict) else value[key] if isinstance(value, list) else None
    assert (value is None) == step.get("absent", False), f"{where}: {value}"
    check_value(step, value, where)


def check_value(step: Step, value: Any, where: str) -> None:
    if "body" in step:
        assert replay.mask(value) == replay.mask(step["body"]), where
    if "has" in step:
        assert contains(replay.mask(value), replay.mask(step["has"])), f"{where} lacks {step['has']}"
    if "lacks" in step:
        assert not contains(replay.mask(value), replay.mask(step["lacks"])), f"{where} has {step['lacks']}"


def contains(value: Any, part: Any) -> bool:
    """Whether a value has a part: keys of an object, items of a list in any order, or the value itself."""
    if isinstance(part, dict):
        return isinstance(value, dict) and all(key in value and contains(value[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(value, list) and all(any(contains(item, expected) for item in value) for expected in part)
    return type(value) is type(part) and bool(value == part)

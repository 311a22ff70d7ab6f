"""Differences of versions that clients can see, verified by requests (cases/version-facts.yaml)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from sarkmock import SarkMock
from sarkmock.http.replies import Reply
from sarkmock.spec import yaml12
from tests import replay, steps, wire

FACTS = yaml12.read(Path(__file__).parent / "cases" / "version-facts.yaml")
CASES = [pytest.param(fact, profile, id=f"{profile}-{fact['fact']}") for fact in FACTS for profile in fact["profiles"]]


@cache
def mock_of(profile: str) -> SarkMock:
    return SarkMock(profile=profile, now=1_700_000_000)


@pytest.mark.parametrize(("fact", "profile"), CASES)
def test_version_fact(fact: dict[str, Any], profile: str) -> None:
    sark = mock_of(profile)
    sark.reset()
    saved: dict[str, str] = {}
    for number, step in enumerate(fact["steps"], 1):
        where = f"step {number}: {step.get('request') or step.get('document')}"
        if "document" in step:
            steps.check_document(step, sark.engine.document, where)
        else:
            check(step, send(step, sark, saved), where)


def send(step: dict[str, Any], sark: SarkMock, saved: dict[str, str]) -> Reply:
    """Send the request of a step as a client does."""
    method, path = step["request"].split(" ", 1)
    content_type, body = replay.payload(step)
    fields = {"Accept": "application/json", "Content-Type": content_type or None}
    fields |= {} if step.get("anonymous") else sark.headers
    fields |= {name: filled(value, saved) for name, value in step.get("headers", {}).items()}
    site = sark.url.removesuffix("/api") if step.get("site") else sark.url
    response = sark.session().request(method, site + quote(path, safe="/%?=&"), data=body, headers=fields,
                                      allow_redirects=False)
    reply = reply_of(response)
    replay.remember(step, reply, saved)
    return reply


def filled(value: str | None, saved: dict[str, str]) -> str | None:
    for name, text in saved.items():
        value = value and value.replace("{" + name + "}", text)
    return value


def reply_of(response: requests.Response) -> Reply:
    try:
        body = wire.cut(response.json()) if response.content else None
    except ValueError:
        body = response.content
    return Reply(body, response.status_code, response.headers, response.headers.get("Content-Type", ""))


def check(step: dict[str, Any], reply: Reply, where: str) -> None:
    steps.check_reply(step, reply, where)
    where = f"{where} answered {reply.body!r}"
    for name, value in step.get("exactly", {}).items():
        assert isinstance(reply.body, dict), where
        assert replay.canonical(reply.body[name]) == replay.canonical(value), f"{where}: {name}"
    for text in step.get("mentions", ()):
        assert text in str(reply.body), where
    if "order" in step:
        assert ",".join(step["order"]) in ",".join(reply.body), where

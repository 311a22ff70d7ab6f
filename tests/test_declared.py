"""Every response to a mutated request of the exported collection is declared: its status, media type and body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.judge.oracle import conformance_problems
from sarkmock_contracts.spec.contract import Contract

from sarkmock.export.requests import Exported, exported
from sarkmock.http.engine import Engine
from sarkmock.http.flask_app import create_app
from tests.engines import direct
from tests.wire import call, environ_of

VALUES: tuple[Any, ...] = (None, "", "x", "1001", " ", -1, 0, 1.5, 1e400, True, False, [], ["default"], [["a"]],
                           {"a": 1}, "\0a\0b", "x" * 300, "\N{SNOWMAN}", "operator", "pkey", "a.b")
ACCEPT = ("application/json", None)


def targets(item: Exported) -> Iterator[str]:
    """The path of the example, and a path with an unknown row."""
    for change in ({}, dict.fromkeys(item.parameters, "nosuch")):
        path = item.operation.path
        for name, value in {**item.parameters, **change}.items():
            path = path.replace("{" + name + "}", value)
        yield "/api" + path
        if not item.parameters:
            break


def bodies(item: Exported) -> Iterator[Any]:
    """No body, lists, scalars, and the examples with one field changed."""
    yield from (None, [], [1, 2], "text", {})
    for example in item.bodies.values():
        yield from (example, example)  # a key twice
        for field in {**item.operation.rules, **(example if isinstance(example, dict) else {})}:
            yield from ({**example, field: value} for value in VALUES)
            yield {name: value for name, value in example.items() if name != field}
    yield dict.fromkeys(item.operation.rules, False)


def sent(item: Exported) -> Iterator[tuple[str, bytes]]:
    """Pairs of content type and body."""
    for body in bodies(item):
        yield "application/json", json.dumps(body).encode()
    yield "application/x-www-form-urlencoded", b"pkey=%FF&cluster=%FF&description=%FF&name=%FF"
    if item.upload:
        field, name = item.upload
        for content in (b"", b"\0\1\2", b"RIFF$\0\0\0WAVEfmt \0\0", b"PK\5\6" + bytes(18)):
            for filename in (name, "x.bin"):
                head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n\r\n'
                yield "multipart/form-data; boundary=b", head.encode() + content + b"\r\n--b--\r\n"


def problems(profile: str) -> Iterator[str]:
    engine = Engine(profile=profile)
    contract, application = Contract(engine.document), direct(create_app(engine, control=None))
    requests = exported(engine.document)
    for item in requests:
        engine.state.reset()
        create_examples(application, [other for other in requests if other.operation.section == item.operation.section])
        for path in targets(item):
            for number, (content_type, body) in enumerate(sent(item)):
                fields = {"Host": "h", "Content-Type": content_type, "Content-Length": str(len(body)),
                          "Accept": ACCEPT[number % 5 == 0]}
                for query in ("", "?pkey=q&cluster=default&carrier=GeneralSIP") if number % 7 == 0 else ("",):
                    status, headers, content = call(
                        application, environ_of(item.operation.method, path + query, fields, body))
                    sent_as = Request(item.operation.method, path.removeprefix("/api"), query.removeprefix("?"),
                                      tuple(fields.items()), body)
                    exchange = Exchange(sent_as,
                                        Response(status, tuple(headers.items()), content))
                    for problem in conformance_problems(contract, item.operation, exchange):
                        cause = f"{item.operation.id} {problem.check} {problem.kind}"
                        yield f"{cause}: {problem.message[:150]} {body[:80]!r}"


def create_examples(application: Any, requests: list[Exported]) -> None:
    """Creates the rows that the examples of a section need."""
    for item in requests:
        if item.operation.method == "POST" and isinstance(item.body, dict):
            body = json.dumps(item.body).encode()
            fields = {"Host": "h", "Content-Type": "application/json", "Content-Length": str(len(body))}
            call(application, environ_of("POST", next(targets(item)), fields, body))


@pytest.mark.parametrize("profile", ["documented", "shipped"])
def test_every_response_is_declared(profile: str) -> None:
    assert list(problems(profile)) == []

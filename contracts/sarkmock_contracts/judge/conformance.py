"""Every response against the document: one small check per promise. Knows no state and sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from sarkmock.suite_api import Operation, pointer

from ..client.http import Exchange
from ..spec.contract import Contract

NOT_FOUND = 404


class Problem(NamedTuple):
    """What a check found: the rest of a finding's identity, and a line for people."""

    check: str
    field: str
    kind: str
    message: str


def conforms(contract: Contract, operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """All that is wrong with a response. One cause, one problem: an undocumented status says nothing of its body."""
    response = exchange.response
    found = contract.response(operation, response.status)
    if found is None:
        documented = ", ".join(contract.responses(operation))
        text = f"answers {response.status}, documented are {documented}: {_short(response.body)}"
        yield Problem("status", "", str(response.status), text)
        return
    place, spec = found
    if response.status == NOT_FOUND and response.json and response.json == contract.document["x-laravel"]["fallback"]:
        yield Problem("body", "", "unknown path", "the answer is that of a path that is not there")
        return
    yield from _headers(spec, exchange)
    content = spec.get("content", {})
    if not content:
        yield from _empty(exchange)
    elif response.content_type not in content:
        found_type = response.content_type or "without a content type"
        text = f"{response.status} is {found_type}, documented: {', '.join(content)}"
        yield Problem("content-type", "", response.content_type, text)
    elif response.content_type == "application/json" and exchange.request.method != "HEAD":
        yield from _body(contract, place + pointer("content", "application/json", "schema"), exchange)


def _headers(spec: Any, exchange: Exchange) -> Iterator[Problem]:
    for name, header in spec.get("headers", {}).items():
        if header.get("required") and exchange.response.header(name) is None:
            yield Problem("header", name, "missing", f"{exchange.response.status} lacks the header {name}")


def _empty(exchange: Exchange) -> Iterator[Problem]:
    if exchange.response.body:
        text = f"{exchange.response.status} is documented without a body, has {_short(exchange.response.body)}"
        yield Problem("body", "", "not empty", text)


def _body(contract: Contract, place: str, exchange: Exchange) -> Iterator[Problem]:
    value = exchange.response.json
    if value is None and exchange.response.body.strip() != b"null":
        yield Problem("body", "", "not JSON", f"the body is not JSON: {_short(exchange.response.body)}")
        return
    found: dict[tuple[str, str], Problem] = {}
    for error in contract.validator(place).iter_errors(value):
        where = ".".join(map(str, error.instance_path)) or "body"
        text = f"{exchange.response.status} {where}: {_short(error.message)}"
        for field in _fields(error):
            found.setdefault((field, error.kind.name), Problem("schema", field, error.kind.name, text))
    yield from found.values()


def _fields(error: Any) -> list[str]:
    """The columns an error speaks of: named by the schema, so that all rows of a list count as one."""
    column = ".".join(_columns(error.schema_path))
    if error.kind.name == "additionalProperties":
        return [_join(column, name) for name in error.kind.unexpected]
    return [_join(column, error.kind.property) if error.kind.name == "required" else column]


def _columns(schema_path: list[Any]) -> Iterator[str]:
    for step, following in pairwise(schema_path):
        if step == "properties":
            yield str(following)
        elif step == "additionalProperties":
            yield "*"


def _join(*names: str) -> str:
    return ".".join(name for name in names if name)


def _short(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= 160 else text[:157] + "..."

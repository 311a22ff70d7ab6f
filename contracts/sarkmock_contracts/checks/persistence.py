"""What was sent is what is stored: the answer to a write, and the GET after it, hold every value as PHP stores it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sarkmock.suite_api import Operation, to_text

from ..client.http import Exchange, Request
from ..fixtures.rows import path_along
from ..judge.conformance import Problem
from ..run import Run
from ..spec.contract import Contract
from ..spec.operation_data import columns_derived, listed


def check_stored(run: Run, operation: Operation, exchange: Exchange, sent: Mapping[str, Any]) -> None:
    """Compare what a successful write was sent with its answer and with what a GET then shows."""
    answer = exchange.response.json
    if not isinstance(answer, dict) or not exchange.response.ok:
        return
    for problem in differences(operation, sent, answer):
        run.report(operation.id, problem, exchange)
    path = shown_at(run.contract, operation, exchange)
    if path is None:
        return
    shown = run.send(Request("GET", path))
    if isinstance(shown.response.json, dict):
        for problem in differences(operation, sent, shown.response.json):
            run.report(operation.id, problem, exchange, shown)


def shown_at(contract: Contract, operation: Operation, exchange: Exchange) -> str | None:
    """The path of the GET that shows what an operation wrote: the same path, or the one its link leads to."""
    item = contract.document["paths"][operation.path]
    if operation.method == "PUT" and "get" in item:
        return exchange.request.path
    for link in contract.links_from(operation).values():
        target = contract.by_id[link.target]
        if target.method == "GET" and target.table is not None:
            return path_along(contract, link, exchange.response.json)
    return None


def differences(operation: Operation, sent: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[Problem]:
    """Columns that do not hold what was sent; fields that no rule knows must not appear."""
    derived = columns_derived(operation.id, sent)
    for name, value in sent.items():
        if name in derived or isinstance(value, (list, dict)):
            continue
        if name not in operation.rules:
            if name in row and name not in operation.visible:
                yield Problem("stored", name, "unknown field", f"{name} is not a variable of the operation but appears")
        elif name in row and not same(operation, value, row[name]):
            yield Problem("stored", name, "changed", f"{name} was sent as {value!r} and is {row[name]!r}")


def same(operation: Operation, sent: Any, got: Any) -> bool:
    """Whether a column holds what was sent, as text; a number may be spelled differently in a numeric column."""
    text = stored_text(sent)
    if text == "" and got is None:
        return listed("as_sent", operation.id)
    return got == text or (isinstance(got, (int, float)) and number(text) == got)


def stored_text(value: Any) -> str:
    """What PHP makes of a value before it stores it: trimmed text, nothing for null."""
    return to_text(value).strip(" \t\n\r\0\x0b")


def number(text: str) -> int | float | None:
    """The number that a text spells, exactly where it is an integer."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None

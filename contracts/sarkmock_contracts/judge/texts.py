"""The checks beyond the rules, and the texts of errors that no schema describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from string import Formatter
from typing import Any

from sarkmock.suite_api import Operation, errors_summary, fields_of_checks, is_rule_message, to_text

from ..client.http import SUMMARY, Exchange, Response
from ..spec.contract import Contract
from .agreement import is_crash
from .oracle import NOT_FOUND, Problem

ANY_TEXT = ".*"


def text_problems(contract: Contract, operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Yield the texts of an error response that the document's version does not give."""
    if exchange.response.status == NOT_FOUND:
        yield from _of_missing_row(contract, operation, exchange)
    elif exchange.response.rejected:
        yield from _of_checks(contract, operation, exchange)
        if contract.may_name(operation) >= SUMMARY:
            yield from _of_summary(exchange)


def _of_missing_row(contract: Contract, operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Compare the message of 404 for an unknown key, where it is one of the framework."""
    wording = contract.document["x-laravel"]["row-not-found"]
    if not isinstance(wording, str) or operation.table is None:
        return
    key = contract.path_parameters(exchange.request).get(operation.key or "")
    if key is not None:
        wanted, shown = wording.format(model=operation.table.model, key=key), exchange.response.fields.get("message")
        if isinstance(shown, str) and shown != wanted:
            yield Problem("schema", "message", "wording", f"404 message: {shown!r} instead of {wanted!r}")


def _of_checks(contract: Contract, operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    for name, texts in contract.check_texts(operation).items():
        messages = exchange.response.rejected.get(name)
        others = [message for message in (messages if isinstance(messages, list) else ())
                  if isinstance(message, str) and not is_rule_message(name, message)]
        if others:  # checks look at all variables, or at those of the body
            patterns = [pattern_of(text, name, sent) for sent in exchange.request.read() for text in texts]
            others = [message for message in others
                      if not any(re.fullmatch(pattern, message, re.DOTALL) for pattern in patterns)]
        if others:
            yield Problem("messages", name, "wording", f"{name}: no check returns {others}")


def check_problems(operation: Operation, response: Response, expected: Response) -> Iterator[Problem]:
    """Yield where the checks beyond the rules did not decide as in the expected response."""
    deletes = operation.method == "DELETE" and expected.status == HTTPStatus.CONFLICT
    if response.ok and (deletes or is_crash(expected)):
        text = f"returned {response.status}, where a check of this version returns {expected.status}"
        yield Problem("status", "", str(response.status), text)
    elif deletes and response.status == HTTPStatus.CONFLICT and response.json != expected.json:
        yield Problem("body", "", "wording", f"409: {response.json} instead of {expected.json}")
    for name in sorted(expected.rejected.keys() & fields_of_checks(operation)):
        wanted, messages = expected.rejected[name], response.rejected.get(name)
        if response.ok and name in operation.rules:
            yield Problem("rules", name, "accepted", f"{name} is accepted, but a check rejects it: {wanted}")
        elif response.rejected and messages != wanted:
            kind = "missing" if messages is None else "wording"
            yield Problem("messages", name, kind, f"{name}: {messages} instead of {wanted}")


def pattern_of(text: str, name: str, sent: Mapping[str, Any]) -> str:
    """Return the pattern of a check's text for a field that it rejects."""
    values = {**sent, "field": name, "value": sent.get(name)}
    return "".join(re.escape(literal) + ("" if part is None else _value_pattern(values.get(part)) if part else ANY_TEXT)
                   for literal, part, *_ in Formatter().parse(text))


def _value_pattern(value: Any) -> str:
    """Return the pattern of a value in a message. How others than plain texts are trimmed depends on the version."""
    text = to_text(value) if value is None or isinstance(value, (str, int, float)) else None
    return re.escape(text) if text is not None and text.isascii() and text.isprintable() else ANY_TEXT


def _of_summary(exchange: Exchange) -> Iterator[Problem]:
    response = exchange.response
    if all(isinstance(messages, list) and messages for messages in response.rejected.values()):
        wanted, shown = errors_summary(response.rejected), response.fields["message"]
        if shown != wanted:
            yield Problem("schema", "message", "wording", f"422 message: {shown!r} instead of {wanted!r}")

"""Verdicts on one exchange: whether the response conforms to the document, and to its rules.

The request is parsed as PHP parses it and judged by the documented rules, so the verdict does not depend on how it was
made or what it was meant to test. Parsing and rules are shared with the mock; hand-written boundary values guard
against errors in both.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sarkmock.suite_api import Operation, PhpError, Validator, dotted, pointer

from ..client.http import Exchange, Request, Response
from ..spec.boundary_values import bounds_of, is_placeholder
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables

NOT_FOUND = 404


class Problem(NamedTuple):
    """What a check found: the finding's identity without the operation, and a message."""

    check: str
    field: str
    kind: str
    message: str


def conformance_problems(contract: Contract, operation: Operation, exchange: Exchange) -> Iterator[Problem]:
    """Yield the problems of a response. One cause gives one problem: an undocumented status is reported alone."""
    response = exchange.response
    documented_response = contract.response(operation, response.status)
    if documented_response is None:
        documented = ", ".join(contract.responses(operation))
        text = f"returned {response.status}, documented: {documented}: {_short(response.body)}"
        yield Problem("status", "", str(response.status), text)
        return
    place, spec = documented_response
    if response.status == NOT_FOUND and response.json and response.json == contract.document["x-laravel"]["fallback"]:
        yield Problem("body", "", "unknown path", "the response is that of an unknown path")
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
        if "x-then-crash" in spec:
            exchange = yield from _before_crash(spec["x-then-crash"], exchange)
        yield from _body(contract, place + pointer("content", "application/json", "schema"), exchange)


def _headers(spec: Any, exchange: Exchange) -> Iterator[Problem]:
    for name, header in spec.get("headers", {}).items():
        if header.get("required") and exchange.response.header(name) is None:
            yield Problem("header", name, "missing", f"{exchange.response.status} lacks the header {name}")


def _empty(exchange: Exchange) -> Iterator[Problem]:
    if exchange.response.body:
        text = f"{exchange.response.status} is documented without a body, but has {_short(exchange.response.body)}"
        yield Problem("body", "", "not empty", text)


def _before_crash(crash: Any, exchange: Exchange) -> Generator[Problem, None, Exchange]:
    """Return the exchange without the debug page that follows its JSON. Yield a problem if none follows."""
    error, page = exchange.response.error_and_page
    if crash["message"].encode() in page:
        return replace(exchange, response=error)
    yield Problem("body", "", "no debug page", f"no debug page follows the JSON: {_short(exchange.response.body)}")
    return exchange


def _body(contract: Contract, place: str, exchange: Exchange) -> Iterator[Problem]:
    value, body = exchange.response.json, exchange.response.body
    if (value is None and body.strip() != b"null") or body.startswith(BOM_UTF8):
        yield Problem("body", "", "not JSON", f"the body is not JSON: {_short(body)}")
        return
    problems: dict[tuple[str, str], Problem] = {}
    for error in contract.errors(place, value, exchange.request):
        where = dotted(error.instance_path, "body")
        text = f"{exchange.response.status} {where}: {_short(error.message)}"
        for name in _fields(error):
            problems.setdefault((name, error.kind.name), Problem("schema", name, error.kind.name, text))
    yield from problems.values()


def _fields(error: Any) -> list[str]:
    """Return the columns that a schema error concerns, named by the schema so that all rows of a list count as one."""
    steps = [*_columns(error.schema_path)] or [step for step in error.instance_path if isinstance(step, str)]
    column = ".".join(steps)  # the schema's path starts again where a column refers to another schema
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


Messages = Mapping[str, list[str]]


@dataclass(frozen=True)
class Verdict:
    """The verdict of the rules on a request: the fields they reject with their messages, and the variables sent.

    ``crash`` names a field that makes PHP crash. A field in ``may_crash`` can crash PHP in a check beyond the rules.
    ``late``: the crash happens after these checks, which may reject the request first.
    """

    errors: Messages = field(default_factory=dict)
    sent: Mapping[str, Any] = field(default_factory=dict)
    crash: str | None = None
    may_crash: frozenset[str] = frozenset()
    late: bool = False

    @property
    def accepted(self) -> bool:
        return not self.errors and self.crash is None

    def excuses(self, response: Response) -> bool:
        """Whether a response is a crash that the document predicts."""
        return response.status >= 500 and (self.crash is not None or bool(self.may_crash))


def verdict(contract: Contract, operation: Operation, request: Request, live: LiveTables) -> Verdict:
    """Apply the documented rules to a request."""
    everything, post = request.read()
    try:
        errors = contract.validator_of(operation).errors(everything, live)
    except PhpError as error:
        return Verdict(sent=everything, crash=error.field or "")
    crash = None
    if not errors:
        crash = unreadable_field(operation, everything) or next(unstorable_fields(contract, operation, post), None)
    return Verdict(errors, everything, crash, array_fields(operation, everything), late=True)


def unreadable_field(operation: Operation, everything: Mapping[str, Any]) -> str | None:
    """Return a field whose text is not UTF-8; None if there is none."""
    try:
        operation.validator.check_readable(everything)
    except PhpError as error:
        return error.field
    return None


def certainly_rejected(contract: Contract, operation: Operation, request: Request) -> frozenset[str]:
    """Return the fields that are rejected with any rows, except fields that make PHP crash."""
    everything = request.variables
    left, deadly = dict(everything), set[str]()
    while True:
        try:
            return frozenset(contract.certain(operation).errors(left, NoRows())) - deadly
        except PhpError as error:
            if error.field not in left:
                return frozenset()
            deadly.add(error.field)
            del left[error.field]


def array_fields(operation: Operation, everything: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields with non-text values if the operation has checks beyond the rules, which can crash on them."""
    if not operation.checks:
        return frozenset()
    return frozenset(name for name, value in everything.items() if isinstance(value, (list, dict)))


def unstorable_fields(contract: Contract, operation: Operation, post: Mapping[str, Any]) -> Iterator[str]:
    """Yield fields whose value passes the rules but is not text, unless the document accepts arrays there.

    PHP has only arrays, so of a JSON object only the values count.
    """
    for name, value in post.items():
        if name in operation.rules and isinstance(value, (list, dict)):
            members = list(value.values()) if isinstance(value, dict) else value
            yield from () if contract.takes(operation, name, members) else (name,)


def verdict_problems(contract: Contract, operation: Operation, expected: Verdict,
                     response: Response) -> Iterator[Problem]:
    if crashed_in_check(contract, expected, response):
        return
    if expected.crash is not None:
        yield from _crash(contract, operation, expected, response)
    elif response.status == 422:
        yield from _named(contract, operation, expected, response.rejected)
    elif response.ok:
        yield from (_accepted(name, response.status) for name in expected.errors)


def crashed_in_check(contract: Contract, expected: Verdict, response: Response) -> bool:
    """Whether the response is that of a check that crashed on a non-text value."""
    if not contract.crashes_are_rejected:
        return response.status == 500 and bool(expected.may_crash)
    return any(set(response.rejected) == {name} for name in expected.may_crash)


def _crash(contract: Contract, operation: Operation, expected: Verdict, response: Response) -> Iterator[Problem]:
    """Compare a predicted crash with the response.

    Depending on x-crashes of the document: 422 for that field, or 500 (409 where the product catches the exception).
    """
    name = expected.crash or ""
    if not contract.crashes_are_rejected:
        if expected.late and response.rejected:
            yield from _named(contract, operation, Verdict(sent=expected.sent), response.rejected)
            return  # a check rejected it first
        caught = response.status == 409 and "409" in operation.spec["responses"]
        if response.status != 500 and not caught:
            yield _crashed(name, response, "PHP crashes on it, but the status is")
        return
    if response.status >= 500:
        yield _crashed(name, response, "the response to a value that is not text is")
    elif response.ok:
        yield _accepted(name, response.status)
    elif response.rejected and name and name not in response.rejected:
        # Rules and checks run before anything is stored: a rejection by them is wrong here, and hides the field.
        yield from _named(contract, operation, Verdict(), response.rejected)


def _crashed(name: str, response: Response, text: str) -> Problem:
    return Problem("crash", name, str(response.status), f"{name}: {text} {response.status}")


def _named(contract: Contract, operation: Operation, expected: Verdict, answer: Mapping[str, Any]) -> Iterator[Problem]:
    """Compare the rejected fields, then the messages of correctly rejected fields."""
    checked = contract.may_name(operation) | contract.unlisted(operation)
    for name in expected.errors:
        if name not in answer:
            yield _accepted(name, 422)
        else:
            yield from _worded(name, expected.errors[name], answer[name], extra=name in checked)
    for name in answer:
        if name not in expected.errors and name not in checked:
            yield Problem("rules", name, "rejected", f"{name} is rejected although the rules accept it: {answer[name]}")
        elif name not in expected.errors and name in expected.sent and name not in contract.unlisted(operation):
            yield from _by_rules(operation, name, answer[name])


def _accepted(name: str, status: int) -> Problem:
    return Problem("rules", name, "accepted", f"{name} breaks its rules but is not rejected (status {status})")


def _worded(name: str, expected: list[str], shown: Any, extra: bool) -> Iterator[Problem]:
    """Compare messages in the order of the rules. With ``extra``, a check may have added its own messages."""
    messages = shown if isinstance(shown, list) else [shown]
    if messages[: len(expected)] != expected if extra else messages != expected:
        yield Problem("messages", name, "wording", f"{name}: {messages} instead of {expected}")


def _by_rules(operation: Operation, name: str, shown: Any) -> Iterator[Problem]:
    """Report messages of a field's rules although the rules accept its value. Checks may add other messages."""
    messages = shown if isinstance(shown, list) else [shown]
    wrong = [message for message in messages if message in rule_messages(operation, name)]
    if wrong:
        yield Problem("rules", name, "rejected", f"{name} is rejected although the rules accept it: {wrong}")


class NoRows:
    """Tables without rows."""

    def columns(self, table: str) -> list[str]:
        return []

    def rows(self, table: str) -> list[Mapping[str, Any]]:
        return []

    def count(self, table: str, column: str, value: Any) -> int:
        return 0


def rule_messages(operation: Operation, name: str) -> frozenset[str]:
    """Return every message that the rules of a field can give, by validating the values that its boundaries reject."""
    return _kept(operation, (name, ""), lambda: _all_messages(operation, name))


def messages_of(operation: Operation, name: str, value: Any) -> frozenset[str]:
    """Return the messages for one value against empty tables; none if it makes PHP crash."""
    return _kept(operation, (name, repr(value)), lambda: _drawn(operation.validator, name, value))


def _kept(operation: Operation, key: tuple[str, str], compute: Callable[[], frozenset[str]]) -> frozenset[str]:
    cached = _MESSAGES.setdefault(operation.validator, {})
    if key not in cached:
        cached[key] = compute()
    return cached[key]


def _all_messages(operation: Operation, name: str) -> frozenset[str]:
    if name not in operation.rules:
        return frozenset()
    values = (value for value in bounds_of(operation.rules[name]).reject if not is_placeholder(value))
    return frozenset[str]().union(*(messages_of(operation, name, value) for value in (None, "", *values)))


def _drawn(validator: Validator, name: str, value: Any) -> frozenset[str]:
    try:
        return frozenset(validator.errors({name: value}, NoRows()).get(name, ()))
    except PhpError:
        return frozenset()


_MESSAGES = WeakKeyDictionary[Validator, dict[tuple[str, str], frozenset[str]]]()

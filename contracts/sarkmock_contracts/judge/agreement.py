"""Whether two responses to one request are the same in the aspects that a problem concerns."""

from __future__ import annotations

import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Container, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Response
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables, key_text
from .oracle import Problem, verdict

OF_RULES = {"rules", "messages"}
OF_COLUMN = {"schema", "stored", "default", "unrequested", "query", "form"}
OF_ROWS = {"list"}
STATUS_CHECKS = {"presence", "duplicate", "dependency", "unknown-key", "unknown-field", "no-input", "answer", "method",
             "options", "head", "crash", "status", "content-type"}
OF_SERVING = {"unknown-path", "authentication"}  # that a request is served at all is the problem
OF_WHOLE_ANSWER = STATUS_CHECKS | {"unknown-path"}  # problems of an answer as a whole
JUDGED = {409, 422}  # with these an answer says that the rules were asked
CORS = "Access-Control-Allow-Origin"
NO_DEBUGGING = {"message": "Server Error"}
VOLATILE = {"passwd", "filesize", "date", "file", "line", "trace"}  # the last of a debug page
VOLATILE_TEXT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d|(?<!\d)1\d{9}(?!\d)")  # a time, also in seconds


def agrees(problem: Problem, exchange: Exchange, expected: Response) -> bool:
    """Whether an answer is the expected one, as far as the problem goes."""
    got = exchange.response
    if problem.check in OF_RULES:
        same = messages(got, problem.field) == messages(expected, problem.field)
        return judged(got) and judged(expected) and bool(same)
    if got.status != expected.status:
        return False
    if problem.check == "header":
        return got.header(problem.field) == expected.header(problem.field)
    if problem.check in OF_COLUMN and problem.field:
        return bool(columns(got.json, problem.field) == columns(expected.json, problem.field))
    if problem.check in OF_ROWS:
        return bool(first_values(got.json) == first_values(expected.json))
    if problem.check in OF_SERVING and got.ok and got.body:
        return same_headers(got, expected)  # data, such as call detail records, holds times
    if problem.check in OF_SERVING and got.ok:
        return (problem.kind in got.allow) == (problem.kind in expected.allow)  # to OPTIONS
    if problem.check != "unknown-path" and problem.check in STATUS_CHECKS and problem.kind != "wording":
        return same_headers(got, expected)
    return same_headers(got, expected) and bool(without_volatile_values(got) == without_volatile_values(expected))


def leads_up(problem: Problem, exchange: Exchange, expected: Response) -> bool:
    """Whether an earlier answer of the same evidence already shows what was not expected of a column."""
    got = exchange.response
    shown = problem.check in OF_COLUMN and problem.field and got.ok and expected.ok
    return not shown or bool(columns(got.json, problem.field) == columns(expected.json, problem.field))


def judged(response: Response) -> bool:
    return response.ok or response.status in JUDGED


def same_of_field(got: Response, expected: Response, field: str) -> bool:
    """Whether two answers say the same of a variable: how it is refused, or what is shown of it."""
    if not (judged(got) and judged(expected)):
        return True  # a crash says nothing of the rules
    if messages(got, field) != messages(expected, field):
        return False
    return not (got.ok and expected.ok) or bool(columns(got.json, field) == columns(expected.json, field))


def same_row(listing: Operation, made: Exchange, *lists: Response) -> bool:
    """Whether lists agree on the row that a request has made: all show it, or none does."""
    name = listing.table.key if listing.table else ""
    key = key_text(made.response.fields.get(name))
    shown = {key in [key_text(row.get(name)) for row in answer.rows] for answer in lists}
    return len(shown) == 1 and all(answer.ok for answer in lists)


def messages(response: Response, field: str) -> Any:
    """What a refusal says of a field; nothing where it is not refused."""
    return response.refused.get(field)


def columns(value: Any, field: str) -> Any:
    """What is shown of a column: in an object, or in every row of a list."""
    name = field.partition(".")[0]
    if isinstance(value, list):
        return [columns(row, field) for row in value]
    if not isinstance(value, dict):
        return type(value).__name__ if name != "*" else mask_volatile(name, value)
    if name in value:
        return mask_volatile(name, value[name])
    return "absent" if name not in ("", "*") else mask_volatile("", value)


def first_values(value: Any) -> Any:
    """The rows of a list by what stands first in them, in their order."""
    return [next(iter(row.values()), None) if isinstance(row, Mapping) else row for row in value] \
        if isinstance(value, list) else value


def same_headers(one: Response, other: Response) -> bool:
    """Type, Allow, and whether there is a body."""
    shown = ((response.content_type, allowed_methods(response), bool(response.body)) for response in (one, other))
    return next(shown) == next(shown)


def is_same(one: Response, other: Response) -> bool:
    """Whether two answers differ at most by time, random values, and the words of a crash."""
    return not differing_parts(one, other)


def differing_parts(one: Response, other: Response) -> set[str]:
    """In what two answers differ, but for time, random values, and the words of a crash.

    What a framework adds to every answer says nothing of the rest.
    """
    result = {CORS} if one.header(CORS) != other.header(CORS) else set()
    if one.status != other.status or not same_headers(one, other) or not (
            one.body == other.body or without_volatile_values(one) == without_volatile_values(other)):
        result.add("answer")
    return result


def allowed_methods(response: Response) -> set[str]:
    return {method.strip() for method in (response.header("Allow") or "").split(",")}


def without_volatile_values(response: Response) -> Any:
    """A body without values that depend on time or chance; of a crash no more than that it is one."""
    if is_crash(response):
        return "crash"
    if response.json is None:
        return len(response.body) > 0 if response.content_type.startswith("application/") else response.body
    return mask_volatile("", response.json)


def is_crash(response: Response) -> bool:
    """Whether it is Laravel's answer to an exception: its words are PHP's, its other fields are there for debugging."""
    shown = response.fields
    return response.status == HTTPStatus.INTERNAL_SERVER_ERROR and ("trace" in shown or shown == NO_DEBUGGING)


def mask_volatile(name: str, value: Any) -> Any:
    if name in VOLATILE:
        return type(value).__name__
    if isinstance(value, dict):
        return {mask_volatile("", key): mask_volatile(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_volatile("", item) for item in value]
    return VOLATILE_TEXT.sub("#", value) if isinstance(value, str) else value


# Evidence against a deviation: a box that accepts one value may have a deviation that accepts every value; if it
# rejects another, as the judging document says, it has not.

MOST_ANSWERS = 60  # answers of an operation
MOST_VERDICTS = 2_000  # answers of which it is remembered what documents say


class Rejected(NamedTuple):
    """The variables that rules reject, and those of which a table or a check beside the rules decides."""

    rejected: frozenset[str]
    open: frozenset[str]


class JudgedAnswers:
    """Answers that were judged, by operation, each with the variables that it has a problem with."""

    def __init__(self, live: LiveTables, stored: Container[tuple[str, str]] = ()) -> None:
        self._live, self._stored = live, stored
        self._answers: dict[str, deque[tuple[Exchange, frozenset[str]]]] = defaultdict(
            lambda: deque(maxlen=MOST_ANSWERS))
        self._said = OrderedDict[int, tuple[Exchange, WeakKeyDictionary[Contract, Rejected | None]]]()

    def observe(self, operation: Operation, exchange: Exchange, problems: Collection[str]) -> None:
        if judged(exchange.response):
            self._answers[operation.id].append((exchange, frozenset(problems)))

    def speaking_of(self, operation: str, field: str) -> Iterator[Exchange]:
        """Answers that are as the judging document says, as far as this variable goes; the last one first."""
        return (exchange for exchange, problems in reversed(self._answers[operation]) if field not in problems)

    def contradicts(self, contract: Contract, exchange: Exchange, field: str) -> bool:
        """Whether by the rules of another document an answer should have said something else of a variable."""
        if not judged(exchange.response):
            return False  # a crash says nothing of the rules
        operation = contract.operation_of(exchange.request)
        if operation is not None and field not in operation.rules and (operation.id, field) in self._stored:
            return True  # what is no variable is not stored
        if id(exchange.response) not in self._said:
            self._said[id(exchange.response)] = exchange, WeakKeyDictionary()
            if len(self._said) > MOST_VERDICTS:
                self._said.popitem(last=False)
        _, by_contract = self._said[id(exchange.response)]
        if contract not in by_contract:
            by_contract[contract] = self._rejected(contract, exchange)
        said = by_contract[contract]
        return said is not None and field not in said.open and (
            (field in said.rejected) != (field in exchange.response.refused))

    def _rejected(self, contract: Contract, exchange: Exchange) -> Rejected | None:
        """What the rules of a document say to a request; None if it has none there, or may crash."""
        operation = contract.operation_of(exchange.request)
        if operation is None:
            return None
        theirs = verdict(contract, operation, exchange.request, self._live)
        if theirs.crash is not None or theirs.may_crash:
            return None
        return Rejected(frozenset(theirs.errors), contract.may_name(operation) | contract.asking(operation))

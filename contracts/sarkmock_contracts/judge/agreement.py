"""Compare two responses to one request in the aspects that a problem concerns."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections import OrderedDict, defaultdict, deque
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sarkmock.suite_api import Operation

from ..client.http import Exchange, Request, Response, bounded_json
from ..spec.contract import Contract
from ..spec.operation_data import LiveTables, key_text
from .oracle import Problem, verdict

OF_RULES = {"rules", "messages"}
OF_COLUMN = {"schema", "stored", "default", "unrequested", "query", "form"}
OF_ROWS = {"list"}
STATUS_CHECKS = {"presence", "duplicate", "dependency", "unknown-key", "unknown-field", "answer", "method",
                 "options", "head", "crash", "status", "content-type"}
OF_SERVING = {"unknown-path", "authentication"}  # the problem is that the request is served at all
OF_WHOLE_ANSWER = STATUS_CHECKS | {"unknown-path"}  # problems of a response as a whole
JUDGED = {409, 422}  # error statuses that show that the rules were evaluated
CORS = "Access-Control-Allow-Origin"
NO_DEBUGGING = {"message": "Server Error"}
VOLATILE = {"passwd", "filesize", "date", "file", "line", "trace"}  # the last three are fields of a debug page
VOLATILE_TEXT = re.compile(r"(?s)\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d|(?<!\d)1\d{9}(?!\d)"  # or a Unix timestamp
                           r"|(?<= values )\(.*")  # of an INSERT in the text of a crash: a password is among them


def agrees(problem: Problem, exchange: Exchange, expected: Response, row: tuple[str, str] = ("", "")) -> bool:
    """Return whether a response equals the expected one in the aspects that the problem concerns.

    ``row`` names one row of a list, by its key column and its key; empty for all rows.
    """
    response = exchange.response
    if problem.check in OF_RULES:
        same = (response.rejected == expected.rejected if problem.kind == "missing"  # any other response lacks it, too
                else messages(response, problem.field) == messages(expected, problem.field))
        return judged(response) and judged(expected) and bool(same)
    if problem.check == "method" and HTTPStatus.METHOD_NOT_ALLOWED not in (response.status, expected.status):
        return True  # both have the method: the document of the target's version judges the response
    if response.status != expected.status:
        return False
    if problem.check == "header":
        return response.header(problem.field) == expected.header(problem.field)
    if problem.check in OF_COLUMN and problem.field:
        shown, wanted = (rows_of(one.error_and_page[0].json, *row) for one in (response, expected))
        return bool(columns(shown, problem.field) == columns(wanted, problem.field))
    if problem.check in OF_ROWS:
        return bool(first_values(response.json) == first_values(expected.json))
    if problem.check in OF_SERVING and response.ok and response.body:
        return same_headers(response, expected)  # data such as call detail records contains times
    if problem.check in OF_SERVING and response.ok:
        return (problem.kind in response.allow) == (problem.kind in expected.allow)  # a response to OPTIONS
    if problem.check != "unknown-path" and problem.check in STATUS_CHECKS and problem.kind != "wording":
        return same_headers(response, expected)
    same_body = bool(without_volatile_values(response) == without_volatile_values(expected))
    return same_body and same_headers(response, expected)


def agrees_throughout(problem: Problem, evidence: Sequence[Exchange], expected: Sequence[Response],
                      key: str = "") -> bool:
    """Return whether the last response equals the expected one, and no earlier one shows an unexpected column.

    ``key`` is the column that identifies a row. If the last response is a list, only the row that the earlier
    exchanges show is compared: the other rows may be unknown to the mock.
    """
    *before, last = zip(evidence, expected, strict=True)
    row = next((shown for exchange, _ in before if (shown := key_text(exchange.response.fields.get(key)))), "")
    return agrees(problem, *last, (key, row)) and all(leads_up(problem, *earlier) for earlier in before)


def leads_up(problem: Problem, exchange: Exchange, expected: Response) -> bool:
    """Return False if an earlier response of the same evidence already shows an unexpected value of the column.

    Nor does a version that crashes with an earlier request explain what the request stored when it succeeded.
    """
    response = exchange.response
    if problem.check in OF_COLUMN and response.ok and expected.status >= 500:
        return False
    shown = problem.check in OF_COLUMN and problem.field and response.ok and expected.ok
    return not shown or bool(columns(response.json, problem.field) == columns(expected.json, problem.field))


def judged(response: Response) -> bool:
    return response.ok or response.status in JUDGED


def same_of_field(response: Response, expected: Response, field: str) -> bool:
    """Return whether two responses agree on a variable: on its error messages, or on the column that they show."""
    if not (judged(response) and judged(expected)):
        return True  # a crash does not show what the rules decide
    if messages(response, field) != messages(expected, field):
        return False
    return not (response.ok and expected.ok) or bool(columns(response.json, field) == columns(expected.json, field))


def same_row(listing: Operation, made: Exchange, *lists: Response) -> bool:
    """Return whether all lists agree on the row that a request has created: all of them show it, or none does."""
    name = listing.table.key if listing.table else ""
    key = key_text(made.response.fields.get(name))
    shown = {key in [key_text(row.get(name)) for row in response.rows] for response in lists}
    return len(shown) == 1 and all(response.ok for response in lists)


def messages(response: Response, field: str) -> Any:
    """Return the error messages for a field; None if it is not rejected. A single text is a list of one."""
    found = response.rejected.get(field)
    return [found] if isinstance(found, str) else found


def columns(value: Any, field: str) -> Any:
    """Return the value of a column in an object, or a list of the values in every row of a list."""
    name = field.partition(".")[0]
    if isinstance(value, list):
        return [columns(row, field) for row in value]
    if not isinstance(value, dict):
        return type(value).__name__ if name != "*" else mask_volatile(name, value)
    if name in value:
        return mask_volatile(name, value[name])
    return "absent" if name not in ("", "*") else mask_volatile("", value)


def rows_of(value: Any, name: str, key: str) -> Any:
    """Return the different rows of a list that have a key. Without a key, or for anything else, return the value."""
    if not key or not isinstance(value, list):
        return value
    rows = (row for row in value if isinstance(row, dict) and key_text(row.get(name)) == key)
    return [*{json.dumps(row, sort_keys=True): row for row in rows}.values()]


def first_values(value: Any) -> Any:
    """Return the first value of every row of a list, in order."""
    return [next(iter(row.values()), None) if isinstance(row, Mapping) else row for row in value] \
        if isinstance(value, list) else value


def same_headers(first: Response, second: Response) -> bool:
    """Return whether content type, Allow and the presence of a body are equal."""
    shown = ((response.content_type, response.allow, bool(response.body)) for response in (first, second))
    return next(shown) == next(shown)


def is_same(first: Response, second: Response) -> bool:
    """Return whether two responses differ at most in times, random values, and the text of a crash."""
    return not differing_parts(first, second)


def differing_parts(first: Response, second: Response) -> set[str]:
    """Return the parts in which two responses differ: the CORS header, "answer" for the rest.

    Times, random values and the text of a crash are ignored. The CORS header is compared separately because the
    framework adds it to every response.
    """
    if first == second:
        return set()
    result = {CORS} if first.header(CORS) != second.header(CORS) else set()
    if first.status != second.status or not same_headers(first, second) or not (
            first.body == second.body or without_volatile_values(first) == without_volatile_values(second)):
        result.add("answer")
    return result


def offers(method: str, request: Request, response: Response) -> int:
    """Return what a response says about an operation: whether Allow names its method for OPTIONS, else the status."""
    return method in response.allow if request.method == "OPTIONS" else response.status


def without_volatile_values(response: Response) -> Any:
    """Return the body without values that depend on time or chance; "crash" for a crash."""
    if is_crash(response):
        return "crash"
    error, page = response.error_and_page
    if page:
        return mask_volatile("", [error.json, bounded_json(page)])
    if response.json is None or response.body.startswith(BOM_UTF8):
        return len(response.body) > 0 if response.content_type.startswith("application/") else response.body
    return mask_volatile("", response.json)


def is_crash(response: Response) -> bool:
    """Whether this is Laravel's response to an exception. Its text is PHP's and its other fields are debug output."""
    shown = response.fields
    return response.status == HTTPStatus.INTERNAL_SERVER_ERROR and ("trace" in shown or shown == NO_DEBUGGING)


def mask_volatile(name: str, value: Any) -> Any:
    if name in VOLATILE:
        return type(value).__name__
    if isinstance(value, dict):
        return {mask_volatile("", key): mask_volatile(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask_volatile("", item) for item in value]
    if isinstance(value, (bool, float)):
        return type(value), value  # Python regards them as equal to integers
    return VOLATILE_TEXT.sub("#", value) if isinstance(value, str) else value


# Evidence against a deviation: a box that accepts one value may have a deviation that accepts every value. If the
# box rejects another value, as the judging document requires, it does not have that deviation.

LARGE = 64 << 10  # bytes of exchanges that are not kept for this
MOST_ANSWERS = 60  # responses kept for each operation
MOST_VERDICTS = 2_000  # responses for which verdicts are cached


class Rejected(NamedTuple):
    """The variables that rules reject, and those that a table or a check beyond the rules decides."""

    rejected: frozenset[str]
    open: frozenset[str]


class JudgedAnswers:
    """Judged responses by operation, each with the variables that have a problem."""

    def __init__(self, live: LiveTables, stored: Container[tuple[str, str]] = ()) -> None:
        self._live, self._stored = live, stored
        self._answers: dict[str, deque[tuple[Exchange, frozenset[str]]]] = defaultdict(
            lambda: deque(maxlen=MOST_ANSWERS))
        self._said = OrderedDict[int, tuple[Exchange, WeakKeyDictionary[Contract, Rejected | None]]]()

    def observe(self, operation: Operation, exchange: Exchange, problems: Collection[str]) -> None:
        if judged(exchange.response) and exchange.weight < LARGE:
            self._answers[operation.id].append((exchange, frozenset(problems)))

    def speaking_of(self, operation: str, field: str) -> Iterator[Exchange]:
        """Yield responses that conform to the judging document for this variable, the newest first."""
        return (exchange for exchange, problems in reversed(self._answers[operation]) if field not in problems)

    def contradicts(self, contract: Contract, exchange: Exchange, field: str) -> bool:
        """Return whether the rules of another document contradict a response on this variable."""
        if not judged(exchange.response):
            return False  # a crash does not show what the rules decide
        operation = contract.operation_of(exchange.request)
        if operation is not None and field not in operation.rules and (operation.id, field) in self._stored:
            return True  # a field that is not a variable is not stored
        verdict = self._cached(contract, exchange) if exchange.weight < LARGE else self._rejected(contract, exchange)
        return verdict is not None and field not in verdict.open and (
            (field in verdict.rejected) != (field in exchange.response.rejected))

    def _cached(self, contract: Contract, exchange: Exchange) -> Rejected | None:
        if id(exchange.response) not in self._said:
            self._said[id(exchange.response)] = exchange, WeakKeyDictionary()
            if len(self._said) > MOST_VERDICTS:
                self._said.popitem(last=False)
        _, by_contract = self._said[id(exchange.response)]
        if contract not in by_contract:
            by_contract[contract] = self._rejected(contract, exchange)
        return by_contract[contract]

    def _rejected(self, contract: Contract, exchange: Exchange) -> Rejected | None:
        """Apply the rules of a document to a request; None if it has no such operation or the request may crash PHP."""
        operation = contract.operation_of(exchange.request)
        if operation is None:
            return None
        theirs = verdict(contract, operation, exchange.request, self._live)
        if theirs.crash is not None or theirs.may_crash:
            return None
        return Rejected(frozenset(theirs.errors), contract.may_name(operation) | contract.asking(operation))

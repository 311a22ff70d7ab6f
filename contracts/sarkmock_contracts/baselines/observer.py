"""Sends the requests of a recording and derives facts from the responses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from sarkmock.suite_api import Operation, redacted

from ..client.bounded import number_in_header
from ..client.http import Exchange, Request, Response
from ..client.target import Client
from ..errors import Unavailable
from ..fixtures.keys import MARK, Keys
from ..fixtures.rows import Body, Fixtures, Spared
from ..safety.fingerprint import DEBUG
from ..spec.boundary_values import Live
from ..spec.contract import contract_of
from ..spec.live_tables import LiveTables
from .catalogue import Known, catalogue, working
from .facts import BOX, NOT_SENT, Fact, Facts, canonical_json
from .probes import Depth, are_files, is_new_key, recorded_value, values_for
from .response_shape import response_fields, shape

REQUESTED, THERE, ABSENT_ROW = "asked", "there", "absent"
WAS_ACCEPTED, WAS_REFUSED, HAS_CRASHED = "accepted", "refused", "crashed"
RECORDED_HEADERS = ("Content-Disposition", "Location", "WWW-Authenticate")
BOX_HEADERS = ("Server", "X-Powered-By")


class Observer:
    """One target, the document to work with there, and what is known of it so far."""

    def __init__(self, client: Client, depth: Depth, keys: Keys | None = None, spared: Spared | None = None) -> None:
        self.client, self.depth = client, depth
        self.facts = Facts()
        self.texts, self.spared = keys, spared
        self.work_by({})

    def work_by(self, there: Mapping[str, bool]) -> None:
        """Work with the document that fits a target which has these operations."""
        self.contract = working(there)
        self.live = LiveTables(self.contract, self)
        self.fixtures = LearningFixtures(self)

    def send(self, request: Request) -> Exchange:
        """Send a request and keep account of what it makes."""
        exchange = self.client.send(request)
        operation = self.contract.operation_of(request)
        if operation is not None:
            self.fixtures.saw(operation, exchange)
            self.live.saw(operation, exchange)
        return exchange

    def get(self, path: str) -> Response:
        return self.send(Request("GET", path)).response

    @cached_property
    def unknown_page(self) -> Any:
        """What the target answers where no route is, learned by one request: wording differs between versions."""
        return page_form(self.client.send(get(f"/{self.fixtures.texts.prefix}nosuchpage")))

    def is_missing(self, exchange: Exchange) -> bool:
        """Whether there is no such route, by the word of routing; a 404 for a row that is not there is another one."""
        status = exchange.response.status
        return status == 405 or (status == 404 and page_form(exchange) == self.unknown_page)

    def operation(self, known: Known) -> Operation | None:
        """The operation as the working document has it."""
        found = next((self.contract.by_id[name] for name in known.ids if name in self.contract.by_id), None)
        return found if found and (found.method, found.path) == (known.method, known.path) else None

    def learn(self, facts: Iterator[Fact] | list[Fact]) -> list[Fact]:
        """Keep facts for what is asked later."""
        found = list(facts)
        for fact in found:
            self.facts.by_key.setdefault(fact.key, fact)
        return found

    def accepted(self, known: Known, field: str) -> list[Any]:
        """The values of a variable that the box took, the plainest first."""
        return [value for value in values_for(known, field, self.depth)
                if self.verdict(known, field, recorded_value(value)) == WAS_ACCEPTED]

    def verdict(self, known: Known, field: str, sent: Any) -> Any:
        """What became of a value of a variable; None if it was not tried."""
        found = self.facts.by_key.get((known.name, "rule", field, "", canonical_json(sent)))
        return found.is_ if found else None

    # what an answer says

    def answered(self, known: Known, kind: str, exchange: Exchange, by: str = "", form: bool = True) -> Iterator[Fact]:
        """Status, type and headers of an answer, and its form if that is wanted."""
        response = exchange.response
        yield Fact(known.name, "status", kind, response.status, by)
        if response.status >= 500:
            return  # the shape of a crash is not part of the API
        if response.content_type:
            yield Fact(known.name, "type", kind, response.content_type, by)
        for name in RECORDED_HEADERS:
            if response.header(name):
                value = self.plain(response.header(name)).partition(";")[0]
                yield Fact(known.name, "header", f"{kind} {name}", value, by)
        if form and response.json is not None and response.status != 422:
            yield from self.form(known, kind, response.json, response.ok, by)

    def form(self, known: Known, kind: str, body: Any, good: bool, by: str) -> Iterator[Fact]:
        """The fields of a good answer are those of the operation; those of a refusal belong to its kind."""
        names = fields_of_answers(known.name) if good else None
        for name, types in shape(body, names).items():
            yield Fact(known.name, "field" if good else "error", name if good else f"{kind} {name}", types,
                       by or (kind if good else ""))

    def plain(self, text: str | None) -> str:
        """A text without the run's own prefix, secrets and numbers that count up."""
        return str(redacted(str(text).replace(self.fixtures.texts.prefix, MARK)))


class LearningFixtures(Fixtures):
    """Fixtures that build bodies from values that the target took, where some are known."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(observer.contract, observer, observer.live, observer.texts, observer.spared)
        self.observer = observer

    def minimal(self, operation: Operation) -> Body:
        usual = super().minimal(operation)
        known = catalogue().get(f"{operation.method} {operation.path}")
        tried = {name: self.observer.verdict(known, name, NOT_SENT) for name in known.fields} if known else {}
        if known is None or not any(tried.values()):
            return usual
        return self.body(known, operation, [name for name, given in tried.items() if given == WAS_REFUSED], usual)

    def spelling(self, live: Live) -> str:
        if not self.keys(live.table, live.column):
            raise Unavailable(f"no row of {live.table} is listed")
        return super().spelling(live)

    def body(self, known: Known, operation: Operation, fields: list[str], fallback: Mapping[str, Any]) -> Body:
        """Each variable with the first value that the box took; keys are new."""
        found: Body = {}
        for field in fields:
            values = self.observer.accepted(known, field)
            if is_new_key(known, field):
                found |= {field: fallback[field]} if field in fallback else {}
            elif values:
                found[field] = self.value(operation, field, values[0])
            elif field in fallback:
                found[field] = fallback[field]
        return found


@cache
def fields_of_answers(name: str) -> frozenset[str] | None:
    """The field names in the responses of an operation, over all profiles; None if all names are."""
    found = [response_fields(contract_of(profile), operation)
             for profile, operation in catalogue()[name].versions.items()]
    known = [names for names in found if names is not None]
    return frozenset().union(*known) if len(known) == len(found) else None


def page_form(exchange: Exchange) -> Any:
    """An error page without the path of the request: type and message, or the whole body."""
    body, path = exchange.response.json, exchange.request.path.strip("/")
    if isinstance(body, dict):
        return {name: str(value).replace(path, "{path}") for name, value in body.items() if name not in DEBUG}
    return exchange.response.content_type, body


def box_facts(response: Response) -> Iterator[Fact]:
    """What an answer says of the whole box."""
    limit = response.header("X-RateLimit-Limit")
    yield Fact(BOX, "limit", "requests a minute", number_in_header(limit))
    for name in BOX_HEADERS:
        if response.header(name):
            yield Fact(BOX, "header", name, redacted(response.header(name)))


def takes_files(known: Known, depth: Depth) -> bool:
    return any(are_files(values_for(known, field, depth)) for field in known.fields)


def get(path: str) -> Request:
    return Request("GET", path)

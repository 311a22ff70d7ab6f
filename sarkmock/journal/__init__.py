"""The journal: the most recent requests and responses, assertions on them, and the reasons for rejected requests.

Every request is recorded, so recording copies and computes nothing (benchmarks/README.md). Warnings name differences in
published versions' responses to a request, and variables that the API ignores. A deviation changes places of the
document. It is relevant to a request if it changes the operation or the variables sent. If both profiles have rules for
a variable, it is relevant only for values that one of them rejects.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from threading import Lock
from typing import Any, overload

from sarkmock.http.engine import ApiRequest, Engine, Program
from sarkmock.http.middleware import Environ
from sarkmock.http.replies import FaultyReply, PhpError, Reply
from sarkmock.http.wsgi import Answer
from sarkmock.journal.diagnosis import Reason, Verification, verdict_on, why
from sarkmock.journal.entries import Criteria, CriteriaError, Entry, Notice
from sarkmock.laravel.php import read_input
from sarkmock.pbx.database import Database
from sarkmock.spec import profiles
from sarkmock.spec.loading import Deviation, deviations_of
from sarkmock.spec.operations import Operation
from sarkmock.spec.pointers import covers, follow, pointer
from sarkmock.suggest import nearest_names, quoted_name

__all__ = ["DEFAULT_KEPT", "Criteria", "CriteriaError", "Entry", "Journal", "Notice", "Reason", "Verification"]
DEFAULT_KEPT = 1000
MAX_BYTES = 16 * 2**20
MAX_BODY = 64 * 2**10


class Journal:
    """The most recent requests of an engine, the oldest first: `create_app(engine, journal=Journal(engine))`.

    Keeps at most ``limit`` entries and ``max_bytes``, and at most ``max_body`` bytes of each body.
    """

    def __init__(self, engine: Engine, limit: int = DEFAULT_KEPT, *, max_bytes: int = MAX_BYTES,
                 max_body: int = MAX_BODY) -> None:
        self.engine, self.limit, self.max_bytes, self.max_body = engine, limit, max_bytes, max_body
        self._entries: deque[Entry] = deque()
        self._lock = Lock()
        self._count = self._size = 0

    @property
    def count(self) -> int:
        """The number of requests since the start or `clear`, including those no longer kept."""
        return self._count

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries())

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> list[Entry]: ...

    def __getitem__(self, index: int | slice) -> Entry | list[Entry]:
        return self.entries()[index]

    def entries(self) -> list[Entry]:
        """Return all entries, the oldest first."""
        with self._lock:
            return list(self._entries)

    def entry(self, number: int) -> Entry | None:
        """Return the entry with a number, or None if it is not kept."""
        return next((entry for entry in self.entries() if entry.number == number), None)

    def clear(self) -> None:
        """Delete all entries; numbers start at 1 again."""
        with self._lock:
            self._entries.clear()
            self._count = self._size = 0

    def find(self, operation: str | None = None, **criteria: Any) -> list[Entry]:
        """Return the entries that meet all criteria (see `Criteria`). CriteriaError if a criterion cannot be met."""
        return Criteria.of(self.engine.operations, operation=operation, **criteria).matching(self.entries())

    def verify(self, operation: str | None = None, *, times: int | None = None, at_least: int | None = None,
               at_most: int | None = None, **criteria: Any) -> Verification:
        """Check whether the expected number of entries meet the criteria; at least one if no number is given."""
        wanted = Criteria.of(self.engine.operations, operation=operation, **criteria)
        return verdict_on(wanted, self.entries(), times, at_least, at_most)

    def assert_called(self, operation: str | None = None, *, times: int | None = None, at_least: int | None = None,
                      at_most: int | None = None, **criteria: Any) -> list[Entry]:
        """Return the entries that meet the criteria. AssertionError if there are too few or too many.

        The message lists the last entries that meet them and, if there are too few, the nearest others.

        ``journal.assert_called("tenants.create", times=1, body={"pkey": "acme"}, status=201)``
        """
        verdict = self.verify(operation, times=times, at_least=at_least, at_most=at_most, **criteria)
        if not verdict.ok:
            raise AssertionError(verdict.explanation)
        return verdict.entries

    def assert_not_called(self, operation: str | None = None, **criteria: Any) -> None:
        """Raise AssertionError if any entry meets the criteria."""
        self.assert_called(operation, times=0, **criteria)

    def why(self, entry: Entry) -> list[Reason]:
        """Return why a request failed: rules, lines of the documentation, nearest paths."""
        return [Reason(entry.reason)] if entry.reason else why(entry)

    def warnings(self, entry: Entry) -> list[Notice]:
        """Return warnings: a judge's notices, ignored variables, and differences of published versions."""
        return [*entry.notices, *warnings(entry, self.engine)]

    def har(self, entries: Iterable[Entry] | None = None, origin: str = "https://127.0.0.1") -> str:
        """Export entries (default: all) as an HTTP Archive without secrets; ``origin`` is the mock's address."""
        from sarkmock.journal.har import to_har  # slow to import

        return to_har(self.entries() if entries is None else entries, origin, self.count - len(self))

    def record(self, environ: Environ, request: ApiRequest, reply: Reply, answer: Answer, began: float,
               sizes: tuple[int, int] | None = None) -> Entry:
        """Record a request that was just served.

        ``began`` is its arrival time (time.perf_counter). ``sizes`` are the original sizes of incomplete bodies.
        """
        sizes = sizes or (len(request.body), len(answer.body))
        if sizes[0] > self.max_body or sizes[1] > self.max_body:
            request = replace(request, body=request.body[:self.max_body])
            answer = replace(answer, body=answer.body[:self.max_body])
        fields = {name: environ[name] for name in environ if name[:5] == "HTTP_"}
        if environ.get("CONTENT_TYPE"):
            fields["CONTENT_TYPE"] = environ["CONTENT_TYPE"]
        engine, taken = self.engine, time.perf_counter() - began
        entry = Entry(0, engine.state.clock.now(), time.time(), taken, request, answer, engine.program, fields, sizes)
        if isinstance(reply, FaultyReply):
            entry.fault, entry.delay = reply.fault, reply.delay
        entry.weight = weight(entry)
        self._keep(entry)
        return entry

    def _keep(self, entry: Entry) -> None:
        with self._lock:
            self._count += 1
            entry.number = self._count
            self._entries.append(entry)
            self._size += entry.weight
            while len(self._entries) > self.limit or self._size > self.max_bytes:
                self._size -= self._entries.popleft().weight


def weight(entry: Entry) -> int:
    """Return the bytes of an entry's content. Its fixed overhead is limited by the number of entries."""
    request, answer = entry.request, entry.answer
    texts = "".join((request.path, request.query, request.method, *entry.fields, *entry.fields.values(),
                     *request.headers.values(), *[value for _, value in answer.headers]))
    return len(request.body) + len(answer.body) + len(texts) * (1 if texts.isascii() else 4)


# Places that change an operation's behaviour for every request, unless the deviation is cosmetic.
BEHAVIOUR = ("x-action", "x-table", "parameters")
MOST_UNKNOWN = 20
COSMETIC_SEVERITY = "cosmetic"


def warnings(entry: Entry, engine: Engine) -> list[Notice]:
    """Return warnings for a request that the mock served as documented. Rules may query the engine's tables."""
    operation = entry.program.router.operation(entry.method, entry.request.path)
    result = [Notice(text) for text in ignored_variables(entry, operation)] if operation else []
    if not entry.program.is_base:
        return result
    product = published_product()
    return result + [Notice(f"{deviation.summary} (in the profile {product.profile})", deviation.id, deviation.severity)
                     for deviation in matching_deviations(entry, operation, product, engine)]


@cache
def published_product() -> Program:
    """Return the program of the default published version."""
    return Program.of(profiles.product())


def ignored_variables(entry: Entry, operation: Operation) -> Iterator[str]:
    """Yield warnings for variables of the body that the operation has no rule for: the API does not read them."""
    sent = sent_to(entry)
    if not operation.rules or not 200 <= entry.status < 500:
        return
    unknown = [name for name in sent if name not in operation.rules]
    for name in unknown[:MOST_UNKNOWN]:
        nearest = nearest_names(name, operation.rules)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        yield f"{operation.id} has no variable {quoted_name(name)} and ignores it{hint}"
    if len(unknown) > MOST_UNKNOWN:
        yield f"{operation.id} ignores {len(unknown) - MOST_UNKNOWN} more variables that it does not have"


def sent_to(entry: Entry) -> dict[str, Any]:
    request = entry.request
    return read_input(request.method, request.headers.get("Content-Type", ""), "", request.body)[1]


def matching_deviations(entry: Entry, operation: Operation | None, product: Program,
                        engine: Engine) -> Iterator[Deviation]:
    if operation is None:
        elsewhere = product.router.operation(entry.method, entry.request.path)
        related = relations(product, product, elsewhere.id) if elsewhere else ()
        yield from (relation.deviation for relation in related if relation.always)
        return
    related = relations(entry.program, product, operation.id)
    has_fields = any(relation.fields for relation in related)
    fields = differing_variables(entry, operation, product, engine) if has_fields else set()
    listed = any(isinstance(value, list | dict) for value in sent_to(entry).values()) if entry.status == 422 else False
    for relation in related:
        checks = relation.more_checks if entry.status < 400 else relation.fewer_checks
        if (relation.always or entry.status in relation.statuses or relation.fields & fields
                or (relation.crashes and listed) or checks):
            yield relation.deviation


def differing_variables(entry: Entry, operation: Operation, product: Program, engine: Engine) -> set[str]:
    """Return the variables that only one of the two operations rejects or has."""
    there = product.by_id.get(operation.id)
    if there is None:
        return set()
    sent = sent_to(entry)
    unknown = {name for name in sent if (name in operation.rules) != (name in there.rules)}
    with engine.lock:
        tables = engine.state.tables
        return (rejected_fields(operation, sent, tables) ^ rejected_fields(there, sent, tables)) | unknown


def rejected_fields(operation: Operation, sent: Mapping[str, Any], tables: Database) -> set[str]:
    """Return the variables that an operation's rules reject."""
    try:
        return set(operation.validator.errors(sent, tables))
    except PhpError as error:
        return {error.field} if error.field else set()


@dataclass(frozen=True)
class Relation:
    """The relevance of a deviation to an operation: for all requests, or for some statuses, variables or checks."""

    deviation: Deviation
    always: bool
    statuses: frozenset[int]
    fields: frozenset[str]
    more_checks: bool
    fewer_checks: bool
    crashes: bool

    def __bool__(self) -> bool:
        return any((self.always, self.statuses, self.fields, self.more_checks, self.fewer_checks, self.crashes))


@cache
def relations(program: Program, product: Program, name: str) -> tuple[Relation, ...]:
    """Return the deviations of a product that are relevant to an operation of a program."""
    operation = program.by_id[name]
    all_relations = (relation(program, operation, product.by_id.get(name), deviation)
                     for deviation in deviations_of(product.profile))
    return tuple(filter(None, all_relations))


def relation(program: Program, operation: Operation, there: Operation | None, deviation: Deviation) -> Relation:
    own, changed = pointer("paths", operation.path, operation.method.lower()), deviation.observable
    behaviour = [own + pointer(key) for key in BEHAVIOUR] if deviation.severity != COSMETIC_SEVERITY else []
    checked = own + pointer("x-after") in changed
    before, after = set(operation.checks if checked else ()), set(there.checks if there and checked else ())
    return Relation(
        deviation, always=any(covers(place, own) or place in behaviour for place in changed),
        statuses=frozenset(int(status) for status in operation.spec["responses"]
                           if deviation.touches(answer_places(program, own, status))),
        fields=frozenset(deviating_fields(program, operation, there, own, deviation)),
        more_checks=bool(after - before), fewer_checks=bool(before - after),
        crashes="/x-crashes" in changed and bool(operation.rules))


def answer_places(program: Program, own: str, status: str) -> Iterator[str]:
    """Yield the pointers of a status's response, which may be shared, and of the schemas of a success."""
    response = own + pointer("responses", status)
    yield from (response, follow(program.document, response)[0])
    try:
        content = own + pointer("responses", status, "content", "application/json", "schema")
        where, schema = follow(program.document, content)
    except KeyError:
        return
    if status.startswith("2"):
        yield where
        if schema.get("type") == "array" and "items" in schema:
            yield follow(program.document, where + pointer("items"))[0]


def deviating_fields(program: Program, operation: Operation, there: Operation | None, own: str,
                     deviation: Deviation) -> Iterator[str]:
    """Yield the body's variables that a deviation changes, all of them if it changes ``required``."""
    content = operation.spec.get("requestBody", {}).get("content")
    if not content:
        return
    body = follow(program.document, own + pointer("requestBody", "content", next(iter(content)), "schema"))[0]
    required = any(place.startswith(body + "/required") for place in deviation.observable)
    for name in operation.rules | (there.rules if there else {}):
        if required or deviation.touches([body + pointer("properties", name)]):
            yield name

"""Warnings: differences in published versions' responses to a request, and variables that the API ignores.

A deviation changes places of the document. It is relevant to a request if it changes the operation or the variables
sent. If both profiles have rules for a variable, it is relevant only for values that one of them rejects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sarkmock.http.engine import Engine, Program
from sarkmock.http.replies import PhpError
from sarkmock.journal.entries import Entry, Notice
from sarkmock.laravel.php import read_input
from sarkmock.pbx.database import Database
from sarkmock.spec import profiles
from sarkmock.spec.loading import Deviation, deviations_of
from sarkmock.spec.operations import Operation
from sarkmock.spec.pointers import covers, follow, pointer
from sarkmock.suggest import nearest_names, quoted_name

# Places that change an operation's behaviour for every request, unless the deviation is cosmetic.
BEHAVIOUR = ("x-action", "x-table", "parameters")
MOST_UNKNOWN = 20
COSMETIC_SEVERITY = "cosmetic"


def warnings(entry: Entry, engine: Engine) -> list[Notice]:
    """Return warnings for a request that the mock served as documented. Rules may query the engine's tables."""
    operation = entry.program.meant(entry.method, entry.request.path)
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
        elsewhere = product.meant(entry.method, entry.request.path)
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
                           if touches_any(changed, answer_places(program, own, status))),
        fields=frozenset(deviating_fields(program, operation, there, own, changed)),
        more_checks=bool(after - before), fewer_checks=bool(before - after),
        crashes="/x-crashes" in changed and bool(operation.rules))


def touches_any(changed: Iterable[str], places: Iterable[str]) -> bool:
    return any(covers(change, place) or covers(place, change) for place in places for change in changed)


def answer_places(program: Program, own: str, status: str) -> Iterator[str]:
    """Yield the pointers of a status's response and, for a success, of its schemas."""
    yield own + pointer("responses", status)
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
                changed: list[str]) -> Iterator[str]:
    """Yield the body's variables that a deviation changes, all of them if it changes ``required``."""
    content = operation.spec.get("requestBody", {}).get("content")
    if not content:
        return
    body = follow(program.document, own + pointer("requestBody", "content", next(iter(content)), "schema"))[0]
    required = any(place.startswith(body + "/required") for place in changed)
    for name in operation.rules | (there.rules if there else {}):
        if required or touches_any(changed, [body + pointer("properties", name)]):
            yield name

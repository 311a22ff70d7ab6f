"""More single changes of a profile's responses and writes, in addition to generated.py, and drawn in the same way."""

from __future__ import annotations

import json
import random
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from sarkmock_contracts.client.http import Request, Response
from sarkmock_contracts.spec.boundary_values import listed_values
from sarkmock_contracts.spec.contract import Contract

from sarkmock.suite_api import Document, Operation
from tests.mutants.generated import (
    After,
    Edit,
    Mutated,
    Mutation,
    answer,
    by_kind,
    of,
    of_error,
    of_list,
    of_stored,
    of_unsent,
    sent,
    taken,
    with_json,
)

Row = dict[str, Any]


@cache
def further(profile: str) -> dict[str, list[Mutation]]:
    """All further mutations by kind."""
    return by_kind(profile, SOURCES)


def draw_further(profile: str, seed: int, count: int) -> list[Mutation]:
    """Draw mutations without repetition: first a kind, then a mutation of the kind."""
    rng = random.Random(f"further {profile} {seed}")
    pools = {kind: list(mutations) for kind, mutations in further(profile).items()}
    return [taken(rng, pools) for _ in range(count)]


# responses


def answer_mutations(contract: Contract) -> Iterator[Mutation]:
    for op in contract.operations:
        ids = frozenset({op.id})
        for name in op.rules:
            yield Mutation("wording", "without a full stop", ids, name, after=of_error(422, worded(name, without_stop)))
            yield Mutation("wording", "a text", ids, name, after=of_error(422, worded(name, " ".join)))
        if op.action == "index":
            yield Mutation("list shape", "one row", ids, after=of_list(lambda rows: rows[:1]))
            yield Mutation("list shape", "ten rows", ids, after=of_list(lambda rows: rows[:10]))
            yield Mutation("list shape", "later rows short", ids, after=of_list(shortened))
        elif op.visible:
            yield Mutation("row shape", "in a list", ids, after=of_object(lambda row, request: [row]))
            yield Mutation("row shape", "within data", ids, after=of_object(lambda row, request: {"data": row}))
        if op.method == "PUT" and op.visible:
            yield Mutation("row shape", "what was sent alone", ids, after=of_object(only_sent))
        if contract.row_place(op):
            yield Mutation("body", "empty", ids, after=of_body(lambda body: b""))
            yield Mutation("body", "a byte less", ids, after=of_body(lambda body: body[:-1]))
            yield Mutation("body", "a byte order mark", ids, after=of_body(lambda body: BOM_UTF8 + body))
        if op.key:
            yield Mutation("missing row", "200 null", ids, after=instead_of_404(None))
            yield Mutation("missing row", "200 and nothing", ids, after=instead_of_404({}))


def worded(name: str, change: Callable[[list[str]], Any]) -> Callable[[Any], Any]:
    """Change the messages of a variable. Laravel's default format nests them."""
    def changed(value: Any) -> Any:
        if isinstance(value.get("errors"), dict):
            return {**value, "errors": changed(value["errors"])}
        return {key: change(item) if key == name and isinstance(item, list) else item for key, item in value.items()}

    return changed


def without_stop(messages: list[str]) -> list[str]:
    return [message.rstrip(".") for message in messages]


def of_object(change: Callable[[Row, Request], Any]) -> After:
    return lambda box, operation, request, response: (
        with_json(response, change(response.json, request))
        if response.ok and isinstance(response.json, dict) else response)


def only_sent(row: Row, request: Request) -> Row:
    return {name: value for name, value in row.items() if name in request.variables}


def shortened(rows: list[Any]) -> list[Any]:
    return [dict([*row.items()][:-1]) if number else row for number, row in enumerate(rows)]


def of_body(change: Callable[[bytes], bytes]) -> After:
    return lambda box, operation, request, response: (
        replace(response, body=change(response.body)) if response.ok else response)


def instead_of_404(value: Any) -> After:
    return lambda box, operation, request, response: answer(200, value) if response.status == 404 else response


# writes


def written_mutations(contract: Contract) -> Iterator[Mutation]:
    for op in contract.operations:
        if op.table is None or op.method not in ("POST", "PUT", "DELETE"):
            continue
        ids, columns = frozenset({op.id}), sorted({*op.visible} - {op.table.key})
        showing = frozenset(other.id for other in contract.operations if other.table == op.table)
        for name in op.rules.keys() & columns:
            yield Mutation("stored differently", "a space after it", ids, name, after=of_stored(name, spaced))
            yield Mutation("stored differently", "doubled", ids, name, after=of_stored(name, doubled))
        if op.key and op.method == "PUT":
            for name in columns:
                yield Mutation("additional change", "is set by an update", showing, name,
                               after=of(op, of_unsent(name, "zz")))
                if name in op.rules:
                    yield Mutation("additional change", "changes in all rows", showing, name,
                                   after=of(op, spreading(name)))
        if op.key:
            text = f"another row is deleted by {op.method}"
            yield Mutation("additional change", text, showing, after=of(op, deleting_another))


def spaced(value: Any) -> Any:
    return f"{value} " if isinstance(value, str) else value


def doubled(value: Any) -> Any:
    return value * 2 if isinstance(value, (str, int)) else value


def spreading(name: str) -> After:
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        place, tables = box.row(operation, request, response), box.engine.state.tables
        own = tables.first(*place) if place is not None and sent(request, name) else None
        if own is not None and place is not None and name in own:
            table, key, _ = place
            for row in tables.rows(table):
                tables.update(table, key, row[key], {name: own[name]})
        return response

    return after


def deleting_another(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
    place, tables = box.row(operation, request, response), box.engine.state.tables
    if place is not None:
        table, key, value = place
        others = [row[key] for row in tables.rows(table) if str(row[key]) != str(value)]
        if others:
            tables.delete(table, key, others[-1])
    return response


# requests


def accepting_mutations(contract: Contract) -> Iterator[Mutation]:
    for op in contract.operations:
        ids = frozenset({op.id})
        if op.rules and "file" not in str([*op.rules.values()]):
            yield Mutation("accepted input", "no other variable", ids, after=rejecting_others)
        if "application/x-www-form-urlencoded" in str(op.spec.get("requestBody")):
            yield Mutation("accepted input", "no form", ids, after=rejecting_forms)
        for name, rules in op.rules.items():
            if any(value != value.swapcase() for value in listed_values(rules)):
                yield Mutation("case", "any case", ids, name, after=accepting_any_case(name, listed_values(rules)))
        if op.method == "DELETE":
            path = frozenset(other.id for other in contract.operations if other.path == op.path)
            yield Mutation("method added", "POST", path, edit=taking_post(op))
    everywhere = frozenset(op.id for op in contract.operations)
    yield Mutation("everywhere", "no CORS", everywhere, after=without_cors)


def rejecting_others(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
    others = request.variables.keys() - operation.rules.keys()
    return answer(422, {name: ["Unknown."] for name in others}) if response.ok and others else response


def rejecting_forms(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
    is_form = request.content_type == "application/x-www-form-urlencoded"
    return answer(415, {"message": "Unsupported Media Type"}) if response.ok and is_form else response


def accepting_any_case(name: str, listed: list[str]) -> After:
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        right = {value.lower(): value for value in listed}.get(str(request.variables.get(name)).strip().lower())
        if right is None or name not in response.rejected:
            return response
        body = {**json.loads(request.body), name: right}
        return box.answered(replace(request, body=json.dumps(body).encode()))

    return after


def taking_post(operation: Operation) -> Edit:
    def edit(document: Document) -> None:
        item = document["paths"][operation.path]
        item.setdefault("post", {**item["delete"], "operationId": f"{operation.id}.post"})

    return edit


def without_cors(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
    headers = [pair for pair in response.headers if pair[0].lower() != "access-control-allow-origin"]
    return replace(response, headers=tuple(headers))


SOURCES: tuple[Callable[[Contract], Iterator[Mutation]], ...] = (
    answer_mutations, written_mutations, accepting_mutations)

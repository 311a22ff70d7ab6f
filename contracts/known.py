"""Which known deviation of a profile explains a finding: the one whose actions touch what the finding speaks of.

A deviation changes places of the document; a finding speaks of places. Nothing else is compared, so the overlay stays
the only list of deviations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.document import Contract, pointer
from contracts.ledger import Finding, Ledger
from sarkmock import Deviation, Operation, read_input

# Checks whose field is a variable of the request body, or the column of that name.
OF_INPUT = {"rules", "messages", "crash", "query", "form", "stored", "default", "unknown-field"}
# Checks of what an operation does, apart from single fields.
OF_BEHAVIOUR = {"stored", "default", "unasked", "duplicate", "dependency", "presence", "list", "no-input", "link",
                "unknown-key", "unknown-field", "behaviour", "answer", "run-state"}
OF_RESPONSE = {"status", "content-type", "header", "body", "schema", "head", "schemathesis", "opinion"}
OF_PATH = {"options", "method"}


def explain(contract: Contract, deviations: Sequence[Deviation], ledger: Ledger) -> None:
    """Write into every finding the deviations that explain it."""
    for finding in ledger:
        found = set(places(contract, finding))
        finding.deviations = tuple(deviation.id for deviation in deviations if touches(deviation, found))


def touches(deviation: Deviation, found: set[str]) -> bool:
    return any(covers(changed, place) or covers(place, changed) for changed in deviation.pointers for place in found)


def covers(outer: str, inner: str) -> bool:
    """Whether a pointer stands at or above another; the root alone stands for what has no place of its own."""
    return inner == outer or (outer != "" and inner.startswith(outer + "/"))


def places(contract: Contract, finding: Finding) -> Iterator[str]:
    """The places of the judging document that a finding speaks of."""
    identity = finding.identity
    operation = contract.by_id.get(identity.operation)
    if operation is None:
        yield pointer("paths", identity.field, identity.kind.lower())
        return
    own = contract.place(operation)
    if identity.check == "crash":
        yield pointer("x-crashes")
    if identity.check in OF_INPUT:
        yield from field_places(contract, operation, identity.field)
    if identity.check in OF_RESPONSE:
        yield from (own + pointer("responses"), own + pointer("x-action"))
        yield from suspects(contract, operation, finding)
    if identity.check in OF_BEHAVIOUR or identity.field in contract.may_name(operation):
        yield from (own + pointer("x-action"), own + pointer("x-after"))
    if identity.check in ("schema", "stored", "default", "unasked") and identity.field:
        yield from column_places(contract, operation, identity.field)
    if identity.check in OF_PATH:
        yield from (pointer("paths", operation.path, method) for method in ("get", "post", "put", "delete"))


def field_places(contract: Contract, operation: Operation, field: str) -> Iterator[str]:
    """Where a variable of the body stands, and that it is required."""
    place = contract.body_place(operation)
    if place is not None:
        body = contract.resolve(place)[0]
        yield from (body + pointer("properties", field), body + pointer("required"))


def column_places(contract: Contract, operation: Operation, column: str) -> Iterator[str]:
    """Where a column of the answer stands."""
    row = contract.row_place(operation)
    if row is not None:
        yield row + pointer("properties", column.partition(".")[0])


def suspects(contract: Contract, operation: Operation, finding: Finding) -> Iterator[str]:
    """After an undocumented status: the variable that is to blame, or those of the shortest body that brings it about,
    required ones only if there are no others."""
    if finding.identity.field:
        yield from field_places(contract, operation, finding.identity.field)
        return
    request = finding.evidence[-1].request
    if finding.identity.check != "status" or not operation.rules:
        return
    _, post = read_input(request.method, request.content_type, request.query, request.body)
    others = [name for name in post if name not in contract.required(operation)]
    for name in others or post:
        yield from field_places(contract, operation, name)


def unseen(contract: Contract, other: Contract, deviations: Sequence[Deviation], ledger: Ledger) -> list[str]:
    """Deviations that no finding shows, though the operations they concern are where the document has them."""
    seen = {name for finding in ledger for name in finding.deviations}
    return [deviation.id for deviation in deviations
            if deviation.id not in seen and not out_of_sight(contract, other, deviation)]


def out_of_sight(contract: Contract, other: Contract, deviation: Deviation) -> bool:
    """Whether another deviation has moved every operation that this one concerns."""
    concerned = [operation for operation in contract.operations
                 if touches(deviation, set(own_places(contract, operation)))]
    there = {(operation.method, operation.path) for operation in other.operations}
    return bool(concerned) and not any((operation.method, operation.path) in there for operation in concerned)


def own_places(contract: Contract, operation: Operation) -> Iterator[str]:
    """Where an operation and its body stand."""
    yield contract.place(operation)
    body = contract.body_place(operation)
    if body is not None:
        yield contract.resolve(body)[0]

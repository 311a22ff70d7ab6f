"""Which places of a document a finding concerns, and which operations a deviation concerns."""

from __future__ import annotations

from collections.abc import Iterator

from sarkmock.suite_api import Deviation, Operation, covers, pointer, read_input

from ..spec.contract import Contract
from .findings import FINDING_TYPES, Finding


def touches(deviation: Deviation, found: set[str]) -> bool:
    return any(covers(changed, place) or covers(place, changed) for changed in deviation.observable for place in found)


def places(contract: Contract, finding: Finding) -> Iterator[str]:
    """The places of the judging document that a finding speaks of, the nearest first."""
    identity = finding.identity
    operation = contract.by_id.get(identity.operation)
    if operation is None:
        yield from strange_places(finding)
        return
    own, kinds = contract.place(operation), FINDING_TYPES[identity.check].places
    if "input" in kinds and identity.field:
        yield from field_places(contract, operation, identity.field)
    if identity.check == "crash":
        yield pointer("x-crashes")
    if "column" in kinds and identity.field:
        yield from column_places(contract, operation, identity.field)
    if "response" in kinds:
        yield from (own + pointer("responses"), own + pointer("x-action"))
        yield from suspects(contract, operation, finding)
    if "behaviour" in kinds or identity.field in contract.may_name(operation):
        yield from (own + pointer("x-action"), own + pointer("x-after"))
    if "path" in kinds:
        yield from (pointer("paths", operation.path, method) for method in ("get", "post", "put", "delete"))


def strange_places(finding: Finding) -> Iterator[str]:
    """A finding of no operation: the path that the document does not have."""
    if finding.identity.field:
        yield pointer("paths", finding.identity.field, finding.identity.kind.lower())


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
    if finding.identity.check != "status" or not operation.rules or not finding.evidence:
        return
    request = finding.evidence[-1].request
    _, post = read_input(request.method, request.content_type, request.query, request.body)
    others = [name for name in post if name not in contract.required(operation)]
    for name in others or post:
        yield from field_places(contract, operation, name)


def out_of_sight(contract: Contract, other: Contract, deviation: Deviation) -> bool:
    """Whether another deviation has moved every operation that this one concerns."""
    concerned = concerns(contract, deviation)
    there = {(operation.method, operation.path) for operation in other.operations}
    return bool(concerned) and not any((operation.method, operation.path) in there for operation in concerned)


def concerns(contract: Contract, deviation: Deviation) -> list[Operation]:
    """The operations of which a deviation changes something."""
    return [operation for operation in contract.operations
            if touches(deviation, set(own_places(contract, operation)))]


def own_places(contract: Contract, operation: Operation) -> Iterator[str]:
    """Where an operation and its body stand."""
    yield contract.place(operation)
    body = contract.body_place(operation)
    if body is not None:
        yield contract.resolve(body)[0]

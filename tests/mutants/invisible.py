"""Mutations that no request can show, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import Any

from sarkmock_contracts.checks import cases
from sarkmock_contracts.client.http import Exchange, Response
from sarkmock_contracts.client.transports import InProcess, SignedIn, Transport
from sarkmock_contracts.errors import NewFindings
from sarkmock_contracts.judge.agreement import is_same
from sarkmock_contracts.judge.findings import known_deviations
from sarkmock_contracts.run import Run
from sarkmock_contracts.spec.boundary_values import NoBounds, bounds_of, is_placeholder
from sarkmock_contracts.spec.contract import Contract, contract_of
from sarkmock_contracts.spec.operation_data import columns_derived

from sarkmock.faults.fault import affected_operations
from sarkmock.suite_api import (
    BASE,
    Document,
    Engine,
    Operation,
    PhpError,
    State,
    Validator,
    api_application,
    check_texts,
    load,
    load_seed,
    load_with_deviation,
    product,
    profile_names,
)
from tests.contract_runs import Recording
from tests.mutants.generated import NOW, RULE_KINDS, TOKEN, Mutated, Mutation, mutated_document
from tests.mutants.rule_changes import document_lists

CRASHES = "its operation always crashes"
VALUES: tuple[Any, ...] = (
    None, "", "  ", "a", "A", "ab", "abc", "a b", "a-b", "a_b", "a.b", "é", "a1", "1", "01", "1.5", "-1", "1e3", 0, 1,
    2, 5, 10, 99, 100, 999, 1000, 1001, 9998, 9999, 10000, -1, 1.5, True, False, [], ["a"], ["1"], {"a": 1}, "a@b.co",
    "127.0.0.1", "::1", "x" * 255, "x" * 256, "x" * 300, "true", "yes", "\n", "a\n", "*")
ABSENT = object()
NO_BOX: Any = None  # changes of responses need none
OF_SUCCESS = {"field", "type", "value", "link", "hidden column", "header", "stored", "default", "unrequested",
              "lost write"}
UNMET = {"status": "no answer of a run has the status", "error text": "no answer of a run has the text"}
SAVING = {"save"}  # with this name a check rejects the whole row
LOSING = {"snapshots_upload_shipped", "snapshots_upload_silent", "snapshots_upload_lost"}  # actions that store no file
REJECTING = {"reject_blfkeyname", "mac_lookup_crashes"}  # checks that reject every request
JSON_TYPES = {str: "string", type(None): "null", bool: "boolean", int: "integer", float: "number"}
# They show rows with all variables, and the other responses of operations.
TELLING = {"reads", "rules", "rows", "smoke", "scenarios", "long-scenarios", "links", "unknown-rows", "disruptive",
           "run-state", "options", "protocol"}
FEW_OPERATIONS = 12  # of a deviation that a single change can cause
OF_COLUMN = {"field", "type", "value", "link", "filter", "order", "stored", "unrequested"}


def why_invisible(contract: Contract, mutation: Mutation) -> str:
    """The reason why no request distinguishes a mutant from the intact mock; empty if one does."""
    operations = [contract.by_id[name] for name in sorted(mutation.operations)]
    if all(op.action == "crash" for op in operations) and mutation.kind not in ("path", "method", "status"):
        return CRASHES
    of_success = mutation.kind in OF_SUCCESS or mutation.text.endswith(f" for {operations[0].status}")
    if of_success and all(never_succeeds(op) for op in operations):
        return "its operation rejects every request"
    if mutation.kind != "framework" and not any(reachable(contract, op) for op in operations):
        return "no row of the kind can be made, and a fresh box has none"
    if of_answer := of_rejection(contract, mutation, operations[0]):
        return of_answer
    if mutation.kind in RULE_KINDS:
        return (listed_deviation(contract, mutation, operations) or equal_rules(contract, mutation, operations[0])
                or equal_answers(contract, mutation, operations))
    if same_as := answers_of_deviation(contract, mutation):
        return same_as
    if mutation.kind == "default" and (set_anyway := of_default(contract, operations[0], mutation.variable)):
        return set_anyway
    if mutation.kind in ("default", "stored") and not shown(contract, operations[0], mutation.variable):
        return "no answer shows the column"
    if mutation.variable.startswith("z_") and not any(op.table and op.table.stamps for op in operations):
        return "the column is always null"
    return unchanging(contract, mutation, operations[0])


def of_default(contract: Contract, operation: Operation, variable: str) -> str:
    """The reason why no new row has the default of a variable."""
    if variable in contract.required(operation):
        return "the variable is required"
    return "the server sets the column" if variable in columns_derived(operation.id, ()) else ""


def of_rejection(contract: Contract, mutation: Mutation, operation: Operation) -> str:
    """The reason why no request is rejected in the changed way."""
    if mutation.text == "without upload_fits":
        return "no file of more than 32 MB is sent"
    if mutation.kind == "error body" and "409" in mutation.text and "key_is_new" in operation.checks:
        return "a taken key is rejected with 422 before the database is asked"
    names = {*operation.rules, *(SAVING & {*chain.from_iterable(check_texts(operation).values())})}
    if mutation.kind == "error body" and mutation.text.endswith("the first field alone") and len(names) < 2:
        return "only one field can be rejected"
    if mutation.kind == "error body" and mutation.text.endswith("one text a field") and not names:
        return "no field can be rejected"
    if operation.action == "snapshots_restore" and "422" in mutation.text and keeps_sound(contract):
        return "no snapshot that cannot be restored can be uploaded"
    if mutation.kind == "check" and operation.method == "DELETE" and not changed_answers(contract, mutation):
        return "a run deletes rows of its own alone, and no answer changes"
    if mutation.text.startswith(("with key_is_", "without key_is_")) and not changed_answers(contract, mutation):
        return "another check, or the database, rejects a taken key in the same words"
    of_row = operation.method == "PUT" and operation.parameters and mutation.kind in OF_SUCCESS
    if (of_row or mutation.text == "DELETE is not done") and not makers(contract, operation):
        return "no row can be made, and those of the box are neither changed nor deleted"
    depends = mutation.kind == "error body" and operation.method == "GET"  # on what the box has
    if (mutation.kind in UNMET or depends) and not any(
            (after.status, after.json) != (exchange.response.status, exchange.response.json)
            for exchange in by_operation(contract)[operation.id]
            for after in [mutation.after(NO_BOX, operation, exchange.request, exchange.response)]):
        return UNMET.get(mutation.kind, UNMET["status"])
    return ""


def keeps_sound(contract: Contract) -> bool:
    """Whether uploaded snapshots are not stored, or are checked."""
    upload = contract.by_id["snapshots.upload"]
    return upload.action in LOSING or "snapshot_is_sound" in upload.checks


def unchanging(contract: Contract, mutation: Mutation, operation: Operation) -> str:
    """The reason why a change of a column changes no response: no request sets it, or it has no value of the type."""
    if mutation.kind in OF_SUCCESS and not recorded(contract)[operation.id]:
        return "no request of a run succeeds"
    types = types_in(contract, contract.resolve(contract.row_place(operation) or "")[1], mutation.variable)
    if mutation.kind == "unrequested" and mutation.variable in contract.required(operation):
        return "every successful update sends the column"
    if mutation.text == "a text" and types <= {"string", "null"}:
        return "the column holds texts alone"
    if mutation.text == "in capitals" and not takes_letters(contract, operation, mutation.variable):
        return "no value that is accepted has letters"
    if mutation.text in ("cut short", "to another row") and types and not types & {"string", "any"}:
        return "the column never holds a text"
    column = mutation.variable or mutation.text.removeprefix("by ").partition(" ")[0]
    if mutation.kind in ("filter", "order") and len(listed_values(contract, operation, column)) == 1:
        return "every row that is listed has the same value, whichever it is created with"
    if mutation.after is None or mutation.kind not in OF_COLUMN or is_set(contract, operation, column):
        return "" if takes_texts(contract, mutation, operation) else "the column holds numbers, whatever is sent"
    answers = recorded(contract)
    if mutation.kind in ("stored", "unrequested"):  # they happen to rows
        nothing = all(row.get(column) is None for other in contract.operations
                      if other.table == operation.table for answer in answers[other.id] for row in answer.response.rows)
        return "no variable sets the column, and it is always null" if nothing else ""
    own = answers[operation.id]
    changed = (mutation.after(NO_BOX, operation, exchange.request, exchange.response).json != exchange.response.json
               for exchange in own)
    if mutation.text == "a text" and {"string", "integer"} <= types:
        return "no variable sets the column, and the document allows it to be a number or a text"
    return "" if any(changed) else f"no variable sets the column, and none of {len(own)} answers changes"


def takes_texts(contract: Contract, mutation: Mutation, operation: Operation) -> bool:
    """Whether a change of texts changes a response of a run, or a variable of the column accepts texts."""
    if mutation.kind != "value" or mutation.text != "cut short" or mutation.after is None:
        return True
    values = chain.from_iterable(accepted(other, mutation.variable) for other in contract.operations
                                 if other.table == operation.table and mutation.variable in other.rules)
    return not all(str(value).strip().isdigit() for value in values) or any(
        mutation.after(NO_BOX, operation, exchange.request, exchange.response).json != exchange.response.json
        for exchange in recorded(contract)[operation.id])


def listed_values(contract: Contract, listing: Operation, column: str) -> set[str]:
    """The values of a column in a list after creating a row with each accepted value.

    Empty unless only creating a row sets the column, to one of a list of values.
    """
    run = Run(contract, signed_in(contract.document))
    writers = [op for op in contract.operations if op.table == listing.table and column in op.rules]
    for op in writers if all(op.method == "POST" and "in:" in str(op.rules[column]) for op in writers) else ():
        for value in accepted(op, column):
            run.send(run.fixtures.request(op, {**run.fixtures.minimal(op), column: value}))
    return {str(row.get(column)) for row in run.get(listing.path).rows} if writers else set()


def is_set(contract: Contract, operation: Operation, column: str) -> bool:
    """Whether a variable of an operation on the same rows sets a column."""
    table = operation.table
    writers = [operation] if operation.method == "POST" else [
        other for other in contract.operations
        if other.table and table and other.table.name == table.name and other.section == operation.section]
    return table is None or any(column in other.rules and takes_some(other.rules[column]) and not never_succeeds(other)
                                for other in writers)


def takes_some(rules: Any) -> bool:
    """Whether the rules accept some value: some rules crash PHP for every value."""
    try:
        return bool(bounds_of(rules).accept)
    except NoBounds:
        return True


def accepted(operation: Operation, name: str) -> Sequence[Any]:
    """Values that a variable accepts; a text if they are unknown."""
    try:
        return bounds_of(operation.rules[name]).accept
    except NoBounds:
        return ["a"]


def takes_letters(contract: Contract, operation: Operation, name: str) -> bool:
    """Whether a variable accepts a text with letters, or the key of a row whose key has letters."""
    values = accepted(operation, name)
    if any(map(is_placeholder, values)):
        values = [*values, *(row.get(name) for other in contract.operations if other.table == operation.table
                             for answer in recorded(contract)[other.id] for row in answer.response.rows)]
    return any(isinstance(value, str) and not is_placeholder(value) and value != value.swapcase() for value in values)


def never_succeeds(operation: Operation) -> bool:
    return operation.action in ("crash", "ami_unknown") or not REJECTING.isdisjoint(operation.checks)


def types_in(contract: Contract, schema: Any, column: str) -> set[str]:
    """The JSON types of a column; "any" if the schema does not say."""
    types: set[str] = set()
    pending = [schema.get("properties", {}).get(column, {})]
    while pending:
        schema_part = pending.pop()
        values = schema_part.get("enum", [schema_part["const"]] if "const" in schema_part else [])
        if "$ref" in schema_part:
            pending.append(contract.resolve(schema_part["$ref"][1:])[1])
        elif "anyOf" in schema_part:
            pending += schema_part["anyOf"]
        elif values:
            types |= {JSON_TYPES.get(type(value), "any") for value in values}
        else:
            named = schema_part.get("type", "any")
            types |= {named} if isinstance(named, str) else {*named}
    return types


def fresh_engine(document: Document) -> Engine:
    return Engine(document, State(load_seed("factory", document), now=NOW, token=TOKEN))


def signed_in(document: Document) -> SignedIn:
    """A mock of a document, with the administrator's token."""
    engine = fresh_engine(document)
    return SignedIn(InProcess(api_application(engine)), engine.state)


@cache
def run_of(contract: Contract) -> list[Exchange]:
    """The exchanges of a run at the intact mock."""
    transport = Recording(signed_in(contract.document))
    run = Run(contract, transport)
    for case in cases(run):
        if case.check.name in TELLING:
            with suppress(NewFindings), run.watch():
                case.run(run)
    return transport.exchanges


@cache
def by_operation(contract: Contract) -> dict[str, list[Exchange]]:
    """The exchanges of that run by operation."""
    exchanges: dict[str, list[Exchange]] = {operation.id: [] for operation in contract.operations}
    for exchange in run_of(contract):
        operation = contract.operation_of(exchange.request)
        if operation is not None:
            exchanges[operation.id].append(exchange)
    return exchanges


@cache
def recorded(contract: Contract) -> dict[str, list[Exchange]]:
    """The successful ones."""
    return {name: [exchange for exchange in exchanges if exchange.response.ok]
            for name, exchanges in by_operation(contract).items()}


def reachable(contract: Contract, operation: Operation) -> bool:
    """Whether the row of a path can exist: created by the run, or present in the factory state."""
    if operation.table is None or operation.method == "POST":
        return True
    return bool(makers(contract, operation)) or bool(State(now=NOW).tables.rows(operation.table.name))


def makers(contract: Contract, operation: Operation) -> list[Operation]:
    """The operations that create rows of the table."""
    return [other for other in contract.operations if other.table and operation.table and not never_succeeds(other)
            and other.table.name == operation.table.name and other.method == "POST" and recorded(contract)[other.id]]


def listed_deviation(contract: Contract, mutation: Mutation, operations: list[Operation]) -> str:
    """A rule of the published product is a listed deviation, not a new finding."""
    other, name = contract_of(product()), mutation.variable
    same = all(operation.id in other.by_id and other.by_id[operation.id].rules.get(name) == mutation.rules
               for operation in operations)
    return "it is a listed deviation" if same else ""


def answers_of_deviation(contract: Contract, mutation: Mutation) -> str:
    """The deviation that changes the responses of the operations in the same way as the mutation."""
    if mutation.edit is None or mutation.kind == "framework" or contract.document != load(BASE):
        return ""
    candidates = [deviation.id for deviation in known_deviations(BASE)
                  if mutation.operations <= affected_operations(deviation.id)
                  and len(affected_operations(deviation.id)) <= FEW_OPERATIONS]
    changed = mutant_answers(contract, mutation) if candidates else []
    if all(map(is_same, changed, intact_answers(contract, mutation))):
        return ""
    for name in candidates:
        with_deviation = signed_in(load_with_deviation(name)[1])
        if all(map(is_same, changed, answers(contract, mutation, with_deviation))):
            return f"it is the listed deviation {name}"
    return ""


def changed_answers(contract: Contract, mutation: Mutation) -> list[Response]:
    """The responses of a mutant that differ from those of the intact mock."""
    before, after = intact_answers(contract, mutation), mutant_answers(contract, mutation)
    return [response for response, intact in zip(after, before, strict=True) if not is_same(response, intact)]


def mutant_answers(contract: Contract, mutation: Mutation) -> list[Response]:
    profile = next(name for name in profile_names() if load(name) == contract.document)
    box = Mutated(profile, mutation)
    return answers(contract, mutation, SignedIn(box, box.engine.state))


def concerns(contract: Contract, mutation: Mutation, exchange: Exchange) -> bool:
    """Whether a request is for one of the mutation's operations, or an OPTIONS request in their section."""
    operation = contract.operation_of(exchange.request)
    if operation is not None:
        return operation.id in mutation.operations
    first = {contract.by_id[name].collection for name in mutation.operations}
    return exchange.request.method == "OPTIONS" and exchange.request.path.split("/")[1] in first


def intact_answers(contract: Contract, mutation: Mutation) -> list[Response]:
    return [exchange.response for exchange in run_of(contract) if concerns(contract, mutation, exchange)]


def answers(contract: Contract, mutation: Mutation, box: Transport) -> list[Response]:
    """The responses to the requests of a run that concern a mutation. The earlier requests are sent, too."""
    concerned = [concerns(contract, mutation, exchange) for exchange in run_of(contract)]
    last = max((number for number, is_concerned in enumerate(concerned) if is_concerned), default=-1)
    responses = [box.send(exchange.request) for exchange in run_of(contract)[:last + 1]]
    return [response for response, is_concerned in zip(responses, concerned, strict=False) if is_concerned]


def shown(contract: Contract, operation: Operation, column: str) -> bool:
    return any(other.table and operation.table and other.table.name == operation.table.name and column in other.visible
               for other in contract.operations)


class Everything:
    """Tables in which all texts exist, or none."""

    def __init__(self, there: bool) -> None:
        self.there = there

    def columns(self, table: str) -> list[str]:
        return ["pkey"]

    def rows(self, table: str) -> list[Any]:
        return []

    def count(self, table: str, column: str, value: Any) -> int:
        return int(self.there)


def equal_rules(contract: Contract, mutation: Mutation, operation: Operation) -> str:
    """The reason why no value of many has another verdict or another message."""
    name = mutation.variable
    before, after = operation.rules[name], mutation.rules
    if mutation.kind == "exists":
        return ""  # the tables hold different keys
    listed, _ = document_lists(rules for other in contract.operations for rules in other.rules.values())
    values = [*VALUES, *listed, *boundaries(before), ABSENT]
    same = all(verdict(name, before, value, there) == verdict(name, after, value, there)
               for value in values for there in (True, False))
    return f"none of {len(values)} values is judged otherwise" if same else ""


def equal_answers(contract: Contract, mutation: Mutation, operations: list[Operation]) -> str:
    """The reason why no value of many has another response, for operations with a check that always rejects."""
    name = mutation.variable
    if not all(REJECTING.intersection(operation.checks) for operation in operations):
        return ""
    fixtures = Run(contract, signed_in(contract.document)).fixtures
    values = [*VALUES, *boundaries(operations[0].rules[name])]
    requests = [fixtures.request(operation, {**fixtures.minimal(operation), name: value})
                for operation in operations for value in values]
    documents = contract.document, mutated_document(contract.document, mutation)
    boxes = [signed_in(document) for document in documents]
    same = all(is_same(*(box.send(request) for box in boxes)) for request in requests)
    return f"none of {len(requests)} requests is answered differently" if same else ""


def boundaries(rules: Any) -> list[Any]:
    try:
        known = bounds_of(rules)
    except NoBounds:
        return []
    return [value for value in (*known.accept, *known.reject, *known.foreign) if not is_placeholder(value)]


def verdict(name: str, rules: Any, value: Any, there: bool) -> Any:
    data = {} if value is ABSENT else {name: (value.strip() or None) if isinstance(value, str) else value}
    try:
        return Validator({name: rules}).errors(data, Everything(there))
    except PhpError as error:
        return error.message
    except ValueError as error:
        return str(error)

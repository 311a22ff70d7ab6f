"""All single changes of a profile's behaviour, drawn by a seed. A mock with such a mutation is a mutant."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sarkmock_contracts.client.http import Request, Response
from sarkmock_contracts.client.transports import InProcess
from sarkmock_contracts.spec.contract import Contract, contract_of

from sarkmock.suite_api import (
    Document,
    Engine,
    Operation,
    State,
    api_application,
    is_rule_message,
    load,
    load_seed,
)
from tests.mutants.rule_changes import changes, document_lists

NOW = 1717236000
TOKEN = f"1|{'a' * 48}"  # for profiles with tokens
After = Callable[["Mutated", Operation, Request, Response], Response]
Edit = Callable[[Document], None]


@dataclass(frozen=True)
class Mutation:
    """One change: where it is visible (operations, a variable or column), and how it is made."""

    kind: str
    text: str
    operations: frozenset[str]  # a finding must name one of them
    variable: str = ""
    edit: Edit | None = None
    after: After | None = None
    undone: bool = False  # whether writes of the operations are undone
    rules: Any = field(default=None, compare=False)  # the changed rule list

    def __str__(self) -> str:
        return f"{self.kind}: {min(self.operations)} {self.variable} {self.text}".replace("  ", " ")


class Mutated(InProcess):
    """A mock of a profile with some mutations."""

    def __init__(self, profile: str, *mutations: Mutation, state: State | None = None) -> None:
        document = mutated_document(load(profile), *mutations)
        self.engine = Engine(document, state or State(load_seed("factory", document), now=NOW, token=TOKEN))
        self.mutations = mutations
        self.intact = contract_of(profile)
        super().__init__(api_application(self.engine))

    def send(self, request: Request) -> Response:
        """The mock's response. An exception due to the changed document becomes a 500."""
        operation = self.intact_operation(request)
        active = [mutation for mutation in self.mutations if operation and operation.id in mutation.operations]
        state = self.engine.state
        before = (state.tables.dump(), state.memory()) if any(mutation.undone for mutation in active) else None
        response = self.answered(request)
        if before is not None:
            state.tables.restore(before[0])
            state.restore_memory(before[1])
        for mutation in active:
            if operation and mutation.after:
                response = mutation.after(self, operation, request, response)
        return response

    def answered(self, request: Request) -> Response:
        try:
            return super().send(request)
        except Exception as error:
            page = {"message": str(error), "exception": "ErrorException", "file": "x.php", "line": 1, "trace": []}
            return answer(500, page)

    def intact_operation(self, request: Request) -> Operation | None:
        """The operation of a request in the intact profile."""
        try:
            operation = self.intact.router.find(request.method, request.path)[0]
        except Exception:
            return None
        return operation if operation.method == request.method else None

    def row(self, operation: Operation, request: Request, response: Response) -> tuple[str, str, Any] | None:
        """Table, key column and key of the row that was written."""
        if operation.table is None or not response.ok:
            return None
        shown = response.json if isinstance(response.json, dict) else {}
        key = operation.table.fixed or shown.get(operation.table.key)
        if key is None and operation.key:
            key = self.intact.router.find(request.method, request.path)[1][operation.key]
        return (operation.table.name, operation.table.key, key) if key is not None else None

    def write(self, operation: Operation, request: Request, response: Response, change: Callable[[Any], Any]) -> None:
        """Change the row that was written."""
        location = self.row(operation, request, response)
        row = self.engine.state.tables.first(*location) if location else None
        if row is not None and location is not None:
            self.engine.state.tables.update(*location, change(row))


def mutated_document(document: Document, *mutations: Mutation) -> Document:
    """A copy of the document with the edits of the mutations."""
    changed = copy.deepcopy(document)
    for mutation in mutations:
        if mutation.edit is not None:
            mutation.edit(changed)
    return changed


def answer(status: int, value: Any) -> Response:
    return Response(status, (("Content-Type", "application/json"),), json.dumps(value).encode())


def with_json(response: Response, value: Any) -> Response:
    return replace(response, body=json.dumps(value).encode())


# changes of responses


def of_status(wanted: int, other: int) -> After:
    return lambda box, operation, request, response: (
        replace(response, status=other) if response.status == wanted else response)


def of_rows(change: Callable[[dict[str, Any]], dict[str, Any]]) -> After:
    """Change an object, or every object of a list."""
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        value = response.json
        if not response.ok or not isinstance(value, (dict, list)):
            return response
        if isinstance(value, dict):
            return with_json(response, change(value))
        return with_json(response, [change(row) if isinstance(row, dict) else row for row in value])

    return after


def of_list(change: Callable[[list[Any]], list[Any]]) -> After:
    return lambda box, operation, request, response: (
        with_json(response, change(response.json)) if response.ok and isinstance(response.json, list) else response)


def of_error(status: int, change: Callable[[Any], Any]) -> After:
    """Change the JSON body of an error. A debug page that follows it stays."""
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        if response.status != status:
            return response
        error, page = response.error_and_page
        changed = with_json(error, change(error.json)) if error.json else error
        return replace(changed, body=changed.body + page)

    return after


def of(target: Operation, change: After) -> After:
    """Change one operation only, though a finding may name others."""
    return lambda box, operation, request, response: (
        change(box, operation, request, response) if operation.id == target.id else response)


def of_header(name: str, value: str | None) -> After:
    """Remove or replace a header of successful responses."""
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        if not response.ok:
            return response
        others = [pair for pair in response.headers if pair[0].lower() != name.lower()]
        return replace(response, headers=(*others, *([(name, value)] if value else [])))

    return after


def of_stored(name: str, change: Callable[[Any], Any]) -> After:
    """Change the stored value of a variable, but not the response."""
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        if isinstance(response.json, dict) and sent(request, name):
            box.write(operation, request, response, lambda row: {name: change(row[name])} if name in row else {})
        return response

    return after


def of_unsent(name: str, value: Any = None) -> After:
    """Let an update set a column that is not sent."""
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        if name not in operation.rules or not sent(request, name):
            box.write(operation, request, response, lambda row: {name: value} if name in row else {})
        return response

    return after


def sent(request: Request, name: str) -> bool:
    return name.encode() in request.body


# all mutations


@cache
def every(profile: str) -> dict[str, list[Mutation]]:
    """All mutations of a profile by kind."""
    return by_kind(profile, SOURCES)


def by_kind(profile: str, sources: Iterable[Callable[[Contract], Iterable[Mutation]]]) -> dict[str, list[Mutation]]:
    """The mutations of the sources by kind."""
    contract = contract_of(profile)
    mutations: dict[str, list[Mutation]] = {}
    for source in sources:
        for mutation in source(contract):
            mutations.setdefault(mutation.kind, []).append(mutation)
    return mutations


def mutation_named(profile: str, text: str, source: Callable[[str], dict[str, list[Mutation]]] = every) -> Mutation:
    """The mutation of a profile that has this text, which begins with its kind."""
    return next(mutation for mutation in source(profile)[text.partition(":")[0]] if str(mutation) == text)


def draw(profile: str, seed: int, count: int) -> list[Mutation]:
    """Draw mutations without repetition, half of them of rules: first a kind, then a mutation of the kind."""
    rng = random.Random(f"{profile} {seed}")
    rules = {kind: list(mutations) for kind, mutations in every(profile).items() if kind in RULE_KINDS}
    rest = {kind: list(mutations) for kind, mutations in every(profile).items() if kind not in RULE_KINDS}
    drawn: list[Mutation] = []
    while len(drawn) < count:
        drawn.append(taken(rng, (rules, rest)[len(drawn) % 2]))
    return drawn


def taken(rng: random.Random, kinds: dict[str, list[Mutation]]) -> Mutation:
    """Draw and remove a mutation: first a kind, then a mutation of the kind."""
    pool = kinds[rng.choice(sorted(kind for kind in kinds if kinds[kind]))]
    return pool.pop(rng.randrange(len(pool)))


RULE_KINDS = {"rule lost", "rule gained", "required lost", "required gained", "nullable lost", "nullable gained",
              "neighbour", "bound", "in", "exists", "regex"}


def at(document: Document, place: str) -> Any:
    value: Any = document
    for step in place.split("/")[1:]:
        value = value[step.replace("~1", "/").replace("~0", "~")]
    return value


def rule_mutations(contract: Contract) -> Iterator[Mutation]:
    """All changes of all rule lists. Several operations may share a list."""
    listed, references = document_lists(rules for op in contract.operations for rules in op.rules.values())
    shared: dict[str, list[Operation]] = {}
    for operation in contract.operations:
        for name in operation.rules:
            shared.setdefault(contract.property_place(operation, name), []).append(operation)
    for location, operations in shared.items():
        name = location.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        for kind, text, rules in changes(operations[0].rules[name], listed, references):
            yield Mutation(kind, text, frozenset(op.id for op in operations), name, edit=setting(location, rules),
                           rules=rules)


def setting(place: str, rules: Any) -> Edit:
    def edit(document: Document) -> None:
        at(document, place)["x-rules"] = rules

    return edit


def status_mutations(contract: Contract) -> Iterator[Mutation]:
    errors = {404: (400, 410), 409: (400, 422), 422: (400,), 503: (500,)}
    for op in contract.operations:
        for new in (200, 201, 202, 204):
            if op.status < 300 and new != op.status:
                yield Mutation("status", f"{new} for {op.status}", frozenset({op.id}),
                               after=of_status(op.status, new))
        for status, statuses in errors.items():
            for new in statuses if str(status) in op.spec["responses"] else ():
                yield Mutation("status", f"{new} for {status}", frozenset({op.id}), after=of_status(status, new))


def field_mutations(contract: Contract) -> Iterator[Mutation]:
    """Response columns that are missing, renamed, of another type, or additional."""
    for op in contract.operations:
        ids = frozenset({op.id})
        for name in op.visible:
            key = op.table is not None and op.table.key == name and op.method == "POST"
            yield Mutation("link" if key else "field", "lost", ids, name, after=of_rows(without(name)))
            yield Mutation("field", "renamed", ids, name, after=of_rows(renamed(name)))
            for text, change in types_of(contract, op, name):
                yield Mutation("type", text, ids, name, after=of_rows(typed(name, change)))
            for text, change in (("cut short", shortened), ("null", nothing)):
                yield Mutation("value", text, ids | writing_alone(contract, op), name,
                               after=of(op, of_rows(typed(name, change))))
            if key:
                yield Mutation("link", "to another row", ids, name, after=of_rows(typed(name, lengthened)))
        if op.visible:
            yield Mutation("field", "one more", ids, "extra", after=of_rows(lambda row: {**row, "extra": "1"}))


def writing_alone(contract: Contract, shown: Operation) -> frozenset[str]:
    """The update of a single row that only this GET shows: the finding may name the update instead."""
    return frozenset(op.id for op in contract.operations
                     if shown.method == "GET" and op.table and op.table.fixed and op.table == shown.table)


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {key: value for key, value in row.items() if key != name}


def renamed(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {f"{key}2" if key == name else key: value for key, value in row.items()}


def typed(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {**row, name: change(row[name])} if row.get(name) is not None else row


def numbered(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else len(str(value))


def spelled(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) else value


def shortened(value: Any) -> Any:
    return value[:-1] if isinstance(value, str) else value


def lengthened(value: Any) -> Any:
    return f"{value}x" if isinstance(value, str) else value


def nothing(value: Any) -> None:
    return None


def types_of(contract: Contract, operation: Operation, name: str) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Other types of a column; text only if the column can have another type."""
    schema = contract.resolve(contract.row_place(operation) or "")[1].get("properties", {}).get(name, {})
    only_text = schema.get("type") in ("string", ["string", "null"])
    yield from ((text, change) for text, change in TYPES.items() if text != "a text" or not only_text)


TYPES: dict[str, Callable[[Any], Any]] = {
    "an object": lambda value: {"value": value}, "a list": lambda value: [value], "a number": numbered,
    "a text": spelled}


def row_mutations(contract: Contract) -> Iterator[Mutation]:
    """Shown columns, defaults, stored values and lost writes of rows."""
    columns = State(now=NOW).tables.columns
    for op in contract.operations:
        if op.table is not None:
            held = set(columns(op.table.name))
            yield from shown_mutations(contract, op, held)
            yield from written_mutations(op, held - {op.table.key})


def shown_mutations(contract: Contract, op: Operation, held: set[str]) -> Iterator[Mutation]:
    ids = frozenset({op.id})
    for name in sorted(held - set(op.visible)) if op.visible else ():
        yield Mutation("hidden column", "shown", ids, name, after=of_rows(showing(name)))
    for name, value in op.defaults.items() if op.method == "POST" else ():
        yield Mutation("default", f"not {value!r}", ids, name, edit=defaulting(contract, op, name, other_than(value)))
        if value is not None:
            yield Mutation("default", "null", ids, name, edit=defaulting(contract, op, name, None))


def written_mutations(op: Operation, held: set[str]) -> Iterator[Mutation]:
    ids = frozenset({op.id})
    for name in sorted(op.rules.keys() & held) if op.method in ("POST", "PUT") else ():
        yield Mutation("stored", "not at all", ids, name, after=of_stored(name, nothing))
        yield Mutation("stored", "cut short", ids, name, after=of_stored(name, shortened))
        yield Mutation("stored", "in capitals", ids, name, after=of_stored(name, capitals))
    for name in sorted(set(op.visible) & held) if op.method == "PUT" and op.key else ():
        yield Mutation("unrequested", "emptied by an update", ids, name, after=of_unsent(name))
    if op.method in ("PUT", "POST", "DELETE") and op.hazard == "write":
        yield Mutation("lost write", f"{op.method} is not done", ids, undone=True)


def capitals(value: Any) -> Any:
    return value.swapcase() if isinstance(value, str) else value


def other_than(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else f"{value}x" if isinstance(value, str) else "x"


def showing(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {**row, name: None}


def defaulting(contract: Contract, operation: Operation, name: str, value: Any) -> Edit:
    def edit(document: Document) -> None:
        schema = own_schema(document, contract, operation)["properties"]
        schema[name] = {**schema[name], "default": value}

    return edit


def own_schema(document: Document, contract: Contract, operation: Operation) -> Any:
    """Replace the reference to the schema of the operation's row by a copy, and return the copy."""
    place, _ = contract.response(operation, operation.status) or ("", {})
    content = at(document, place + "/content/application~1json")
    schema = copy.deepcopy(contract.resolve(contract.row_place(operation) or "")[1])
    listed = contract.resolve(place + "/content/application~1json/schema")[1].get("type") == "array"
    own = {**copy.deepcopy(at(document, place)), "content": {"application/json": {
        **content, "schema": {"type": "array", "items": schema} if listed else schema}}}
    at(document, contract.place(operation))["responses"][str(operation.status)] = own
    return schema


def list_mutations(contract: Contract) -> Iterator[Mutation]:
    for op in contract.operations:
        if op.action != "index" or op.table is None:
            continue
        ids = frozenset({op.id})
        yield Mutation("list", "reversed", ids, after=of_list(lambda rows: rows[::-1]))
        yield Mutation("list", "without the last", ids, after=of_list(lambda rows: rows[:-1]))
        yield Mutation("list", "without the first", ids, after=of_list(lambda rows: rows[1:]))
        yield Mutation("list", "the first twice", ids, after=of_list(lambda rows: [*rows[:1], *rows]))
        for name in op.visible:
            if name not in op.table.order[:1]:
                yield Mutation("order", f"by {name}", ids, after=of_list(ordered(name)))
            yield Mutation("filter", f"{name} as in the first", ids, after=of_list(like_the_first(name)))
        for name in op.table.where:
            yield Mutation("filter", f"without {name}", ids, edit=unfiltered(op, name))


def ordered(name: str) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: sorted(rows, key=lambda row: (row.get(name) is not None, str(row.get(name))))


def like_the_first(name: str) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: [row for row in rows if row.get(name) == rows[0].get(name)]


def unfiltered(operation: Operation, name: str) -> Edit:
    """List all rows of the table."""
    def edit(document: Document) -> None:
        item = document["paths"][operation.path]
        where = {key: value for key, value in item["x-table"]["where"].items() if key != name}
        item["x-table"] = {**item["x-table"], "where": where}

    return edit


def check_mutations(contract: Contract) -> Iterator[Mutation]:
    """Remove a check, or add one of a similar operation."""
    added = {"POST": ("key_is_free", "key_is_new"), "DELETE": ("default_tenant_stays", "system_template_stays")}
    for op in contract.operations:
        ids = frozenset({op.id})
        for check in op.checks:
            yield Mutation("check", f"without {check}", ids, edit=checking(op, [*set(op.checks) - {check}]))
        for check in added.get(op.method, ()):
            if op.table and (op.key or op.method == "POST") and check not in op.checks:
                yield Mutation("check", f"with {check}", ids, edit=checking(op, [*op.checks, check]))


def checking(operation: Operation, checks: list[str]) -> Edit:
    def edit(document: Document) -> None:
        document["paths"][operation.path][operation.method.lower()]["x-after"] = checks

    return edit


def body_mutations(contract: Contract) -> Iterator[Mutation]:
    """Headers, and the format of errors."""
    shapes: dict[int, list[tuple[str, Callable[[Any], Any]]]] = {
        404: [("reason for message", swapped_keys), ("a text", str), ("one more field", more)],
        409: [("another key", swapped_keys), ("a text", str)],
        422: [("within errors", lambda value: {"errors": value}), ("one text a field", first_texts),
              ("with a message", lambda value: {"message": "The given data was invalid.", "errors": value}),
              ("the first field alone", first_field)],
        503: [("another key", swapped_keys)]}
    for op in contract.operations:
        ids = frozenset({op.id})
        for status, changed in shapes.items():
            for text, change in changed if str(status) in op.spec["responses"] else ():
                yield Mutation("error body", f"{status} {text}", ids, after=of_error(status, change))
        response = contract.response(op, op.status)
        for name, header in response[1].get("headers", {}).items() if response else ():
            if header.get("required"):
                yield Mutation("header", "lost", ids, name, after=of_header(name, None))
        if op.content_type:
            yield Mutation("header", "text/html", ids, after=of_header("Content-Type", "text/html; charset=UTF-8"))


def swapped_keys(value: Any) -> Any:
    names = {"reason": "message", "message": "reason", "Error": "error"}
    return {names.get(key, key): item for key, item in value.items()} if isinstance(value, dict) else {"Error": value}


def more(value: Any) -> Any:
    return {**value, "code": 404} if isinstance(value, dict) else value


def first_field(value: Any) -> Any:
    return dict([*value.items()][:1]) if isinstance(value, dict) else value


def first_texts(value: Any) -> Any:
    return {name: messages[0] if isinstance(messages, list) else messages for name, messages in value.items()} \
        if isinstance(value, dict) else value


def text_mutations(contract: Contract) -> Iterator[Mutation]:
    """The texts of errors, except those of rules and of the database."""
    for op in contract.operations:
        for status in (int(code) for code in op.spec["responses"] if code.startswith("4") or code == "503"):
            names = sorted(contract.may_name(op)) if status == 422 else [""]
            for text, change in (("another", lambda text: "No."), ("begun later", lambda text: text[1:]),
                                 ("cut short", lambda text: text[:-1])):
                for name in names:
                    yield Mutation("error text", f"{status} {text}", frozenset({op.id}), name,
                                   after=of_error(status, reworded(name, change)))


def reworded(name: str, change: Callable[[str], str]) -> Callable[[Any], Any]:
    """Change the texts under a name, or all texts."""
    def changed(value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            page = "exception" in value
            return {key: item if page and key != "message" else changed(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [changed(item, field) for item in value]
        own = isinstance(value, str) and not value.startswith("SQLSTATE") and not is_rule_message(field, value)
        return change(value) if own and name in ("", field) else value

    return changed


def path_mutations(contract: Contract) -> Iterator[Mutation]:
    for op in contract.operations:
        ids = frozenset({op.id})
        method = op.method.lower()
        yield Mutation("path", "gone", ids, edit=moving(op, None, method))
        yield Mutation("path", "renamed", ids, edit=moving(op, renamed_path(op.path), method))
        for new in ("post", "put", "delete"):
            if op.method != "GET" and new != method and new not in contract.document["paths"][op.path]:
                yield Mutation("method", f"{new.upper()} for {op.method}", ids, edit=moving(op, op.path, new))


def framework_mutations(contract: Contract) -> Iterator[Mutation]:
    """Laravel's own responses, of all operations."""
    settings = contract.document["x-laravel"]
    everywhere = frozenset(op.id for op in contract.operations)
    replacements: dict[str, Any] = {
        "messages": "laravel-10" if settings["messages"] == "laravel-7" else "laravel-7",
        "trim": "unicode" if settings["trim"] == "ascii" else "ascii",
        "method-not-allowed": "Method not allowed."}
    for key in ("fallback", "row-not-found"):
        if isinstance(settings.get(key), dict):
            replacements[key] = swapped_keys(settings[key])
    for key, value in replacements.items():
        yield Mutation("framework", f"{key} {value!r}", everywhere, edit=telling(key, value))


def telling(key: str, value: Any) -> Edit:
    def edit(document: Document) -> None:
        document["x-laravel"] = {**document["x-laravel"], key: value}

    return edit


def renamed_path(path: str) -> str:
    first, *rest = path.strip("/").split("/")
    return "/" + "/".join([f"{first}2", *rest])


def moving(operation: Operation, path: str | None, method: str) -> Edit:
    """Move the operation to another path or method, or remove it."""
    def edit(document: Document) -> None:
        item = document["paths"][operation.path]
        own = item.pop(operation.method.lower())
        rest = {key: value for key, value in item.items() if key in ("parameters", "x-table")}
        if path is not None:
            document["paths"].setdefault(path, rest)[method] = own

    return edit


SOURCES: tuple[Callable[[Contract], Iterator[Mutation]], ...] = (
    rule_mutations, status_mutations, field_mutations, row_mutations, list_mutations, check_mutations, body_mutations,
    text_mutations, path_mutations, framework_mutations)

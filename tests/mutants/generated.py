"""Every single change of a profile's behaviour, to be drawn from by a seed: a mock that has it is a mutant."""

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
TOKEN = f"1|{'a' * 48}"  # where there are tokens
After = Callable[["Mutated", Operation, Request, Response], Response]
Edit = Callable[[Document], None]


@dataclass(frozen=True)
class Mutation:
    """One change: where it shows (operations, a variable or column), and how it is brought about."""

    kind: str
    text: str
    operations: frozenset[str]  # one of which a finding must name
    variable: str = ""
    edit: Edit | None = None
    after: After | None = None
    undone: bool = False  # whether what the operations write is undone behind their backs
    rules: Any = field(default=None, compare=False)  # what a changed rule list has become

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
        """The answer of the mock; what its functions cannot do with a changed document is a crash."""
        operation = self.meant(request)
        mine = [mutation for mutation in self.mutations if operation and operation.id in mutation.operations]
        state = self.engine.state
        before = (state.tables.dump(), state.memory()) if any(mutation.undone for mutation in mine) else None
        response = self.answered(request)
        if before is not None:
            state.tables.restore(before[0])
            state.restore_memory(before[1])
        for mutation in mine:
            if operation and mutation.after:
                response = mutation.after(self, operation, request, response)
        return response

    def answered(self, request: Request) -> Response:
        try:
            return super().send(request)
        except Exception as error:
            page = {"message": str(error), "exception": "ErrorException", "file": "x.php", "line": 1, "trace": []}
            return answer(500, page)

    def meant(self, request: Request) -> Operation | None:
        """The operation of the intact profile."""
        try:
            found = self.intact.router.find(request.method, request.path)[0]
        except Exception:
            return None
        return found if found.method == request.method else None

    def row(self, operation: Operation, request: Request, response: Response) -> tuple[str, str, Any] | None:
        """Table, key column and key of the row that a write was about."""
        if operation.table is None or not response.ok:
            return None
        shown = response.json if isinstance(response.json, dict) else {}
        key = operation.table.fixed or shown.get(operation.table.key)
        if key is None and operation.key:
            key = self.intact.router.find(request.method, request.path)[1][operation.key]
        return (operation.table.name, operation.table.key, key) if key is not None else None

    def write(self, operation: Operation, request: Request, response: Response, change: Callable[[Any], Any]) -> None:
        """Change the row that a write was about behind its back."""
        place = self.row(operation, request, response)
        row = self.engine.state.tables.first(*place) if place else None
        if row is not None and place is not None:
            self.engine.state.tables.update(*place, change(row))


def mutated_document(document: Document, *mutations: Mutation) -> Document:
    """The document with what the mutations change in it."""
    changed = copy.deepcopy(document)
    for mutation in mutations:
        if mutation.edit is not None:
            mutation.edit(changed)
    return changed


def answer(status: int, value: Any) -> Response:
    return Response(status, (("Content-Type", "application/json"),), json.dumps(value).encode())


def with_json(response: Response, value: Any) -> Response:
    return replace(response, body=json.dumps(value).encode())


# changes of answers


def of_status(wanted: int, other: int) -> After:
    return lambda box, operation, request, response: (
        replace(response, status=other) if response.status == wanted else response)


def of_rows(change: Callable[[dict[str, Any]], dict[str, Any]]) -> After:
    """Of an object, or of every object of a list."""
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
    """Of the JSON body of an error."""
    return lambda box, operation, request, response: (
        with_json(response, change(response.json)) if response.status == status and response.json else response)


def of(one: Operation, change: After) -> After:
    """The change at one operation, though a finding may name others."""
    return lambda box, operation, request, response: (
        change(box, operation, request, response) if operation.id == one.id else response)


def of_header(name: str, value: str | None) -> After:
    """Without a header of a success, or with another value."""
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        if not response.ok:
            return response
        kept = [pair for pair in response.headers if pair[0].lower() != name.lower()]
        return replace(response, headers=(*kept, *([(name, value)] if value else [])))

    return after


def of_stored(name: str, change: Callable[[Any], Any]) -> After:
    """What is stored of a variable is something else, while the answer is as it was."""
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        if isinstance(response.json, dict) and sent(request, name):
            box.write(operation, request, response, lambda row: {name: change(row[name])} if name in row else {})
        return response

    return after


def of_unsent(name: str, value: Any = None) -> After:
    """An update sets a column that is not sent."""
    def after(box: Mutated, operation: Operation, request: Request, response: Response) -> Response:
        if name not in operation.rules or not sent(request, name):
            box.write(operation, request, response, lambda row: {name: value} if name in row else {})
        return response

    return after


def sent(request: Request, name: str) -> bool:
    return name.encode() in request.body


# all that can be changed


@cache
def every(profile: str) -> dict[str, list[Mutation]]:
    """All mutations of a profile by kind."""
    return by_kind(profile, SOURCES)


def by_kind(profile: str, sources: Iterable[Callable[[Contract], Iterable[Mutation]]]) -> dict[str, list[Mutation]]:
    """The mutations of some sources by kind."""
    contract = contract_of(profile)
    found: dict[str, list[Mutation]] = {}
    for source in sources:
        for mutation in source(contract):
            found.setdefault(mutation.kind, []).append(mutation)
    return found


def draw(profile: str, seed: int, count: int) -> list[Mutation]:
    """So many mutations, half of them of rules: a kind first, then one of the kind, none twice."""
    rng = random.Random(f"{profile} {seed}")
    rules = {kind: list(found) for kind, found in every(profile).items() if kind in RULE_KINDS}
    rest = {kind: list(found) for kind, found in every(profile).items() if kind not in RULE_KINDS}
    drawn: list[Mutation] = []
    while len(drawn) < count:
        drawn.append(taken(rng, (rules, rest)[len(drawn) % 2]))
    return drawn


def taken(rng: random.Random, kinds: dict[str, list[Mutation]]) -> Mutation:
    """Take a mutation away: a kind first, then one of the kind."""
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
    """Every change of every rule list; one list may serve several operations."""
    listed, references = document_lists(rules for one in contract.operations for rules in one.rules.values())
    shared: dict[str, list[Operation]] = {}
    for operation in contract.operations:
        for name in operation.rules:
            shared.setdefault(contract.property_place(operation, name), []).append(operation)
    for place, operations in shared.items():
        name = place.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        for kind, text, rules in changes(operations[0].rules[name], listed, references):
            yield Mutation(kind, text, frozenset(one.id for one in operations), name, edit=setting(place, rules),
                           rules=rules)


def setting(place: str, rules: Any) -> Edit:
    def edit(document: Document) -> None:
        at(document, place)["x-rules"] = rules

    return edit


def status_mutations(contract: Contract) -> Iterator[Mutation]:
    errors = {404: (400, 410), 409: (400, 422), 422: (400,), 503: (500,)}
    for one in contract.operations:
        for other in (200, 201, 202, 204):
            if one.status < 300 and other != one.status:
                yield Mutation("status", f"{other} for {one.status}", frozenset({one.id}),
                               after=of_status(one.status, other))
        for status, others in errors.items():
            for other in others if str(status) in one.spec["responses"] else ():
                yield Mutation("status", f"{other} for {status}", frozenset({one.id}), after=of_status(status, other))


def field_mutations(contract: Contract) -> Iterator[Mutation]:
    """Columns of answers that are gone, renamed, of another type; and one more."""
    for one in contract.operations:
        ids = frozenset({one.id})
        for name in one.visible:
            key = one.table is not None and one.table.key == name and one.method == "POST"
            yield Mutation("link" if key else "field", "lost", ids, name, after=of_rows(without(name)))
            yield Mutation("field", "renamed", ids, name, after=of_rows(renamed(name)))
            for text, change in types_of(contract, one, name):
                yield Mutation("type", text, ids, name, after=of_rows(typed(name, change)))
            for text, change in (("cut short", shortened), ("null", nothing)):
                yield Mutation("value", text, ids | writing_alone(contract, one), name,
                               after=of(one, of_rows(typed(name, change))))
            if key:
                yield Mutation("link", "to another row", ids, name, after=of_rows(typed(name, lengthened)))
        if one.visible:
            yield Mutation("field", "one more", ids, "extra", after=of_rows(lambda row: {**row, "extra": "1"}))


def writing_alone(contract: Contract, shown: Operation) -> frozenset[str]:
    """The operation that sets the only row, which no other operation shows: it may as well have stored the value."""
    return frozenset(one.id for one in contract.operations
                     if shown.method == "GET" and one.table and one.table.fixed and one.table == shown.table)


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
    """Other types of a column; a text only of one that may hold anything else."""
    schema = contract.resolve(contract.row_place(operation) or "")[1].get("properties", {}).get(name, {})
    only_text = schema.get("type") in ("string", ["string", "null"])
    yield from ((text, change) for text, change in TYPES.items() if text != "a text" or not only_text)


TYPES: dict[str, Callable[[Any], Any]] = {
    "an object": lambda value: {"value": value}, "a list": lambda value: [value], "a number": numbered,
    "a text": spelled}


def row_mutations(contract: Contract) -> Iterator[Mutation]:
    """What is shown, defaulted, stored, lost of rows."""
    columns = State(now=NOW).tables.columns
    for one in contract.operations:
        if one.table is not None:
            held = set(columns(one.table.name))
            yield from shown_mutations(contract, one, held)
            yield from written_mutations(one, held - {one.table.key})


def shown_mutations(contract: Contract, one: Operation, held: set[str]) -> Iterator[Mutation]:
    ids = frozenset({one.id})
    for name in sorted(held - set(one.visible)) if one.visible else ():
        yield Mutation("hidden column", "shown", ids, name, after=of_rows(showing(name)))
    for name, value in one.defaults.items() if one.method == "POST" else ():
        yield Mutation("default", f"not {value!r}", ids, name, edit=defaulting(contract, one, name, other_than(value)))
        if value is not None:
            yield Mutation("default", "null", ids, name, edit=defaulting(contract, one, name, None))


def written_mutations(one: Operation, held: set[str]) -> Iterator[Mutation]:
    ids = frozenset({one.id})
    for name in sorted(one.rules.keys() & held) if one.method in ("POST", "PUT") else ():
        yield Mutation("stored", "not at all", ids, name, after=of_stored(name, nothing))
        yield Mutation("stored", "cut short", ids, name, after=of_stored(name, shortened))
        yield Mutation("stored", "in capitals", ids, name, after=of_stored(name, capitals))
    for name in sorted(set(one.visible) & held) if one.method == "PUT" and one.key else ():
        yield Mutation("unasked", "emptied by an update", ids, name, after=of_unsent(name))
    if one.method in ("PUT", "POST", "DELETE") and one.hazard == "write":
        yield Mutation("lost", f"{one.method} is not done", ids, undone=True)


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
    """The schema of the operation's row, apart from those of others: a copy in the place of the reference."""
    place, _ = contract.response(operation, operation.status) or ("", {})
    content = at(document, place + "/content/application~1json")
    schema = copy.deepcopy(contract.resolve(contract.row_place(operation) or "")[1])
    listed = contract.resolve(place + "/content/application~1json/schema")[1].get("type") == "array"
    own = {**copy.deepcopy(at(document, place)), "content": {"application/json": {
        **content, "schema": {"type": "array", "items": schema} if listed else schema}}}
    at(document, contract.place(operation))["responses"][str(operation.status)] = own
    return schema


def list_mutations(contract: Contract) -> Iterator[Mutation]:
    for one in contract.operations:
        if one.action != "index" or one.table is None:
            continue
        ids = frozenset({one.id})
        yield Mutation("list", "reversed", ids, after=of_list(lambda rows: rows[::-1]))
        yield Mutation("list", "without the last", ids, after=of_list(lambda rows: rows[:-1]))
        yield Mutation("list", "without the first", ids, after=of_list(lambda rows: rows[1:]))
        yield Mutation("list", "the first twice", ids, after=of_list(lambda rows: [*rows[:1], *rows]))
        for name in one.visible:
            if name not in one.table.order[:1]:
                yield Mutation("order", f"by {name}", ids, after=of_list(ordered(name)))
            yield Mutation("filter", f"{name} as in the first", ids, after=of_list(like_the_first(name)))
        for name in one.table.where:
            yield Mutation("filter", f"without {name}", ids, edit=unfiltered(one, name))


def ordered(name: str) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: sorted(rows, key=lambda row: (row.get(name) is not None, str(row.get(name))))


def like_the_first(name: str) -> Callable[[list[Any]], list[Any]]:
    return lambda rows: [row for row in rows if row.get(name) == rows[0].get(name)]


def unfiltered(operation: Operation, name: str) -> Edit:
    """All rows of the table are listed."""
    def edit(document: Document) -> None:
        item = document["paths"][operation.path]
        where = {key: value for key, value in item["x-table"]["where"].items() if key != name}
        item["x-table"] = {**item["x-table"], "where": where}

    return edit


def check_mutations(contract: Contract) -> Iterator[Mutation]:
    """A check beside the rules that is gone, or one that a neighbour has."""
    added = {"POST": ("key_is_free", "key_is_new"), "DELETE": ("default_tenant_stays", "system_template_stays")}
    for one in contract.operations:
        ids = frozenset({one.id})
        for check in one.checks:
            yield Mutation("check", f"without {check}", ids, edit=checking(one, [*set(one.checks) - {check}]))
        for check in added.get(one.method, ()):
            if one.table and (one.key or one.method == "POST") and check not in one.checks:
                yield Mutation("check", f"with {check}", ids, edit=checking(one, [*one.checks, check]))


def checking(operation: Operation, checks: list[str]) -> Edit:
    def edit(document: Document) -> None:
        document["paths"][operation.path][operation.method.lower()]["x-after"] = checks

    return edit


def body_mutations(contract: Contract) -> Iterator[Mutation]:
    """Headers, and the shapes of errors."""
    shapes: dict[int, list[tuple[str, Callable[[Any], Any]]]] = {
        404: [("reason for message", swapped_keys), ("a text", str), ("one more field", more)],
        409: [("another key", swapped_keys), ("a text", str)],
        422: [("within errors", lambda value: {"errors": value}), ("one text a field", first_texts),
              ("with a message", lambda value: {"message": "The given data was invalid.", "errors": value}),
              ("the first field alone", first_field)],
        503: [("another key", swapped_keys)]}
    for one in contract.operations:
        ids = frozenset({one.id})
        for status, changed in shapes.items():
            for text, change in changed if str(status) in one.spec["responses"] else ():
                yield Mutation("error body", f"{status} {text}", ids, after=of_error(status, change))
        found = contract.response(one, one.status)
        for name, header in found[1].get("headers", {}).items() if found else ():
            if header.get("required"):
                yield Mutation("header", "lost", ids, name, after=of_header(name, None))
        if one.content_type:
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
    """The texts of errors, but of rules and of the database."""
    for one in contract.operations:
        for status in (int(code) for code in one.spec["responses"] if code.startswith("4") or code == "503"):
            names = sorted(contract.may_name(one)) if status == 422 else [""]
            for text, change in (("another", lambda text: "No."), ("begun later", lambda text: text[1:]),
                                 ("cut short", lambda text: text[:-1])):
                for name in names:
                    yield Mutation("error text", f"{status} {text}", frozenset({one.id}), name,
                                   after=of_error(status, reworded(name, change)))


def reworded(name: str, change: Callable[[str], str]) -> Callable[[Any], Any]:
    """The texts under a name, or all of them, are changed."""
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
    for one in contract.operations:
        ids = frozenset({one.id})
        method = one.method.lower()
        yield Mutation("path", "gone", ids, edit=moving(one, None, method))
        yield Mutation("path", "renamed", ids, edit=moving(one, renamed_path(one.path), method))
        for other in ("post", "put", "delete"):
            if one.method != "GET" and other != method and other not in contract.document["paths"][one.path]:
                yield Mutation("method", f"{other.upper()} for {one.method}", ids, edit=moving(one, one.path, other))


def framework_mutations(contract: Contract) -> Iterator[Mutation]:
    """What Laravel says by itself, everywhere."""
    settings = contract.document["x-laravel"]
    everywhere = frozenset(one.id for one in contract.operations)
    others: dict[str, Any] = {
        "messages": "laravel-10" if settings["messages"] == "laravel-7" else "laravel-7",
        "trim": "unicode" if settings["trim"] == "ascii" else "ascii",
        "method-not-allowed": "Method not allowed."}
    for key in ("fallback", "row-not-found"):
        if isinstance(settings.get(key), dict):
            others[key] = swapped_keys(settings[key])
    for key, value in others.items():
        yield Mutation("framework", f"{key} {value!r}", everywhere, edit=telling(key, value))


def telling(key: str, value: Any) -> Edit:
    def edit(document: Document) -> None:
        document["x-laravel"] = {**document["x-laravel"], key: value}

    return edit


def renamed_path(path: str) -> str:
    first, *rest = path.strip("/").split("/")
    return "/" + "/".join([f"{first}2", *rest])


def moving(operation: Operation, path: str | None, method: str) -> Edit:
    """The operation stands elsewhere, or nowhere."""
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

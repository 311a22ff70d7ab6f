"""The effective document as the suite reads it: responses, schemas and links."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from itertools import takewhile
from typing import Any
from urllib.parse import quote, unquote

import jsonschema_rs

from sarkmock.suite_api import (
    Database,
    Document,
    Operation,
    Router,
    Validator,
    check_texts,
    compile_document,
    follow,
    load,
    pointer,
    reach,
)

from ..client.http import Request
from ..errors import Unavailable
from .boundary_values import listed_values, split
from .path_patterns import PathPattern, parameters_are

_URI = "urn:sarkmock:document"
ASKED = re.compile(r"\b(?:exists|unique):(\w+)")  # the tables that rules query


@dataclass(frozen=True)
class Link:
    """An OpenAPI link from one operation to another. Path parameters of the target are fields of the response."""

    source: str
    name: str
    target: str
    parameters: Mapping[str, str]


class OperationsById(dict[str, Operation]):
    """The operations of a profile. An index that it lacks raises Unavailable: tests that need it are skipped."""

    def __missing__(self, operation: str) -> Operation:
        raise Unavailable(f"the profile has no operation {operation}")


class Contract:
    """The effective document, with everything that the judge needs, compiled once or on first use."""

    def __init__(self, document: Document, operations: list[Operation] | None = None) -> None:
        self.document = document
        self.operations: list[Operation] = compile_document(document) if operations is None else operations
        self.by_id = OperationsById({operation.id: operation for operation in self.operations})
        self.by_name = {operation.name: operation for operation in self.operations}
        self.router = Router(self.operations)
        self._operation_at = lru_cache(maxsize=64)(self._find)  # a request is looked up several times
        self._resolved: dict[str, tuple[str, Any]] = {}
        self._unlisted: dict[str, frozenset[str]] = {}
        self._field_rules: dict[tuple[str, Callable[[Any], list[str]]], Validator] = {}
        self._may_name: dict[str, frozenset[str]] = {}
        self._check_texts: dict[str, dict[str, list[str]]] = {}
        self._optional: dict[str, frozenset[str]] = {}
        self._settable: dict[str, frozenset[str]] = {}
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def operation_of(self, request: Request) -> Operation | None:
        """Return the operation with the request's method and path; None if there is none."""
        return self._operation_at(request.method, request.path)

    def _find(self, method: str, path: str) -> Operation | None:
        operation = self.router.operation(method, path)
        return operation if operation and operation.method == method else None

    @cached_property
    def _registry(self) -> jsonschema_rs.Registry:
        return jsonschema_rs.Registry([(_URI, self.document)])  # lazy: takes about 4 MB and is rarely needed

    @property
    def crashes_are_rejected(self) -> bool:
        """Whether a value that PHP cannot convert to text is rejected with 422, instead of crashing with 500."""
        return bool(self.document["x-crashes"] == "reject")

    @cached_property
    def sections(self) -> list[str]:
        return [tag["name"] for tag in self.document["tags"]]

    @cached_property
    def listed(self) -> list[str]:
        """Every value of the `in` rules of the document, those of many and short lists first."""
        weights = defaultdict[str, float](float)
        for listed in (listed_values(rules) for operation in self.operations for rules in operation.rules.values()):
            for value in listed:
                weights[value] += 1 / len(listed)
        return sorted(weights, key=lambda value: (-weights[value], value))

    def resolve(self, place: str) -> tuple[str, Any]:
        """Follow references from a pointer; return the final pointer and the value there."""
        if place not in self._resolved:
            self._resolved[place] = follow(self.document, place)
        return self._resolved[place]

    def reach(self, place: str) -> set[str]:
        """Return a pointer and all pointers that it refers to."""
        return reach(self.document, place)

    def place(self, operation: Operation) -> str:
        """Return the pointer to an operation."""
        return pointer("paths", operation.path, operation.method.lower())

    def responses(self, operation: Operation) -> Mapping[str, Any]:
        return operation.spec["responses"]  # type: ignore[no-any-return]

    def response(self, operation: Operation, status: int) -> tuple[str, Mapping[str, Any]] | None:
        """Return pointer and value of the documented response with a status; None if there is none."""
        place = self.place(operation) + pointer("responses", str(status))
        return self.resolve(place) if str(status) in self.responses(operation) else None

    def example(self, operation: Operation, status: int) -> Any:
        """Return the example of a documented JSON response; None if it has none."""
        _, spec = self.response(operation, status) or ("", {})
        return spec.get("content", {}).get("application/json", {}).get("example")

    def validator(self, place: str) -> jsonschema_rs.Validator:
        """Return the compiled schema at a pointer."""
        if place not in self._validators:
            schema = {"$ref": f"{_URI}#{quote(place)}"}
            self._validators[place] = jsonschema_rs.Draft202012Validator(
                schema, registry=self._registry, keywords={"x-pattern": PathPattern})
        return self._validators[place]

    def errors(self, place: str, value: Any, request: Request) -> list[Any]:
        """Return the errors of a value in the response to a request, by the schema at a pointer."""
        with parameters_are(partial(self.path_parameters, request)):
            return list(self.validator(place).iter_errors(value))

    def path_parameters(self, request: Request) -> dict[str, str]:
        """Return the path parameters of a request, except those that another variable replaces, or with blanks."""
        parameters = self.router.find(request.method, request.path)[1].items()
        values = {name: unquote(value) for name, value in parameters if name not in request.variables}
        return {name: value for name, value in values.items() if value.split() == [value]}

    def body_place(self, operation: Operation) -> str | None:
        """Return the pointer to the schema of the request body, for its first content type; None without a body."""
        kind = next(iter(operation.spec.get("requestBody", {}).get("content", ())), None)
        return self.place(operation) + pointer("requestBody", "content", kind, "schema") if kind else None

    def property_place(self, operation: Operation, field: str) -> str:
        """Return the pointer to a field of the request body."""
        body = self.body_place(operation)
        assert body is not None, operation.id
        return self.resolve(body)[0] + pointer("properties", field)

    def takes(self, operation: Operation, field: str, value: Any) -> bool:
        """Whether the schema of a field accepts a value."""
        return self.validator(self.property_place(operation, field)).is_valid(value)

    def body(self, operation: Operation) -> Mapping[str, Any]:
        """Return the schema of the request body; empty if there is none."""
        place = self.body_place(operation)
        return self.resolve(place)[1] if place else {}

    def required(self, operation: Operation) -> list[str]:
        """Return the required fields of the request body."""
        return list(self.body(operation).get("required", ()))

    def examples(self, operation: Operation) -> dict[str, Any]:
        """Return the example value of every path parameter."""
        item = self.document["paths"][operation.path]
        parameters = [*item.get("parameters", ()), *operation.spec.get("parameters", ())]
        return {parameter["name"]: parameter["example"] for parameter in map(self._inline, parameters)
                if parameter["in"] == "path" and "example" in parameter}

    def _inline(self, value: Any) -> Any:
        return self.resolve(value["$ref"][1:])[1] if isinstance(value, dict) and "$ref" in value else value

    def validator_of(self, operation: Operation) -> Validator:
        """Return the rules of an operation, without those from the first that queries a table without a list."""
        return self._with_less(operation, self.unlisted(operation), rules_before_tables)

    def certain(self, operation: Operation) -> Validator:
        """Return the rules of the fields that need no table. Their verdict is the same on every target."""
        return self._with_less(operation, self.asking(operation), no_rules)

    def _with_less(self, operation: Operation, fields: frozenset[str], left: Callable[[Any], list[str]]) -> Validator:
        """Return the rules of an operation, with those of some fields reduced by ``left``."""
        if not fields:
            return operation.validator
        if (key := (operation.id, left)) not in self._field_rules:
            rules = {name: left(rules) if name in fields else rules for name, rules in operation.rules.items()}
            self._field_rules[key] = Validator(rules, self.document["x-laravel"]["messages"])
        return self._field_rules[key]

    def asking(self, operation: Operation) -> frozenset[str]:
        """Return the fields whose rules query a table. Their verdict depends on its current rows."""
        return frozenset(name for name, rules in operation.rules.items() if ASKED.search(str(rules)))

    def unlisted(self, operation: Operation) -> frozenset[str]:
        """Return the fields whose rules query a table that no list shows. Only the target can judge them."""
        if operation.id not in self._unlisted:
            self._unlisted[operation.id] = frozenset(
                name for name, rules in operation.rules.items()
                if any(table in self.hidden_tables for table in ASKED.findall(str(rules))))
        return self._unlisted[operation.id]

    @cached_property
    def listed_tables(self) -> frozenset[str]:
        """The tables whose rows are shown by a list."""
        return frozenset(operation.table.name for operation in self.operations
                         if operation.table and is_plain_read(operation))

    def lacking_tables(self, request: Request) -> list[frozenset[str]]:
        """Return sets of tables whose rows a response may lack: none or, before a commit, any that Asterisk uses."""
        operation = self.operation_of(request)
        of_asterisk = operation is not None and operation.table is None
        uncommitted = [*({table} for table in sorted(self.listed_tables)), self.listed_tables] if of_asterisk else []
        return [frozenset(), *map(frozenset, uncommitted)]

    @cached_property
    def hidden_tables(self) -> list[str]:
        """The tables of the product that no list shows."""
        return [table for table in self._product.tables() if table not in self.listed_tables]

    def primary_key(self, table: str) -> tuple[str, ...]:
        """Return the primary key of a table in the product's database. Responses need not contain these columns."""
        return self._product.key(table)

    @property
    def _product(self) -> Database:
        return empty_database(self.document["x-database"])

    def row_place(self, operation: Operation) -> str | None:
        """Return the pointer to the schema of the row, or of list items, in the JSON success response, if any."""
        response = self.response(operation, operation.status)
        if response is None or "application/json" not in response[1].get("content", {}):
            return None
        place, schema = self.resolve(response[0] + pointer("content", "application/json", "schema"))
        if schema.get("type") == "array":
            place, schema = self.resolve(place + pointer("items"))
        return place

    def optional_columns(self, operation: Operation) -> frozenset[str]:
        """Return the columns that a success response may lack, such as variables that a new row was not given."""
        if operation.id not in self._optional:
            place = self.row_place(operation)
            required = self.resolve(place)[1].get("required", ()) if place is not None else ()
            self._optional[operation.id] = frozenset(operation.visible).difference(required)
        return self._optional[operation.id]

    def settable(self, table: str) -> frozenset[str]:
        """Return the columns of a table that have a default, or that some request can set."""
        if table not in self._settable:
            writes = [write for write in self.operations if write.table is not None and write.table.name == table]
            self._settable[table] = frozenset(name for write in writes for name in (*write.rules, *write.defaults))
        return self._settable[table]

    def check_texts(self, operation: Operation) -> dict[str, list[str]]:
        """Return the texts that checks beyond the rules may report with 422, by field."""
        if operation.id not in self._check_texts:
            by_field = defaultdict[str, list[str]](list)
            for texts in check_texts(operation).values():
                for name, listed in texts.items():
                    by_field[name] += listed
            self._check_texts[operation.id] = dict(by_field)
        return self._check_texts[operation.id]

    def may_name(self, operation: Operation) -> frozenset[str]:
        """Return names that a 422 may contain although no rule rejects them: fields of checks and of its schema."""
        if operation.id not in self._may_name:
            response = self.response(operation, 422)
            spelled = self._properties(response[1]) if response else ()
            self._may_name[operation.id] = frozenset((*self.check_texts(operation), *spelled))
        return self._may_name[operation.id]

    def _properties(self, response: Mapping[str, Any]) -> Iterator[str]:
        schema = self._inline(response.get("content", {}).get("application/json", {}).get("schema", {}))
        for branch in (schema, *map(self._inline, schema.get("anyOf", ()))):
            yield from branch.get("properties", ())

    @cached_property
    def links(self) -> list[Link]:
        """Every link of the document, without those to operations that a profile has removed."""
        return [link for operation in self.operations for link in self._links(operation)]

    def _links(self, operation: Operation) -> Iterator[Link]:
        for status in self.responses(operation):
            response = self.response(operation, int(status)) if status.isdigit() else None
            for name, link in (response[1].get("links", {}) if response else {}).items():
                fields = {key: _body_field(value) for key, value in link.get("parameters", {}).items()}
                if link["operationId"] in self.by_id:
                    yield Link(operation.id, name, link["operationId"], fields)

    def links_from(self, operation: Operation) -> dict[str, Link]:
        """Return the links of an operation by the id of their target."""
        return {link.target: link for link in self.links if link.source == operation.id}


@cache
def contract_of(profile: str) -> Contract:
    """Return the compiled document of a profile."""
    return Contract(load(profile))


@cache
def empty_database(name: str) -> Database:
    """Return a database without rows, for the names and keys of its tables."""
    return Database(name)


def is_plain_read(operation: Operation) -> bool:
    """Whether an operation is a harmless GET without path parameters: a list or a single value."""
    return operation.method == "GET" and operation.hazard == "read" and not operation.parameters


def in_section(operation: Operation, name: str) -> bool:
    """Whether a name is the section's title or the first path segment."""
    return name.lower() in (operation.section.lower(), operation.collection.lower())


def _body_field(expression: str) -> str:
    """Return the field in a link's runtime expression; raise ValueError for any other expression."""
    match = re.fullmatch(r"\$response\.body#/([^/]+)", expression)
    if match is None:
        raise ValueError(f"link parameter {expression!r}: only $response.body#/FIELD is known")
    return match[1]


def no_rules(_: str | Sequence[str]) -> list[str]:
    return []


def rules_before_tables(rules: str | Sequence[str]) -> list[str]:
    """Return the rules before the first one that queries a table."""
    return list(takewhile(lambda rule: not ASKED.match(rule), split(rules)))

"""Compile the document's operations and find the operation for a request.

Rules, tables, visible columns and statuses are computed once, before the first request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sarkmock.http.replies import Framework, MethodNotAllowed, NoRoute, PageNotFound
from sarkmock.laravel.php.values import is_utf8
from sarkmock.laravel.validation import Validator, check_names
from sarkmock.spec.loading import METHODS, Document, resolve

# Laravel's Router::$verbs: the order in which the methods of a path are listed.
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
Rules = dict[str, str | list[str]]
PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Table:
    """The table that holds the rows of a path (x-table)."""

    name: str
    key: str
    model: str
    order: tuple[str, ...] = ()
    where: Mapping[str, list[str]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    stamps: bool = False
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document, compiled for serving."""

    id: str
    method: str
    path: str
    section: str
    hazard: str
    source: tuple[int, ...]
    action: str
    checks: tuple[str, ...]
    status: int
    content_type: str | None
    parameters: tuple[str, ...]
    rules: Rules
    validator: Validator
    table: Table | None
    visible: tuple[str, ...]
    defaults: Mapping[str, Any]
    spec: Mapping[str, Any]
    guard: str | None = None
    abilities: tuple[str, ...] = ()
    then_crash: Mapping[str, str] | None = None  # after a 503

    @property
    def name(self) -> str:
        """Method and path, such as ``GET /tenants``: the name in recordings, the same in all versions."""
        return f"{self.method} {self.path}"

    @property
    def collection(self) -> str:
        """The first segment of the path, such as ``tenants``."""
        return self.path.split("/")[1]

    @property
    def key(self) -> str | None:
        """The path parameter whose row must exist.

        None for a POST, which creates the row that the path names, and for an operation that crashes before the lookup.
        """
        if not self.table or not self.parameters or self.method == "POST" or self.action == "crash":
            return None
        return self.parameters[0]


def compile_document(document: Document) -> list[Operation]:
    """Compile every operation, in the document's order. ValueError if one is malformed."""
    framework = Framework.of(document["x-laravel"])
    operations, place = [], ""
    try:
        for path, item in document["paths"].items():
            for method in METHODS:
                place = f"{method.upper()} {path}"
                if method in item:
                    operations.append(_compile(document, framework, path, method, item))
    except (AttributeError, IndexError, TypeError):
        raise ValueError(f"{place}: a part is not the mapping, list or text that OpenAPI requires") from None
    return operations


def _compile(document: Document, framework: Framework, path: str, method: str,
             item: Mapping[str, Any]) -> Operation:
    spec = item[method]
    status, response = success(document, spec)
    schema = row_schema(document, response)
    rules = body_rules(document, spec)
    check_names(rules, document["x-missing-rules"])
    properties = schema.get("properties", {})
    guard, abilities = security(document, spec)
    return Operation(
        id=spec["operationId"], method=method.upper(), path=path, section=spec["tags"][0], hazard=spec["x-hazard"],
        source=source_lines(spec.get("x-source", ())), action=spec["x-action"], checks=tuple(spec.get("x-after", ())),
        status=status, content_type=next(iter(response.get("content", {})), None),
        parameters=tuple(PARAMETER.findall(path)),
        rules=rules, validator=Validator(rules, framework.messages), table=_table(item),
        visible=tuple(properties), spec=spec, guard=guard, abilities=abilities,
        then_crash=resolve(document, spec["responses"].get("503", {})).get("x-then-crash"),
        defaults={name: schema["default"] for name, schema in properties.items() if "default" in schema})


def security(document: Document, spec: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    """Return the guard of an operation's security scheme, and the abilities that a token must have."""
    for requirement in spec.get("security", document["security"]):
        for name, abilities in requirement.items():
            return document["components"]["securitySchemes"][name]["x-guard"], tuple(abilities)
    return None, ()


def success(document: Document, spec: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Return the status and the object of an operation's first 2xx response; 500 and {} if it has none."""
    for status, response in spec["responses"].items():
        if status.startswith("2"):
            return int(status), resolve(document, response)
    return 500, {}


def row_schema(document: Document, response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a row in a response: the object itself, or the items of a list."""
    content = response.get("content", {}).get("application/json", {})
    schema = resolve(document, content.get("schema", {}))
    if schema.get("type") == "array":
        schema = resolve(document, schema.get("items", {}))
    return schema  # type: ignore[no-any-return]


def body_schema(document: Document, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of an operation's request body; empty if it has none."""
    media: Mapping[str, Any] = next(iter(spec.get("requestBody", {}).get("content", {}).values()), {})
    return resolve(document, media.get("schema", {}))  # type: ignore[no-any-return]


def body_rules(document: Document, spec: Mapping[str, Any]) -> Rules:
    """Map each field to its x-rules, in the order of the schema's properties."""
    properties = body_schema(document, spec).get("properties", {})
    return {name: schema["x-rules"] for name, schema in properties.items() if "x-rules" in schema}


def source_lines(source: int | Iterable[int]) -> tuple[int, ...]:
    return (source,) if isinstance(source, int) else tuple(source)


def _table(item: Mapping[str, Any]) -> Table | None:
    facts = item.get("x-table")
    if facts is None:
        return None
    return Table(facts["table"], facts["key"], facts["model"], tuple(facts.get("order", ())), facts.get("where", {}),
                 facts.get("defaults", {}), tuple(facts.get("attributes", ())), facts.get("stamps", False),
                 facts.get("fixed"))


class Router:
    """Find operations by method and path as Laravel does: literal segments take precedence over parameters."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._literal: dict[tuple[str, ...], dict[str, Operation]] = {}
        # Keyed by the number of segments and the first segment ("" if that is a parameter).
        self._templates: dict[tuple[int, str], list[tuple[tuple[str, ...], dict[str, Operation]]]] = {}
        for path, methods in _by_path(operations):
            segments = tuple(path.strip("/").split("/"))
            if "{" in path:
                first = "" if "{" in segments[0] else segments[0]
                self._templates.setdefault((len(segments), first), []).append((segments, methods))
            else:
                self._literal[segments] = methods
        for templates in self._templates.values():
            templates.sort(key=lambda entry: ["{" in step for step in entry[0]])

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """Return the operation and the path parameters. Raises PageNotFound or MethodNotAllowed."""
        segments = path_segments(path)
        wanted = "GET" if method == "HEAD" else method
        for template, methods in self._candidates(segments):
            if wanted in methods:
                return methods[wanted], parameters(template, segments)
        if wanted == "GET":
            raise PageNotFound
        raise MethodNotAllowed(method, self.allowed(path))

    def operation(self, method: str, path: str) -> Operation | None:
        """Return the operation for a method and path; None if there is none."""
        try:
            return self.find(method, path)[0]
        except (PageNotFound, MethodNotAllowed):
            return None

    def allowed(self, path: str) -> list[str]:
        """Return the methods a path supports. GET and HEAD always: the product's fallback route takes any path."""
        allowed = {"GET", "HEAD"}
        for _, methods in self._candidates(path_segments(path)):
            allowed |= methods.keys()
        return [verb for verb in VERBS if verb in allowed]

    def _candidates(self, segments: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Operation]]]:
        if segments in self._literal:
            yield segments, self._literal[segments]
        for first in (segments[0], ""):
            for template, methods in self._templates.get((len(segments), first), ()):
                if all(map(segment_matches, template, segments)):
                    yield template, methods


def path_segments(path: str) -> tuple[str, ...]:
    """Split a path below the base into segments. Raises NoRoute if it is empty or not UTF-8."""
    rest = path.removeprefix("/")
    if not rest or not is_utf8(rest):
        raise NoRoute
    return tuple(rest.split("/"))


def _by_path(operations: Iterable[Operation]) -> Iterator[tuple[str, dict[str, Operation]]]:
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    yield from by_path.items()


def parameters(template: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str]:
    return {step[step.index("{") + 1:-1]: segment[step.index("{"):]
            for step, segment in zip(template, segments, strict=True) if "{" in step}


def segment_matches(step: str, segment: str) -> bool:
    """Whether a segment matches a template's step: equal to it, or starting with the text before its parameter."""
    fixed, parameter, _ = step.partition("{")
    return segment.startswith(fixed) and len(segment) > len(fixed) if parameter else segment == step

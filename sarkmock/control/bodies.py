"""Requests of the control plane: its compiled document, JSON and YAML bodies, and errors with line numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from sarkmock.laravel.php.bodies import depth
from sarkmock.laravel.php.values import is_utf8
from sarkmock.pbx.seed import Place
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.loading import METHODS, Document, resolve
from sarkmock.spec.pointers import dotted
from sarkmock.spec.yaml12 import FileError
from sarkmock.suggest import shortened, unknown_name

if TYPE_CHECKING:
    import jsonschema_rs

JSON_MEDIA_TYPES = ("application/json",)
MOST_LEVELS = 100
MOST_BITS = 1000  # more than a float can represent
LOOKED_THROUGH = 1 << 20
YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")


def read_body(body: bytes, media_type: str) -> Any:
    """Parse a body. ControlError if its media type is not supported or it is invalid."""
    if media_type not in JSON_MEDIA_TYPES + YAML_TYPES:
        hint = f"not {media_type}" if media_type else "and set Content-Type"
        raise ControlError(415, f"send {JSON_MEDIA_TYPES[0]} or {YAML_TYPES[0]}, {hint}")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise ControlError(400, f"the body is not UTF-8: byte {error.start} is {body[error.start]:#04x}") from None
    try:
        content = json_content(text) if media_type in JSON_MEDIA_TYPES else text_keys(read_yaml(text))
        deep = depth(content) > MOST_LEVELS
    except RecursionError:
        deep = True
    if deep:
        raise ControlError(400, f"the body is nested deeper than {MOST_LEVELS} levels")
    if not is_representable(content):
        raise ControlError(400, "the body contains NaN, Infinity, an out-of-range number, or text that is not UTF-8")
    return content


def json_content(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ControlError(400, f"the body is not JSON: line {error.lineno}, column {error.colno}: {error.msg}",
                           line=error.lineno) from None
    except ValueError:
        raise ControlError(400, "the body contains an integer with thousands of digits") from None


def read_yaml(text: str) -> Any:
    try:
        return yaml12.parse(text, "body")
    except FileError as error:
        where = f"line {error.line}: " if error.line else ""
        raise ControlError(400, f"the body is not YAML: {where}{error.problem}", line=error.line) from None


def text_keys(value: Any) -> Any:
    """Convert all keys of a YAML value to text, as in JSON."""
    if isinstance(value, list):
        return [text_keys(item) for item in value]
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): text_keys(item) for key, item in value.items()}
    return value


def is_representable(value: Any) -> bool:
    """Whether all numbers are finite and in range, and all text is valid UTF-8 (JSON can escape lone surrogates)."""
    if isinstance(value, int):
        return value.bit_length() < MOST_BITS
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(is_representable(key) and is_representable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_representable, value))
    return not isinstance(value, str) or value.isascii() or is_utf8(value)


def line_in_body(body: bytes, path: Place) -> int | None:
    """Return the line of a path in a body; None if the body has one line or is too long to parse again."""
    if len(body) > LOOKED_THROUGH:
        return None
    return yaml12.line_in(body.decode(), path) if path and b"\n" in body.strip() else None


@dataclass(frozen=True)
class ControlRequest:
    """A request to the control plane: validated path and query parameters and body, and the mock's origin."""

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    origin: str = ""


@dataclass(frozen=True)
class Text:
    """A response that is not JSON."""

    content: str
    media_type: str


class ControlError(Exception):
    """An error response: status, one sentence, and the place in the body if known (keys and indexes, or the line)."""

    def __init__(self, status: int, error: str, *, path: Place = (), line: int | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.path, self.line = status, error, path, line

    def content(self) -> dict[str, Any]:
        content = {"error": self.error, "place": dotted(self.path), "line": self.line}
        return {name: value for name, value in content.items() if value}


def instant(second: float) -> str:
    """Format an epoch second in UTC, with milliseconds."""
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="milliseconds")


CONTROL_PREFIX = "/_mock"
HEALTH = f"{CONTROL_PREFIX}/health"
CONTROL_METHODS = (*METHODS, "patch")


def is_control(path: str) -> bool:
    """Whether a path belongs to the control plane."""
    return f"{path}/".startswith(f"{CONTROL_PREFIX}/")


@dataclass(frozen=True)
class Endpoint:
    """One operation of the control plane, with validators for its requests."""

    id: str
    method: str
    path: str
    open: bool  # accessible without a token
    parameters: Mapping[str, Any]  # path parameters: name -> schema
    query: Mapping[str, Any]  # query parameters: name -> schema
    body: jsonschema_rs.Validator | None
    success: int

    def read_query(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the query parameters, converted to their types. ControlError 422 for unknown or invalid ones."""
        for name in texts:
            if name not in self.query:
                raise ControlError(422, unknown_name("parameter", name, self.query))
        defaults = {name: schema["default"] for name, schema in self.query.items() if "default" in schema}
        return defaults | {name: read_parameter(name, self.query[name], text, 422) for name, text in texts.items()}

    def read_path(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the path parameters, converted to their types. ControlError 404 for invalid ones."""
        return {name: read_parameter(name, self.parameters[name], text, 404) for name, text in texts.items()}

    def check_body(self, content: Any) -> None:
        """Raise ControlError with the place of the first error."""
        for error in self.body.iter_errors(content) if self.body else ():
            path = tuple(error.instance_path)
            raise ControlError(422, f"{dotted(path, 'body')}: {problem_text(error)}", path=path)


def read_parameter(name: str, schema: dict[str, Any], text: str, status: int) -> Any:
    """Convert a parameter to its type. ControlError with ``status`` if it does not match its schema."""
    import jsonschema_rs

    value = yaml12.scalar(text) if schema["type"] in ("integer", "boolean") else text
    for error in jsonschema_rs.validator_for(schema).iter_errors(value):
        raise ControlError(status, f"{name}: {shortened(error.message)}")
    return int(value) if schema["type"] == "integer" else value  # to JSON Schema, 5.0 is an integer


def problem_text(error: jsonschema_rs.ValidationError) -> str:
    """Return the message of a schema error; for an unknown key, with the nearest known one."""
    import jsonschema_rs

    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        schema: Any = control_document()
        for step in list(error.schema_path)[:-1]:
            schema = schema[step]
        return unknown_name("key", error.kind.unexpected[0], schema["properties"])
    return shortened(error.message)


def endpoints() -> Iterator[Endpoint]:
    """Yield every operation of the document, in its order."""
    for path, item in control_document()["paths"].items():
        for method in (name for name in CONTROL_METHODS if name in item):
            yield _endpoint(path, method, item)


def _endpoint(path: str, method: str, item: Mapping[str, Any]) -> Endpoint:
    spec = item[method]
    parameters = [resolve(control_document(), parameter)
                  for parameter in (*item.get("parameters", ()), *spec.get("parameters", ()))]
    return Endpoint(
        id=spec["operationId"], method=method.upper(), path=path, open=spec.get("security") == [{}],
        parameters=schemas(parameters, "path"), query=schemas(parameters, "query"),
        body=_body_schema(spec), success=next(int(status) for status in spec["responses"] if status.startswith("2")))


def schemas(parameters: list[Any], place: str) -> dict[str, Any]:
    return {parameter["name"]: parameter["schema"] for parameter in parameters if parameter["in"] == place}


def _body_schema(spec: Mapping[str, Any]) -> jsonschema_rs.Validator | None:
    """Return the validator of a request body.

    The document's components are included, so that paths in the schema are paths in the document.
    """
    if "requestBody" not in spec:
        return None
    import jsonschema_rs  # slow to import, and not needed if the control plane is not used

    schema = spec["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for({"components": control_document()["components"], **schema})


@cache
def control_document() -> Document:
    """The control plane's document."""
    return yaml12.read(openapi_dir() / "control.yaml")  # type: ignore[no-any-return]


@cache
def control_document_yaml() -> str:
    """The control plane's document as YAML."""
    return yaml12.dump(control_document())

"""The control plane's document, compiled: what an endpoint takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema_rs

from sarkmock.control.bodies import ControlError, place_of
from sarkmock.spec import yaml12
from sarkmock.spec.data_files import openapi_dir
from sarkmock.spec.loading import METHODS, Document, resolve
from sarkmock.suggest import unknown

CONTROL_PREFIX = "/_mock"
HEALTH = f"{CONTROL_PREFIX}/health"
CONTROL_METHODS = (*METHODS, "patch")


@dataclass(frozen=True)
class Endpoint:
    """One operation of the control plane, ready to check what it is asked."""

    id: str
    method: str
    path: str
    open: bool  # to everyone, without a token
    parameters: Mapping[str, Any]  # of the path: name -> schema
    query: Mapping[str, Any]  # the same of the query string
    body: jsonschema_rs.Validator | None
    success: int

    def read_query(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The parameters of the query string, each of the type it is to have; Problem for what is not to be there."""
        for name in given:
            if name not in self.query:
                raise ControlError(422, unknown("parameter", name, self.query))
        defaults = {name: schema["default"] for name, schema in self.query.items() if "default" in schema}
        return defaults | {name: read_parameter(name, self.query[name], text, 422) for name, text in given.items()}

    def read_path(self, given: Mapping[str, str]) -> dict[str, Any]:
        """The same of the path's parameters."""
        return {name: read_parameter(name, self.parameters[name], text, 404) for name, text in given.items()}

    def check_body(self, content: Any) -> None:
        """Problem with the place of the first mistake."""
        for error in self.body.iter_errors(content) if self.body else ():
            path = tuple(error.instance_path)
            raise ControlError(422, f"{place_of(path) or 'body'}: {problem_text(error)}", path=path)


def read_parameter(name: str, schema: dict[str, Any], text: str, status: int) -> Any:
    """A parameter of the type it is to have; Problem with that status if it is of another."""
    value = yaml12.scalar(text) if schema["type"] in ("integer", "boolean") else text
    for error in jsonschema_rs.validator_for(schema).iter_errors(value):
        raise ControlError(status, f"{name}: {error.message}")
    return value


def problem_text(error: jsonschema_rs.ValidationError) -> str:
    """The message of a schema's error; for a name that is not known, the nearest right one."""
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        schema: Any = control_document()
        for step in list(error.schema_path)[:-1]:
            schema = schema[step]
        return unknown("key", error.kind.unexpected[0], schema["properties"])
    return str(error.message)


def endpoints() -> Iterator[Endpoint]:
    """Every operation of the document, in its order."""
    for path, item in control_document()["paths"].items():
        for method in (name for name in CONTROL_METHODS if name in item):
            yield _endpoint(path, method, item)


def _endpoint(path: str, method: str, item: Mapping[str, Any]) -> Endpoint:
    spec = item[method]
    given = [resolve(control_document(), one) for one in (*item.get("parameters", ()), *spec.get("parameters", ()))]
    return Endpoint(
        id=spec["operationId"], method=method.upper(), path=path, open=spec.get("security") == [{}],
        parameters=schemas(given, "path"), query=schemas(given, "query"),
        body=_body(spec), success=next(int(status) for status in spec["responses"] if status.startswith("2")))


def schemas(parameters: list[Any], place: str) -> dict[str, Any]:
    return {one["name"]: one["schema"] for one in parameters if one["in"] == place}


def _body(spec: Mapping[str, Any]) -> jsonschema_rs.Validator | None:
    """All schemas are components, so that an error's path through the schema is one through the document."""
    if "requestBody" not in spec:
        return None
    schema = spec["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for({"components": control_document()["components"], **schema})


@cache
def control_document() -> Document:
    """The control plane's document."""
    return yaml12.read(openapi_dir() / "control.yaml")  # type: ignore[no-any-return]


@cache
def control_document_yaml() -> str:
    """The same as YAML."""
    return yaml12.dump(control_document())

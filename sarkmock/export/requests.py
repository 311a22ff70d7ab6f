"""Every operation as one request: path and body with example values, and response values that later requests use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sarkmock.http.replies import JSON
from sarkmock.spec.loading import Document, resolve
from sarkmock.spec.operations import Operation, compile_document

MULTIPART = "multipart/form-data"
# Hazards that a run of the whole collection may send; others need a decision.
HARMLESS = ("read", "write")
NOTHING_MADE = "none-was-made"
# Rows of the seed `examples`, beside those of a fresh SARK that cannot be changed or deleted.
CHANGEABLE = {"template": "Hall", "tenant": "branch"}
NEVER_PASSED = ("crash", "reject_blfkeyname")
STARTS = ("reboot", "pbx_start")
ENDS_A_TOKEN = ("logout", "login")
FILE_NAMES = {"uploadzip": "sarkbak.1717236000.zip", "uploadsnap": "sark.db.1717236000.zip",
              "greeting": "usergreeting1001.wav"}


@dataclass(frozen=True)
class Example:
    """An example response of the document."""

    name: str
    status: int
    description: str
    content_type: str
    body: Any


@dataclass(frozen=True)
class Exported:
    """One operation with everything that a tool shows."""

    operation: Operation
    document: Document

    @property
    def summary(self) -> str:
        return str(self.operation.spec["summary"])

    @property
    def always_fails(self) -> bool:
        """Whether no response is a success, or a check lets no request pass."""
        has_success = any(200 <= status < 300 for status in self.statuses)
        return not has_success or not set(NEVER_PASSED).isdisjoint(self.operation.checks)

    @property
    def title(self) -> str:
        """The summary, which says so if the operation of this version cannot succeed."""
        return f"{self.summary} (always fails)" if self.always_fails else self.summary

    @property
    def description(self) -> str:
        return str(self.operation.spec.get("description", "")).strip()

    @property
    def is_harmless(self) -> bool:
        return self.operation.hazard in HARMLESS

    @property
    def warning(self) -> str:
        return f"This request is {self.operation.hazard}: it affects the whole PBX."

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The example value of every path parameter."""
        item = self.document["paths"][self.operation.path]
        parameters = [resolve(self.document, parameter) for parameter in [*item.get("parameters", ()),
                                                                          *self.operation.spec.get("parameters", ())]]
        return {parameter["name"]: str(parameter["example"]) for parameter in parameters if parameter["in"] == "path"}

    @cached_property
    def _content(self) -> Mapping[str, Any]:
        return resolve(self.document, self.operation.spec.get("requestBody", {})).get("content", {})  # type: ignore[no-any-return]

    @property
    def bodies(self) -> dict[str, Any]:
        """The example request bodies, by name."""
        examples = self._content.get(JSON, {}).get("examples", {})
        return {name: resolve(self.document, example)["value"] for name, example in examples.items()}

    @property
    def body(self) -> Any:
        """The first example body; None if the operation has no body."""
        return next(iter(self.bodies.values()), None)

    @property
    def upload(self) -> tuple[str, str] | None:
        """The field of an uploaded file, and an example file name."""
        if MULTIPART not in self._content:
            return None
        field = next(iter(resolve(self.document, self._content[MULTIPART]["schema"])["properties"]))
        return field, FILE_NAMES[field]

    @property
    def stored_as(self) -> str | None:
        """The variable with the name of the uploaded file, if later requests find it."""
        is_lost = not self.is_harmless or self.operation.action.endswith("_lost")
        return None if self.upload is None or is_lost else self.upload[0]

    def used(self, variables: set[str], unset: set[str]) -> set[str]:
        """Return the variables that the request uses; those that no response sets, only to change a row."""
        return variables if self.operation.hazard == "write" and not self.always_fails else variables - unset

    @property
    def statuses(self) -> list[int]:
        """The statuses that the document lists."""
        return [int(status) for status in self.operation.spec["responses"]]

    @property
    def examples(self) -> Iterator[Example]:
        """The example responses of the document."""
        for status, reference in self.operation.spec["responses"].items():
            response = resolve(self.document, reference)
            for kind, media in response.get("content", {}).items():
                single = {"example": {"value": media["example"]}} if "example" in media else {}
                for name, example in media.get("examples", single).items():
                    value = resolve(self.document, example)["value"]
                    yield Example(name, int(status), response["description"], kind, value)

    @property
    def learned(self) -> dict[str, str]:
        """Path parameters of other operations that the response contains, and the field of each."""
        result: dict[str, str] = {}
        for reference in () if self.always_fails else self.operation.spec["responses"].values():
            for link in resolve(self.document, reference).get("links", {}).values():
                for parameter, expression in link.get("parameters", {}).items():
                    match = re.fullmatch(r"\$response\.body#/(\w+)", str(expression))
                    if match:
                        result[parameter] = match[1]
        return result


def exported(document: Document) -> list[Exported]:
    """Return the operations in an order in which each succeeds: the document's order, with four exceptions.

    A row is shown after it is created, and deleted after everything below it. The PBX is started after it is stopped.
    Operations that end the caller's token come last: logout, and login, which revokes a user's earlier tokens.
    """
    operations = compile_document(document)
    places = {operation.id: (place, 0) for place, operation in enumerate(operations)}
    for operation in operations:
        before = [places[earlier.id][0] for earlier in operations
                  if ((operation.method, earlier.method, earlier.path) == ("GET", "POST", operation.path)
                      and operation.parameters)
                  or (operation.method == "DELETE" and earlier.path.startswith(f"{operation.path}/"))
                  or (operation.action in STARTS and earlier.action == "pbx_stop")]
        places[operation.id] = max([places[operation.id], *((place, 1) for place in before)])
        if operation.action in ENDS_A_TOKEN:
            places[operation.id] = len(operations), ENDS_A_TOKEN.index(operation.action)
    return [Exported(operation, document) for operation in sorted(operations, key=lambda member: places[member.id])]


def path_variables(requests: list[Exported]) -> dict[str, str]:
    """Return the path parameters that a response contains, with the example's key as initial value."""
    usual = {name: value for request in requests for name, value in request.parameters.items()}
    result: dict[str, str] = {}
    for request in requests:
        for parameter, field in request.learned.items():
            made = request.body.get(field) if isinstance(request.body, dict) else None
            result.setdefault(parameter, str(made) if made is not None else usual[parameter])
    return result


def kept_variables(requests: list[Exported]) -> dict[str, str]:
    """Return the variables of a tool that stores response values, so that a run changes only rows that it created."""
    changed = [request for request in requests
               if request.operation.hazard == "write" and request.operation.method in ("PUT", "DELETE")]
    return {name: NOTHING_MADE for request in changed for name in request.parameters} | path_variables(requests)


def unset_variables(requests: list[Exported]) -> set[str]:
    """Return the variables that no response of this version sets."""
    set_by_response = path_variables(requests).keys() | {request.stored_as for request in requests}
    return kept_variables(requests).keys() - set_by_response


def text_variables(requests: list[Exported]) -> dict[str, str]:
    """Return the variables of a file without scripts: as path_variables, and rows for what no response names."""
    unset = unset_variables(requests)
    return path_variables(requests) | {name: key for name, key in CHANGEABLE.items() if name in unset}


def needs_token(requests: list[Exported]) -> bool:
    return any(request.operation.guard for request in requests)


def by_section(requests: list[Exported]) -> dict[str, list[Exported]]:
    """Group requests by section of the documentation, in their order."""
    result: dict[str, list[Exported]] = {}
    for request in requests:
        result.setdefault(request.operation.section, []).append(request)
    return result

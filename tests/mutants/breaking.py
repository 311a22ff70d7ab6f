"""Ways to break a mock: its document is edited, or requests and responses are changed. Defines no mutant."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sarkmock_contracts.checks import (
    boundaries,
    boundary_sweep,
    fuzz,
    openapi_core_check,
    protocol,
    row_lifecycle,
    smoke,
    stateful,
)
from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.client.transports import InProcess, SignedIn
from sarkmock_contracts.judge.findings import Identity
from sarkmock_contracts.run import Run
from sarkmock_contracts.run_options import RunOptions
from sarkmock_contracts.spec.contract import contract_of
from sarkmock_contracts.spec.operation_data import resources

from sarkmock import Engine, State
from sarkmock.suite_api import Document, api_application, load, load_seed

Send = Callable[[Request], Response]
Tamper = Callable[[Request, Send], Response]
Part = Callable[[Run], None]
TOKEN = f"1|{'a' * 48}"  # for profiles with tokens


@dataclass(frozen=True)
class Mutant:
    """A mock that is broken in one way, the check that must notice it, and the expected finding."""

    name: str
    run: Part
    expect: Identity
    edit: Callable[[Document], None] | None = None
    tamper: Callable[[], Tamper] | None = None
    unseen: bool = False  # the run's own judge is disabled: another check must find it
    profile: str = "documented"

    def suite(self) -> Run:
        """A run that judges this mock by the intact document."""
        document = self._document()
        engine = Engine(document, State(load_seed("factory", document), now=1717236000, token=TOKEN))
        transport = SignedIn(InProcess(api_application(engine)), engine.state)
        if self.tamper is not None:
            transport.send = tampered(transport.send, self.tamper())  # type: ignore[method-assign]
        strict = RunOptions(profile=self.profile, strict=True)  # not attributed to a deviation
        suite = Run(contract_of(self.profile), transport, strict)
        if self.unseen:
            suite.judge._problems = lambda *_: iter(())  # type: ignore[method-assign, assignment]
        return suite

    def traffic(self, suite: Run) -> list[Exchange]:
        """Run the check, and return its exchanges."""
        send, exchanges = suite.target.send, []

        def recorded(request: Request) -> Exchange:
            exchanges.append(send(request))
            return exchanges[-1]

        suite.target.send = recorded  # type: ignore[method-assign]
        self.run(suite)
        return exchanges

    def _document(self) -> Document:
        document = load(self.profile)
        if self.edit is not None:
            document = copy.deepcopy(document)
            self.edit(document)
        return document


def broken_rule(name: str, run: Part, edit: Callable[[Document], None], field: str, kind: str) -> Mutant:
    """A mutant of one rule; ``field`` is OPERATION/FIELD."""
    operation, _, field = field.partition("/")
    return Mutant(name, run, Identity(operation, "rules", field, kind), edit=edit)


def broken_response(name: str, run: Part, tamper: Callable[[], Tamper], *expect: str) -> Mutant:
    """A mutant that changes requests or responses; ``expect`` is the identity of its finding."""
    return Mutant(name, run, Identity(*expect), tamper=tamper)


def tampered(send: Send, tamper: Tamper) -> Send:
    return lambda request: tamper(request, send)


# Checks of the suite


def run_boundaries(operation: str) -> Part:
    return lambda suite: boundary_sweep.check_boundaries(suite, suite.contract.by_id[operation])


def run_arrays(operation: str) -> Part:
    return lambda suite: boundaries.check_arrays(suite, suite.contract.by_id[operation])


def run_smoke(operation: str) -> Part:
    return lambda suite: smoke.check_answers(suite, suite.contract.by_id[operation])


def run_links(operation: str) -> Part:
    return lambda suite: smoke.check_links(suite, suite.contract.by_id[operation])


def run_protocol(check: protocol.PathCheck, operation: str) -> Part:
    return lambda suite: check(suite, suite.contract.by_id[operation])


def run_sequences(*names: str) -> Part:
    def run(suite: Run) -> None:
        rows = [resource for resource in resources(suite.contract) if resource.name in names]
        stateful.run_sequences(suite, rows, examples=6, steps=20)

    return run


def run_rows(name: str) -> Part:
    return lambda suite: row_lifecycle.check_row_lifecycle(
        suite, next(resource for resource in resources(suite.contract) if resource.name == name))


def run_openapi_core(operation: str) -> Part:
    def run(suite: Run) -> None:
        run_smoke(operation)(suite)
        core = openapi_core_check.openapi_core_of(suite)
        openapi_core_check.check_openapi_core(suite, core, suite.contract.by_id[operation])

    return run


def run_fuzz(operation: str) -> Part:
    return lambda suite: fuzz.check_fuzzed(suite, fuzz.Fuzzer(suite), suite.contract.by_id[operation], 10)


# Edits of the mock's document


def replace_rules(schema: str, field: str, text: str | list[str]) -> Callable[[Document], None]:
    """Replace the rules of a body field."""

    def edit(document: Document) -> None:
        document["components"]["schemas"][schema]["properties"][field]["x-rules"] = text

    return edit


def add_variable(schema: str, field: str) -> Callable[[Document], None]:
    """Add a variable to a body."""

    def edit(document: Document) -> None:
        document["components"]["schemas"][schema]["properties"][field] = {"type": "string", "x-rules": "string"}

    return edit


def replace_column(schema: str, name: str, value: Any) -> Callable[[Document], None]:
    """Replace the schema of a response column, or remove it if the value is None."""

    def edit(document: Document) -> None:
        properties = document["components"]["schemas"][schema]["properties"]
        if value is None:
            del properties[name]
        else:
            properties[name] = {**properties.get(name, {}), **value}

    return edit


def remove_check(path: str, method: str, name: str | None = None) -> Callable[[Document], None]:
    """Remove one check of an operation, or all."""

    def edit(document: Document) -> None:
        operation = document["paths"][path][method]
        operation["x-after"] = [check for check in operation["x-after"] if name not in (None, check)]

    return edit


def set_key(path: str, method: str, name: str, value: Any) -> Callable[[Document], None]:
    """Set a key of an operation."""
    return lambda document: document["paths"][path][method].update({name: value})


# Changes of requests and responses


def on(method: str, path: str) -> Callable[[Callable[[Request, Send], Response]], Tamper]:
    """Apply a change to requests whose method and path match; forward other requests unchanged."""

    def decorate(change: Callable[[Request, Send], Response]) -> Tamper:
        def tamper(request: Request, send: Send) -> Response:
            matches = re.fullmatch(method, request.method) and re.fullmatch(path, request.path)
            return change(request, send) if matches else send(request)

        return tamper

    return decorate


def change_response(method: str, path: str, change: Callable[[Response], Response]) -> Callable[[], Tamper]:
    """Change responses."""
    return lambda: on(method, path)(lambda request, send: change(send(request)))


def change_request(method: str, path: str, change: Callable[[Request], Request]) -> Callable[[], Tamper]:
    """Change the requests before the mock sees them."""
    return lambda: on(method, path)(lambda request, send: send(change(request)))


def respond_with(method: str, path: str, response: Response) -> Callable[[], Tamper]:
    """Respond without the mock."""
    return lambda: on(method, path)(lambda request, send: response)


def edit_json(response: Response, change: Callable[[Any], Any]) -> Response:
    """Change the JSON value of a response. A response without JSON is unchanged."""
    value = response.json
    return response if value is None else replace(response, body=json.dumps(change(value)).encode())


def edit_input(request: Request, change: Callable[[Any], Any]) -> Request:
    """Change the JSON value of a request."""
    value = json.loads(request.body) if request.body.startswith(b"{") else None
    return request if value is None else replace(request, body=json.dumps(change(value)).encode())


def json_response(status: int, value: Any) -> Response:
    return Response(status, (("Content-Type", "application/json"),), json.dumps(value).encode())


def change_json(method: str, path: str, change: Callable[[Any], Any]) -> Callable[[], Tamper]:
    """Change the JSON value of responses."""
    return change_response(method, path, lambda response: edit_json(response, change) if response.ok else response)


def without_header(response: Response, name: str) -> Response:
    headers = tuple((key, value) for key, value in response.headers if key.lower() != name.lower())
    return replace(response, headers=headers)

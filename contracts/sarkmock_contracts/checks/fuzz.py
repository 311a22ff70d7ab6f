"""Schemathesis as a request generator: its requests are sent through the Target and judged like all others.

Schemathesis' engine and drivers are not public API. Only this module uses them, and the project pins the release.
"""

from __future__ import annotations

import copy
import re
import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.errors import FailureGroup
from schemathesis.generation.coverage import GenerationSession
from schemathesis.generation.drivers import CoverageGenerator, ExamplesGenerator
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.generation.overrides import Override
from schemathesis.transport.requests import REQUESTS_TRANSPORT

from sarkmock.suite_api import Operation, keys_of

from ..client.http import ACCEPT, Request
from ..errors import NoBounds, Unanswered, Unavailable, Withheld
from ..judge.judge import Judged
from ..judge.oracle import Problem
from ..run import Run
from ..spec.boundary_values import split
from ..spec.operation_data import boundaries_beside_rules

BOUNDARY = b"-" * 28 + b"schemathesis"
UNEXPECTED = "Unexpected response to "  # titles of failures for requests without a valid token
FuzzCase = schemathesis.Case[Any]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
CONFIG: dict[str, Any] = {
    "output": {"sanitization": {"enabled": False}},  # "pkey" contains the word "key": every reproducer would be masked
    "cache": {"enabled": False},  # runs must not influence each other
    "analysis": {"constants": {"enabled": False}},  # nor may constants of the mock's source influence the requests
    "generation": {"database": "none"},
    "phases": {
        # Laravel handles them in its own way, also on paths that two templates match: protocol.py tests each.
        "coverage": {"unexpected-methods": []},
    },
    "checks": {
        # Laravel accepts "5" as an integer and treats a body that is not JSON as no input, and rejects unknown keys.
        # No schema can express this. The oracle judges every request by the documented rules, field by field.
        "positive_data_acceptance": {"enabled": False},
        "negative_data_rejection": {"enabled": False},
        # A documented 5xx is valid (the PBX is not running); any other is an undocumented status.
        "not_a_server_error": {"enabled": False},
        # It cannot read prefixItems with items (4.32.5); the oracle judges every response by its schema.
        "response_schema_conformance": {"enabled": False},
        # The only required header is the token, which every request has: authentication.py omits it.
        "missing_required_header": {"enabled": False},
    },
}


class Fuzzer:
    """Schemathesis' view of a contract. Its positive values can succeed on this target."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.session = GenerationSession()
        self.enforced: set[str] = set()  # operations tested without a valid token
        self._kinds: set[tuple[str, int, str]] = set()  # operation, status and content type of the responses

    @cached_property
    def schema(self) -> schemathesis.BaseSchema:
        own = {"base-url": self.run.target.url, "seed": self.run.options.random_seed}
        config = schemathesis.Config.from_dict({**CONFIG, **own})
        schema = schemathesis.openapi.from_dict(self.document(), config=config)
        # Schemathesis itself sends only requests that test the token.
        schema.app = lambda environ, start: self.run.target({"HTTP_AUTHORIZATION": "", **environ}, start)
        return schema

    def document(self) -> dict[str, Any]:
        """Return the document with enums for values that depend on the target's state: live keys and destinations."""
        document = copy.deepcopy(self.run.contract.document)
        for operation in self.run.contract.operations:
            properties = self._properties(document, operation)
            for name in operation.rules:
                if name in properties and self._depends_on_state(operation, name):
                    properties[name] = {"enum": self._possible(operation, name)}
            self._keep_one_content_type(document, operation)
        return document

    def _keep_one_content_type(self, document: dict[str, Any], operation: Operation) -> None:
        """Keep one content type. Forms double the cases and are read like JSON, which protocol.py tests."""
        content = document["paths"][operation.path][operation.method.lower()].get("requestBody", {}).get("content", {})
        for name in list(content)[1:]:
            del content[name]

    def _properties(self, document: dict[str, Any], operation: Operation) -> dict[str, Any]:
        place = self.run.contract.body_place(operation)
        if place is None:
            return {}
        value: Any = document
        for key in keys_of(self.run.contract.resolve(place)[0]):
            value = value[key]
        return value.get("properties", {})  # type: ignore[no-any-return]

    def _depends_on_state(self, operation: Operation, name: str) -> bool:
        rules = split(operation.rules[name])
        has_values = "accept" in boundaries_beside_rules(operation, name) and "file" not in rules
        return has_values or any(rule.startswith("exists:") for rule in rules)

    def _possible(self, operation: Operation, name: str) -> list[Any]:
        fixtures = self.run.fixtures
        try:
            values = [fixtures.value(operation, name, value) for value in fixtures.bounds(operation, name).accept]
        except (NoBounds, Unavailable):
            values = ["no such key"]
        return [*values, None] if "nullable" in split(operation.rules[name]) else values

    def operation(self, operation: Operation) -> schemathesis.APIOperation[Any, Any, Any, Any]:
        return self.schema[operation.path][operation.method]

    def examples(self, operation: Operation) -> Iterator[FuzzCase]:
        """Yield the document's own examples."""
        yield from ExamplesGenerator(operation=self.operation(operation), override=Override(), feedback=NO_FEEDBACK,
                                     fill_missing=False)

    def coverage(self, operation: Operation) -> Iterator[FuzzCase]:
        """Yield boundary values of the JSON Schema, one deviation at a time."""
        target = self.operation(operation)
        generation = self.schema.config.generation_for(operation=target, phase="coverage")
        yield from CoverageGenerator(operation=target, generation_modes=MODES, generation_config=generation,
                                     auth_storage=None, override=Override(), feedback=NO_FEEDBACK, session=self.session)

    def is_of_new_kind(self, operation: Operation, response: schemathesis.Response) -> bool:
        """Whether Schemathesis has not seen such a response: its checks do not look at the body."""
        kind = operation.id, response.status_code, str(response.headers.get("content-type"))
        is_new = kind not in self._kinds
        self._kinds.add(kind)
        return is_new

    def random(self, operation: Operation, examples: int, test: Callable[[FuzzCase], None]) -> None:
        """Run a test with random cases in both modes, the same cases for the same seed."""
        target = self.operation(operation)
        if not target.body and not target.query:
            return  # `aim` replaces the path parameters, so that all cases would be the same request
        strategy = st.one_of([target.as_strategy(generation_mode=mode, feedback=NO_FEEDBACK) for mode in MODES])
        settings = hypothesis.settings(max_examples=examples, database=None, deadline=None,
                                       phases=[hypothesis.Phase.generate],
                                       suppress_health_check=list(hypothesis.HealthCheck))

        @hypothesis.seed(zlib.crc32(f"{self.run.options.random_seed} {operation.id}".encode()))
        @settings
        @hypothesis.given(strategy)
        def run(case: FuzzCase) -> None:
            test(case)

        run()


def check_fuzzed(run: Run, fuzzer: Fuzzer, operation: Operation, examples: int) -> None:
    """Send all Schemathesis cases of one operation. Rows that a case creates are removed at once."""
    def test(case: FuzzCase) -> None:
        send_case(run, fuzzer, operation, case)

    for cases in (fuzzer.examples(operation), fuzzer.coverage(operation)):
        for case in cases:
            test(case)
    if examples:
        fuzzer.random(operation, examples, test)


def send_case(run: Run, fuzzer: Fuzzer, operation: Operation, case: FuzzCase) -> None:
    """Send a case. If the run finds no problem, report failures of Schemathesis' own checks."""
    try:
        aim(run, operation, case)
        judged, response = call_case(run, case)
    except Withheld:
        return
    except Unanswered as reason:
        run.gaps.unanswered.append(str(reason))
        return
    if judged.excused:
        return
    if not judged.problems and fuzzer.is_of_new_kind(operation, response):
        for failure in opinions(fuzzer, operation, case, response):
            run.report(operation.id, Problem("schemathesis", "", failure.title, failure.message), judged)
    if run.fixtures.made:
        run.fixtures.sweep()


def opinions(
    fuzzer: Fuzzer, operation: Operation, case: FuzzCase, response: schemathesis.Response
) -> Iterator[Failure]:
    """Yield failures of Schemathesis' own checks.

    After the first success of an operation, Schemathesis also repeats the request without a valid token.
    """
    asks = operation.guard is not None and operation.id not in fuzzer.enforced
    if 200 <= response.status_code < 300:
        fuzzer.enforced.add(operation.id)
    try:
        # Schemathesis must know that there is a token; the layers below add it.
        case.validate_response(response, transport_kwargs={"auth": ("a", "token")} if operation.guard else None,
                               excluded_checks=[] if asks else [schemathesis.checks.ignored_auth])
    except FailureGroup as group:
        # A rejection may be 404 or 405 where an operation is not public: authentication.py compares them.
        yield from (failure for failure in group.exceptions if not failure.title.startswith(UNEXPECTED))
    except (Unanswered, Withheld):
        return


def call_case(run: Run, case: FuzzCase) -> tuple[Judged, schemathesis.Response]:
    """Do the same as ``case.call()``, but serialize the case once and return the bytes actually sent."""
    kwargs = REQUESTS_TRANSPORT.serialize_case(case, base_url=run.target.url, headers=dict([ACCEPT]))
    prepared = requests.Request(**kwargs).prepare()
    judged = run.send(as_request(prepared, run.target.transport.base))
    headers: dict[str, list[str]] = {}
    for name, value in judged.response.headers:
        headers.setdefault(name.lower(), []).append(value)
    response = schemathesis.Response(judged.response.status, headers, judged.response.body, prepared, 0.0, False)
    return judged, response


def as_request(prepared: requests.PreparedRequest, base: str) -> Request:
    """Convert a prepared request of `requests`."""
    parts = urlsplit(prepared.url or "")
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    content_type = prepared.headers.get("Content-Type")
    boundary = re.match(rb"--([0-9a-f]{32})(?:--)?\r\n", body)
    if boundary:  # replace the random boundary: the same seed must send the same bytes
        body = body.replace(boundary[1], BOUNDARY)
        content_type = content_type and content_type.replace(boundary[1].decode(), BOUNDARY.decode())
    headers = (ACCEPT, ("Content-Type", content_type)) if content_type else (ACCEPT,)
    return Request(prepared.method or "GET", parts.path.removeprefix(base), parts.query, headers, body)


def aim(run: Run, operation: Operation, case: FuzzCase) -> None:
    """Give a case an existing row and a free key, unless the path or the key is what it tests."""
    components = case.meta.components if case.meta else {}
    location = ParameterLocation.PATH
    if operation.parameters and (location not in components or components[location].mode is MODES[0]):
        body = case.body if isinstance(case.body, dict) else {}
        case.path_parameters = {name: str(value) for name, value in run.fixtures.path(operation, body).items()}
    if isinstance(case.body, dict) and case.meta is not None and case.meta.generation.mode is MODES[0]:
        case.body = {**case.body, **run.fixtures.fresh_fields(operation)}

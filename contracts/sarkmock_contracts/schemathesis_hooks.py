"""Hooks for `st run` (SCHEMATHESIS_HOOKS=sarkmock.schemathesis): the suite's gate, oracle and tables in Schemathesis.

Every request is sent through a run of the suite. The run's findings in an exchange are failures of the check
`sarkmock`. Failures of Schemathesis' own checks that a Laravel API cannot pass are dropped.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.client import responses
from typing import Any

import schemathesis
import urllib3
from requests.structures import CaseInsensitiveDict
from schemathesis import cli

from sarkmock.suite_api import FileError, Operation, load, profile_names, unknown_name

from .checks.boundaries import Packet
from .checks.boundary_sweep import edge_packets
from .checks.fuzz import FuzzCase, aim
from .checks.minimal_rules import covering_packets
from .client.http import ACCEPT, UploadFile, header
from .client.target import read_environ
from .errors import CannotRun, NoBounds, NotSent, Unanswered, Unavailable
from .judge.findings import Identity
from .judge.judge import Judged
from .plugin.verdict import safety_lines
from .run import Run, open_run
from .run_options import ALLOWED, RunOptions
from .safety.preflight import HOW_TO_GIVE_A_TOKEN

ALLOW = "SARKMOCK_ALLOW"  # hazards besides read, such as "writes operational"
PROFILE_VARIABLE = "SARKMOCK_PROFILE"  # for a document that does not belong to the package
HAZARD_OPTIONS = {name.removeprefix("allow_"): name for name in ALLOWED.values()}
CASE_ID = "HTTP_X_SCHEMATHESIS_TESTCASEID"
# The oracle judges data, and conformance checks judge bodies; Laravel handles unsupported methods in its own way.
SUPERSEDED = {"AcceptedNegativeData", "RejectedPositiveData", "ServerError", "ContentTypeServerError",
              "JsonSchemaError", "UnsupportedMethodResponse", "AllowHeaderMismatch"}
_session: StRun | None = None
# Here, because Schemathesis restores the filters after it has loaded a schema.
urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


class StRun:
    """One `st run`: the run of the suite that sends its requests, and the judged exchanges by test case id."""

    def __init__(self, schema: Any) -> None:
        self.run = open_run(st_options(schema))
        if self.run.safety is not None:
            with self.run.budget.removing():
                self.run.safety.begin()
        self.authorization = CaseInsensitiveDict(schema.config.headers).get("Authorization")
        self.lock = threading.RLock()
        self.judged: dict[str, Judged | NotSent] = {}
        self.ended = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Handle a request as the WSGI application that Schemathesis calls."""
        if environ.get("HTTP_ACCEPT") in (None, "*/*"):
            environ["HTTP_ACCEPT"] = ACCEPT[1]
        if self.authorization:  # the run adds its token to requests that name none
            sent = environ.pop("HTTP_AUTHORIZATION", "")
            environ |= {"HTTP_AUTHORIZATION": sent} if sent != self.authorization else {}
        request = read_environ(environ, self.run.target.transport.base)
        identity = environ.get(CASE_ID, "")
        with self.lock:
            try:
                judged = self.run.send(request)
            except NotSent as reason:
                self.judged[identity] = reason
                start_response("503 Withheld", [("Content-Type", "text/plain")])
                return [str(reason).encode()]
            self.judged[identity] = judged
        response = judged.response
        headers = [(name, value) for name, value in response.headers if name.lower() not in ("transfer-encoding",)]
        start_response(f"{response.status} {responses.get(response.status, 'Unknown')}", headers)
        return [response.body]

    def problems(self, case: FuzzCase) -> Iterator[str]:
        """Yield the problems of the response to a case, except known deviations of the target's version."""
        judged = self.judged.get(case.id)
        operation = self.operation_of(case)
        for problem in judged.problems if isinstance(judged, Judged) and operation else ():
            identity = Identity(operation.id, *problem[:3])  # type: ignore[union-attr]
            if any(map(self.run.judge.is_new, self.run.findings.of(identity))):
                yield f"{identity}: {problem.message}"

    def is_settled(self, case: FuzzCase) -> bool:
        """Whether only the suite judges the response: it was withheld, is a predicted crash, or tests the token."""
        judged = self.judged.get(case.id)
        return isinstance(judged, NotSent) or (
            judged is not None and (judged.excused or header(judged.request.headers, "Authorization") is not None))

    def operation_of(self, case: FuzzCase) -> Operation | None:
        return self.run.contract.by_id.get(case.operation.definition.raw.get("operationId", ""))

    def tidy(self) -> None:
        with self.lock, self.run.budget.removing():
            self.run.fixtures.sweep()

    def end(self) -> list[str]:
        """Remove everything that the run created. Return lines for the summary."""
        if self.ended:
            return []
        self.ended = True
        with self.run.budget.removing():
            try:
                self.run.fixtures.sweep(keep_fixtures=False)
                if self.run.safety is not None:
                    self.run.safety.end()
            except CannotRun as error:
                if self.run.safety is not None:
                    self.run.safety.troubles.append(str(error))
        self.run.close()
        met = sorted({name for finding in self.run.findings for name in finding.deviations})
        lines = [line for line in safety_lines(self.run) if not line.startswith("not tested")]  # checks of the suite
        return [*lines, *([f"known deviations: {', '.join(met)}"] if met else [])]


def st_options(schema: Any) -> RunOptions:
    """Return the options of the run, from Schemathesis' configuration and the environment."""
    config = schema.config
    allowed = os.environ.get(ALLOW, "").replace(",", " ").split()
    for name in allowed:
        if name not in HAZARD_OPTIONS:
            raise CannotRun(f"{ALLOW}: {unknown_name('permission', name, HAZARD_OPTIONS)}")
    verify = config.tls_verify
    return RunOptions.of({
        "url": (config.base_url or schema.get_base_url()).rstrip("/"), "profile": st_profile(schema.raw_schema),
        "insecure": verify is False, "ca": verify if isinstance(verify, str) else None,
        "header": tuple(f"{name}: {value}" for name, value in (config.headers or {}).items()),
        "yes_i_mean": os.environ.get("SARKMOCK_YES_I_MEAN") if "disruptive" in allowed else None,
        **{HAZARD_OPTIONS[name]: True for name in allowed}})


def st_profile(document: dict[str, Any]) -> str:
    """Return the profile whose document was loaded."""
    named = os.environ.get(PROFILE_VARIABLE)
    result = named or next((name for name in profile_names() if load(name)["info"] == document.get("info")), None)
    if result is None:
        raise CannotRun(f"the document was not printed by `sarkmock spec`; set its profile in {PROFILE_VARIABLE}")
    return result


def session_of() -> StRun:
    assert _session is not None, "after_load_schema has to run first"
    return _session


@schemathesis.hook
def after_load_schema(context: schemathesis.HookContext, schema: Any) -> None:
    """Send all traffic through the suite."""
    global _session  # noqa: PLW0603
    try:
        _session = schema.app = StRun(schema)
        schema.config.checks.ignored_auth.enabled = False  # it cannot send its requests to a WSGI application
    except (CannotRun, FileError, Unanswered) as error:
        text = str(error).replace(HOW_TO_GIVE_A_TOKEN, "st run -H 'Authorization: Bearer TOKEN'")
        raise SystemExit(f"sarkmock: {text}") from None


@schemathesis.hook
def map_case(context: schemathesis.HookContext, case: FuzzCase) -> FuzzCase:
    """Give a case an existing row and a free key. A stateful sequence starts with a row that can be created."""
    session = session_of()
    operation = session.operation_of(case)
    if operation is not None:
        with session.lock, suppress(Unanswered, Unavailable, NoBounds):
            if not is_sequence(case):
                aim(session.run, operation, case)
            elif not operation.parameters and isinstance(case.body, dict):
                case.body = session.run.fixtures.minimal(operation)
    return case


def is_sequence(case: FuzzCase) -> bool:
    return case.meta is not None and case.meta.phase.name.value == "stateful"


@schemathesis.hook
def after_call(context: schemathesis.HookContext, case: FuzzCase, response: Any) -> None:
    """Remove the rows that a case created, unless a stateful sequence continues with them."""
    session = session_of()
    if not is_sequence(case) and session.run.fixtures.made:
        session.tidy()


@schemathesis.hook
def before_add_examples(context: schemathesis.HookContext, examples: list[FuzzCase]) -> None:
    """Add the boundary tables as examples, with many values in a request."""
    session = session_of()
    target: Any = context.operation
    operation = session.run.contract.by_id.get(target.definition.raw.get("operationId", ""))
    if operation is None or not operation.rules or not session.run.permits(operation):
        return
    with session.lock:
        for packet in st_packets(session.run, operation):
            if not any(isinstance(value, UploadFile) for value in packet.body.values()):
                path = session.run.fixtures.path(operation, packet.body) if operation.parameters else {}
                examples.append(target.Case(path_parameters=path, body=packet.body, media_type=ACCEPT[1]))


def st_packets(run: Run, operation: Operation) -> Iterator[Packet]:
    for table in (covering_packets, edge_packets):
        try:
            yield from table(run, operation)
        except (Unanswered, Unavailable, NoBounds):
            continue


@schemathesis.check
def sarkmock(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: FuzzCase) -> None:
    """The documented rules, read as Laravel reads them, and the document's responses."""
    problems = list(session_of().problems(case))
    if problems:
        raise AssertionError("\n".join(problems))


@schemathesis.hook
def filter_failure(context: schemathesis.HookContext, failure: Any, case: FuzzCase, response: Any) -> bool:
    """Return whether a failure counts."""
    return type(failure).__name__ not in SUPERSEDED and not session_of().is_settled(case)


@cli.handler()
class Ending(cli.EventHandler):  # type: ignore[type-arg]
    """Cleans up after the last case, and reports what was withheld and what remains on the target."""

    def handle_event(self, ctx: Any, event: Any) -> None:
        name = type(event).__name__
        if name == "ScenarioFinished" and _session is not None:
            for identity in event.recorder.cases:
                _session.judged.pop(identity, None)
        elif name == "EngineFinished" and _session is not None:
            for line in _session.end():
                ctx.add_summary_line(line)

"""Error texts: those recorded on real boxes match the document of their version, other texts are problems."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sarkmock_contracts.client.http import Exchange, Request, Response
from sarkmock_contracts.judge.oracle import Problem, conformance_problems
from sarkmock_contracts.judge.texts import text_problems
from sarkmock_contracts.spec.contract import Contract, contract_of

from tests import replay, wire
from tests.fidelity import FILES, RECORDINGS

ROUTED = {401, 404, 409, 422, 503}  # of operations and of routing
TEXTS = {"schema", "messages"}
CUT_OFF = {"file": "", "line": 0, "trace": []}  # parts of a debug page that recordings omit


def profile_of(file: Path) -> str:
    return file.parent.name if file in RECORDINGS else "shipped"


def exchanges(recorded: Iterable[replay.Exchange]) -> Iterator[Exchange]:
    """The exchanges with a JSON error."""
    saved, scenario = wire.Saved(), None
    for exchange in recorded:
        if replay.scenario_of(exchange) != scenario:
            scenario, saved = replay.scenario_of(exchange), wire.Saved()
        request, response = exchange["request"], exchange["response"]
        status, body = response["status"], response.get("body")
        if status in ROUTED and response["content_type"] == "application/json" and not request.get("abs"):
            page = CUT_OFF if isinstance(body, dict) and "exception" in body else {}
            yield Exchange(request_of(request, saved), json_response(status, {**body, **page} if page else body))
        saved.remember(request, json.dumps(body).encode())


def request_of(recorded: dict[str, Any], saved: wire.Saved) -> Request:
    content_type, body = wire.payload(recorded)
    path, _, query = saved.filled(recorded["path"]).partition("?")
    headers = (("Content-Type", content_type), *recorded.get("headers", {}).items())
    return Request(recorded["method"], path, query, tuple(pair for pair in headers if pair[1]), body or b"")


def json_response(status: int, body: Any) -> Response:
    return Response(status, (("Content-Type", "application/json"),), json.dumps(body).encode())


def problems(contract: Contract, exchange: Exchange) -> list[Problem]:
    operation = contract.operation_of(exchange.request)
    if operation is None or "\N{REPLACEMENT CHARACTER}" in unquote(exchange.request.path):  # not UTF-8
        return []
    candidates = [*conformance_problems(contract, operation, exchange)] or text_problems(contract, operation, exchange)
    return [problem for problem in candidates if problem.check in TEXTS]


@pytest.mark.parametrize("file", [*FILES, *RECORDINGS, wire.FILE], ids=lambda file: f"{profile_of(file)}-{file.stem}")
def test_recorded_error_texts_match_the_document(file: Path) -> None:
    contract = contract_of(profile_of(file))
    problem_texts = {f"{exchange.request.method} {exchange.request.path}: {problem.message}"
                     for exchange in exchanges(replay.read(file)) for problem in problems(contract, exchange)}
    assert problem_texts == set()


def judged(profile: str, target: str, status: int, body: Any, sent: Any = None) -> list[str]:
    """The problems of a response to a GET, or to a POST of `sent`."""
    path, _, query = target.partition("?")
    headers = (("Content-Type", "application/json"),)
    content = b"" if sent is None else json.dumps(sent).encode()
    request = Request("GET" if sent is None else "POST", path, query, headers, content)
    exchange = Exchange(request, json_response(status, body))
    return [f"{problem.field} {problem.kind}" for problem in problems(contract_of(profile), exchange)]


NO_TENANT = "No query results for model [App\\Tenant] acme"
COMMANDS = dict.fromkeys(("commit", "reboot", "pbxstart", "pbxstop"), "null") | {
    "pbxrunstate": "returns PBX state (boolean)"}
LOGIN = {"email": ["The email field is required."], "password": ["The password field is required."]}


@pytest.mark.parametrize(("profile", "target", "status", "body", "wrong"), [
    ("documented", "/backups/a.zip", 404, {"Error": "a.zip not found in backup set"}, []),
    ("documented", "/backups/a.zip", 404, {"Error": "b.zip not found in backup set"}, ["Error x-pattern"]),
    ("documented", "/backups/a.zip", 404, {"Error": "a.zip not found in snapshot set"}, ["Error x-pattern"]),
    ("documented", "/backups/a.zip", 404, {"Error": "aXzip not found in backup set"}, ["Error x-pattern"]),
    ("documented", "/backups/%61.zip", 404, {"Error": "a.zip not found in backup set"}, []),
    ("documented", "/astamis/MailboxStatus/1001", 503, {"message": "PBX not running"}, []),
    ("documented", "/astamis/MailboxStatus/1001", 503, {"message": "PBX already running"}, ["message const"]),
    ("documented", "/astamis/DBget/cfim/1001", 200, {"1001": ""}, []),
    ("documented", "/astamis/DBget/cfim/1001", 200, {"1002": ""}, [" anyOf"]),
    ("shipped", "/astamis/DBget/cfim/1001?key=1002", 200, {"1002": ""}, []),  # the query has precedence
    ("shipped", "/syscommands", 200, COMMANDS, []),
    ("L11", "/syscommands", 200, COMMANDS | {"pbxrunstate": "PBX state"}, ["pbxrunstate const"]),
    ("L10", "/tenants/acme", 404, {"message": NO_TENANT, "exception": "E", **CUT_OFF}, []),
    ("L10", "/tenants/acm", 404, {"message": NO_TENANT, "exception": "E", **CUT_OFF}, ["message wording"]),
    ("L11", "/tenants/acme", 404, {"message": NO_TENANT, "exception": "E", **CUT_OFF}, ["message wording"]),
])
def test_error_text_is_compared_with_the_request(profile: str, target: str, status: int, body: Any,
                                                 wrong: list[str]) -> None:
    assert judged(profile, target, status, body) == wrong


@pytest.mark.parametrize(("profile", "target", "sent", "body", "wrong"), [
    ("documented", "/agents", {"pkey": 1001}, {"save": ["Duplicate Key - 1001"]}, []),
    ("documented", "/agents", {"pkey": 1001}, {"save": ["Duplicate Key - 1002"]}, ["save wording"]),
    ("documented", "/agents", {"pkey": 1001}, {"save": ["Duplicate Keys, relationship already exists - 1001"]},
     ["save wording"]),
    ("shipped", "/coscloses", {"IPphone_pkey": "1"}, {"save": ["Duplicate Keys, relationship already exists - "]}, []),
    ("shipped", "/extensions/provisioned?macaddr=a", {}, {"macaddr": ["Can't find Manufacturer for this MAC! "]}, []),
    ("documented", "/extensions/provisioned", {"macaddr": "a"}, {"macaddr": ["This MAC already exists in the DB! a"]},
     []),
    ("documented", "/inboundroutes", {"openroute": "a"}, {"openroute": ["The target could not be resolved b"]},
     ["openroute wording"]),
    ("L11", "/auth/login", {}, {"message": "The email field is required. (and 1 more error)", "errors": LOGIN}, []),
    ("L11", "/auth/login", {}, {"message": "The email field is required.", "errors": LOGIN}, ["message wording"]),
])
def test_validation_text_must_be_one_of_the_checks(profile: str, target: str, sent: Any, body: Any,
                                                   wrong: list[str]) -> None:
    assert judged(profile, target, 422, body, sent) == wrong

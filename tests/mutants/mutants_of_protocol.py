"""Mutants that handle HTTP or input incorrectly."""

from __future__ import annotations

from dataclasses import replace

from sarkmock_contracts.checks import protocol, smoke
from sarkmock_contracts.checks import undocumented as undocumented
from sarkmock_contracts.client.http import Request, Response

from tests.mutants.breaking import Send, answer, broken_answer, instead, json_response, request, spoken, without_header

ROW = "/tenants/[^/]+"


def unread_form(given: Request) -> Request:
    form = given.content_type.startswith("application/x-www-form-urlencoded")
    return replace(given, body=b"") if form else given


def stored_query(given: Request) -> Request:
    return replace(given, query="", body=b'{"abstimeout": 77}') if given.query else given


def right_case(given: Request) -> Request:
    return replace(given, path=given.path.replace("coresettings", "CoreSettings"))


def malformed_crashes(given: Request, send: Send) -> Response:
    return Response(500) if given.body == b'{"a": ' else send(given)


def rejected_unknown(given: Request, send: Send) -> Response:
    return json_response(422, {"nosuchfield": ["Unknown."]}) if b"nosuchfield" in given.body else send(given)


MUTANTS = [
    broken_answer(
        "an operation is there that nobody documents", undocumented.check_strange_operations,
        instead("GET", "/astamis", json_response(200, [])), "", "unknown-path", "/astamis", "GET"),
    broken_answer(
        "unknown fields are rejected", spoken(protocol.check_unknown_fields, "tenants.update"),
        lambda: rejected_unknown, "tenants.update", "unknown-field", "", "422"),
    broken_answer(
        "HEAD has a body", spoken(protocol.check_head, "tenants.list"),
        answer("HEAD", ".*", lambda response: replace(response, body=b"[]")), "tenants.list", "head", "", "body"),
    broken_answer(
        "HEAD is not known", spoken(protocol.check_head, "tenants.list"), instead("HEAD", ".*", Response(405)),
        "tenants.list", "head", "", "status"),
    broken_answer(
        "OPTIONS is not known", spoken(protocol.check_options, "tenants.list"), instead("OPTIONS", ".*", Response(404)),
        "tenants.list", "options", "", "status"),
    broken_answer(
        "OPTIONS leaves a method out", spoken(protocol.check_options, "tenants.list"),
        instead("OPTIONS", ".*", Response(200, (("Allow", "GET,HEAD"),))), "tenants.list", "options", "", "allow"),
    broken_answer(
        "405 has no Allow", spoken(protocol.check_methods, "tenants.list"),
        answer(".*", ".*", lambda response: without_header(response, "Allow")), "tenants.list", "method", "", "allow"),
    broken_answer(
        "PATCH is taken for PUT", spoken(protocol.check_methods, "tenants.show"),
        request("PATCH", ".*", lambda given: replace(given, method="PUT")), "tenants.show", "method", "", "PATCH"),
    broken_answer(
        "an unknown path is an empty list", protocol.check_unknown_paths,
        instead("GET", "/nosuchpath.*", json_response(200, [])), "", "unknown-path", "", "GET"),
    broken_answer(
        "AMI functions do not mind case", protocol.check_unknown_paths, request("GET", "/astamis/.*", right_case), "",
        "unknown-path", "", "GET"),
    broken_answer(
        "an unknown key shows the default", spoken(protocol.check_unknown_key, "tenants.show"),
        request("GET", ROW, lambda given: replace(given, path="/tenants/default")), "tenants.show", "unknown-key", "",
        "200"),
    broken_answer(
        "rules are asked before the key", spoken(protocol.check_unknown_key, "daytimers.update"),
        instead("PUT", "/daytimers/zz.*", json_response(422, {"cluster": ["The cluster field is required."]})),
        "daytimers.update", "unknown-key", "", "422"),
    broken_answer(
        "malformed JSON crashes", spoken(protocol.check_no_input, "tenants.update"), lambda: malformed_crashes,
        "tenants.update", "status", "", "500"),
    broken_answer(
        "form bodies are not read", spoken(protocol.check_forms, "tenants.create"), request("POST", ".*", unread_form),
        "tenants.create", "rules", "*", "rejected"),
    broken_answer(
        "the query string is stored", spoken(protocol.check_query, "tenants.update"), request("PUT", ROW, stored_query),
        "tenants.update", "query", "abstimeout", "stored"),
    broken_answer(
        "pbxstop does not stop", smoke.check_run_state,
        instead("GET", "/syscommands/pbxstop", json_response(200, {"message": "PBX stopped"})),
        "syscommands.pbxrunstate", "run-state", "", "wrong"),
]

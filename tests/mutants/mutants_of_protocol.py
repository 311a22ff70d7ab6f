"""Mutants that handle HTTP or input incorrectly."""

from __future__ import annotations

from dataclasses import replace

from sarkmock_contracts.checks import protocol, smoke
from sarkmock_contracts.checks import undocumented as undocumented
from sarkmock_contracts.client.http import Request, Response

from tests.mutants.breaking import (
    Send,
    broken_response,
    change_request,
    change_response,
    edit_input,
    json_response,
    respond_with,
    run_protocol,
    without_header,
)

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


def without_empty_texts(given: Request) -> Request:
    """As if the framework did not make them null: most rules do not apply to empty texts."""
    return edit_input(given, lambda fields: {name: value for name, value in fields.items() if value != ""})


MUTANTS = [
    broken_response(
        "empty texts are accepted", protocol.empty_texts_are_null_as_the_framework_makes_them,
        change_request("POST", "/queues", without_empty_texts), "queues.create", "rules", "devicerec", "accepted"),
    broken_response(
        "an undocumented operation exists", undocumented.check_undocumented_operations,
        respond_with("GET", "/astamis", json_response(200, [])), "", "unknown-path", "/astamis", "GET"),
    broken_response(
        "unknown fields are rejected", run_protocol(protocol.check_unknown_fields, "tenants.update"),
        lambda: rejected_unknown, "tenants.update", "unknown-field", "", "422"),
    broken_response(
        "HEAD has a body", run_protocol(protocol.check_head, "tenants.list"),
        change_response("HEAD", ".*", lambda response: replace(response, body=b"[]")), "tenants.list", "head", "",
        "body"),
    broken_response(
        "HEAD is not known", run_protocol(protocol.check_head, "tenants.list"),
        respond_with("HEAD", ".*", Response(405)), "tenants.list", "head", "", "status"),
    broken_response(
        "OPTIONS is not known", run_protocol(protocol.check_options, "tenants.list"),
        respond_with("OPTIONS", ".*", Response(404)), "tenants.list", "options", "", "status"),
    broken_response(
        "OPTIONS lacks a method", run_protocol(protocol.check_options, "tenants.list"),
        respond_with("OPTIONS", ".*", Response(200, (("Allow", "GET,HEAD"),))), "tenants.list", "options", "", "allow"),
    broken_response(
        "405 has no Allow", run_protocol(protocol.check_methods, "tenants.list"),
        change_response(".*", ".*", lambda response: without_header(response, "Allow")), "tenants.list", "method",
        "", "allow"),
    broken_response(
        "PATCH is handled as PUT", run_protocol(protocol.check_methods, "tenants.show"),
        change_request("PATCH", ".*", lambda given: replace(given, method="PUT")), "tenants.show", "method", "",
        "PATCH"),
    broken_response(
        "an unknown path is an empty list", protocol.check_unknown_paths,
        respond_with("GET", "/nosuchpath.*", json_response(200, [])), "", "unknown-path", "", "GET"),
    broken_response(
        "AMI functions ignore case", protocol.check_unknown_paths,
        change_request("GET", "/astamis/.*", right_case), "", "unknown-path", "", "GET"),
    broken_response(
        "an unknown key shows the default", run_protocol(protocol.check_unknown_key, "tenants.show"),
        change_request("GET", ROW, lambda given: replace(given, path="/tenants/default")), "tenants.show",
        "unknown-key", "", "200"),
    broken_response(
        "rules are checked before the key", run_protocol(protocol.check_unknown_key, "daytimers.update"),
        respond_with("PUT", "/daytimers/zz.*", json_response(422, {"cluster": ["The cluster field is required."]})),
        "daytimers.update", "unknown-key", "", "422"),
    broken_response(
        "malformed JSON crashes", run_protocol(protocol.check_no_input, "tenants.update"), lambda: malformed_crashes,
        "tenants.update", "status", "", "500"),
    broken_response(
        "form bodies are not read", run_protocol(protocol.check_forms, "tenants.create"),
        change_request("POST", ".*", unread_form), "tenants.create", "rules", "*", "rejected"),
    broken_response(
        "the query string is stored", run_protocol(protocol.check_query, "tenants.update"),
        change_request("PUT", ROW, stored_query), "tenants.update", "query", "abstimeout", "stored"),
    broken_response(
        "pbxstop does not stop", smoke.check_run_state,
        respond_with("GET", "/syscommands/pbxstop", json_response(200, {"message": "PBX stopped"})),
        "syscommands.pbxrunstate", "run-state", "", "wrong"),
]

"""Mutants with wrong responses: statuses, bodies, messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sarkmock_contracts.checks import protocol
from sarkmock_contracts.client.http import Request, Response

from tests.mutants.breaking import (
    Send,
    Tamper,
    broken_response,
    change_json,
    change_request,
    change_response,
    edit_input,
    edit_json,
    json_response,
    on,
    respond_with,
    run_arrays,
    run_boundaries,
    run_fuzz,
    run_links,
    run_openapi_core,
    run_protocol,
    run_smoke,
    without_header,
)

ROW, ROWS, QUEUES = "/tenants/[^/]+", "/tenants", "/queues"
UPDATE, SHOW = run_boundaries("tenants.update"), run_smoke("tenants.show")
HTML = (("Content-Type", "text/html; charset=UTF-8"),)


def rejections(change: Callable[[dict[str, Any]], Any]) -> Callable[[], Tamper]:
    """Change the errors of a rejected update of a tenant."""
    return change_response(
        "PUT", ROW, lambda response: edit_json(response, change) if response.status == 422 else response)


def status(method: str, path: str, before: int, after: int) -> Callable[[], Tamper]:
    """Replace a status."""
    return change_response(
        method, path, lambda response: replace(response, status=after) if response.status == before else response
    )


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {key: value for key, value in row.items() if key != name}


def reworded(errors: dict[str, Any]) -> dict[str, Any]:
    return {name: [text.replace("must be", "has to be") for text in texts] for name, texts in errors.items()}


def numbers_as_strings_are_rejected(given: Request, send: Send) -> Response:
    """As if the rules required JSON types."""
    rejection = json_response(422, {"chanmax": ["The chanmax must be an integer."]})
    return rejection if b'"chanmax": "' in given.body else send(given)


def arrays_crash(given: Request, send: Send) -> Response:
    return json_response(500, {"message": "Array to string conversion"}) if b"[" in given.body else send(given)


def forms_crash(given: Request, send: Send) -> Response:
    return Response(500) if given.content_type.startswith("application/x-www-form-urlencoded") else send(given)


def an_array_crashes(given: Request, send: Send) -> Response:
    crash = json_response(500, {"message": "Array to string conversion"})
    return crash if b'"queue1": []' in given.body else send(given)


def not_found(given: Request, send: Send) -> Response:
    """As if the row did not exist."""
    return send(replace(given, path="/tenants/zznone"))


def unknown_field_not_found(given: Request, send: Send) -> Response:
    return not_found(given, send) if b"nosuchfield" in given.body else send(given)


def forms_are_changed(given: Request, send: Send) -> Response:
    response = send(given)
    changes = response.ok and given.content_type.startswith("application/x-www-form-urlencoded")
    return edit_json(response, lambda row: {**row, "description": "other"}) if changes else response


def first_element(given: Request) -> Request:
    return edit_input(
        given, lambda value: {key: "x" if isinstance(item, list) else item for key, item in value.items()})


MUTANTS = [
    broken_response(
        "another field is named", UPDATE,
        rejections(lambda errors: {name.replace("chanmax", "chanMax"): texts for name, texts in errors.items()}),
        "tenants.update", "rules", "chanMax", "rejected"),
    broken_response(
        "only the first field is named", UPDATE, rejections(lambda errors: dict([next(iter(errors.items()))])),
        "tenants.update", "rules", "chanmax", "accepted"),
    broken_response(
        "a message has another wording", UPDATE, rejections(reworded),
        "tenants.update", "messages", "chanmax", "wording"),
    broken_response(
        "errors are wrapped as in Laravel's default", UPDATE,
        rejections(lambda errors: {"message": "The given data was invalid.", "errors": errors}), "tenants.update",
        "schema", "*", "*"),
    broken_response(
        "a rejected body is 400", UPDATE, status("PUT", ROW, 422, 400), "tenants.update", "status", "", "400"),
    broken_response(
        "numbers may not be strings", UPDATE, lambda: on("PUT", ROW)(numbers_as_strings_are_rejected), "tenants.update",
        "rules", "chanmax", "rejected"),
    broken_response(
        "a created row is 200", run_smoke("tenants.create"), status("POST", ROWS, 201, 200), "tenants.create",
        "status", "", "200"),
    broken_response(
        "a deleted row is 200", run_smoke("tenants.delete"), status("DELETE", ROW, 204, 200), "tenants.delete",
        "status", "", "200"),
    broken_response(
        "204 has a body", run_smoke("tenants.delete"),
        change_response("DELETE", ROW, lambda response: replace(response, body=b"{}")), "tenants.delete", "body", "",
        "not empty"),
    broken_response(
        "a hidden column leaks", SHOW, change_json("GET", ROW, lambda row: {**row, "oclo": "AUTO"}), "tenants.show",
        "schema", "oclo", "additionalProperties"),
    broken_response(
        "a hidden column leaks in the list", run_smoke("tenants.list"),
        change_json("GET", ROWS, lambda rows: [{**row, "name": None} for row in rows]), "tenants.list", "schema",
        "name", "additionalProperties"),
    broken_response(
        "a column is missing", SHOW, change_json("GET", ROW, without("operator")), "tenants.show", "schema", "operator",
        "required"),
    broken_response(
        "a column has another type", SHOW, change_json("GET", ROW, lambda row: {**row, "chanmax": [row["chanmax"]]}),
        "tenants.show", "schema", "chanmax", "type"),
    broken_response(
        "a success is worded otherwise", run_smoke("syscommands.commit"),
        change_json("GET", "/syscommands/commit", lambda _: {"message": "Commit issued"}), "syscommands.commit",
        "schema", "message", "const"),
    replace(
        broken_response(
            "a boolean is a number", run_smoke("syscommands.pbxrunstate"),
            change_json("GET", "/syscommands/pbxrunstate", lambda state: {"pbxrunstate": int(state["pbxrunstate"])}),
            "syscommands.pbxrunstate", "schema", "pbxrunstate", "type"),
        profile="shipped",
    ),
    broken_response(
        "a row is wrapped", SHOW, change_json("GET", ROW, lambda row: {"data": row}), "tenants.show", "schema", "data",
        "additionalProperties"),
    broken_response(
        "JSON is sent as HTML", SHOW, change_response("GET", ROW, lambda response: replace(response, headers=HTML)),
        "tenants.show", "content-type", "", "text/html"),
    broken_response(
        "a body is cut short", SHOW,
        change_response("GET", ROW, lambda response: replace(response, body=response.body[:-5])), "tenants.show",
        "body", "", "not JSON"),
    broken_response(
        "a download has no name", run_smoke("backups.download"),
        change_response("GET", r"/backups/sark.*", lambda response: without_header(response, "Content-Disposition")),
        "backups.download", "header", "Content-Disposition", "missing"),
    broken_response(
        "a missing row has another message", run_protocol(protocol.check_unknown_key, "tenants.show"),
        respond_with("GET", ROW, json_response(404, {"message": "Not Found"})), "tenants.show", "schema", "reason",
        "required"),
    broken_response(
        "one operation crashes", run_smoke("queues.create"), respond_with("POST", QUEUES, Response(500, HTML)),
        "queues.create", "status", "", "500"),
    broken_response(
        "arrays crash", run_arrays("agents.update"), lambda: arrays_crash, "agents.update", "crash", "cluster", "500"
    ),
    broken_response(
        "arrays are stored", run_arrays("agents.update"), change_request("PUT", "/agents/[^/]+", first_element),
        "agents.update", "rules", "name", "accepted"),
    broken_response(
        "form bodies crash", run_protocol(protocol.check_forms, "tenants.update"), lambda: forms_crash,
        "tenants.update", "status", "", "500"),
    broken_response(
        "a response lacks the key that its links need", run_links("daytimers.create"),
        change_json("POST", "/daytimers", without("id")), "daytimers.create", "link", "show", "no field"),
    broken_response(
        "a link leads nowhere", run_links("daytimers.create"),
        change_json("POST", "/daytimers", lambda row: {**row, "id": 999999}), "daytimers.create", "link", "show",
        "404"),
    broken_response(
        "an empty array crashes", run_arrays("agents.update"), lambda: on("PUT", "/agents/[^/]+")(an_array_crashes),
        "agents.update", "crash", "queue1", "500"),
    broken_response(
        "a row cannot be deleted", run_smoke("tenants.delete"), lambda: on("DELETE", ROW)(not_found), "tenants.delete",
        "answer", "", "404"),
    broken_response(
        "an unknown field hides the row", run_protocol(protocol.check_unknown_fields, "tenants.update"),
        lambda: on("PUT", ROW)(unknown_field_not_found), "tenants.update", "unknown-field", "", "404"),
    broken_response(
        "a form is stored differently", run_protocol(protocol.check_forms, "tenants.update"),
        lambda: on("PUT", ROW)(forms_are_changed), "tenants.update", "form", "description", "changed"),
    replace(
        broken_response(
            "a column leaks past the schema check", run_openapi_core("tenants.show"),
            change_json("GET", ROW, lambda row: {**row, "oclo": "AUTO"}), "tenants.show", "openapi-core", "", "200"),
        unseen=True,
    ),
    replace(
        broken_response(
            "HTML is sent instead of JSON", run_fuzz("tenants.show"),
            change_response("GET", ROW, lambda response: replace(response, headers=HTML)), "tenants.show",
            "schemathesis", "", "*"),
        unseen=True,
    ),
]

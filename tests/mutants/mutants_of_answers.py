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
    answer,
    arrays,
    asked,
    body,
    bounds,
    broken_answer,
    changed,
    fuzzed,
    instead,
    json_response,
    linked,
    on,
    request,
    second_opinion,
    sent,
    spoken,
    without_header,
)

ROW, ROWS, QUEUES = "/tenants/[^/]+", "/tenants", "/queues"
UPDATE, SHOW = bounds("tenants.update"), asked("tenants.show")
HTML = (("Content-Type", "text/html; charset=UTF-8"),)


def rejections(change: Callable[[dict[str, Any]], Any]) -> Callable[[], Tamper]:
    """Change the errors of a rejected update of a tenant."""
    return answer("PUT", ROW, lambda response: body(response, change) if response.status == 422 else response)


def status(method: str, path: str, before: int, after: int) -> Callable[[], Tamper]:
    """Replace a status."""
    return answer(
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
    return body(response, lambda row: {**row, "description": "other"}) if changes else response


def first_element(given: Request) -> Request:
    return sent(given, lambda value: {key: "x" if isinstance(item, list) else item for key, item in value.items()})


MUTANTS = [
    broken_answer(
        "another field is named", UPDATE,
        rejections(lambda errors: {name.replace("chanmax", "chanMax"): texts for name, texts in errors.items()}),
        "tenants.update", "rules", "chanMax", "rejected"),
    broken_answer(
        "only the first field is named", UPDATE, rejections(lambda errors: dict([next(iter(errors.items()))])),
        "tenants.update", "rules", "chanmax", "accepted"),
    broken_answer(
        "a message is worded otherwise", UPDATE, rejections(reworded),
        "tenants.update", "messages", "chanmax", "wording"),
    broken_answer(
        "errors are wrapped as in Laravel's default", UPDATE,
        rejections(lambda errors: {"message": "The given data was invalid.", "errors": errors}), "tenants.update",
        "schema", "*", "*"),
    broken_answer(
        "a rejected body is 400", UPDATE, status("PUT", ROW, 422, 400), "tenants.update", "status", "", "400"),
    broken_answer(
        "numbers may not be strings", UPDATE, lambda: on("PUT", ROW)(numbers_as_strings_are_rejected), "tenants.update",
        "rules", "chanmax", "rejected"),
    broken_answer(
        "a created row is 200", asked("tenants.create"), status("POST", ROWS, 201, 200), "tenants.create", "status", "",
        "200"),
    broken_answer(
        "a deleted row is 200", asked("tenants.delete"), status("DELETE", ROW, 204, 200), "tenants.delete", "status",
        "", "200"),
    broken_answer(
        "204 has a body", asked("tenants.delete"),
        answer("DELETE", ROW, lambda response: replace(response, body=b"{}")), "tenants.delete", "body", "",
        "not empty"),
    broken_answer(
        "a hidden column leaks", SHOW, changed("GET", ROW, lambda row: {**row, "oclo": "AUTO"}), "tenants.show",
        "schema", "oclo", "additionalProperties"),
    broken_answer(
        "a hidden column leaks in the list", asked("tenants.list"),
        changed("GET", ROWS, lambda rows: [{**row, "name": None} for row in rows]), "tenants.list", "schema", "name",
        "additionalProperties"),
    broken_answer(
        "a column is missing", SHOW, changed("GET", ROW, without("operator")), "tenants.show", "schema", "operator",
        "required"),
    broken_answer(
        "a column has another type", SHOW, changed("GET", ROW, lambda row: {**row, "chanmax": [row["chanmax"]]}),
        "tenants.show", "schema", "chanmax", "type"),
    broken_answer(
        "a row is wrapped", SHOW, changed("GET", ROW, lambda row: {"data": row}), "tenants.show", "schema", "data",
        "additionalProperties"),
    broken_answer(
        "JSON is sent as HTML", SHOW, answer("GET", ROW, lambda response: replace(response, headers=HTML)),
        "tenants.show", "content-type", "", "text/html"),
    broken_answer(
        "a body is cut short", SHOW, answer("GET", ROW, lambda response: replace(response, body=response.body[:-5])),
        "tenants.show", "body", "", "not JSON"),
    broken_answer(
        "a download has no name", asked("backups.download"),
        answer("GET", r"/backups/sark.*", lambda response: without_header(response, "Content-Disposition")),
        "backups.download", "header", "Content-Disposition", "missing"),
    broken_answer(
        "a row that is not there is told otherwise", spoken(protocol.check_unknown_key, "tenants.show"),
        instead("GET", ROW, json_response(404, {"message": "Not Found"})), "tenants.show", "schema", "reason",
        "required"),
    broken_answer(
        "one operation crashes", asked("queues.create"), instead("POST", QUEUES, Response(500, HTML)), "queues.create",
        "status", "", "500"),
    broken_answer(
        "arrays crash", arrays("agents.update"), lambda: arrays_crash, "agents.update", "crash", "cluster", "500"
    ),
    broken_answer(
        "arrays are stored", arrays("agents.update"), request("PUT", "/agents/[^/]+", first_element), "agents.update",
        "rules", "name", "accepted"),
    broken_answer(
        "form bodies crash", spoken(protocol.check_forms, "tenants.update"), lambda: forms_crash, "tenants.update",
        "status", "", "500"),
    broken_answer(
        "an answer lacks the key that its links need", linked("daytimers.create"),
        changed("POST", "/daytimers", without("id")), "daytimers.create", "link", "show", "no field"),
    broken_answer(
        "a link leads nowhere", linked("daytimers.create"),
        changed("POST", "/daytimers", lambda row: {**row, "id": 999999}), "daytimers.create", "link", "show", "404"),
    broken_answer(
        "an empty array crashes", arrays("agents.update"), lambda: on("PUT", "/agents/[^/]+")(an_array_crashes),
        "agents.update", "crash", "queue1", "500"),
    broken_answer(
        "a row cannot be deleted", asked("tenants.delete"), lambda: on("DELETE", ROW)(not_found), "tenants.delete",
        "answer", "", "404"),
    broken_answer(
        "an unknown field hides the row", spoken(protocol.check_unknown_fields, "tenants.update"),
        lambda: on("PUT", ROW)(unknown_field_not_found), "tenants.update", "unknown-field", "", "404"),
    broken_answer(
        "a form is stored differently", spoken(protocol.check_forms, "tenants.update"),
        lambda: on("PUT", ROW)(forms_are_changed), "tenants.update", "form", "description", "changed"),
    replace(
        broken_answer(
            "a column leaks unseen", second_opinion("tenants.show"),
            changed("GET", ROW, lambda row: {**row, "oclo": "AUTO"}), "tenants.show", "openapi-core", "", "200"),
        unseen=True,
    ),
    replace(
        broken_answer(
            "HTML unseen", fuzzed("tenants.show"), answer("GET", ROW, lambda response: replace(response, headers=HTML)),
            "tenants.show", "schemathesis", "", "*"),
        unseen=True,
    ),
]

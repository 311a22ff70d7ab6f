"""Changes of rows between suite and mock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sarkmock_contracts.client.http import Request, Response

from tests.mutants.breaking import Send, edit_input, edit_json, json_response

ROWS = "/tenants"


class Kept:
    """Returns the first response to a GET for all later ones."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.kept: Response | None = None

    def __call__(self, request: Request, send: Send) -> Response:
        if (request.method, request.path) != ("GET", self.path):
            return send(request)
        self.kept = self.kept or send(request)
        return self.kept


class Creeping:
    """Changes the time of creation with every update."""

    def __init__(self) -> None:
        self.updates = 0

    def __call__(self, request: Request, send: Send) -> Response:
        self.updates += request.method == "PUT"
        response = send(request)
        if request.method == "GET" and isinstance(response.json, dict) and "z_created" in response.json:
            return edit_json(response, lambda row: {**row, "z_created": f"2024-06-01 00:00:{self.updates % 60:02}"})
        return response


class Untrimmed:
    """Shows values with the blanks that were sent around them."""

    def __init__(self) -> None:
        self.blanks: dict[str, str] = {}

    def __call__(self, request: Request, send: Send) -> Response:
        response = send(request)
        if request.method == "PUT" and response.ok:
            texts = {name: value for name, value in json.loads(request.body).items() if isinstance(value, str)}
            self.blanks = {name: value for name, value in texts.items() if value.strip() not in ("", value)}
        if isinstance(response.json, dict) and response.ok:
            return edit_json(
                response, lambda row: row | {name: value for name, value in self.blanks.items() if name in row})
        return response


def lost_update(request: Request, send: Send) -> Response:
    """The response shows the update, but the row is restored."""
    before = send(Request("GET", request.path)).json
    response = send(request)
    if response.ok:
        send(
            edit_input(
                replace(request, body=b"{}"),
                lambda _: {name: before[name] for name in before if before[name] is not None})
        )
    return response


def taken_over(request: Request, send: Send) -> Response:
    """A taken key updates the existing row instead of being rejected."""
    response = send(request)
    if response.status != 409:
        return response
    path = f"/tenants/{json.loads(request.body)['pkey']}"
    send(replace(request, method="PUT", path=path))
    return replace(send(Request("GET", path)), status=201)


def shared_update(request: Request, send: Send) -> Response:
    """An update changes every tenant."""
    response = send(request)
    for row in send(Request("GET", ROWS)).json if response.ok else []:
        send(replace(request, path=f"/tenants/{row['pkey']}"))
    return response


def first_row(request: Request, send: Send) -> Response:
    """Every key returns the first row."""
    first = send(Request("GET", ROWS)).json[0]["pkey"]
    return send(Request("GET", f"/tenants/{first}")) if send(request).ok else send(request)


def emptied(request: Request) -> Request:
    """An update clears variables that are not sent."""
    return edit_input(request, lambda value: {"include": None, "pickupgroup": None, **value})


def every_value(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {name: change(value) for name, value in row.items()}


def cut_off(value: Any) -> Any:
    return value[:50] if isinstance(value, str) else value


def ascii_only(value: Any) -> Any:
    return value.encode("ascii", "ignore").decode() if isinstance(value, str) else value


def first_lines(request: Request, send: Send) -> Response:
    log = send(Request("GET", "/logs/cdrs"))
    return replace(log, body=b"".join(log.body.splitlines(keepends=True)[:2]))


def limited_by_query(request: Request, send: Send) -> Response:
    return json_response(422, {"limit": ["No."]}) if request.query == "limit=x" else send(request)

"""Ways to spoil rows on their way between suite and mock; what they spoil is said by the mutants that use them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sarkmock_contracts.client.http import Request, Response

from tests.mutants.breaking import Send, body, sent

ROWS = "/tenants"


class Kept:
    """The first answer to a GET, for ever."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.kept: Response | None = None

    def __call__(self, given: Request, send: Send) -> Response:
        if (given.method, given.path) != ("GET", self.path):
            return send(given)
        self.kept = self.kept or send(given)
        return self.kept


class Creeping:
    """The time of creation moves with every update."""

    def __init__(self) -> None:
        self.updates = 0

    def __call__(self, given: Request, send: Send) -> Response:
        self.updates += given.method == "PUT"
        response = send(given)
        if given.method == "GET" and isinstance(response.json, dict) and "z_created" in response.json:
            return body(response, lambda row: {**row, "z_created": f"2024-06-01 00:00:{self.updates % 60:02}"})
        return response


class Untrimmed:
    """What was sent with blanks around it is shown with them."""

    def __init__(self) -> None:
        self.blanks: dict[str, str] = {}

    def __call__(self, given: Request, send: Send) -> Response:
        response = send(given)
        if given.method == "PUT" and response.ok:
            texts = {name: value for name, value in json.loads(given.body).items() if isinstance(value, str)}
            self.blanks = {name: value for name, value in texts.items() if value.strip() not in ("", value)}
        if isinstance(response.json, dict) and response.ok:
            return body(response, lambda row: row | {name: value for name, value in self.blanks.items() if name in row})
        return response


def lost_update(given: Request, send: Send) -> Response:
    """The answer shows what was sent, and then everything is restored."""
    before = send(Request("GET", given.path)).json
    response = send(given)
    if response.ok:
        send(
            sent(
                replace(given, body=b"{}"),
                lambda _: {name: before[name] for name in before if before[name] is not None})
        )
    return response


def taken_over(given: Request, send: Send) -> Response:
    """A key that is taken is no reason to reject."""
    response = send(given)
    if response.status != 409:
        return response
    path = f"/tenants/{json.loads(given.body)['pkey']}"
    send(replace(given, method="PUT", path=path))
    return replace(send(Request("GET", path)), status=201)


def shared_update(given: Request, send: Send) -> Response:
    """An update changes every tenant."""
    response = send(given)
    for row in send(Request("GET", ROWS)).json if response.ok else []:
        send(replace(given, path=f"/tenants/{row['pkey']}"))
    return response


def first_row(given: Request, send: Send) -> Response:
    """Every key shows the first row."""
    first = send(Request("GET", ROWS)).json[0]["pkey"]
    return send(Request("GET", f"/tenants/{first}")) if send(given).ok else send(given)


def emptied(given: Request) -> Request:
    """An update empties what is not sent."""
    return sent(given, lambda value: {"include": None, "pickupgroup": None, **value})


def every_value(change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda row: {name: change(value) for name, value in row.items()}


def cut_off(value: Any) -> Any:
    return value[:50] if isinstance(value, str) else value


def ascii_only(value: Any) -> Any:
    return value.encode("ascii", "ignore").decode() if isinstance(value, str) else value


def first_lines(given: Request, send: Send) -> Response:
    log = send(Request("GET", "/logs/cdrs"))
    return replace(log, body=b"".join(log.body.splitlines(keepends=True)[:2]))

"""Whether a request whose answer was lost can be sent again without doing anything twice. Judges nothing."""

from __future__ import annotations

from typing import Any

from sarkmock.suite_api import Operation, read_input

from ..client.http import Request, fill_path
from ..fixtures.rows import Fixtures, Made, path_along
from ..spec.contract import Contract, Link


def is_undone(contract: Contract, fixtures: Fixtures, operation: Operation | None, request: Request) -> bool:
    """True if the request changes nothing, does the same again, or is seen not to have been carried out."""
    if operation is None or operation.hazard == "read" or request.method in ("HEAD", "OPTIONS"):
        return True
    if operation.hazard != "write":
        return False
    if request.method == "DELETE":
        return still_there(contract, fixtures, request)
    if request.method == "POST":
        return never_made(contract, fixtures, operation, request)
    return request.method == "PUT"


def still_there(contract: Contract, fixtures: Fixtures, request: Request) -> bool:
    """A row that was to be deleted."""
    if "get" not in contract.document["paths"][contract.router.find("DELETE", request.path)[0].path]:
        return False
    status = fixtures.client.get(request.path).status
    if status == 404:
        fixtures.forget(request.path)
    return status == 200


def never_made(contract: Contract, fixtures: Fixtures, operation: Operation, request: Request) -> bool:
    """No row has the key that was sent. A row that has it is ours from now on, and removed with the others."""
    sent = read_input(request.method, request.content_type, request.query, request.body)[1]
    links = contract.links_from(operation).values()
    show = next((link for link in links
                 if contract.by_id[link.target].method == "GET" and link_parameters(link, sent)), None)
    if show is None:
        return False
    found = fixtures.client.get(fill_path(contract.by_id[show.target].path, link_parameters(show, sent)))
    if found.status == 200 and isinstance(found.json, dict):
        delete = next((path_along(contract, link, found.json) for link in links
                       if contract.by_id[link.target].method == "DELETE"), None)
        fixtures.made.append(Made(operation.id, found.json, delete))
    return found.status == 404


def link_parameters(link: Link, sent: Any) -> dict[str, Any]:
    """The path parameters of a link from what was sent, where the server does not make the key."""
    return {name: sent[field] for name, field in link.parameters.items() if isinstance(sent.get(field), (str, int))}

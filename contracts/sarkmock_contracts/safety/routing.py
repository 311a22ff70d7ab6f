"""What a request means to the API in any version: its operation and hazard, and whether it may be repeated.

A server may decode twice, resolve dots or drop empty segments before it looks for a route; what any of them would
find counts.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from sarkmock.suite_api import MethodNotAllowed, Operation, PageNotFound, overridden_method

from ..client.http import Request, fill_path, header
from ..fixtures import Fixtures, Made, linked_path
from ..fixtures.keys import MARK
from ..spec.contract import Contract, Link
from ..spec.operation_data import recipe

HAZARDS = ("read", "write", "operational", "disruptive")
# Laravel's resource routes take PATCH for PUT; its front controller executes HEAD as GET. OPTIONS is judged as GET.
MEANT = {"GET": "GET", "HEAD": "GET", "OPTIONS": "GET", "POST": "POST", "PUT": "PUT", "PATCH": "PUT",
         "DELETE": "DELETE"}
DECODINGS = 4
_SAFE = re.compile(r"[\w.+@-]*")
_SAFE_KEY = re.compile(r"[\w.+@ -]*")  # rows may have blanks in their keys; files and commands never see one


@dataclass(frozen=True)
class Meaning:
    """An operation that a request may mean, and its decoded path parameters."""

    contract: Contract
    operation: Operation
    parameters: dict[str, str]

    @property
    def identity(self) -> tuple[object, ...]:
        return id(self.contract), self.operation.id, *self.parameters.items()

    @property
    def collection(self) -> str:
        return str(recipe("rows_of", self.operation.id).get("list") or self.operation.path.split("/")[1])


class RequestReader:
    """Reads requests by several profiles at once; the first contract is the one that judges."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self.contracts = contracts
        operations = [operation for contract in contracts for operation in contract.operations]
        self.words = _words(operations)
        self.commands = _commands(operations)

    def meanings(self, request: Request) -> list[Meaning]:
        """Every operation that some server could find for it."""
        method = method_of(request)
        found = (self._find(contract, MEANT.get(method, method), path)
                 for path in spellings(request.path) for contract in self.contracts)
        return [*{meaning.identity: meaning for meaning in found if meaning}.values()]

    def _find(self, contract: Contract, method: str, path: str) -> Meaning | None:
        try:
            operation, parameters = contract.router.find(method, path)
        except (PageNotFound, MethodNotAllowed):
            return None
        return Meaning(contract, operation, {name: unquote(value) for name, value in parameters.items()})

    def hazard(self, request: Request, meaning: Meaning) -> str:
        """The hazard of an operation, or that of a command whose name stands in one of its parameters."""
        named = (self.words.get(value.strip().casefold(), "read") for value in meaning.parameters.values())
        return max([meaning.operation.hazard, *named], key=HAZARDS.index)

    def is_unknown_command(self, request: Request) -> bool:
        """Whether the path lies where names are commands and names none that is known to read or to be refused."""
        for path in spellings(request.path):
            steps = [unquote(step).casefold() for step in path.strip("/").split("/")]
            if len(steps) > 1 and steps[0] in self.commands and steps[1] not in self.commands[steps[0]]:
                return True
        return False

    def names_nothing(self, request: Request) -> bool:
        """Whether it is OPTIONS of a path that a profile has, with names of nothing in it: even a server that took it
        for another method would find nothing to do it to."""
        if request.method != "OPTIONS" or request.query or request.body or spellings(request.path) != [request.path]:
            return False
        found = [meaning.parameters for contract in self.contracts for method in contract.router.allowed(request.path)
                 if (meaning := self._find(contract, method, request.path))]
        return any(names and all(name.startswith(MARK) for name in names.values()) for names in found)

    def worst_word(self, request: Request) -> str:
        """The worst hazard of a word of the path, in any position."""
        paths = map(unquote, spellings(request.path))
        words = (step.strip().casefold() for path in paths for step in re.split(r"[/\\;]", path))
        return max((self.words.get(word, "read") for word in words), key=HAZARDS.index)


def method_of(request: Request) -> str:
    """The method that a server executes, if it heeds a POST that names another one."""
    everything, post = request.read()
    return overridden_method(request.method, header(request.headers, "X-HTTP-Method-Override"), everything, post)


def spellings(path: str) -> list[str]:
    """The path as it is, and as servers may read it: decoded once or more, backslashes, dots and blanks resolved."""
    found = [path]
    for _ in range(DECODINGS):
        found.append(unquote(found[-1]))
    plain = [_plain(text) for text in found]
    return list(dict.fromkeys([*found, *plain, *(_without_script(text) for text in plain)]))


def _plain(text: str) -> str:
    kept = "/".join(step.partition(";")[0].strip("\0\t\r\n ") for step in text.replace("\\", "/").split("/"))
    return posixpath.normpath("/" + kept.lstrip("/"))


def _without_script(text: str) -> str:
    """PHP's front controller may stand before the route."""
    steps = [step for step in text.split("/") if step.lower() not in ("index.php", "api", "")]
    return "/" + "/".join(steps)


def unsafe_segment(request: Request, meanings: Sequence[Meaning]) -> str | None:
    """What no path value may hold: the first segment that is not plain, or None."""
    rows = bool(meanings) and all(meaning.operation.table is not None for meaning in meanings)
    safe = _SAFE_KEY if rows else _SAFE
    for step in request.path.split("/")[1:]:
        try:
            text = unquote_to_bytes(step).decode()
        except UnicodeDecodeError:
            return step
        if not safe.fullmatch(text) or ".." in text or text.startswith("-") or text != text.strip() or text == ".":
            return step
    return None


def _words(operations: Sequence[Operation]) -> dict[str, str]:
    """The literal names of what is more than a read or a write of rows, and how dangerous it is."""
    result: dict[str, str] = {}
    for operation in operations:
        if operation.hazard in ("operational", "disruptive"):
            for word in list(literals(operation))[1:]:
                result[word.casefold()] = max(result.get(word.casefold(), "read"), operation.hazard, key=HAZARDS.index)
    for operation in operations:
        if operation.hazard == "read" and not operation.parameters:
            for word in list(literals(operation))[1:]:
                result.pop(word.casefold(), None)
    return result


def _commands(operations: Sequence[Operation]) -> dict[str, set[str]]:
    """Where a name is a command (a first segment with disruptive names below it): the names that are known."""
    roots = {operation.path.split("/")[1] for operation in operations
             if operation.hazard == "disruptive" and len(list(literals(operation))) > 1 and operation.table is None}
    known = {root.casefold(): set[str]() for root in roots}
    for operation in operations:
        names = list(literals(operation))
        if names and names[0].casefold() in known and len(names) > 1:
            known[names[0].casefold()].add(names[1].casefold())
    return known


def literals(operation: Operation) -> Iterator[str]:
    """The segments of an operation's path that are not parameters."""
    yield from (step for step in operation.path.strip("/").split("/") if "{" not in step)


def is_repeatable(contract: Contract, fixtures: Fixtures, operation: Operation | None, request: Request) -> bool:
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
    sent = request.post
    links = contract.links_from(operation).values()
    show = next((link for link in links
                 if contract.by_id[link.target].method == "GET" and link_parameters(link, sent)), None)
    if show is None:
        return False
    found = fixtures.client.get(fill_path(contract.by_id[show.target].path, link_parameters(show, sent)))
    if found.status == 200 and isinstance(found.json, dict):
        delete = next((linked_path(contract, link, found.json) for link in links
                       if contract.by_id[link.target].method == "DELETE"), None)
        fixtures.made.append(Made(operation.id, found.json, delete))
    return found.status == 404


def link_parameters(link: Link, sent: Any) -> dict[str, Any]:
    """The path parameters of a link from what was sent, where the server does not make the key."""
    return {name: sent[field] for name, field in link.parameters.items() if isinstance(sent.get(field), (str, int))}

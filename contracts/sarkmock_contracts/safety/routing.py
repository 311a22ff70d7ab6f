"""Finds the operations that a request may match in any version, their hazard, and whether it may be repeated.

A server may decode a path twice, resolve dots or drop empty segments before it looks for a route. Every operation that
any such server could find counts.
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
_SAFE_KEY = re.compile(r"[\w.+@ -]*")  # keys of rows may contain spaces, names of files and commands may not


@dataclass(frozen=True)
class Meaning:
    """An operation that a request may match, and its decoded path parameters."""

    contract: Contract
    operation: Operation
    parameters: dict[str, str]

    @property
    def identity(self) -> tuple[object, ...]:
        return id(self.contract), self.operation.id, *self.parameters.items()

    @property
    def collection(self) -> str:
        return str(recipe("rows_of", self.operation.id).get("list") or self.operation.collection)


class RequestReader:
    """Matches requests against several profiles at once; the first contract is the one that judges."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self.contracts = contracts
        operations = [operation for contract in contracts for operation in contract.operations]
        self.words = _word_hazards(operations)
        self.commands = _commands(operations)

    def meanings(self, request: Request) -> list[Meaning]:
        """Return every operation that some server could match, with its parameters."""
        method = method_of(request)
        meanings = (self._find(contract, MEANT.get(method, method), path)
                    for path in spellings(request.path) for contract in self.contracts)
        return [*{meaning.identity: meaning for meaning in meanings if meaning}.values()]

    def _find(self, contract: Contract, method: str, path: str) -> Meaning | None:
        try:
            operation, parameters = contract.router.find(method, path)
        except (PageNotFound, MethodNotAllowed):
            return None
        return Meaning(contract, operation, {name: unquote(value) for name, value in parameters.items()})

    def hazard(self, request: Request, meaning: Meaning) -> str:
        """Return the hazard of the operation, or that of a command named in a path parameter if it is worse."""
        named = (self.words.get(value.strip().casefold(), "read") for value in meaning.parameters.values())
        return max([meaning.operation.hazard, *named], key=HAZARDS.index)

    def is_unknown_command(self, request: Request) -> bool:
        """Whether the path has a segment in the position of a command name that no profile knows."""
        for path in spellings(request.path):
            steps = [unquote(step).casefold() for step in path.strip("/").split("/")]
            if len(steps) > 1 and steps[0] in self.commands and steps[1] not in self.commands[steps[0]]:
                return True
        return False

    def names_nothing(self, request: Request) -> bool:
        """Whether a request is OPTIONS of a known path whose keys all have the mark of unused test keys.

        It is harmless even if a server treats it as another method.
        """
        if request.method != "OPTIONS" or request.query or request.body or spellings(request.path) != [request.path]:
            return False
        parameters = [meaning.parameters for contract in self.contracts
                      for method in contract.router.allowed(request.path)
                      if (meaning := self._find(contract, method, request.path))]
        return any(names and all(name.startswith(MARK) for name in names.values()) for names in parameters)

    def worst_word(self, request: Request) -> str:
        """Return the worst hazard of any word in the path."""
        paths = map(unquote, spellings(request.path))
        words = (step.strip().casefold() for path in paths for step in re.split(r"[/\\;]", path))
        return max((self.words.get(word, "read") for word in words), key=HAZARDS.index)


def method_of(request: Request) -> str:
    """Return the method that a server executes if it supports method overrides in a POST."""
    everything, post = request.read()
    return overridden_method(request.method, header(request.headers, "X-HTTP-Method-Override"), everything, post)


def spellings(path: str) -> list[str]:
    """Return the path and the forms servers may derive: decoded repeatedly, slashes, dots and blanks normalised."""
    result = [path]
    for _ in range(DECODINGS):
        result.append(unquote(result[-1]))
    plain = [_plain(text) for text in result]
    return list(dict.fromkeys([*result, *plain, *(_without_script(text) for text in plain)]))


def _plain(text: str) -> str:
    kept = "/".join(step.partition(";")[0].strip("\0\t\r\n ") for step in text.replace("\\", "/").split("/"))
    return posixpath.normpath("/" + kept.lstrip("/"))


def _without_script(text: str) -> str:
    """Remove a prefix of PHP's front controller or of the API's base path."""
    steps = [step for step in text.split("/") if step.lower() not in ("index.php", "api", "")]
    return "/" + "/".join(steps)


def unsafe_segment(request: Request, meanings: Sequence[Meaning]) -> str | None:
    """Return the first path segment with a value that is not plain and safe, or None."""
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


def _word_hazards(operations: Sequence[Operation]) -> dict[str, str]:
    """Return the literal path words of operational and disruptive operations, with their worst hazard."""
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
    """Return the known command names by first segment, for segments with disruptive operations below them."""
    roots = {operation.collection for operation in operations
             if operation.hazard == "disruptive" and len(list(literals(operation))) > 1 and operation.table is None}
    literals_of = {root.casefold(): set[str]() for root in roots}
    for operation in operations:
        names = list(literals(operation))
        if names and names[0].casefold() in literals_of and len(names) > 1:
            literals_of[names[0].casefold()].add(names[1].casefold())
    return literals_of


def literals(operation: Operation) -> Iterator[str]:
    """Yield the segments of an operation's path that are not parameters."""
    yield from (step for step in operation.path.strip("/").split("/") if "{" not in step)


def is_repeatable(contract: Contract, fixtures: Fixtures, operation: Operation | None, request: Request) -> bool:
    """Whether a request may be sent again: it changes nothing, is idempotent, or demonstrably had no effect."""
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
    """Whether the row of a DELETE request still exists."""
    if "get" not in contract.document["paths"][contract.router.find("DELETE", request.path)[0].path]:
        return False
    status = fixtures.client.get(request.path).status
    if status == 404:
        fixtures.forget(request.path)
    return status == 200


def never_made(contract: Contract, fixtures: Fixtures, operation: Operation, request: Request) -> bool:
    """Whether no row has the key that a POST sent. If a row has it, record it as created by this run, for removal."""
    sent = request.post
    links = contract.links_from(operation).values()
    show = next((link for link in links
                 if contract.by_id[link.target].method == "GET" and link_parameters(link, sent)), None)
    if show is None:
        return False
    response = fixtures.client.get(fill_path(contract.by_id[show.target].path, link_parameters(show, sent)))
    if response.status == 200 and isinstance(response.json, dict):
        delete = next((linked_path(contract, link, response.json) for link in links
                       if contract.by_id[link.target].method == "DELETE"), None)
        fixtures.made.append(Made(operation.id, response.json, delete))
    return response.status == 404


def link_parameters(link: Link, sent: Any) -> dict[str, Any]:
    """Return the path parameters of a link that can be filled from the sent fields."""
    return {name: sent[field] for name, field in link.parameters.items() if isinstance(sent.get(field), (str, int))}

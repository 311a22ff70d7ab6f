"""The gate: the last layer before the transport, which passes only permitted requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from sarkmock.suite_api import Operation, counted

from ..client.http import Exchange, Request, Response, bounded_json, header, request_for
from ..client.transports import Layer, Transport
from ..errors import Withheld
from ..fixtures.keys import MARK
from ..judge.judge import PBX_DOWN
from .ledger import Ledger, LedgerEntry, made_until
from .ownership import Ownership
from .routing import HAZARDS, MEANT, Meaning, RequestReader, spellings, unsafe_segment
from .target_snapshot import missing_keys, shows_something

READ_ONLY = frozenset({"read"})
_OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


@dataclass(frozen=True)
class Permissions:
    """The hazards that a run may use on the target, and whether it may send hostile path values."""

    hazards: frozenset[str] = READ_ONLY
    hostile: bool = False

    @property
    def writes(self) -> bool:
        return self.hazards != READ_ONLY

    def __str__(self) -> str:
        return ", ".join(hazard for hazard in HAZARDS if hazard in self.hazards)


class Gate(Layer):
    """Withholds requests that are not permitted, and records in the ledger what a request creates before it is sent."""

    def __init__(self, inner: Transport, reader: RequestReader, permissions: Permissions,
                 ownership: Ownership | None = None) -> None:
        super().__init__(inner)
        self.reader, self.permissions, self.ownership = reader, permissions, ownership
        self.withheld: Counter[tuple[str, str]] = Counter()
        self._pending: list[LedgerEntry] = []
        self._deleted = ""  # path of the last DELETE of the run
        self.harm = ""  # why further writes are withheld

    def allows(self, operation: Operation) -> bool:
        """Whether the hazard of an operation is permitted."""
        return operation.hazard in self.permissions.hazards

    def send(self, request: Request) -> Response:
        self.guard(request)
        response = self.inner.send(request)
        self.witness(Exchange(request, response))
        return response

    def guard(self, request: Request) -> None:
        """Raise Withheld, or record in the ledger what the request may create and return."""
        self._pending = []  # entries whose response was lost stay open in the ledger
        try:
            reject_method_override(request)
            self._judge(request)
        except Withheld as reason:
            self.withheld[self._name(request), reason.reason] += 1
            raise

    @property
    def owned(self) -> Ownership | None:
        """The ownership of rows; None until the ledger is open."""
        return self.ownership if self.ownership is not None and self.ownership.ledger.is_open else None

    def _judge(self, request: Request) -> None:
        if self._is_undo(request) or self.reader.names_nothing(request):
            return
        meanings = self.reader.meanings(request)
        for meaning in meanings:
            self._permit(meaning.operation.id, self.reader.hazard(request, meaning))
        if not meanings:
            self._permit_unknown(request)
        self._reject_logout(request, meanings)
        self._reject_commands(request)
        unsafe = None if self.permissions.hostile else unsafe_segment(request, meanings)
        if unsafe is not None:
            raise Withheld("an unusual path value; --hostile-input allows it")
        self._write_down(request, [meaning for meaning in meanings if meaning.operation.hazard != "read"])

    def _permit(self, name: str, hazard: str) -> None:
        if hazard not in self.permissions.hazards:
            raise Withheld(f"is {hazard}; allowed: {self.permissions}", name)

    def _reject_logout(self, request: Request, meanings: list[Meaning]) -> None:
        """Withhold a logout with the run's own token, which is needed until the end."""
        own = request.method != "OPTIONS" and header(request.headers, "Authorization") is None
        if own and any(meaning.operation.action == "logout" for meaning in meanings):
            raise Withheld("would revoke the token of this run")

    def _permit_unknown(self, request: Request) -> None:
        """Permit only reads of an unknown path, and only if none of its words could be a forbidden command."""
        if MEANT.get(request.method) != "GET":
            raise Withheld(f"{request.method} of a path where no profile has it")
        self._permit("an unknown path with this word", self.reader.worst_word(request))

    def _reject_commands(self, request: Request) -> None:
        """Withhold unknown names where names are commands, except names with the mark of test keys."""
        if self.reader.is_unknown_command(request):
            steps = [step for path in spellings(request.path) for step in path.strip("/").split("/")[1:2]]
            if not all(unquote(step).startswith(MARK) for step in steps):
                raise Withheld("an unknown command")

    # own rows only

    def _is_undo(self, request: Request) -> bool:
        """Whether a request is an undo request of the ledger that every server routes in the same way."""
        if self.owned is None or request.query or not self._is_plain(request):
            return False
        steps = (step for entry in self.owned.ledger.alive() for step in entry.undo)
        bare = [request.method, request.path]
        return any(puts_back(step["put"], request) if "put" in step
                   else not request.body and bare in undo_requests(step) for step in steps)

    def _is_plain(self, request: Request) -> bool:
        """Whether a path is unambiguous. Its key may be one that the target has chosen."""
        meanings = self.reader.meanings(request)
        odd = unsafe_segment(request, meanings) is not None and not self.permissions.hostile
        return not odd and "" not in request.path.split("/")[1:] and len(set(map(_place, meanings))) < 2

    def _write_down(self, request: Request, meanings: list[Meaning]) -> None:
        if not meanings:
            return
        if self.owned is None:
            raise Withheld("writes need a ledger")
        if self.harm:
            raise Withheld("rows of others are missing")
        begun: list[Mapping[str, object]] = []
        for entry in self.owned.touched(meanings, request):
            if {"key": entry.key, "undo": entry.undo} not in begun:
                begun.append({"key": entry.key, "undo": entry.undo})
                self._pending.append(self.owned.ledger.begin(entry))

    # responses

    def witness(self, exchange: Exchange) -> None:
        """Update the ledger from the response to a request."""
        if self.owned is None:
            return
        ledger, request = self.owned.ledger, exchange.request
        if exchange.response.ok:
            self._saw_success(ledger, exchange)
            self._look_for_harm(self.owned, exchange)
        if MEANT.get(request.method) == "GET" and not self._pending:
            return
        pending, self._pending = self._pending, []
        for entry in pending:
            self._settle(self.owned, entry, exchange.response)

    def _settle(self, owned: Ownership, entry: LedgerEntry, response: Response) -> None:
        """Settle an entry: made on success, void if rejected or the PBX is down; it stays open if the box crashed."""
        if response.ok:
            owned.ledger.settle(entry, "made", *owned.made(entry, response.json), until=made_until(entry, response))
        elif response.status < 500 or response.status == PBX_DOWN:
            owned.ledger.settle(entry, "void")

    def _saw_success(self, ledger: Ledger, exchange: Exchange) -> None:
        request = exchange.request
        for entry in ledger.alive() if request.method == "DELETE" and shows_something(exchange.response) else ():
            if entry.key and any(["DELETE", request.path] in undo_requests(step) for step in entry.undo):
                ledger.settle(entry, "gone")
        for meaning in self.reader.meanings(request) if self.permissions.writes else ():
            if meaning.operation.hazard == "disruptive" and meaning.operation.method == "PUT" and meaning.parameters:
                ledger.revive()  # restores a backup or a snapshot
            if meaning.operation.action in ("commit", "ami_reload"):
                ledger.note_commit()

    def _look_for_harm(self, owned: Ownership, exchange: Exchange) -> None:
        """Detect a target that deletes more than requested: rows from before the run are gone after a DELETE."""
        request = exchange.request
        if request.method == "DELETE":
            self._deleted = request.path
        if not self._deleted or self.harm or (request.method, request.query) != ("GET", ""):
            return
        gone = missing_keys(owned.before, owned.paths, request.path, exchange.response)
        if gone and request.path not in owned.ledger.replaced_paths():
            self.harm = (f"{request.path} no longer shows {', '.join(gone[:3])}, which was there before the run: "
                         f"DELETE {self._deleted} may have deleted it")

    def _name(self, request: Request) -> str:
        meanings = self.reader.meanings(request)
        return meanings[0].operation.id if meanings else f"{request.method} of no operation"

    def summary(self) -> list[str]:
        """Return a line for each reason for withholding: the number of requests and their operations."""
        names: dict[str, Counter[str]] = {}
        for (name, reason), count in self.withheld.items():
            names.setdefault(reason, Counter())[name] += count
        return [f"withheld: {counted(operations.total(), 'request')}: {reason} ({', '.join(sorted(operations))})"
                for reason, operations in sorted(names.items())]


def puts_back(step: Sequence[Any], request: Request) -> bool:
    """Whether a request stores only original values of an undo step."""
    method, path, old = step
    sent = bounded_json(request.body)
    if (request.method, request.path) != (method, path) or not isinstance(sent, dict):
        return False
    return request == request_for(method, path, sent) and sent.items() <= old.items()


def _place(meaning: Meaning) -> tuple[str, ...]:
    """Return the collection and keys that a request addresses."""
    return meaning.collection, *meaning.parameters.values()


def undo_requests(step: Mapping[str, object]) -> list[list[object]]:
    """Return the method and path of each request of an undo step."""
    if "put" in step:
        return [list(step["put"])[:2]]  # type: ignore[call-overload]
    return [list(pair) for pair in step.get("any", ())]  # type: ignore[attr-defined]


def reject_method_override(request: Request) -> None:
    """Withhold requests whose header or variable could override the method, as in Laravel and other servers."""
    if request.method not in MEANT:
        raise Withheld(f"the API does not use the method {request.method!r}")
    if any(header(request.headers, name) is not None for name in _OVERRIDES):
        raise Withheld("a header that overrides the method")
    texts = (request.query.encode(), request.body, unquote_to_bytes(request.query), unquote_to_bytes(request.body))
    if any(b"_method" in text.lower() or b"\\u005f" in text.lower() for text in texts):
        raise Withheld("a variable that overrides the method")

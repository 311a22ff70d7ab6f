"""Which known deviations can affect a request: they change a place of the document that its operation refers to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

from sarkmock.suite_api import Deviation, Operation, pointer

from ..client.http import Exchange, Request
from ..spec.contract import Contract

UNKNOWN_PATH = ""  # the place of requests without an operation
OF_FIELDS = {"x-missing-rules"}  # keys that take effect only where the rules of a field use them


class Effects:
    """The operations that each of the known deviations can affect."""

    def __init__(self, contract: Contract, known: Sequence[Deviation]) -> None:
        self._contract, self._known = contract, known
        self._by_operation: dict[str, list[Deviation]] = {}
        self._by_request: dict[tuple[str, ...], list[Deviation]] = {}

    @cached_property
    def everywhere(self) -> list[Deviation]:
        """The deviations that can affect any response."""
        return self._touching(self._general)

    @cached_property
    def _general(self) -> set[str]:
        """Places of the document that can affect any response."""
        return {pointer(name) for name in self._contract.document if name.startswith("x-") and name not in OF_FIELDS}

    def of_operation(self, operation: Operation) -> list[Deviation]:
        """Return the deviations that affect an operation, or something that it refers to."""
        if operation.id not in self._by_operation:
            places = self._contract.reach(self._contract.place(operation))
            self._by_operation[operation.id] = self._touching(self._general | places)
        return self._by_operation[operation.id]

    def of_evidence(self, evidence: Iterable[Exchange]) -> list[Deviation]:
        """Return the deviations that affect the operations of exchanges."""
        operations = filter(None, (self._contract.operation_of(exchange.request) for exchange in evidence))
        return [deviation for operation in operations for deviation in self.of_operation(operation)]

    def of_request(self, request: Request, version: Contract) -> list[Deviation]:
        """Return the deviations that affect a request in this document or the version's, paths included."""
        meant = [(contract, contract.operation_of(request)) for contract in (self._contract, version)]
        key = tuple(operation.id if operation else UNKNOWN_PATH for _, operation in meant)
        if key not in self._by_request:
            places = set(self._general)
            for contract, operation in meant:
                if operation is not None:
                    places |= contract.reach(contract.place(operation)) | {pointer("paths", operation.path)}
            self._by_request[key] = self._touching(places)
        return self._by_request[key]

    def touches(self, deviation: Deviation, concerned: Collection[str]) -> bool:
        """Whether a deviation concerns one of these places of operations or what they refer to."""
        own = {self._contract.place(operation) for operation in self._contract.operations}
        places = set(self._general) if UNKNOWN_PATH in concerned else set()
        for place in concerned:
            places |= self._contract.reach(place) if place in own else {place}
        return deviation.touches(places)

    def _touching(self, places: set[str]) -> list[Deviation]:
        return [deviation for deviation in self._known if deviation.touches(places)]

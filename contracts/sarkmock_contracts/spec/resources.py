"""Which operations of the document make up a resource of rows."""

from __future__ import annotations

from dataclasses import dataclass

from sarkmock.suite_api import Operation

from .contract import Contract


@dataclass(frozen=True)
class Resource:
    """The operations on one kind of row. It may be created in several ways, and not every kind can be changed."""

    name: str
    creates: tuple[Operation, ...]
    show: Operation
    list: Operation | None
    update: Operation | None
    delete: Operation | None

    @property
    def key(self) -> str:
        """The field of an answer that names the row."""
        assert self.show.table is not None
        return self.show.table.key

    @property
    def section(self) -> str:
        return self.show.section


def resources(contract: Contract) -> list[Resource]:
    """Every resource whose rows can be created and shown."""
    creators: dict[str, list[Operation]] = {}
    for operation in contract.operations:
        show = _target(contract, operation, "GET") if operation.method == "POST" else None
        if show is not None and show.table is not None:
            creators.setdefault(show.id, []).append(operation)
    return [_resource(contract, contract.by_id[show], tuple(found)) for show, found in creators.items()]


def _resource(contract: Contract, show: Operation, creates: tuple[Operation, ...]) -> Resource:
    collection = show.path.rpartition("/")[0]
    listing = next((operation for operation in contract.operations
                    if operation.path == collection and operation.method == "GET"), None)
    return Resource(collection.strip("/"), creates, show, listing, _target(contract, creates[0], "PUT"),
                    _target(contract, creates[0], "DELETE"))


def _target(contract: Contract, operation: Operation, method: str) -> Operation | None:
    """The row operation of that method to which a create operation links: the shortest path counts."""
    found = [contract.by_id[link.target] for link in contract.links_from(operation).values()]
    fitting = [target for target in found if target.method == method and target.path.endswith("}")]
    return fitting[0] if fitting else None

"""Before anything is sent: the suite has what it needs to judge every rule and every link of the document."""

from __future__ import annotations

from ..errors import NoBounds
from ..run import Run
from ..spec.boundary_values import bounds_of


def check_document(run: Run) -> None:
    """Every rule has boundary values, and every link leads to an operation."""
    missing = []
    for operation in run.contract.operations:
        for name, rules in operation.rules.items():
            try:
                bounds_of(rules)
            except NoBounds as error:
                missing.append(f"{operation.id} {name}: no boundary values for {error}")
    missing += [f"{link.source}: the link {link.name} leads to no operation"
                for link in run.contract.links if link.target not in run.contract.by_id]
    assert not missing, "\n".join(missing)

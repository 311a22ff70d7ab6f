"""Before anything is sent: the suite has what it needs to judge every rule of the document."""

from __future__ import annotations

from sarkmock_contracts.run import Suite
from sarkmock_contracts.spec.boundary_values import NoBounds, bounds_of


def test_every_rule_has_boundaries(suite: Suite) -> None:
    missing = set()
    for operation in suite.contract.operations:
        for name, rules in operation.rules.items():
            try:
                bounds_of(rules)
            except NoBounds as error:
                missing.add(f"{operation.id} {name}: {error}")
    assert not missing


def test_every_link_leads_to_an_operation(suite: Suite) -> None:
    lost = [link for link in suite.contract.links if link.target not in suite.contract.by_id]
    assert not lost

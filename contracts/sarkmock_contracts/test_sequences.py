"""Rows behave as a model of them says, one kind at a time and all together."""

from __future__ import annotations

from sarkmock_contracts.checks.stateful import run_sequences
from sarkmock_contracts.run import Suite
from sarkmock_contracts.spec.resources import Resource, resources

STEPS = 20


def test_sequences(suite: Suite, resource: Resource) -> None:
    """One resource, with tenants to belong to."""
    tenants = [other for other in resources(suite.contract) if other.name == "tenants"]
    with suite.watch():
        run_sequences(suite, list({resource.name: resource, **{other.name: other for other in tenants}}.values()),
                      suite.settings.examples(full=15, quick=4), STEPS)


def test_sequences_together(suite: Suite) -> None:
    """Every resource, so that one can spoil another."""
    if suite.settings.only is None:
        with suite.watch():
            run_sequences(suite, resources(suite.contract), suite.settings.examples(full=40, quick=8), 3 * STEPS)

"""The suite can fail: every mutant is found by the check for it, and the intact mock passes all checks."""

from __future__ import annotations

import pytest
from sarkmock_contracts.checks import CHECKS
from sarkmock_contracts.errors import NewFindings
from sarkmock_contracts.judge.findings import FINDING_TYPES, SEVERITIES, FindingType

from tests.mutants.breaking import Mutant
from tests.mutants.table import MUTANTS, PROOFS

EVERY_EXCHANGE = ("rules", "messages", "crash", "status", "content-type", "header", "body", "schema")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_mutant_is_found(mutant: Mutant) -> None:
    suite = mutant.suite()
    with pytest.raises(NewFindings), suite.watch():
        mutant.run(suite)
    assert any(finding.identity.matches(mutant.expect) for finding in suite.findings), list(map(str, suite.findings))


@pytest.mark.parametrize("kind", FINDING_TYPES)
def test_finding_type_finds_a_mutant_that_no_other_type_finds(kind: str) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == PROOFS[kind])
    suite = mutant.suite()
    with pytest.raises(NewFindings), suite.watch():
        mutant.run(suite)
    assert {finding.identity.check for finding in suite.findings} == {kind}


@pytest.mark.parametrize("kind", FINDING_TYPES.values(), ids=FINDING_TYPES)
def test_finding_type_has_severity_text_and_places(kind: FindingType) -> None:
    assert kind.severity in SEVERITIES
    assert kind.text.endswith(".")
    assert kind.places <= {"input", "column", "response", "behaviour", "path"}
    assert kind.places


def test_every_finding_type_belongs_to_a_check_or_to_every_exchange() -> None:
    assert {*EVERY_EXCHANGE, *(kind for check in CHECKS for kind in check.finds)} == set(FINDING_TYPES)


def test_names_of_mutants_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40


@pytest.mark.slow
def test_intact_mock_passes_every_check() -> None:
    for mutant in {mutant.run: mutant for mutant in MUTANTS}.values():
        suite = Mutant("none", mutant.run, mutant.expect, profile=mutant.profile).suite()
        with suite.watch():
            mutant.run(suite)

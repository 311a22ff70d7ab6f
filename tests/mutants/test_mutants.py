"""The suite can fail: every mutant is caught by the part that is meant to catch it, and the intact mock by none."""

from __future__ import annotations

import pytest
from sarkmock_contracts.checks import CHECKS
from sarkmock_contracts.errors import NewFindings
from sarkmock_contracts.judge.findings import FINDING_TYPES, SEVERITIES, FindingType

from tests.mutants.breaking import Mutant
from tests.mutants.table import MUTANTS, PROOFS

EVERY_EXCHANGE = ("rules", "messages", "crash", "status", "content-type", "header", "body", "schema")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    suite = mutant.suite()
    with pytest.raises(NewFindings), suite.watch():
        mutant.run(suite)
    assert any(finding.identity.matches(mutant.expect) for finding in suite.findings), list(map(str, suite.findings))


@pytest.mark.parametrize("kind", FINDING_TYPES)
def test_a_type_of_finding_catches_a_mutant_that_no_other_does(kind: str) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == PROOFS[kind])
    suite = mutant.suite()
    with pytest.raises(NewFindings), suite.watch():
        mutant.run(suite)
    assert {finding.identity.check for finding in suite.findings} == {kind}


@pytest.mark.parametrize("kind", FINDING_TYPES.values(), ids=FINDING_TYPES)
def test_a_type_of_finding_has_a_severity_a_text_and_places(kind: FindingType) -> None:
    assert kind.severity in SEVERITIES
    assert kind.text.endswith(".")
    assert kind.places <= {"input", "column", "response", "behaviour", "path"}
    assert kind.places


def test_every_type_is_found_by_a_check_or_in_every_exchange() -> None:
    assert {*EVERY_EXCHANGE, *(kind for check in CHECKS for kind in check.finds)} == set(FINDING_TYPES)


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40


@pytest.mark.slow
def test_the_intact_mock_passes_every_part() -> None:
    for mutant in {mutant.run: mutant for mutant in MUTANTS}.values():
        suite = Mutant("none", mutant.run, mutant.expect, profile=mutant.profile).suite()
        with suite.watch():
            mutant.run(suite)

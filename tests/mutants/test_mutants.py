"""The suite can fail: every mutant is caught by the part that is meant to catch it, and the intact mock by none."""

from __future__ import annotations

import pytest
from sarkmock_contracts.errors import NewFindings

from tests.mutants.breaking import Mutant
from tests.mutants.table import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    suite = mutant.suite()
    with pytest.raises(NewFindings), suite.watch():
        mutant.run(suite)
    assert any(finding.identity.matches(mutant.expect) for finding in suite.findings), list(map(str, suite.findings))


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40


def test_the_intact_mock_passes_every_part() -> None:
    for mutant in {mutant.run: mutant for mutant in MUTANTS}.values():
        suite = Mutant("none", mutant.run, mutant.expect).suite()
        with suite.watch():
            mutant.run(suite)

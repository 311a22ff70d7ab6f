"""All the broken mocks."""

from __future__ import annotations

from tests.mutants import mutants_of_answers, mutants_of_protocol, mutants_of_rows, mutants_of_rules
from tests.mutants.breaking import Mutant

MUTANTS: list[Mutant] = [
    *mutants_of_rules.MUTANTS,
    *mutants_of_answers.MUTANTS,
    *mutants_of_rows.MUTANTS,
    *mutants_of_protocol.MUTANTS,
]

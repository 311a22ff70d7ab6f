"""Random mutations of profiles: `compare` reports exactly the mutations."""

from __future__ import annotations

import random
from itertools import product

import pytest
from sarkmock_contracts.baselines.comparing import compare_baselines
from sarkmock_contracts.baselines.facts import Baseline

from tests.mutations import draw, expected, mutated, record, sections

pytestmark = pytest.mark.slow

PAIRS = 8  # of each section of each profile: more than 200 in all
CATEGORIES = {"operation": "place", "field": "field", "rule": "rule", "message": "rule", "value": "rule",
              "crash instead": "rule"}
PROFILES = ("documented", "shipped")


def category(kind: str) -> str:
    return next((name for start, name in CATEGORIES.items() if kind.startswith(start)), "status")


def reported(before, after):
    allowed = ("read", "write", "operational")
    comparison = compare_baselines(*(Baseline("x", "usual", allowed, None, facts) for facts in (before, after)))
    return {(category(mutation.kind), mutation.op, mutation.of if category(mutation.kind) in ("field", "rule") else "")
            for mutation in comparison.differences}


def test_number_of_pairs():
    assert sum(len(list(sections(profile))) for profile in PROFILES) * PAIRS >= 200


@pytest.mark.parametrize("profile", PROFILES)
def test_compare_reports_exactly_the_mutations(profile):
    for section, number in product(sections(profile), range(PAIRS)):
        rng = random.Random(f"{profile} {section} {number}")
        mutations = draw(profile, section, rng, rng.randint(1, 4))
        before = [mutation for mutation in mutations if rng.random() < 0.3]
        after = [mutation for mutation in mutations if mutation not in before or rng.random() < 0.3]
        comparison = reported(record(mutated(profile, before), section), record(mutated(profile, after), section))
        names = [[mutation.name for mutation in some] for some in (before, after)]
        assert comparison == expected(before, after), (section, number, *names)

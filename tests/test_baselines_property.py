"""Any two profiles made by random mutations: compare tells the mutations, none missing, none extra."""

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


def told(before, after):
    allowed = ("read", "write", "operational")
    found = compare_baselines(*(Baseline("x", "usual", allowed, None, facts) for facts in (before, after)))
    return {(category(one.kind), one.op, one.of if category(one.kind) in ("field", "rule") else "")
            for one in found.differences}


def test_there_are_enough_pairs():
    assert sum(len(list(sections(profile))) for profile in PROFILES) * PAIRS >= 200


@pytest.mark.parametrize("profile", PROFILES)
def test_compare_tells_the_mutations_and_nothing_else(profile):
    for section, number in product(sections(profile), range(PAIRS)):
        rng = random.Random(f"{profile} {section} {number}")
        everything = draw(profile, section, rng, rng.randint(1, 4))
        before = [one for one in everything if rng.random() < 0.3]
        after = [one for one in everything if one not in before or rng.random() < 0.3]
        found = told(record(mutated(profile, before), section), record(mutated(profile, after), section))
        names = [[mutation.name for mutation in some] for some in (before, after)]
        assert found == expected(before, after), (section, number, *names)

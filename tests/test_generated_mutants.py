"""Mutants drawn from all single changes of the profiles: each is found and named, and none is excused as known."""

from __future__ import annotations

import os
import random

import pytest
from sarkmock_contracts.spec.contract import Contract

from sarkmock.suite_api import load
from tests.mutants.generated import draw
from tests.mutants.hunting import groups, hunt
from tests.mutants.invisible import why_invisible

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("SARKMOCK_MUTANTS", "6"))  # of each profile
SEED = int(os.environ.get("SARKMOCK_SEED", "1"))
PROFILES = ("documented", "shipped")


@pytest.mark.parametrize("profile", PROFILES)
def test_mutants_are_found(profile: str) -> None:
    """The two profiles' mutants, judged by the profile that they were made of."""
    contract = Contract(load(profile))
    mutations = [one for one in draw(profile, SEED, COUNT) if not why_invisible(contract, one)]
    left = [fate for group in groups(mutations, contract) for fate in hunt(profile, profile, group)[1]]
    lost = [str(fate.mutation) for fate in left if fate.status != "found"]
    # What is missed beside others is tried again alone.
    alone = [fate for fate in left if fate.status != "found"
             and hunt(profile, profile, [fate.mutation])[1][0].status != "found"]
    assert [str(fate.mutation) for fate in alone] == [], f"seed {SEED}; missed in a group: {lost}"


@pytest.mark.parametrize("number", range(int(os.environ.get("SARKMOCK_MIXTURES", "1"))))
def test_a_mixture_is_exact(number: int) -> None:
    """The shipped product with one more change: judged by the page, what is listed is known and the change is new."""
    rng = random.Random(f"mixture {SEED} {number}")
    mutation = draw("shipped", rng.randrange(10**6), 1)[0]
    run, _ = hunt("documented", "shipped", [mutation])
    new = [judged.finding for judged in run.outcome().of("new")]
    touched = {run.contract.by_id[name].section for name in mutation.operations if name in run.contract.by_id}
    strange = [str(finding) for finding in new
               if getattr(run.contract.by_id.get(finding.identity.operation), "section", None) not in touched]
    assert strange == [], str(mutation)
